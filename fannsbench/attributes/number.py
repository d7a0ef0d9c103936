"""One number per item."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from fannsbench.attributes.builder import Builder
from fannsbench.attributes.postings import Postings, postings_of_scalar
from fannsbench.errors import DatasetError

DATE_UNITS = {"days": 86_400, "seconds": 1}
"""In seconds."""


@dataclass(frozen=True, eq=False)
class Number:
    """One number per item: values (n,) int64 or float64; missing (n,) bool, None where none is.

    A NaN is missing, however it is given. `unit`: where the numbers are dates, what they count since
    1970-01-01 (UTC), one of DATE_UNITS.
    """

    values: np.ndarray
    missing: np.ndarray | None = None
    unit: str | None = None
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        if self.values.dtype not in (np.int64, np.float64) or self.values.ndim != 1:
            raise DatasetError(
                f"a number attribute holds {self.values.dtype} {self.values.shape}; "
                "it must be int64 or float64 of one dimension"
            )
        if self.missing is not None and self.missing.shape != self.values.shape:
            raise DatasetError("a number attribute and its missing marks differ in length")
        if self.unit is not None and self.unit not in DATE_UNITS:
            raise DatasetError(f"dates in {self.unit!r}; known: {', '.join(DATE_UNITS)}")

    @classmethod
    def from_values(cls, values: Iterable[int | float | None]) -> Number:
        """Integers stay int64 when every present value is one; None and NaN are missing."""
        return NumberBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.values)

    def value(self, item: int) -> int | float | None:
        return self.values[item].item() if self.present[item] else None

    def take(self, items: np.ndarray) -> Number:
        """Of these items alone."""
        missing = None if self.missing is None else self.missing[items]
        if missing is not None and not missing.any():
            missing = None
        return Number(self.values[items], missing, self.unit)

    @cached_property
    def present(self) -> np.ndarray:
        """(n,) bool."""
        present = np.ones(len(self), bool) if self.missing is None else ~self.missing
        if self.values.dtype == np.float64:
            present &= ~np.isnan(self.values)
        return present

    @cached_property
    def distinct(self) -> np.ndarray:
        """The distinct present values, ascending."""
        return np.unique(self.values[self.present])

    @cached_property
    def codes(self) -> np.ndarray:
        """(n,) int32: rank of each value among the distinct ones, -1 where missing."""
        codes = np.searchsorted(self.distinct, self.values).astype(np.int32)
        codes[~self.present] = -1
        return codes

    @cached_property
    def postings(self) -> Postings:
        return postings_of_scalar(self.codes, len(self.distinct))

    def code_intervals(
        self, low: np.ndarray, high: np.ndarray, low_closed: bool = True, high_closed: bool = True
    ) -> np.ndarray:
        """(q, 2) int32 closed code intervals of the values between low (q,) and high (q,).

        Bounds are int64 or float64; a NaN bound matches nothing.
        """
        first = self._values_below(low, "left" if low_closed else "right")
        last = self._values_below(high, "right" if high_closed else "left") - 1
        empty = (first > last) | np.isnan(low) | np.isnan(high)
        return np.where(empty[:, None], (1, 0), np.stack([first, last], axis=1)).astype(np.int32)

    def _values_below(self, bound: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """How many distinct values are below the bound ("left"), or not above it ("right")."""
        if self.distinct.dtype == bound.dtype:
            return np.searchsorted(self.distinct, bound, side)
        # Integers and floats differ from 2**53 on: the bound is rounded to the nearest value of the column's
        # type that separates the same values.
        if self.distinct.dtype == np.float64:
            return np.searchsorted(self.distinct, _as_floats(bound, up=side == "left"), side)
        rounded = np.ceil(bound) if side == "left" else np.floor(bound)
        above, below = rounded >= 2.0**63, rounded < -(2.0**63)
        inside = np.where(above | below | np.isnan(rounded), 0, rounded).astype(np.int64)
        places = np.searchsorted(self.distinct, inside, side)
        return np.where(above, len(self.distinct), np.where(below, 0, places))


def _as_floats(integers: np.ndarray, up: bool) -> np.ndarray:
    """The float64 next to each int64, not below it (up) or not above it."""
    floats = integers.astype(np.float64)
    beyond = floats >= 2.0**63
    back = np.where(beyond, 0, floats).astype(np.int64)
    if up:
        return np.where(~beyond & (back < integers), np.nextafter(floats, np.inf), floats)
    return np.where(beyond | (back > integers), np.nextafter(floats, -np.inf), floats)


def as_float(integer: int) -> float:
    """The integer as it is kept beside fractions.

    Raises DatasetError if a float64 has not all of its digits."""
    if not -(2**1023) < integer < 2**1023 or int(float(integer)) != integer:
        shown = str(integer) if abs(integer) < 10**30 else "an integer far beyond 64 bits"
        raise DatasetError(
            f"{shown} has more digits than a number (float64) keeps in a column that has fractions too"
        )
    return float(integer)


class NumberBuilder(Builder):
    """Takes integers and floats, or None where one is missing; see `Number.from_values`."""

    def __init__(self, unit: str | None = None) -> None:
        self._unit = unit
        self._values: array[Any] = array("q")
        self._missing = array("b")

    def append(self, value: int | float | None) -> None:
        missing = value is None or bool(value != value)
        self._missing.append(missing)
        filled: Any = 0 if missing else value
        is_integer = isinstance(filled, int | np.integer)
        if self._values.typecode == "q" and not is_integer:
            self._values = array("d", map(as_float, self._values))
        elif self._values.typecode == "d" and is_integer:
            filled = as_float(int(filled))
        try:
            self._values.append(filled)
        except OverflowError:
            raise DatasetError(f"{filled} is beyond 64 bits") from None

    def finish(self) -> Number:
        values = np.asarray(self._values)
        missing = np.array(self._missing, bool)
        return Number(values, missing if missing.any() else None, self._unit)

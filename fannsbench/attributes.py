"""Attributes of items: the three kinds of column, and the integer codes that filters are evaluated on.

Every column is coded the same way, whatever its kind: a category's codes are places in its vocabulary, a
number's are its rank among the distinct values, a set has several codes per item. A comparison with a
value then is "code in [low, high]", and every column has an inverted index from code to items.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from fannsbench.errors import DatasetError
from fannsbench.vectors import slices

_ROWS_SORTED_AT_ONCE = _NUMBERS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Postings:
    """Inverted index: items having code c are ids[starts[c]:starts[c + 1]], ascending.

    starts (codes + 1,) int64, ids int32. For codes low..high the slice from starts[low] to starts[high + 1]
    holds each item once if items have one code each.
    """

    starts: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, items: np.ndarray, num_codes: int) -> Postings:
        """Postings of (code, item) pairs given in ascending order of items."""
        starts = np.zeros(num_codes + 1, np.int64)
        np.cumsum(np.bincount(codes, minlength=num_codes), out=starts[1:])
        return cls(starts, items[np.argsort(codes, kind="stable")].astype(np.int32, copy=False))


def _postings_of_scalar(codes: np.ndarray, num_codes: int) -> Postings:
    present = np.flatnonzero(codes >= 0).astype(np.int32)
    return Postings.of(codes[present], present, num_codes)


class _Vocabulary:
    """Text values and their codes."""

    vocabulary: list[str]

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return {value: code for code, value in enumerate(self.vocabulary)}

    def code_intervals(self, values: Iterable[Any]) -> np.ndarray:
        """(q, 2) int32 closed code intervals, one for each value; empty (1, 0) for an unknown value."""
        codes = [self._code_of.get(text_of(value), -1) for value in values]
        return np.array([(c, c) if c >= 0 else (1, 0) for c in codes], np.int32).reshape(-1, 2)


def text_of(value: Any) -> str:
    """A filter's value as vocabularies spell it: booleans as "true" and "false", numbers in decimal."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, eq=False)
class Category(_Vocabulary):
    """One of a fixed set of texts per item: codes (n,) int32 into vocabulary, -1 where missing."""

    codes: np.ndarray
    vocabulary: list[str]
    kind: ClassVar[str] = "category"

    def __post_init__(self) -> None:
        _check_codes("category", self.codes, self.vocabulary, lowest=-1)

    @classmethod
    def from_values(cls, values: Iterable[str | None]) -> Category:
        """Code texts in sorted order of the vocabulary; None is missing."""
        return CategoryBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.codes)

    def value(self, item: int) -> str | None:
        code = int(self.codes[item])
        return None if code < 0 else self.vocabulary[code]

    def take(self, items: np.ndarray) -> Category:
        """Of these items alone; texts that none of them has are dropped."""
        codes = self.codes[items]
        used = np.unique(codes[codes >= 0])
        new = np.searchsorted(used, codes).astype(np.int32)
        new[codes < 0] = -1
        return Category(new, [self.vocabulary[code] for code in used])

    @cached_property
    def postings(self) -> Postings:
        return _postings_of_scalar(self.codes, len(self.vocabulary))


@dataclass(frozen=True, eq=False)
class Number:
    """One number per item: values (n,) int64 or float64; missing (n,) bool, None where none is.

    A NaN is missing, however it is given.
    """

    values: np.ndarray
    missing: np.ndarray | None = None
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        if self.values.dtype not in (np.int64, np.float64) or self.values.ndim != 1:
            raise DatasetError(
                f"a number attribute holds {self.values.dtype} {self.values.shape}; "
                "it must be int64 or float64 of one dimension"
            )
        if self.missing is not None and self.missing.shape != self.values.shape:
            raise DatasetError("a number attribute and its missing marks differ in length")

    @classmethod
    def from_values(cls, values: Iterable[int | float | None]) -> Number:
        """Integers stay int64 when every present value is one; None and NaN are missing."""
        return NumberBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.values)

    def value(self, item: int) -> int | float | None:
        return self.values[item].item() if self._present[item] else None

    def take(self, items: np.ndarray) -> Number:
        """Of these items alone."""
        missing = None if self.missing is None else self.missing[items]
        return Number(self.values[items], missing if missing is not None and missing.any() else None)

    @cached_property
    def _present(self) -> np.ndarray:
        present = np.ones(len(self), bool) if self.missing is None else ~self.missing
        if self.values.dtype == np.float64:
            present &= ~np.isnan(self.values)
        return present

    @cached_property
    def distinct(self) -> np.ndarray:
        """The distinct present values, ascending."""
        return np.unique(self.values[self._present])

    @cached_property
    def codes(self) -> np.ndarray:
        """(n,) int32: rank of each value among the distinct ones, -1 where missing."""
        codes = np.searchsorted(self.distinct, self.values).astype(np.int32)
        codes[~self._present] = -1
        return codes

    @cached_property
    def postings(self) -> Postings:
        return _postings_of_scalar(self.codes, len(self.distinct))

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


@dataclass(frozen=True, eq=False)
class LabelSet(_Vocabulary):
    """A set of texts per item: item i has the codes indices[indptr[i]:indptr[i + 1]], ascending and
    distinct. indptr (n + 1,) int64, indices (nnz,) int32 into vocabulary."""

    indptr: np.ndarray
    indices: np.ndarray
    vocabulary: list[str]
    kind: ClassVar[str] = "set"

    def __post_init__(self) -> None:
        _check_codes("set", self.indices, self.vocabulary, lowest=0)
        indptr = self.indptr
        rising = len(indptr) > 0 and indptr[0] == 0 and (np.diff(indptr) >= 0).all()
        if not rising or indptr[-1] != len(self.indices):
            raise DatasetError("a set attribute's indptr must rise from 0 to the number of its indices")
        rises = np.diff(self.indices) > 0
        first_of_row = indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(self.indices))]
        rises[first_of_row - 1] = True
        if not rises.all():
            raise DatasetError("a set attribute's indices must rise within each item")

    @classmethod
    def from_values(cls, values: Iterable[Iterable[str]]) -> LabelSet:
        """Code sets of texts in sorted order of the vocabulary."""
        return LabelSetBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def value(self, item: int) -> set[str]:
        codes = self.indices[self.indptr[item] : self.indptr[item + 1]]
        return {self.vocabulary[code] for code in codes}

    def take(self, items: np.ndarray) -> LabelSet:
        """Of these items alone; texts that none of them has are dropped."""
        sizes = np.diff(self.indptr)[items]
        indptr = np.zeros(len(items) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        places = np.arange(indptr[-1]) + np.repeat(self.indptr[items] - indptr[:-1], sizes)
        used, indices = np.unique(self.indices[places], return_inverse=True)
        return LabelSet(indptr, indices.astype(np.int32), [self.vocabulary[code] for code in used])

    @cached_property
    def postings(self) -> Postings:
        items = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.indptr))
        return Postings.of(self.indices, items, len(self.vocabulary))


def _check_codes(kind: str, codes: np.ndarray, vocabulary: Sequence[str], lowest: int) -> None:
    if len(codes) and (codes.min() < lowest or codes.max() >= len(vocabulary)):
        raise DatasetError(
            f"a {kind} attribute has codes {codes.min()}..{codes.max()}; its vocabulary allows "
            f"{lowest}..{len(vocabulary) - 1}"
        )
    if len(set(vocabulary)) < len(vocabulary):
        raise DatasetError(f"a {kind} attribute has a vocabulary with the same text twice")


Column = Category | Number | LabelSet


class _Builder:
    """Makes a column from values that come one at a time; keeps no more than codes and distinct values."""

    def append(self, value: Any) -> None:
        raise NotImplementedError

    def extend(self, values: Iterable[Any]) -> Self:
        for value in values:
            self.append(value)
        return self


def _consecutive() -> Iterator[int]:
    # Made many at a time they lie together, not among the texts that stay, so their memory is freed whole.
    first = 0
    while True:
        some = list(range(first, first + min(max(first, 256), _NUMBERS_AT_ONCE)))
        yield from some
        first += len(some)


class _Numbering:
    """Numbers texts as they first come, and then in sorted order."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._unused = _consecutive()

    def number(self, text: str) -> int:
        found = self._number_of.get(text)
        if found is None:
            check_text(text)
            found = self._number_of[text] = next(self._unused)
        return found

    def finish(self) -> tuple[list[str], np.ndarray]:
        """The texts in order, and for each number the place of its text in it. No more can be numbered."""
        vocabulary = sorted(self._number_of)
        place = np.empty(len(vocabulary), np.int32)
        place[[self._number_of[text] for text in vocabulary]] = np.arange(len(vocabulary))
        self._number_of.clear()  # half of the memory, before the column is made
        return vocabulary, place


def check_text(text: str) -> None:
    """Raises DatasetError if an HDF5 file cannot hold the text."""
    try:
        storable = b"\0" not in text.encode()
    except UnicodeEncodeError:
        storable = False
    if not storable:
        raise DatasetError(f"{text!r} holds a NUL or half a surrogate pair, which no file can keep")


class CategoryBuilder(_Builder):
    """Takes texts, or None where one is missing; see `Category.from_values`."""

    def __init__(self) -> None:
        self._numbering, self._numbers = _Numbering(), array("i")

    def append(self, value: str | None) -> None:
        self._numbers.append(-1 if value is None else self._numbering.number(value))

    def finish(self) -> Category:
        vocabulary, place = self._numbering.finish()
        return Category(np.append(place, np.int32(-1))[np.asarray(self._numbers)], vocabulary)


def as_float(integer: int) -> float:
    """The integer as it is kept beside fractions.

    Raises DatasetError if a float64 has not all of its digits."""
    if not -(2**1023) < integer < 2**1023 or int(float(integer)) != integer:
        shown = str(integer) if abs(integer) < 10**30 else "an integer far beyond 64 bits"
        raise DatasetError(
            f"{shown} has more digits than a number (float64) keeps in a column that has fractions too"
        )
    return float(integer)


class NumberBuilder(_Builder):
    """Takes integers and floats, or None where one is missing; see `Number.from_values`."""

    def __init__(self) -> None:
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
        return Number(values, missing if missing.any() else None)


class LabelSetBuilder(_Builder):
    """Takes collections of texts; see `LabelSet.from_values`."""

    def __init__(self) -> None:
        self._numbering, self._numbers, self._ends = _Numbering(), array("i"), array("q", [0])

    def append(self, value: Iterable[str]) -> None:
        self._numbers.extend({self._numbering.number(text): None for text in value})
        self._ends.append(len(self._numbers))

    def finish(self) -> LabelSet:
        vocabulary, place = self._numbering.finish()
        indptr = np.asarray(self._ends)
        indices = place[np.asarray(self._numbers)]
        for rows in slices(len(indptr) - 1, _ROWS_SORTED_AT_ONCE):
            ends = indptr[rows.start : rows.stop + 1]
            row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
            part = indices[ends[0] : ends[-1]]
            part[:] = part[np.lexsort((part, row))]
        return LabelSet(indptr, indices, vocabulary)


class Attributes(Mapping[str, Column]):
    """The attributes of n items, by name."""

    def __init__(self, columns: Mapping[str, Column], n: int) -> None:
        for name, column in columns.items():
            if len(column) != n:
                raise DatasetError(f"attribute {name!r} has {len(column)} values for {n} items")
        self.n = n
        self._columns = dict(columns)

    def take(self, items: np.ndarray) -> Attributes:
        """Of these items (m,) alone, in their order; texts that none of them has are dropped."""
        return Attributes({name: column.take(items) for name, column in self.items()}, len(items))

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

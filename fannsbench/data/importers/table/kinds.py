"""What the columns of a table can be, and how the cells of a .csv tell it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.data.importers.table.dates import Unit
from fannsbench.errors import DatasetError


class Kind(StrEnum):
    """A category of booleans and a number of dates are kinds of their own: filter values are written as
    booleans and dates."""

    CATEGORY = "category"
    BOOLEAN = "boolean"
    NUMBER = "number"
    SET = "set"
    DAYS = "days"
    SECONDS = "seconds"

    @property
    def is_text(self) -> bool:
        """Whether values, or members, are texts."""
        return self in (Kind.CATEGORY, Kind.BOOLEAN, Kind.SET)

    @property
    def unit(self) -> Unit | None:
        """Of a number that is a date."""
        return Unit[self.name] if self.name in Unit.__members__ else None

    @property
    def in_words(self) -> str:
        return {Kind.DAYS: "date", Kind.SECONDS: "date with time"}.get(self, self.value)


CHOICES = ("category", "number", "set", "date")
"""What a user can say that a column is."""

BOOLEAN = r"^(?i:true|false)$"
INFINITE = r"^[+-]?(?i:inf|infinity)$"
NUMBER = r"^[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$"
INTEGER = r"^[+-]?[0-9]+$"
MISSING = r"^(?i:nan|na|n/a|null|none|-|)$"
"""In texts that are numbers, dates and booleans; among other texts they are texts."""


@dataclass(frozen=True)
class Where:
    """The column that a message is about."""

    file: Path
    column: str
    may_be_missing: bool = True

    def error(self, message: str, row: int | None = None) -> DatasetError:
        """`row` counts from 0."""
        place = f"{self.file}, " + ("" if row is None else f"row {row + 1:,}, ")
        return DatasetError(f"{place}column {self.column!r}: {message}")


def no_value(where: Where) -> DatasetError:
    """A column in which nothing is."""
    return where.error(f"no row has a value; leave it out: {without(where)}")


def without(where: Where) -> str:
    """How to leave the column out."""
    return f"--without {where.column!r}"


def matches(texts: pa.Array, pattern: str) -> pa.Array:
    """A bool for each text, null where there is none."""
    return pc.match_substring_regex(texts, pattern)


def is_number(kind: pa.DataType) -> bool:
    """Whether values of this type are numbers, booleans not included."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of this type are lists, however they are laid out."""
    of_lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
    return any(is_kind(kind) for is_kind in of_lists)

"""What the columns of a table mean: which kind of attribute each is, and its values as that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.attributes import text_of
from fannsbench.data.importers.table import dates, sets
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

_BOOLEAN = r"^(?i:true|false)$"
_NUMBER = r"^[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$"
_INTEGER = r"^[+-]?[0-9]+$"
_LEADING_ZERO = r"^[+-]?0[0-9]"
"""Of a number with it we think that it is an identifier, such as a postal code."""
_MISSING = r"^(?i:nan|na|null)$"
"""In cells among numbers, dates and booleans; among texts they are texts."""


@dataclass(frozen=True)
class Where:
    """The column that a message is about."""

    file: Path
    column: str

    def error(self, message: str, row: int | None = None) -> DatasetError:
        """`row` counts from 0."""
        place = f"{self.file}, " + ("" if row is None else f"row {row + 1:,}, ")
        return DatasetError(f"{place}column {self.column!r}: {message}")


def infer(values: pa.Array, cells: bool, where: Where) -> Kind:
    """The kind of a column; `cells`: its texts may stand for something else, as in a .csv.

    Raises DatasetError if there is none that fits, or no value to tell from."""
    kind = values.type
    if pa.types.is_string(kind):
        return _infer_of_texts(values, cells, where)
    if pa.types.is_boolean(kind):
        return Kind.BOOLEAN
    if _is_number(kind):
        return Kind.NUMBER
    if pa.types.is_date(kind):
        return Kind.DAYS
    if pa.types.is_timestamp(kind):
        return Kind.SECONDS
    if is_list(kind):
        return Kind.SET
    if pa.types.is_null(kind):
        raise no_value(where)
    raise where.error(f"holds {kind}, of which no attribute can be made; leave it out: {_without(where)}")


def _infer_of_texts(values: pa.Array, cells: bool, where: Where) -> Kind:
    texts = values.unique().drop_null()
    trimmed = pc.utf8_trim_whitespace(texts)
    if cells:
        trimmed = trimmed.filter(pc.invert(pc.match_substring_regex(trimmed, _MISSING)))
    if not len(trimmed):
        raise no_value(where)
    if unit := dates.unit_of(trimmed):
        return Kind[unit.name]
    if cells and _all(trimmed, _BOOLEAN):
        return Kind.BOOLEAN
    if (
        cells
        and _all(trimmed, _NUMBER)
        and not pc.any(pc.match_substring_regex(trimmed, _LEADING_ZERO)).as_py()
    ):
        return Kind.NUMBER
    if cells and all(sets.listed(text) is not None for text in trimmed.to_pylist()):
        return Kind.SET
    return Kind.CATEGORY


def chosen(choice: str, values: pa.Array) -> Kind:
    """The kind that one of CHOICES means for a column."""
    if choice != "date":
        return Kind.BOOLEAN if choice == "category" and pa.types.is_boolean(values.type) else Kind(choice)
    if pa.types.is_date(values.type):
        return Kind.DAYS
    if pa.types.is_string(values.type):
        trimmed = pc.utf8_trim_whitespace(values.unique().drop_null())
        return Kind.DAYS if dates.unit_of(trimmed) is Unit.DAYS else Kind.SECONDS
    return Kind.SECONDS


def converted(values: pa.Array, kind: Kind, where: Where) -> pa.Array:
    """The values of a column as texts, int64, float64 or lists of texts. Dates count from 1970-01-01, UTC.

    Raises DatasetError that names the row of a value that is not of the kind."""
    if kind is Kind.SET:
        return _sets(values, where)
    if is_list(values.type):
        raise where.error(f"holds lists; it can only be a set, or left out: {_without(where)}")
    if kind is Kind.CATEGORY:
        texts = values if pa.types.is_string(values.type) else _texts(values)
        _refuse(pc.match_substring(texts, "\0"), texts, "a text with NUL, which no file can keep", where)
        return texts
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.match_substring_regex(values, _MISSING), None, values)
    if kind is Kind.BOOLEAN:
        texts = pc.utf8_lower(values) if pa.types.is_string(values.type) else _texts(values)
        _refuse(pc.invert(pc.match_substring_regex(texts, _BOOLEAN)), values, "neither true nor false", where)
        return texts
    if kind is Kind.NUMBER:
        return _numbers(values, where)
    assert kind.unit
    return dates.converted(values, kind.unit, lambda bad: _refuse(bad, values, "no date", where))


def _numbers(values: pa.Array, where: Where) -> pa.Array:
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.int64())
    integers = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if pa.types.is_string(kind):
        _refuse(pc.invert(pc.match_substring_regex(values, _NUMBER)), values, "no number", where)
        integers = _all(values, _INTEGER)
        values = pc.replace_substring_regex(values, r"^\+", "")
    elif not _is_number(kind):
        raise where.error(f"holds {kind}, not numbers")
    if not integers:
        floats = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(floats), None, floats)
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        raise where.error(
            f"holds integers beyond 64 bits; keep them as texts: --kind '{where.column}=category'"
        ) from None


def _refuse(bad: pa.Array, values: pa.Array, what: str, where: Where) -> None:
    if pc.any(bad).as_py():
        row = pc.index(bad, True).as_py()
        raise where.error(f"{values[row].as_py()!r} is {what}", row)


def no_value(where: Where) -> DatasetError:
    """A column in which nothing is."""
    return where.error(f"no row has a value; leave it out: {_without(where)}")


def _without(where: Where) -> str:
    return f"--without {where.column!r}"


def _all(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of this type are lists, however they are laid out."""
    of_lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
    return any(is_kind(kind) for is_kind in of_lists)


def _texts(values: pa.Array) -> pa.Array:
    return pa.array([None if value is None else text_of(value) for value in values.to_pylist()], pa.string())


def _sets(values: pa.Array, where: Where) -> pa.Array:
    if is_list(values.type):
        member = values.type.value_type
        if not any(is_kind(member) for is_kind in _MEMBERS):
            raise where.error(f"holds lists of {member}; a set is of texts or integers: {_without(where)}")
        rows = values.to_pylist()
        found = [[text_of(member) for member in row or () if member is not None] for row in rows]
    else:
        texts = values if pa.types.is_string(values.type) else _texts(values)
        found, bad = sets.read(texts.to_pylist())
        if bad is not None:
            raise where.error(f"{texts[bad].as_py()!r} is no list of texts or integers", bad)
    return pa.array(found, pa.list_(pa.string()))


_MEMBERS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer,
    pa.types.is_boolean, pa.types.is_null,
)  # fmt: skip

"""The values of a table's columns as those of the attributes that they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.attributes import as_float, text_of
from fannsbench.data.importers.table import dates, sets
from fannsbench.data.importers.table.kinds import (
    BOOLEAN,
    INFINITE,
    INTEGER,
    MISSING,
    NUMBER,
    Kind,
    Where,
    is_list,
    is_number,
    matches,
    without,
)
from fannsbench.errors import DatasetError

_LONG_INTEGER = r"^-?[0-9]{16,}$"
"""Shorter ones are exact as float64."""


def converted(values: pa.Array, kind: Kind, where: Where) -> pa.Array:
    """The values of a column as texts, int64, float64 or lists of texts. Dates count from 1970-01-01, UTC.

    Raises DatasetError that names the row of a value that is not of the kind."""
    if kind is Kind.SET:
        return _sets(values, where)
    if is_list(values.type):
        raise where.error(f"holds lists; it can only be a set, or left out: {without(where)}")
    if kind is Kind.CATEGORY:
        texts = values if pa.types.is_string(values.type) else _texts(values, where)
        _refuse(pc.match_substring(texts, "\0"), texts, "a text with NUL, which no file can keep", where)
        return texts
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(matches(values, MISSING), None, values)
    if kind is Kind.BOOLEAN:
        texts = pc.utf8_lower(values) if pa.types.is_string(values.type) else _texts(values, where)
        _refuse(pc.invert(matches(texts, BOOLEAN)), values, "neither true nor false", where)
        return texts
    if kind is Kind.NUMBER:
        return _numbers(values, where)
    assert kind.unit
    remedy = _remedy(where) if pa.types.is_string(values.type) else ""
    return dates.converted(values, kind.unit, lambda bad: _refuse(bad, values, f"no date{remedy}", where))


def _numbers(values: pa.Array, where: Where) -> pa.Array:
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.int64())
    integers = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if pa.types.is_string(kind):
        _refuse(pc.invert(matches(values, NUMBER)), values, f"no number{_remedy(where)}", where)
        integers = pc.all(matches(values, INTEGER)).as_py()
        values = pc.replace_substring_regex(values, r"^\+", "")
    elif not is_number(kind):
        raise where.error(f"holds {kind}, not numbers")
    if not integers:
        floats = values.cast(pa.float64())
        if pa.types.is_string(kind):
            _refuse_inexact(values, floats, where)
        return pc.if_else(pc.is_nan(floats), None, floats)
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        raise where.error(
            f"holds integers beyond 64 bits; keep them as texts: --kind '{where.column}=category'"
        ) from None


def _refuse_inexact(texts: pa.Array, floats: pa.Array, where: Where) -> None:
    """Raises DatasetError where a number in digits became infinite, or an integer lost some."""
    too_large = pc.and_not(pc.is_inf(floats), matches(texts, INFINITE))
    _refuse(too_large, texts, "too large for a number (float64)", where)
    for row in np.flatnonzero(pc.fill_null(matches(texts, _LONG_INTEGER), False)):
        try:
            as_float(int(texts[row].as_py()))
        except DatasetError as error:
            raise where.error(str(error), int(row)) from None


def _remedy(where: Where) -> str:
    return "; correct it, or let it be empty, which is a missing value" if where.may_be_missing else ""


def _refuse(bad: pa.Array, values: pa.Array, what: str, where: Where) -> None:
    if pc.any(bad).as_py():
        row = pc.index(bad, True).as_py()
        raise where.error(f"{values[row].as_py()!r} is {what}", row)


def _texts(values: pa.Array, where: Where) -> pa.Array:
    texts: list[str | None] = []
    for row, value in enumerate(values.to_pylist()):
        try:
            texts.append(None if value is None else text_of(value))
        except UnicodeDecodeError:
            raise where.error(
                f"{_shown(value)} is no text in UTF-8; leave it out: {without(where)}", row
            ) from None
    return pa.array(texts, pa.string())


def _shown(value: bytes) -> str:
    return repr(value[:20]) + ("..." if len(value) > 20 else "")


def _sets(values: pa.Array, where: Where) -> pa.Array:
    if is_list(values.type):
        member = values.type.value_type
        if not any(is_kind(member) for is_kind in _MEMBERS):
            raise where.error(f"holds lists of {member}; a set is of texts or integers: {without(where)}")
        rows = values.to_pylist()
        found = [[text_of(member) for member in row or () if member is not None] for row in rows]
    else:
        texts = values if pa.types.is_string(values.type) else _texts(values, where)
        found, bad = sets.read(texts.to_pylist())
        if bad is not None:
            raise where.error(f"{texts[bad].as_py()!r} is no list of texts or integers", bad)
    return pa.array(found, pa.list_(pa.string()))


_MEMBERS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer,
    pa.types.is_boolean, pa.types.is_null,
)  # fmt: skip

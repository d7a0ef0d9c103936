"""Which kind of attribute each column of a table is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.data.importers.table import dates, sets
from fannsbench.data.importers.table.dates import Unit
from fannsbench.data.importers.table.kinds import (
    BOOLEAN,
    MISSING,
    NUMBER,
    Kind,
    Where,
    is_list,
    is_number,
    matches,
    no_value,
    without,
)

_LEADING_ZERO = r"^[+-]?0[0-9]"
"""Of a number with it we think that it is an identifier, such as a postal code."""

_OTHER_SPELLINGS = {
    r"^[+-]?[0-9.]*[0-9],[0-9]+$": "numbers, if they were written with a decimal point",
    r"^[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}$": "dates, if they were written as 2020-01-31",
}

_NEARLY_ALL = 0.9
"""Of a column's values: if so many are numbers or dates, the others may be slips."""


def infer(values: pa.Array, cells: bool, where: Where) -> Kind:
    """The kind of a column; `cells`: its texts may stand for something else, as in a .csv.

    Raises DatasetError if there is none that fits, or no value to tell from."""
    kind = values.type
    if pa.types.is_string(kind):
        return _infer_of_texts(values, cells, where)
    if pa.types.is_boolean(kind):
        return Kind.BOOLEAN
    if is_number(kind):
        return Kind.NUMBER
    if pa.types.is_date(kind):
        return Kind.DAYS
    if pa.types.is_timestamp(kind):
        return Kind.SECONDS
    if is_list(kind):
        return Kind.SET
    if pa.types.is_null(kind):
        raise no_value(where)
    raise where.error(f"holds {kind}, of which no attribute can be made; leave it out: {without(where)}")


def _infer_of_texts(values: pa.Array, cells: bool, where: Where) -> Kind:
    texts = pc.utf8_trim_whitespace(values.unique().drop_null())
    trimmed = _present(texts)
    if not len(trimmed if cells else texts):
        raise no_value(where)
    if unit := dates.unit_of(trimmed):
        return Kind[unit.name]
    if not cells:
        return Kind.CATEGORY
    if pc.all(matches(trimmed, BOOLEAN)).as_py():
        return Kind.BOOLEAN
    if pc.all(matches(trimmed, NUMBER)).as_py() and not pc.any(matches(trimmed, _LEADING_ZERO)).as_py():
        return Kind.NUMBER
    if all(sets.listed(text) is not None for text in trimmed.to_pylist()):
        return Kind.SET
    return Kind.CATEGORY


def nearly(values: pa.Array, cells: bool) -> tuple[str, int, int] | None:
    """Of texts that are a category: if nearly all are dates, or `cells` with numbers, the kind that could be
    chosen, how many are not of it, and the row of the first."""
    trimmed = pc.utf8_trim_whitespace(values)
    count = len(_present(trimmed.drop_null()))
    fitting = {"date": dates.look_like_dates(trimmed, Unit.SECONDS)}
    if cells and not pc.any(matches(trimmed, _LEADING_ZERO)).as_py():
        fitting["number"] = matches(trimmed, NUMBER)
    for choice, fits in fitting.items():
        others = pc.invert(pc.or_(pc.fill_null(fits, True), pc.fill_null(matches(trimmed, MISSING), True)))
        number = pc.sum(others).as_py()
        if number and count - number >= _NEARLY_ALL * count:
            return choice, number, int(np.argmax(others))
    return None


def spelt_otherwise(values: pa.Array) -> str | None:
    """Of texts that are a category: what they would be if they were written as we read it."""
    texts = _present(pc.utf8_trim_whitespace(values.unique().drop_null()))
    for pattern, what in _OTHER_SPELLINGS.items():
        if len(texts) and pc.all(matches(texts, pattern)).as_py():
            return what
    return None


def _present(texts: pa.Array) -> pa.Array:
    return texts.filter(pc.invert(matches(texts, MISSING)))


def chosen(choice: str, values: pa.Array) -> Kind:
    """The kind that one of CHOICES means for a column."""
    if choice != "date":
        return Kind.BOOLEAN if choice == "category" and pa.types.is_boolean(values.type) else Kind(choice)
    if pa.types.is_date(values.type):
        return Kind.DAYS
    if pa.types.is_string(values.type):
        trimmed = _present(pc.utf8_trim_whitespace(values.unique().drop_null()))
        return Kind.DAYS if dates.unit_of(trimmed) is Unit.DAYS else Kind.SECONDS
    return Kind.SECONDS

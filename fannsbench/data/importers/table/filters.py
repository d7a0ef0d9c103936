"""Filters on the attributes of a table, and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fannsbench.attributes import text_of
from fannsbench.data.draw import refuse_two_kinds
from fannsbench.data.importers.table import dates
from fannsbench.data.importers.table.conversion import converted
from fannsbench.data.importers.table.dates import Unit
from fannsbench.data.importers.table.kinds import Kind, Where
from fannsbench.data.importers.table.rows import Rows, read_rows
from fannsbench.errors import DatasetError, FilterError, UnknownNameError
from fannsbench.filters import Filter
from fannsbench.filters.tree import Between, Leaf, Operand, Parameter, leaves_of, operands_of, parameters_of


def fitted(filter_: Filter, kinds: Mapping[str, Kind]) -> Filter:
    """The filter with numbers in place of the dates in quotes that attributes of dates are compared with.

    Raises FilterError where a date or boolean is compared with something else, or a parameter with attributes
    of different kinds."""
    refuse_two_kinds(filter_, {name: kind.in_words for name, kind in kinds.items()})
    text, expected = filter_.text, []
    for leaf in leaves_of(filter_.tree):
        kind = kinds.get(leaf.attribute)
        if kind is Kind.BOOLEAN:
            _check_booleans(filter_, leaf)
        expected.append(_numbered(filter_, leaf, kind.unit) if kind and kind.unit else leaf)
        for date, number in zip(operands_of(leaf), operands_of(expected[-1]), strict=True):
            if date != number:
                text = re.sub(rf"""(['"]){re.escape(str(date))}\1""", str(number), text)
    found = Filter.parse(text)
    if list(leaves_of(found.tree)) != expected:
        raise FilterError(
            f"filter {filter_.text!r}: a date in it is compared with attributes of different kinds; write it "
            "as a number, or as a $parameter"
        )
    return found


def _check_booleans(filter_: Filter, leaf: Leaf) -> None:
    for operand in operands_of(leaf):
        if not isinstance(operand, Parameter) and text_of(operand) not in ("true", "false"):
            raise FilterError(
                f"filter {filter_.text!r}: {leaf.attribute} is true or false, {operand!r} is neither; write "
                f"{leaf.attribute} == True, or False"
            )


def _numbered(filter_: Filter, leaf: Leaf, unit: Unit) -> Leaf:
    def number(operand: Operand) -> Operand:
        if not isinstance(operand, str):
            return operand
        found = dates.number_of(operand, unit)
        if found is None:
            raise FilterError(
                f"filter {filter_.text!r}: {leaf.attribute} is a date, {operand!r} is none; write it as "
                "'2020-01-31' or '2020-01-31T12:00:00'"
            )
        return found

    if isinstance(leaf, Between):
        low, high = (None if bound is None else number(bound) for bound in (leaf.low, leaf.high))
        return replace(leaf, low=low, high=high)
    return replace(leaf, value=number(leaf.value))


def read_values(
    path: Path, filters: Mapping[str, Filter], kinds: Mapping[str, Kind], count: int
) -> dict[str, dict[str, np.ndarray]]:
    """The values of all parameters, by filter, from a table that has a column for each and a row for each
    of `count` queries.

    Raises DatasetError that names the row of a value that does not fit the attribute it is compared with."""
    rows = read_rows(path)
    if rows.count != count:
        raise DatasetError(f"{path} has {rows.count:,} rows; there are {count:,} queries")
    return {
        name: {
            parameter.name: _parameter(rows, parameter, kinds.get(leaf.attribute, Kind.CATEGORY))
            for leaf in leaves_of(filter_.tree)
            for parameter in parameters_of(leaf)
        }
        for name, filter_ in filters.items()
    }


def _parameter(rows: Rows, parameter: Parameter, kind: Kind) -> np.ndarray:
    if parameter.name not in rows.columns:
        unknown = UnknownNameError("column", parameter.name, rows.columns)
        raise DatasetError(f"{rows.file}: there must be one for ${parameter.name}: {unknown}")
    where = Where(rows.file, parameter.name, may_be_missing=False)
    values = converted(rows.columns[parameter.name], Kind.CATEGORY if kind is Kind.SET else kind, where)
    if values.null_count:
        raise where.error("no value; every query must bring one", int(np.argmax(values.is_null())))
    return np.asarray(values.to_pylist(), object) if kind.is_text else np.asarray(values)

"""The attributes of items from a table, a column each."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number
from fannsbench.data.importers.table import dates, sets
from fannsbench.data.importers.table.conversion import converted
from fannsbench.data.importers.table.inference import chosen, infer, nearly, spelt_otherwise
from fannsbench.data.importers.table.kinds import CHOICES, Kind, Where, no_value
from fannsbench.data.importers.table.rows import Rows, read_rows
from fannsbench.errors import DatasetError, UnknownNameError


@dataclass(frozen=True, eq=False)
class Read:
    """The attributes of all rows, what each is, and what a user should know about them."""

    attributes: Attributes
    kinds: Mapping[str, Kind]
    notes: list[str]


def read_attributes(
    path: Path,
    kinds: Mapping[str, str],
    without: Collection[str],
    vectors: Collection[str] = (),
    as_sets: Collection[str] = (),
) -> Read:
    """All columns but those in `without` and those that the vectors are made of. `kinds`: one of CHOICES
    for the columns whose kind is not to be inferred; `as_sets`: attributes whose texts otherwise are sets.
    Columns go by the file's name or the attribute's.

    Raises DatasetError if the file cannot be read, or a column has no value, or one that does not fit."""
    seen: list[str] = []

    @cache
    def wanted(column: str) -> bool:
        seen.append(column)
        left_out = column in without or attribute_name(column) in without or column in vectors
        return not (left_out or _is_nameless(column))

    rows = read_rows(path, wanted)
    for named in (*without, *kinds):
        if named not in {*seen, *map(attribute_name, seen)}:
            raise DatasetError(str(UnknownNameError(f"column of {path}:", named, seen)))
    names = _names(path, rows.columns)
    columns: dict[str, Column] = {}
    of_kind: dict[str, Kind] = {}
    notes = [f"{path}: the column without a name is left out" for name in seen if _is_nameless(name)]
    for column, name in names.items():
        values, choice = rows.columns[column], kinds.get(column) or kinds.get(name)
        as_set = not choice and name in as_sets and pa.types.is_string(values.type)
        columns[name], of_kind[name] = _read_column(rows, column, "set" if as_set else choice)
        if name != column:
            notes.append(f"the column {column!r} is called {name}, so that filters can name it")
        notes += _notes_on(name, columns[name], of_kind[name], values)
        if as_set:
            notes.append(
                f"{name}: is a set, since a filter asks what is in it; if not: --kind {name}=category"
            )
        if of_kind[name] is Kind.CATEGORY and not choice:
            notes += _note_on_slips(name, values, rows.cells)
    return Read(Attributes(columns, rows.count), of_kind, notes)


def attribute_name(column: str) -> str:
    """The name of a column as filters can write it: `price (EUR)` is price_EUR. A filter is parsed as Python,
    which takes identifiers for the same that are so in NFKC."""
    name = unicodedata.normalize("NFKC", column)
    if not name.isidentifier():
        name = "_".join("".join(c if f"_{c}".isidentifier() else " " for c in name).split())
    if not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def _is_nameless(column: str) -> bool:
    """As pandas writes the numbers of its rows."""
    return not column.strip() or re.fullmatch(r"__index_level_\d+__", column) is not None


def _names(path: Path, columns: Iterable[str]) -> dict[str, str]:
    """Of attributes, by column."""
    names: dict[str, str] = {}
    for column in columns:
        name = attribute_name(column)
        if name in names.values():
            other = next(o for o in names if names[o] == name)
            raise DatasetError(
                f"{path}: columns {other!r} and {column!r} would both be called {name}; rename one, or "
                f"--without {column!r}"
            )
        names[column] = name
    return names


def _read_column(rows: Rows, column: str, choice: str | None) -> tuple[Column, Kind]:
    values, where = rows.columns[column], Where(rows.file, column)
    if choice and choice not in CHOICES:
        raise where.error(f"{choice!r} is no kind; known: {', '.join(CHOICES)}")
    kind = chosen(choice, values) if choice else infer(values, rows.cells, where)
    values = converted(values, kind, where)
    try:
        made = _column(values, kind)
    except DatasetError as error:
        raise where.error(str(error)) from None
    if not len(made.postings.ids):
        raise no_value(where)
    return made, kind


def _column(values: pa.Array, kind: Kind) -> Column:
    if kind is Kind.SET:
        return LabelSet.from_values(values.to_pylist())
    if kind in (Kind.CATEGORY, Kind.BOOLEAN):
        return Category.from_values(values.to_pylist())
    missing = np.asarray(values.is_null())
    unit = kind.unit.name.lower() if kind.unit else None
    return Number(np.asarray(pc.fill_null(values, 0)), missing if missing.any() else None, unit)


def _notes_on(name: str, column: Column, kind: Kind, values: pa.Array) -> list[str]:
    if unit := kind.unit:
        assert isinstance(column, Number)
        first, last = (dates.iso(column.distinct[end], unit) for end in (0, -1))
        return [
            f"{name}: dates from {first} to {last}, kept as {kind} since 1970-01-01; in filters and values "
            f'they are written as dates: {name} >= "{first}"'
        ]
    if not pa.types.is_string(values.type):
        return []
    if kind is Kind.SET:
        texts = values.to_pylist()
        if separator := sets.separator_of(texts):
            return [f"{name}: members of a set are what {separator} separates"]
        if any(text and sets.listed(text) is None for text in texts):
            return [f"{name}: each text is a set of one member, since none has | ; or , between several"]
    if kind is Kind.CATEGORY and pc.any(pc.match_substring(values, "|")).as_py():
        return [f"{name}: some values hold |; if they are sets of several: --kind {name}=set"]
    return []


def _note_on_slips(name: str, values: pa.Array, cells: bool) -> list[str]:
    if not pa.types.is_string(values.type):
        return []
    if what := spelt_otherwise(values):
        return [f"{name}: is a category; the values would be {what}"]
    if not (found := nearly(values, cells)):
        return []
    choice, number, row = found
    return [
        f"{name}: is a category, since {number:,} of {len(values) - values.null_count:,} values "
        f"{'is' if number == 1 else 'are'} no {choice}: {values[row].as_py()!r} in row {row + 1:,}"
        f"{'' if number == 1 else ' is the first'}; if that is a slip: --kind {name}={choice}"
    ]

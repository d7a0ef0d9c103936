"""Tables in the files that users have: .csv, .tsv, .parquet, .jsonl. Rows are counted from 1, the first line
of a .csv, which names the columns, not included."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fannsbench.attributes import as_float
from fannsbench.data.importers.jsonl import read_lines
from fannsbench.errors import DatasetError, one_line

_CHUNK_ROWS = 50_000
_SEPARATORS = ",;\t"

Wanted = Callable[[str], bool]
"""Whether the column of that name is to be read."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A table. `columns`: arrow arrays by name as in the file, null where a value is missing; `cells`: all
    are texts that may stand for something else."""

    file: Path
    columns: dict[str, pa.Array]
    count: int
    cells: bool


def read_rows(path: Path, wanted: Wanted = lambda name: True) -> Rows:
    """What a .csv's columns are separated by, one of , ; and tab, is told from its first line; blanks
    around a cell do not count, and an empty one is missing.

    Raises DatasetError if the file cannot be read, naming the line where it is text."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: not known as a table; known suffixes: {', '.join(_READERS)}")
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file")
    return reader(path, wanted)


def _read_csv(path: Path, wanted: Wanted) -> Rows:
    with path.open("rb") as file:
        first = file.readline().decode(errors="replace")
        file.seek(0)
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(_decoded(path, file), delimiter=separator, skipinitialspace=True, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            if not names:
                raise DatasetError(f"{path}: the first line must name the columns")
            _refuse_twice(path, names)
            chunks: dict[str, list[pa.Array]] = {name: [] for name in names if wanted(name)}
            count = 0
            rows = _of_width(path, reader, len(names))
            while chunk := list(islice(rows, _CHUNK_ROWS)):
                count += len(chunk)
                for name, cells in zip(names, zip(*chunk, strict=True), strict=True):
                    if name in chunks:
                        chunks[name].append(pa.array([cell.strip() or None for cell in cells], pa.string()))
        except csv.Error as error:
            raise DatasetError(f"{path}, line {reader.line_num:,}: {one_line(error)}") from None
    return Rows(
        path, {name: _joined(parts, pa.string()) for name, parts in chunks.items()}, count, cells=True
    )


def _of_width(path: Path, reader: Any, width: int) -> Iterator[list[str]]:
    for row in reader:
        if len(row) == width:
            yield row
        elif row:
            raise DatasetError(
                f"{path}, line {reader.line_num:,}: {len(row)} cells; the first line has {width}"
            )
        elif width == 1:  # an empty line is an empty cell
            yield [""]


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{path}, line {number:,}: is not UTF-8: {one_line(error)}") from None


def _read_jsonl(path: Path, wanted: Wanted) -> Rows:
    values: dict[str, list[Any]] = {}
    count = 0
    for _, row in read_lines(path):
        for name, value in row.items():
            if wanted(name):
                column = values.setdefault(name, [])
                column.extend([None] * (count - len(column)))
                column.append(value)
        count += 1
    for column in values.values():
        column.extend([None] * (count - len(column)))
    columns = {name: _json_column(path, name, column) for name, column in values.items()}
    return Rows(path, columns, count, cells=False)


_KINDS = {list: "a list", dict: "an object", str: "a text", bool: "true or false", int: "a number"}


def _json_column(path: Path, name: str, values: list[Any]) -> pa.Array:
    """Raises DatasetError if the values differ in kind."""
    first_of: dict[type, int] = {}
    for row, value in enumerate(values, 1):
        if value is not None:
            first_of.setdefault(int if type(value) is float else type(value), row)
    if len(first_of) > 1:
        (one, row), (other, other_row) = list(first_of.items())[:2]
        raise DatasetError(
            f"{path}, column {name!r}: {_KINDS[one]} in row {row:,}, {_KINDS[other]} in row {other_row:,}; "
            f"make them alike, or leave it out: --without {name!r}"
        )
    try:
        if float in set(map(type, values)):
            values = [_float(path, name, row, value) for row, value in enumerate(values, 1)]
        beyond_int64 = int in first_of and any(
            type(value) is int and not -(2**63) <= value < 2**63 for value in values
        )
        return pa.array(values, pa.decimal256(76) if beyond_int64 else None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError) as error:
        raise DatasetError(
            f"{path}, column {name!r}: {one_line(error)}; leave it out: --without {name!r}"
        ) from None


def _float(path: Path, name: str, row: int, value: float | int | None) -> float | None:
    try:
        return as_float(value) if type(value) is int else value
    except DatasetError as error:
        raise DatasetError(f"{path}, row {row:,}, column {name!r}: {error}") from None


def _read_parquet(path: Path, wanted: Wanted) -> Rows:
    try:
        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            _refuse_twice(path, names)
            table = file.read([name for name in names if wanted(name)])
            count = file.metadata.num_rows
        columns = {name: _plain(table.column(name)) for name in table.column_names}
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path}: no sound Parquet file: {one_line(error)}") from None
    for name, column in columns.items():
        try:
            column.validate(full=True)  # Parquet's texts may be anything
        except pa.ArrowInvalid as error:
            raise DatasetError(
                f"{path}, column {name!r}: {one_line(error)}; leave it out: --without {name!r}"
            ) from None
    return Rows(path, columns, count, cells=False)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return _joined(column.chunks, column.type)


def _joined(parts: list[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays(parts) if parts else pa.array([], kind)


def _refuse_twice(path: Path, names: list[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise DatasetError(f"{path}: has two columns {twice[0]!r}; name them otherwise")


_READERS = {".csv": _read_csv, ".tsv": _read_csv, ".parquet": _read_parquet, ".jsonl": _read_jsonl}

"""Vectors in a Parquet file, read as a stream: its row groups may be larger than memory."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fannsbench.errors import DatasetError, UnknownNameError, one_line
from fannsbench.vectors import Vectors

_BATCH_BYTES = 8 << 20
_READ_BYTES = 1 << 20


def open_parquet(path: Path, key: str, stack: ExitStack) -> tuple[Vectors, tuple[str, ...]]:
    """The vectors, and the columns that they are made of: the column of lists named `key`, or the columns of
    numbers whose names match it as a pattern, as in `dim_*`; without a key the only column of lists, or all
    columns if they are all numbers.

    Raises DatasetError if there are none, or it is not clear which."""
    try:
        file = stack.enter_context(pq.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False))
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path}: no sound Parquet file: {one_line(error)}") from None
    columns = _columns(path, key, file.schema_arrow)
    vectors = _ParquetVectors(path, file, columns)
    return vectors, columns


def _columns(path: Path, key: str, schema: pa.Schema) -> tuple[str, ...]:
    lists = [column.name for column in schema if _is_list_of_numbers(column.type)]
    numbers = [column.name for column in schema if _is_number(column.type)]
    if key in lists:
        return (key,)
    if key:
        if not (matching := fnmatch.filter(schema.names, key)):
            raise DatasetError(str(UnknownNameError(f"column of {path}:", key, lists or schema.names)))
        if wrong := [name for name in matching if name not in numbers]:
            raise DatasetError(
                f"{path}: column {wrong[0]!r} holds {schema.field(wrong[0]).type}, not numbers"
            )
        return tuple(matching)
    if len(lists) == 1:
        return (lists[0],)
    if not lists and numbers and len(numbers) == len(schema):
        return tuple(numbers)
    known = f"lists of numbers are in {', '.join(lists)}" if lists else "no column is of lists of numbers"
    raise DatasetError(
        f"{path}: say which columns are the vectors, as in {path}:{(lists or ['dim_*'])[0]}; {known}"
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_list(kind: pa.DataType) -> bool:
    of_lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in of_lists)


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    return _is_list(kind) and _is_number(kind.value_type)


class _ParquetVectors:
    """Rows are cheap to read in ascending order; to step back is to read a row group again."""

    def __init__(self, path: Path, file: pq.ParquetFile, columns: tuple[str, ...]) -> None:
        self._path, self._file, self._columns = path, file, columns
        groups = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        self._starts = np.cumsum([0, *groups])
        self._width = len(columns)
        if _is_list(file.schema_arrow.field(columns[0]).type):
            self._width = self._width_of_lists()
        types = {file.schema_arrow.field(column).type for column in columns}
        numbers = [kind.value_type if _is_list(kind) else kind for kind in types]
        self.dtype: np.dtype[Any] = np.result_type(*(kind.to_pandas_dtype() for kind in numbers))
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._at = int(self._starts[-1])
        self._rest = np.empty((0, self._width), self.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._width

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Raises DatasetError at a row that is not a whole vector."""
        first, last, _ = rows.indices(self.shape[0])
        out = np.empty((max(0, last - first), self._width), self.dtype)
        if not len(out):
            return out
        group = int(np.searchsorted(self._starts, first, "right")) - 1
        if first < self._at or self._starts[group] > self._at + len(self._rest):
            self._start_at(group)
        done = 0
        while done < len(out):
            if not len(self._rest):
                self._rest = self._matrix(self._next_batch())
            skipped = min(len(self._rest), first + done - self._at)
            taken = self._rest[skipped : skipped + len(out) - done]
            out[done : done + len(taken)] = taken
            done += len(taken)
            self._rest = self._rest[skipped + len(taken) :]
            self._at += skipped + len(taken)
        return out

    def _start_at(self, group: int) -> None:
        self._batches = self._file.iter_batches(
            batch_size=max(1, _BATCH_BYTES // (self._width * self.dtype.itemsize)),
            row_groups=range(group, self._file.metadata.num_row_groups),
            columns=list(self._columns),
            use_threads=False,
        )
        self._at = int(self._starts[group])
        self._rest = self._rest[:0]

    def _next_batch(self) -> pa.RecordBatch:
        try:
            return next(self._batches)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{self._path}: damaged after row {self._at:,}: {one_line(error)}") from None

    def _width_of_lists(self) -> int:
        kind = self._file.schema_arrow.field(self._columns[0]).type
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
        for batch in self._file.iter_batches(batch_size=1, columns=list(self._columns)):
            if width := len(batch.column(0)[0].as_py() or ()):
                return width
            break
        raise DatasetError(f"{self._path}: column {self._columns[0]!r} has no numbers in its first row")

    def _matrix(self, batch: pa.RecordBatch) -> np.ndarray:
        columns = [batch.column(name) for name in self._columns]
        for column in columns:
            if column.null_count:
                self._refuse(int(np.argmax(column.is_null())), "has no value")
        if not _is_list(columns[0].type):
            return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)
        lists = columns[0]
        lengths = np.asarray(lists.value_lengths())
        if (wrong := lengths != self._width).any():
            row = int(np.argmax(wrong))
            self._refuse(row, f"has {lengths[row]} numbers where row 0 has {self._width}")
        numbers = lists.flatten()
        if numbers.null_count:
            self._refuse(int(np.argmax(numbers.is_null())) // self._width, "has a number missing")
        return np.asarray(numbers).reshape(-1, self._width)

    def _refuse(self, row: int, what: str) -> None:
        raise DatasetError(
            f"{self._path}: row {self._at + row:,} (the first is 0) of {', '.join(self._columns[:3])} {what}"
        )

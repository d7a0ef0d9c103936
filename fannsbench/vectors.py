"""Vectors that are read a block of rows at a time, wherever they lie: nothing here needs all of them in
memory. An array and an h5py dataset are `Vectors` as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fannsbench.errors import DatasetError

BLOCK_BYTES = 16 << 20
"""Of float32 numbers. Some such blocks are alive at a time: read, converted, checked."""
_WORTH_SKIPPING = 1 << 20
"""Bytes of rows that nobody wants, from which on a new read is cheaper than reading them too."""


class Vectors(Protocol):
    """(n, d) numbers; a slice of rows is read when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


def slices(count: int, size: int) -> Iterator[slice]:
    """range(count) in consecutive slices of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def rows_within(memory: int, vectors: Vectors) -> int:
    """How many rows of float32 numbers fit `memory` bytes; at least one."""
    return max(1, memory // (4 * max(1, vectors.shape[1])))


def blocks(vectors: Vectors) -> Iterator[tuple[slice, np.ndarray]]:
    """All rows, in blocks of BLOCK_BYTES or less, with the slice that each is."""
    for rows in slices(vectors.shape[0], rows_within(BLOCK_BYTES, vectors)):
        yield rows, vectors[rows]


def as_float32(block: np.ndarray) -> np.ndarray:
    """C-contiguous; numbers beyond float32 become inf."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, np.float32)


def not_finite(block: np.ndarray) -> int | None:
    """The first row that holds a number which is not finite as float32."""
    if block.dtype.kind != "f":
        return None
    finite = np.isfinite(as_float32(block)).all(axis=1)
    return None if finite.all() else int(np.argmin(finite))


@dataclass(frozen=True)
class RowFile:
    """Rows of `width` numbers of `dtype` in a plain file, from byte `offset` on, each after `gap` bytes of
    its own. Reads them by read() and not by a memory map, whose pages would count as memory in use."""

    path: Path
    offset: int
    count: int
    width: int
    dtype: np.dtype[Any]
    gap: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self.count, self.width

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Raises DatasetError where the file ends too early."""
        return self.records(rows)["numbers"]

    def records(self, rows: slice) -> np.ndarray:
        """(rows,) of the fields `gap`, the bytes before each row, (gap,) uint8, and `numbers`, (width,)."""
        first, last, _ = rows.indices(self.count)
        wanted = max(0, last - first)
        place = self.offset + first * self._row.itemsize
        read = np.fromfile(self.path, self._row, wanted, offset=place)
        if len(read) < wanted:
            raise DatasetError(f"{self.path}: ends after row {first + len(read):,} of {self.count:,}")
        return read

    @cached_property
    def _row(self) -> np.dtype[Any]:
        return np.dtype([("gap", np.uint8, (self.gap,)), ("numbers", self.dtype, (self.width,))])


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some rows of other vectors, by their ascending numbers."""

    vectors: Vectors
    numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.numbers), self.vectors.shape[1]

    @property
    def dtype(self) -> Any:
        return self.vectors.dtype

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        wanted = self.numbers[rows]
        out = np.empty((len(wanted), self.shape[1]), self.dtype)
        far = np.flatnonzero(np.diff(wanted) > rows_within(_WORTH_SKIPPING, self.vectors)) + 1
        runs_end = np.append(far, len(wanted))
        done = 0
        while done < len(wanted):
            first = int(wanted[done])
            beyond = np.searchsorted(wanted, first + rows_within(BLOCK_BYTES, self.vectors))
            end = min(int(beyond), int(runs_end[np.searchsorted(runs_end, done, "right")]))
            read = self.vectors[slice(first, int(wanted[end - 1]) + 1)]
            out[done:end] = read[wanted[done:end] - first]
            done = end
        return out


@dataclass(frozen=True, eq=False)
class Mapped:
    """Other vectors, each block of rows through `function`: (rows, d) -> (rows, width) of `dtype`."""

    vectors: Vectors
    function: Callable[[np.ndarray], np.ndarray]
    width: int
    dtype: Any

    @property
    def shape(self) -> tuple[int, int]:
        return self.vectors.shape[0], self.width

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        return self.function(self.vectors[rows])

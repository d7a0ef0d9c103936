"""Files of vectors in the field's plain formats, read a block of rows at a time; rows count from 0.

    .fvecs .bvecs .ivecs                    each row: int32 d, then d float32, uint8 or int32
    .fbin .f16bin .u8bin .i8bin .ibin       uint32 n, uint32 d, then all rows
    .npy                                    a matrix of any numeric dtype, byte order and memory order

All numbers are little-endian, but for .npy, which says itself. The first three are described at
http://corpus-texmex.irisa.fr, the next at https://big-ann-benchmarks.com."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fannsbench.dataset.read import storable
from fannsbench.errors import DatasetError, one_line
from fannsbench.vectors import RowFile, Vectors, blocks

_VECS = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}
_BIN = {".fbin": "<f4", ".f16bin": "<f2", ".u8bin": "u1", ".i8bin": "i1", ".ibin": "<i4"}


def open_vectors(path: Path) -> Vectors:
    """The vectors in a file, (n, d), of a dtype that data sets store; see `open_file` and `as_stored`."""
    return as_stored(open_file(path), path)


def open_file(path: Path) -> Vectors:
    """The vectors in a file, (n, d), as they are.

    Raises DatasetError if the suffix is not known, or the file's size does not fit what its head says; and,
    when they are read, at rows that are not as long as the first."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None and not path.is_dir():
        raise DatasetError(f"{path}: not known as a file of vectors; known suffixes: {', '.join(_OPENERS)}")
    require_file(path)
    assert opener
    return opener(path)


def require_file(path: Path) -> None:
    """Raises DatasetError if there is none."""
    if not path.is_file():
        raise DatasetError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}")


def open_items_and_queries(items: Path, queries: Path) -> tuple[Vectors, Vectors]:
    """Raises DatasetError also if the two differ in dimension or dtype."""
    opened, asked = open_vectors(items), open_vectors(queries)
    if opened.shape[1] != asked.shape[1]:
        raise DatasetError(
            f"{items} has {opened.shape[1]:,} dimensions, {queries} {asked.shape[1]:,}; they must agree"
        )
    if opened.dtype != asked.dtype:
        raise DatasetError(f"{items} holds {opened.dtype}, {queries} {asked.dtype}; they must be of one type")
    return opened, asked


def read_all(vectors: Vectors) -> np.ndarray:
    """(n, d), C-contiguous, read in blocks."""
    whole = np.empty(vectors.shape, vectors.dtype)
    for rows, block in blocks(vectors):
        whole[rows] = block
    return whole


def as_stored(vectors: Vectors, where: object) -> Vectors:
    """Numbers of any type as a data set stores them: int8, uint8, float16 and float32 as they are, in this
    machine's byte order, and all others as float32. `where`: they are, for messages.

    Raises DatasetError if they are no real numbers; and, when they are read, at an integer that float32
    cannot hold exactly. Floats lose digits, and become infinite where they are beyond float32."""
    dtype = np.dtype(vectors.dtype)
    if dtype.kind not in "fiu":
        raise DatasetError(f"{where}: holds {dtype}; vectors are made of floats or integers")
    stored = dtype.newbyteorder("=") if storable(dtype) and dtype.itemsize <= 4 else np.dtype(np.float32)
    return vectors if stored == dtype else _Converted(vectors, stored, where)


@dataclass(frozen=True, eq=False)
class _Converted:
    """Other vectors in another dtype, exactly if they are integers."""

    vectors: Vectors
    dtype: np.dtype[Any]
    where: object

    @property
    def shape(self) -> tuple[int, ...]:
        return self.vectors.shape

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        block = self.vectors[rows]
        with np.errstate(over="ignore"):
            converted = block.astype(self.dtype)
        if block.dtype.kind in "iu" and not (exact := _exact(block, converted)).all():
            row, column = np.argwhere(~exact)[0]
            first, _, _ = rows.indices(self.shape[0])
            raise DatasetError(
                f"{self.where}: row {first + row:,} holds {block[row, column]}, which is not exact as float32"
            )
        return converted


def _exact(integers: np.ndarray, floats: np.ndarray) -> np.ndarray:
    info = np.iinfo(integers.dtype)
    above = 2.0 ** (info.bits - (info.min < 0))  # the smallest float that cannot be cast back
    with np.errstate(invalid="ignore"):
        back: np.ndarray = (floats < above) & (floats.astype(integers.dtype) == integers)
    return back


@dataclass(frozen=True)
class _VecsFile(RowFile):
    """Rows that each begin with their own length."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        records = self.records(rows)
        lengths = records["gap"].view("<i4")[:, 0]
        if (wrong := lengths != self.width).any():
            row = int(np.argmax(wrong))
            first, _, _ = rows.indices(self.count)
            raise DatasetError(
                f"{self.path}: row {first + row:,} claims {lengths[row]:,} dimensions, row 0 {self.width:,}"
            )
        return records["numbers"]


def _open_vecs(path: Path) -> Vectors:
    dtype, size = np.dtype(_VECS[path.suffix.lower()]), path.stat().st_size
    width = int(head[0]) if len(head := np.fromfile(path, "<i4", 1)) else 0
    if width < 1:
        raise DatasetError(f"{path}: {f'row 0 claims {width} dimensions' if size else 'is empty'}")
    count, rest = divmod(size, 4 + width * dtype.itemsize)
    if rest:
        raise DatasetError(
            f"{path}: ends within row {count:,}, or its rows are not all of {width:,} dimensions as the first"
        )
    return _VecsFile(path, 0, count, width, dtype, gap=4)


def _open_bin(path: Path) -> Vectors:
    dtype, size = np.dtype(_BIN[path.suffix.lower()]), path.stat().st_size
    count, width = read_head(path)
    right = 8 + count * width * dtype.itemsize
    if size != right:
        raise DatasetError(
            f"{path}: {size:,} bytes, but {count:,} rows of {width:,} {dtype} would be {right:,}; "
            f"{'truncated' if size < right else 'the head is wrong'}"
        )
    return RowFile(path, 8, count, width, dtype)


def read_head(path: Path) -> tuple[int, int]:
    """How many rows, and of what width, a file of the .fbin family says it has."""
    head = np.fromfile(path, "<u4", 2)
    if len(head) < 2:
        raise DatasetError(f"{path}: ends within the 8 bytes of its head")
    return int(head[0]), int(head[1])


def _open_npy(path: Path) -> Vectors:
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path}: no sound .npy file: {one_line(error)}") from None
    if mapped.ndim != 2:
        raise DatasetError(f"{path}: an array of shape {mapped.shape}; vectors are the rows of a matrix")
    # In Fortran order a block of rows is scattered over the file: left to the memory map.
    if not mapped.flags.c_contiguous:
        return mapped
    n, d = mapped.shape
    return RowFile(path, mapped.offset, n, d, mapped.dtype)


_OPENERS: Mapping[str, Callable[[Path], Vectors]] = {
    **dict.fromkeys(_VECS, _open_vecs),
    **dict.fromkeys(_BIN, _open_bin),
    ".npy": _open_npy,
}
SUFFIXES = tuple(_OPENERS)

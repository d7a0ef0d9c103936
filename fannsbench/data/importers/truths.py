"""Files of ground truth in the field's plain formats: the ids of the nearest items, nearest first.

    .ivecs         each query: int32 length, then that many int32 ids
    .ibin .bin     uint32 q, uint32 K, then q * K int32 ids, and q * K float32 distances or none

The distances are not read: benchmarks differ in whether they are squared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fannsbench.data.importers.files import read_head, require_file
from fannsbench.errors import DatasetError


def read_truth_of(path: Path, q: int) -> np.ndarray:
    """Of so many queries: (q, K) int32, -1 padded where one has fewer than K.

    Raises DatasetError if the suffix is not known, the file ends too early or too late, or has other rows."""
    require_file(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: not known as a file of ground truth; known: {', '.join(_READERS)}")
    neighbors = reader(path)
    if len(neighbors) != q:
        raise DatasetError(f"{path}: truth of {len(neighbors):,} queries; there are {q:,}")
    return neighbors


def _read_ivecs(path: Path) -> np.ndarray:
    if path.stat().st_size % 4:
        raise DatasetError(f"{path}: its size is no multiple of 4 bytes; truncated")
    numbers = np.fromfile(path, "<i4")
    starts: list[int] = []
    lengths: list[int] = []
    place = 0
    while place < len(numbers):
        length = numbers[place].item()
        left = len(numbers) - place - 1
        if not 0 <= length <= left:
            raise DatasetError(f"{path}: row {len(starts):,} claims {length:,} ids, and {left:,} are left")
        starts.append(place + 1)
        lengths.append(length)
        place += 1 + length
    ids = np.full((len(starts), max(lengths, default=0)), -1, np.int32)
    for row, start, length in zip(ids, starts, lengths, strict=True):
        row[:length] = numbers[start : start + length]
    return ids


def _read_bin(path: Path) -> np.ndarray:
    q, depth = read_head(path)
    size, ids = path.stat().st_size, 4 * q * depth
    if size not in (8 + ids, 8 + 2 * ids):
        raise DatasetError(
            f"{path}: {size:,} bytes, but {q:,} queries of {depth:,} ids would be {8 + ids:,}, "
            f"and with distances {8 + 2 * ids:,}"
        )
    return np.fromfile(path, "<i4", q * depth, offset=8).reshape(q, depth).astype(np.int32, copy=False)


_READERS = {".ivecs": _read_ivecs, ".ibin": _read_bin, ".bin": _read_bin}

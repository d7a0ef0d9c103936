"""What a long computation of ground truth has reached, kept so that a kill does not lose it."""

from __future__ import annotations

import hashlib
import time
import zipfile
from pathlib import Path
from typing import Self

import numpy as np

from fannsbench import folders
from fannsbench.filters import BoundFilters
from fannsbench.kernels.exact import Nearest
from fannsbench.metric import Metric
from fannsbench.vectors import Vectors, as_float32, blocks

_LONG = 1e13
"""Multiplications from which on a computation is kept: about a minute's on two cores."""
_INTERVAL = 30.0  # seconds


class Checkpoint:
    """A file that belongs to one computation; None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept_at = time.monotonic()

    @classmethod
    def of(
        cls,
        folder: Path | None,
        vectors: Vectors,
        queries: np.ndarray,
        k: int,
        metric: Metric,
        filters: BoundFilters | None,
    ) -> Self:
        """That of this computation, in `folder`; of none where it is None or the work is short."""
        n, d = vectors.shape
        if folder is None or n * d * len(queries) < _LONG:
            return cls(None)
        return cls(folder / f"{_identity(vectors, queries, k, metric, filters)}.npz")

    def resume(self, nearest: Nearest) -> int:
        """Fill `nearest` as it was when kept last; returns how many items it had seen. 0 where nothing was
        kept, or what was is damaged."""
        if self._path is None or not self._path.exists():
            return 0
        try:
            with np.load(self._path) as kept:
                for name, array in nearest._asdict().items():
                    array[:] = kept[name]
                return int(kept["done"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            for array, empty in zip(nearest, Nearest.none(*nearest.ids.shape), strict=True):
                array[:] = empty
            return 0

    def keep(self, nearest: Nearest, done: int) -> None:
        """Keep it if the last time is long ago. `done`: items seen."""
        if self._path is None or time.monotonic() - self._kept_at < _INTERVAL:
            return
        with folders.whole_file(self._path) as temporary, temporary.open("wb") as file:
            np.savez(file, done=done, **nearest._asdict())
        self._kept_at = time.monotonic()

    def discard(self) -> None:
        """The computation is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _identity(
    vectors: Vectors, queries: np.ndarray, k: int, metric: Metric, filters: BoundFilters | None
) -> str:
    digest = hashlib.blake2b(f"{vectors.shape} {len(queries)} {k} {metric}".encode(), digest_size=16)
    digest.update(queries.data)
    for array in () if filters is None else filters.predicate:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for _, block in blocks(vectors):
        digest.update(as_float32(block).data)
    return digest.hexdigest()

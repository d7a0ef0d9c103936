"""Lists of different lengths that lie one after another in one array."""

from __future__ import annotations

import numpy as np

from fannsbench.kernels import jit


def starts_of(counts: np.ndarray) -> np.ndarray:
    """(c + 1,) int64: where c lists of these lengths begin, and where the last ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


@jit
def with_room(array: np.ndarray, used: int, more: int) -> np.ndarray:
    """The array, of which so many rows are used, or a larger copy if no more fit."""
    if used + more <= len(array):
        return array
    larger = np.empty((2 * (used + more), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger

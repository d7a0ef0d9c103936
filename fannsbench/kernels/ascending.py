"""Short ascending arrays that keep the smallest of what they are offered."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.kernels import jit_inline


@jit_inline
def keep_smallest(values: np.ndarray, value: float | np.floating[Any]) -> bool:
    """Let a value into the ascending values (k,), of which the largest leaves, if it is smaller than that;
    returns whether it is."""
    place = values.size - 1
    if not value < values[place]:
        return False
    while place > 0 and values[place - 1] > value:
        values[place] = values[place - 1]
        place -= 1
    values[place] = value
    return True


@jit_inline
def keep_nearest(
    distances: np.ndarray, ids: np.ndarray, distance: float | np.floating[Any], item: int
) -> bool:
    """As `keep_smallest`, for an item and its distance: (k,) each, of equal distances the lower id first."""
    place = ids.size - 1
    if not (distance < distances[place] or (distance == distances[place] and item < ids[place])):
        return False
    while place > 0 and (
        distances[place - 1] > distance or (distances[place - 1] == distance and ids[place - 1] > item)
    ):
        distances[place] = distances[place - 1]
        ids[place] = ids[place - 1]
        place -= 1
    distances[place] = distance
    ids[place] = item
    return True

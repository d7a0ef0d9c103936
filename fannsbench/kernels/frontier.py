"""The nodes that a search may still expand, without bound: a binary heap, nearest on top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline


class Frontier(NamedTuple):
    """Each node enters at most once in a search, so n places are enough."""

    distances: np.ndarray  # (n,) float32
    ids: np.ndarray  # (n,) int32
    size: np.ndarray  # (1,) int64

    @classmethod
    def of(cls, n: int) -> Frontier:
        """An empty one."""
        return cls(np.empty(n, np.float32), np.empty(n, np.int32), np.zeros(1, np.int64))


@jit_inline
def _comes_before(f: Frontier, distance: np.float32, node: int, place: int) -> bool:
    other = f.distances[place]
    return bool(distance < other or (distance == other and node < f.ids[place]))


@jit_inline
def _put(f: Frontier, place: int, distance: np.float32, node: int) -> None:
    f.distances[place] = distance
    f.ids[place] = node


@jit_inline
def push(f: Frontier, distance: np.float32, node: int) -> None:
    """Let a node in."""
    place = f.size[0]
    f.size[0] += 1
    while place > 0:
        parent = (place - 1) >> 1
        if not _comes_before(f, distance, node, parent):
            break
        _put(f, place, f.distances[parent], f.ids[parent])
        place = parent
    _put(f, place, distance, node)


@jit
def pop(f: Frontier) -> tuple[np.float32, int]:
    """Take out the nearest, of equal distances that of the lower id. There must be one."""
    top = f.distances[0], f.ids[0]
    f.size[0] -= 1
    filled = f.size[0]
    distance, node = f.distances[filled], f.ids[filled]
    place = 0
    while 2 * place + 1 < filled:
        child = 2 * place + 1
        if child + 1 < filled and _comes_before(f, f.distances[child + 1], f.ids[child + 1], child):
            child += 1
        if _comes_before(f, distance, node, child):
            break
        _put(f, place, f.distances[child], f.ids[child])
        place = child
    if filled:
        _put(f, place, distance, node)
    return top

"""What a graph search keeps: marks of the items it has seen, and the pool of the nearest of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline

EXPANDED = np.int32(-(2**31))
"""The sign bit of an id in a pool: its neighbours have been seen."""
ID = np.int32(2**31 - 1)
LAST_SEARCH = 255
_SIZE, _CURSOR = range(2)


class Marks(NamedTuple):
    """Which items a search has seen. A search is numbered by one byte, so the array is cleared once in 255
    searches and stays small enough for a cache."""

    searches: np.ndarray  # (n,) uint8: the last search that saw the item
    current: np.ndarray  # (1,) uint8

    @classmethod
    def of(cls, n: int) -> Marks:
        """Nothing seen yet of n items."""
        return cls(np.zeros(n, np.uint8), np.zeros(1, np.uint8))


@jit_inline
def unmark_all(marks: Marks) -> None:
    """Begin another search."""
    if marks.current[0] == LAST_SEARCH:
        marks.searches[:] = 0
        marks.current[0] = 0
    marks.current[0] += 1


@jit_inline
def mark(marks: Marks, item: int) -> bool:
    """Whether the item is seen for the first time."""
    if marks.searches[item] == marks.current[0]:
        return False
    marks.searches[item] = marks.current[0]
    return True


@jit_inline
def is_marked(marks: Marks, item: int) -> bool:
    """Whether the item has been seen."""
    return bool(marks.searches[item] == marks.current[0])


class Pool(NamedTuple):
    """The nearest items found so far, at most as many as there are places, in ascending (distance, id)."""

    distances: np.ndarray  # (capacity,) float32
    ids: np.ndarray  # (capacity,) int32, with EXPANDED set or not
    state: np.ndarray  # (2,) int64: how many, and the first place that may be unexpanded
    limit: np.ndarray  # (1,) float32: nothing farther is let in; the last distance if it is full, else inf

    @classmethod
    def of(cls, capacity: int) -> Pool:
        """An empty one."""
        pool = cls(
            np.empty(capacity, np.float32),
            np.empty(capacity, np.int32),
            np.zeros(2, np.int64),
            np.empty(1, np.float32),
        )
        clear(pool)
        return pool


@jit_inline
def clear(pool: Pool) -> None:
    """Take everything out."""
    pool.state[:] = 0
    pool.limit[0] = np.inf if pool.ids.size else -np.inf


@jit_inline
def size(pool: Pool) -> int:
    """How many items are in it."""
    return int(pool.state[_SIZE])


@jit_inline
def item_at(pool: Pool, place: int) -> int:
    """The id at a place, expanded or not."""
    return int(pool.ids[place] & ID)


@jit_inline
def offer(pool: Pool, distance: np.float32, item: int) -> bool:
    """Let an item in, if there is room or it comes before the last, which then leaves. The item must not be
    in the pool."""
    if distance > pool.limit[0]:
        return False
    filled, most = pool.state[_SIZE], pool.ids.size
    if filled < most:
        pool.state[_SIZE] = filled + 1
    else:
        filled -= 1
        if distance == pool.limit[0] and item > item_at(pool, filled):
            return False
    first, last = 0, filled
    while first < last:
        middle = (first + last) >> 1
        other = pool.distances[middle]
        if other < distance or (other == distance and item_at(pool, middle) < item):
            first = middle + 1
        else:
            last = middle
    for place in range(filled, first, -1):
        pool.distances[place] = pool.distances[place - 1]
        pool.ids[place] = pool.ids[place - 1]
    pool.distances[first] = distance
    pool.ids[first] = item
    if filled + 1 == most:
        pool.limit[0] = pool.distances[filled]
    if first < pool.state[_CURSOR]:
        pool.state[_CURSOR] = first
    return True


@jit_inline
def first_unexpanded(pool: Pool) -> int:
    """The place of the nearest item that is not expanded yet; -1 if all are."""
    for place in range(pool.state[_CURSOR], pool.state[_SIZE]):
        if pool.ids[place] >= 0:
            pool.state[_CURSOR] = place
            return place
    pool.state[_CURSOR] = pool.state[_SIZE]
    return -1


@jit_inline
def next_unexpanded(pool: Pool) -> int:
    """As `first_unexpanded`, and the item is marked as expanded."""
    place: int = first_unexpanded(pool)
    if place >= 0:
        pool.ids[place] |= EXPANDED
    return place


@jit
def write_ids(pool: Pool, out: np.ndarray) -> None:
    """The nearest items into out (k,) int32, nearest first, padded with -1."""
    for place in range(out.size):
        out[place] = item_at(pool, place) if place < pool.state[_SIZE] else -1

"""What of a graph a search can reach, and how what it cannot is linked in.

Pruning may take away the last link to an item, which then is found by no search, however wide (the HNSW
authors' library asserts that it does not happen; it does). It happens to few items in a thousand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import row_length
from fannsbench.kernels.pool import item_at, size
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter


def reached_from(links: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) bool: which items a walk from the starts along links (n, degree) int32, -1 padded, comes to."""
    reached = np.zeros(len(links), np.bool_)
    waiting = np.empty(len(links), np.int32)
    for start in starts:
        _spread(links, start, reached, waiting)
    return reached


@jit
def _spread(links: np.ndarray, start: int, reached: np.ndarray, waiting: np.ndarray) -> None:
    """Mark what a walk from `start` comes to, unless it has been there."""
    if reached[start]:
        return
    reached[start] = True
    waiting[0] = start
    count = 1
    while count:
        count -= 1
        node = waiting[count]
        for place in range(row_length(links, node)):
            item = links[node, place]
            if not reached[item]:
                reached[item] = True
                waiting[count] = item
                count += 1


def connect(links: np.ndarray, vectors: np.ndarray, start: int, ef: int) -> int:
    """Link in, one after another, the items that a walk from `start` does not come to; return how many.

    The nearest item that a search of pool `ef` finds links to it. If that item's list is full, the new item
    takes the place of the last in it, and links to that one itself, so that nothing else is lost."""
    reached = reached_from(links, np.array([start]))
    lost = np.flatnonzero(~reached).astype(np.int32)
    if len(lost):
        scratch = Scratch.of(len(links), ef, links.shape[1])
        _connect(links, vectors, start, lost, reached, np.empty(len(links), np.int32), scratch)
    return len(lost)


@jit
def _connect(
    links: np.ndarray,
    vectors: np.ndarray,
    start: int,
    lost: np.ndarray,
    reached: np.ndarray,
    waiting: np.ndarray,
    s: Scratch,
) -> None:
    links, vectors, s = borrowed(links), borrowed(vectors), borrowed(s)
    width = links.shape[1]
    for item in lost:
        if reached[item]:
            continue
        begin(s)
        enter(vectors, vectors[item], start, s)
        best_first(Table(links), vectors, vectors[item], s)
        node = item_at(s.pool, 0)
        for place in range(size(s.pool)):
            if row_length(links, item_at(s.pool, place)) < width:
                node = item_at(s.pool, place)
                break
        held = row_length(links, node)
        if held < width:
            links[node, held] = item
        else:
            replaced = links[node, width - 1]
            links[node, width - 1] = item
            _lead_to(links, item, replaced)
        _spread(links, item, reached, waiting)


@jit
def _lead_to(links: np.ndarray, node: int, item: int) -> None:
    """Link a node to an item, in place of its last link if it has no room."""
    held = row_length(links, node)
    for place in range(held):
        if links[node, place] == item:
            return
    links[node, min(held, links.shape[1] - 1)] = item


class Degrees(NamedTuple):
    """Links of a node: the fewest, the mean, the most."""

    least: int
    mean: float
    most: int


def degrees_of(links: np.ndarray) -> Degrees:
    """Of the rows of links (n, degree) int32, -1 padded; there must be one."""
    counts = np.count_nonzero(links >= 0, axis=1)
    return Degrees(int(counts.min()), float(counts.mean()), int(counts.max()))

"""What of a graph a search can reach, and how what it cannot is linked in.

Pruning may take away the last link to an item, which then is found by no search, however wide (the HNSW
authors' library asserts that it does not happen; it does). It happens to few items in a thousand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import holds, row_length
from fannsbench.kernels.pool import Marks, is_marked, item_at, mark, size, unmark_all
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter, neighbours


def reached_from(links: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) bool: which items a walk from the starts along links (n, degree) int32, -1 padded, comes to."""
    marks, waiting = Marks.of(len(links)), np.empty(len(links), np.int32)
    unmark_all(marks)
    for start in starts:
        spread(Table(links), start, marks, waiting)
    reached: np.ndarray = marks.searches == marks.current
    return reached


@jit
def spread(graph: Any, start: int, marks: Marks, waiting: np.ndarray) -> None:
    """Mark what a walk of a graph of n items from `start` comes to, unless it has been there. waiting (n,)
    int32 is scratch."""
    graph, marks, waiting = borrowed(graph), borrowed(marks), borrowed(waiting)
    if not mark(marks, start):
        return
    waiting[0] = start
    count = 1
    while count:
        count -= 1
        count += neighbours(graph, waiting[count], marks, waiting[count:])


def connect(links: np.ndarray, vectors: np.ndarray, start: int, ef: int) -> int:
    """Link in, one after another, the items that a walk from `start` does not come to; return how many.

    The nearest item that a search of pool `ef` finds links to it. If that item's list is full, the new item
    takes the place of the last in it, and links to that one itself, so that nothing else is lost."""
    marks, waiting = Marks.of(len(links)), np.empty(len(links), np.int32)
    unmark_all(marks)
    spread(Table(links), start, marks, waiting)
    lost = np.flatnonzero(marks.searches != marks.current).astype(np.int32)
    if len(lost):
        scratch = Scratch.of(len(links), ef, links.shape[1])
        _connect(links, vectors, start, lost, marks, waiting, scratch)
    return len(lost)


@jit
def _connect(
    links: np.ndarray,
    vectors: np.ndarray,
    start: int,
    lost: np.ndarray,
    reached: Marks,
    waiting: np.ndarray,
    s: Scratch,
) -> None:
    links, vectors, s = borrowed(links), borrowed(vectors), borrowed(s)
    width = links.shape[1]
    for item in lost:
        if is_marked(reached, item):
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
        spread(Table(links), item, reached, waiting)


@jit
def _lead_to(links: np.ndarray, node: int, item: int) -> None:
    """Link a node to an item, in place of its last link if it has no room."""
    held = row_length(links, node)
    if not holds(links, node, held, item):
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

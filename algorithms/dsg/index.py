"""The segment graph of DSG: edges that hold for some ranges, and the graph of a range that they make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.searching import search_range, spread
from fannsbench.kernels import jit_inline
from fannsbench.kernels.frontier import Frontier
from fannsbench.kernels.pool import Marks, Pool, mark
from fannsbench.kernels.search import Scratch, best_first, enter, neighbours, prefetch_links
from fannsbench.kernels.space import prefetch

SEEDS = 4
"""Places of a range, evenly spread, where a search begins (the authors' code)."""
LOOSE = 10
"""A range so short that it holds fewer than this of the ef_max candidates of an item, on average, follows
every edge in it, whether it holds for the range or not: at 500, one of less than 2 % of all items, as in the
authors' code."""
FIELDS = 5
"""Of an edge: the neighbour, and the bounds of the ranges that it holds for."""
LINE = 16
"""Numbers of a cache line."""


class SegmentGraph(NamedTuple):
    """The c edges of item p are FIELDS stretches of c numbers from FIELDS * starts[p] on, ascending by
    neighbour: the neighbours; then, of the ranges that an edge holds for, the least first position, the
    greatest, the least last position, and the greatest."""

    starts: np.ndarray  # (m + 1,) int64
    edges: np.ndarray  # int32, padded to cache lines


class Window(NamedTuple):
    """The graph of the range first..last."""

    starts: np.ndarray
    edges: np.ndarray
    lines: np.ndarray  # the edges as rows of a cache line
    first: int
    last: int
    loose: bool
    holds: np.ndarray  # uint8, with room for the edges of an item


class Choice(NamedTuple):
    """How a range is searched."""

    loose_below: int  # items of a range


@neighbours.register(Window)
def _in_window(graph: Window, node: int, marks: Marks, fresh: np.ndarray) -> int:
    begin, count = graph.starts[node], graph.starts[node + 1] - graph.starts[node]
    row = graph.edges[FIELDS * begin : FIELDS * (begin + count)]
    first, last, holds = graph.first, graph.last, graph.holds
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if row[middle] < first:
            low = middle + 1
        else:
            high = middle
    stop, high = low, count
    while stop < high:
        middle = (stop + high) >> 1
        if row[middle] <= last:
            stop = middle + 1
        else:
            high = middle
    if not graph.loose:
        _find_holding(row, count, low, stop, np.int32(first), np.int32(last), holds)
    found = 0
    for place in range(low, stop):
        if (graph.loose or holds[place]) and mark(marks, row[place]):
            fresh[found] = row[place]
            found += 1
    return found


@jit_inline
def _find_holding(
    row: np.ndarray, count: int, low: int, stop: int, first: np.int32, last: np.int32, holds: np.ndarray
) -> None:
    """Which of the edges low..stop - 1 of a row hold for the range. Without branches, so it is vectorised."""
    least_first, most_first = row[count : 2 * count], row[2 * count : 3 * count]
    least_last, most_last = row[3 * count : 4 * count], row[4 * count :]
    for place in range(np.uint64(low), np.uint64(stop)):
        holds[place] = (
            (least_first[place] <= first)
            & (first <= most_first[place])
            & (least_last[place] <= last)
            & (last <= most_last[place])
        )


@prefetch_links.register(Window)
def _first_lines(graph: Window, node: int) -> None:
    place = FIELDS * graph.starts[node] // LINE
    prefetch(graph.lines, place)
    prefetch(graph.lines, min(place + 1, graph.lines.shape[0] - 1))


class Work(NamedTuple):
    """A `Scratch`, and what `Window` needs."""

    marks: Marks
    pool: Pool
    trail: Pool
    fresh: np.ndarray
    frontier: Frontier
    holds: np.ndarray

    @classmethod
    def of(cls, n: int, ef: int, widest: int) -> Work:
        """For searches of n items with a pool of ef, where an item has at most so many edges."""
        return cls(*Scratch.of(n, ef, widest), np.empty(widest, np.uint8))


@search_range.register(SegmentGraph)
def _search(
    graph: SegmentGraph,
    how: Choice,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    s: Work,
) -> int:
    computed, seeds = 0, min(last - first + 1, SEEDS)
    for seed in range(seeds):
        computed += enter(vectors, query, spread(first, last, seed, seeds), s)
    loose = last - first + 1 < how.loose_below
    lines = graph.edges.reshape(-1, LINE)
    window = Window(graph.starts, graph.edges, lines, first, last, loose, s.holds)
    return computed + best_first(window, vectors, query, s)

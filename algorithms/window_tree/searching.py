"""The strategies: how windows are chosen for a range, and walked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.levels import Level, node_of
from fannsbench.algorithms._ranges.searching import search_range
from fannsbench.algorithms.window_tree.index import WindowTree, first_from
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.frontier import Frontier
from fannsbench.kernels.pool import Marks, Pool, clear, item_at, offer, size, unmark_all
from fannsbench.kernels.search import ALL, ANY, Scratch, best_first, enter, scan_range

TREE, POST, THREE_SPLIT = range(3)
STRATEGIES = ("tree", "post", "three-split")
LEAST = 10
"""Of a window inside the range so many of the nearest are expanded, however far they are."""
WIDEST = 10_000
"""Candidates that post-filtering keeps at most (the authors' code)."""
STRADDLING = 20
"""A side of the range is searched by the tree unless a window of at most so many times its size holds it."""


class Choice(NamedTuple):
    """How a range is searched."""

    strategy: int  # of STRATEGIES
    mult: int
    few: int  # items of a range that post-filtering is not used for
    k: int


class Work(NamedTuple):
    """A `Scratch` whose pool is for the range, and one for a window."""

    marks: Marks
    pool: Pool
    trail: Pool
    fresh: np.ndarray
    frontier: Frontier
    beam: Pool
    tiles: np.ndarray  # (t, 2) int64

    @classmethod
    def of(cls, n: int, ef: int, degree: int, tiles: int) -> Work:
        """For searches of n items with a pool of ef, where an item has at most `degree` links, and a
        range is tiled by at most so many windows."""
        beam = Pool.of(max(ef, min(WIDEST, n)))
        return cls(*Scratch.of(n, ef, degree), beam, np.empty((tiles, 2), np.int64))


@jit_inline
def _within(pool: Pool, places: int) -> Pool:
    return Pool(pool.distances[:places], pool.ids[:places], pool.state, pool.limit)


@jit
def _walk(
    graph: WindowTree,
    row: int,
    window: int,
    vectors: np.ndarray,
    query: np.ndarray,
    ef: int,
    least: int,
    limit: np.float32,
    s: Work,
) -> int:
    """Fill the beam by a search of a window's graph with a pool of ef, as `best_first` with its last two
    arguments. None of the window's items is marked."""
    scratch = Scratch(s.marks, _within(s.beam, ef), s.trail, s.fresh, s.frontier)
    clear(scratch.pool)
    computed: int = enter(vectors, query, graph.entries[window], scratch)
    level = Level(graph.links, graph.levels[1], row)
    return computed + best_first(level, vectors, query, scratch, least, limit)


@jit
def _search_inside(
    graph: WindowTree, row: int, window: int, vectors: np.ndarray, query: np.ndarray, s: Work
) -> int:
    """Of a window inside the range. Its search ends early where nothing can enter the range's pool."""
    limit = s.pool.limit[0]
    computed: int = _walk(graph, row, window, vectors, query, s.pool.ids.size, LEAST, limit, s)
    for place in range(size(s.beam)):
        offer(s.pool, s.beam.distances[place], item_at(s.beam, place))
    return computed


@jit
def tile(
    graph: WindowTree, first: int, last: int, one_level: bool, tiles: np.ndarray
) -> tuple[int, int, int]:
    """Write the rows and windows of the largest windows of the tree inside a range, or of those on the first
    level that has any, into tiles (t, 2), the larger first. Returns how many, and what positions they cover:
    from the first number on up to the second, or none if these are equal."""
    bounds = graph.bounds
    count, low, high = 0, first, first
    for level in range(graph.levels[0]):
        if low < high and one_level:
            break
        window = first_from(graph, level, first)
        if low < high:
            low_before, low = low, min(low, bounds[window])
            while bounds[window] < low_before:
                tiles[count] = level, window
                count, window = count + 1, window + 1
            window = first_from(graph, level, high)
        else:
            low = bounds[window]
        while bounds[window] <= last and bounds[window + 1] <= last + 1:
            tiles[count] = level, window
            count, window = count + 1, window + 1
        high = bounds[window] if bounds[window] <= last + 1 else low
    return (count, low, high) if low < high else (0, first, first)


@jit
def smallest_holding(graph: WindowTree, first: int, last: int) -> tuple[int, int]:
    """The row and the window of the smallest window that holds a range, of equal ones that of the first."""
    best, window = 0, graph.places[0]
    for row in range(1, graph.levels[1]):
        other = node_of(graph, row, first)
        if graph.bounds[other + 1] > last and size_of(graph, other) < size_of(graph, window):
            best, window = row, other
    return best, window


@jit_inline
def size_of(graph: WindowTree, window: int) -> int:
    """How many items a window holds."""
    return int(graph.bounds[window + 1] - graph.bounds[window])


@jit
def _search_tree(
    graph: WindowTree, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Work
) -> int:
    """Search the windows that tile the range, and scan what they leave at its ends."""
    count, low, high = tile(graph, first, last, False, s.tiles)
    computed = 0
    for i in range(count):
        computed += _search_inside(graph, s.tiles[i, 0], s.tiles[i, 1], vectors, query, s)
    computed += scan_range(vectors, query, first, low - 1, s.pool)
    return computed + scan_range(vectors, query, high, last, s.pool)


@jit
def _search_post(
    graph: WindowTree,
    how: Choice,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    straddling: int,
    s: Work,
) -> int:
    """Search the smallest window that holds the range, with a pool that doubles until k of what it holds are
    in the range, and once more with one `mult` times as large. A short range, and one whose smallest window
    is more than `straddling` times as large, is searched by the tree."""
    count = last - first + 1
    row, window = smallest_holding(graph, first, last)
    items = size_of(graph, window)
    if count < how.few or items > straddling * count:
        return _search_tree(graph, vectors, query, first, last, s)
    most = min(items, s.beam.ids.size)
    places = min(s.pool.ids.size, most)
    computed = _walk_again(graph, row, window, vectors, query, places, s)
    while places < most and _matching(s.beam, first, last) < min(how.k, count):
        places = min(2 * places, most)
        computed += _walk_again(graph, row, window, vectors, query, places, s)
    if how.mult > 1 and places < most:
        computed += _walk_again(graph, row, window, vectors, query, min(how.mult * places, most), s)
    for place in range(size(s.beam)):
        item = item_at(s.beam, place)
        if first <= item <= last:
            offer(s.pool, s.beam.distances[place], item)
    return computed


@jit_inline
def _walk_again(
    graph: WindowTree, row: int, window: int, vectors: np.ndarray, query: np.ndarray, places: int, s: Work
) -> int:
    unmark_all(s.marks)
    return _walk(graph, row, window, vectors, query, places, ALL, ANY, s)


@jit_inline
def _matching(beam: Pool, first: int, last: int) -> int:
    """How many items of a beam are in the range."""
    count = 0
    for place in range(size(beam)):
        count += first <= item_at(beam, place) <= last
    return count


@jit
def _search_three_parts(
    graph: WindowTree, how: Choice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Work
) -> int:
    """Search the windows of the first level with any inside the range, and each side by post-filtering."""
    count, low, high = tile(graph, first, last, True, s.tiles)
    computed = 0
    for i in range(count):
        computed += _search_inside(graph, s.tiles[i, 0], s.tiles[i, 1], vectors, query, s)
    if first < low:
        computed += _search_post(graph, how, vectors, query, first, low - 1, STRADDLING, s)
    if high <= last:
        computed += _search_post(graph, how, vectors, query, high, last, STRADDLING, s)
    return computed


@search_range.register(WindowTree)
def _search(
    graph: WindowTree, how: Choice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Work
) -> int:
    if how.strategy == TREE:
        return _search_tree(graph, vectors, query, first, last, s)
    if how.strategy == POST:
        return _search_post(graph, how, vectors, query, first, last, len(vectors), s)
    return _search_three_parts(graph, how, vectors, query, first, last, s)

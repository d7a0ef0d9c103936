"""How the graphs of the segment tree are built: from the smallest nodes up, each out of those of its
children."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges import searching
from fannsbench.algorithms._ranges.levels import Level, offer_links, row_of
from fannsbench.algorithms.irangegraph.index import SegmentTree, levels_of, middle_of, node_at
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import by_target
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, clear, item_at, offer, size
from fannsbench.kernels.prune import choose, keep_relative, may_stand_in
from fannsbench.kernels.search import Scratch, begin, best_first, enter, scan_range
from fannsbench.kernels.space import Halves, as_half, halves_of, squared_distance

SEEDS = 3
"""Items of the left child at which the search for an item of the right one begins."""


class Design(NamedTuple):
    """How a segment tree is built."""

    M: int  # most links of an item on a level
    ef_construction: int
    exact_merge_below: int  # children of at most so many items are scanned, not searched


class Merged(NamedTuple):
    """The selection of a relative neighbourhood graph among links on both sides of `middle`: those on one
    side were compared in the child. As many candidates as there is room for are all kept."""

    middle: int


@may_stand_in.register(Merged)
def _unless_compared(rule: Merged, node: int, chosen: int, candidate: int) -> bool:
    own = node <= rule.middle
    return bool((chosen <= rule.middle) != own or (candidate <= rule.middle) != own)


@choose.register(Merged)
def _choose(
    rule: Merged, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    return keep_relative(rule, node, candidates, degree, degree, vectors, out)


def build(vectors: np.ndarray, how: Design, threads: int, progress: Progress) -> SegmentTree:
    """Of vectors (m, D) in the space of `fannsbench.kernels.space` and in order of position. The same for any
    number of threads: what is searched on a level was finished with the one below."""
    m = len(vectors)
    levels = levels_of(m)
    graph = SegmentTree(np.full((m * levels, how.M), -1, np.int32), np.array([m, levels]))
    halves = halves_of(vectors)
    ef = how.ef_construction
    workspaces = Workspaces(
        lambda: (Scratch.of(m, ef, how.M), Pool.of(max(ef, how.exact_merge_below) + how.M))
    )
    for level in reversed(range(levels)):
        on_left = _on_left(m, level)
        right = np.flatnonzero(~on_left).astype(np.int32)

        def link(
            first: int,
            last: int,
            scratch: tuple[Scratch, Pool],
            level: int = level,
            right: np.ndarray = right,
        ) -> None:
            _link_right(graph, vectors, halves, level, right[first:last], how, *scratch)

        workspaces.for_ranges(len(right), threads, link)
        _link_left(graph, vectors, level, on_left, right, threads)
        progress(levels - level, levels)
    return graph


def _on_left(m: int, level: int) -> np.ndarray:
    """(m,) bool: the positions that are in the left child of their node of a level, or alone."""
    starts, ends = np.zeros(1, np.int64), np.full(1, m - 1)
    for _ in range(level):
        middles = (starts + ends) // 2
        starts, ends = np.ravel([starts, middles + 1], "F"), np.ravel([middles, ends], "F")
        some = starts <= ends
        starts, ends = starts[some], ends[some]
    left: np.ndarray = np.arange(m) <= np.repeat((starts + ends) // 2, ends - starts + 1)
    return left


@jit
def _link_right(
    graph: SegmentTree,
    vectors: np.ndarray,
    halves: Halves,
    level: int,
    items: np.ndarray,
    how: Design,
    s: Scratch,
    candidates: Pool,
) -> None:
    """Link items of right children to both children: what they link to in their own, and the nearest that a
    search of the left one finds."""
    graph, vectors, halves = borrowed(graph), borrowed(vectors), borrowed(halves)
    s, candidates = borrowed(s), borrowed(candidates)
    m, levels = graph.shape
    for item in items:
        left, right = node_at(m, item, level)
        middle = middle_of(left, right)
        clear(candidates)
        if middle - left < how.exact_merge_below:
            scan_range(vectors, vectors[item], left, middle, candidates)
        else:
            vector = as_half(halves, vectors[item])
            begin(s)
            for seed in range(min(SEEDS, middle - left + 1)):
                enter(halves.vectors, vector, searching.spread(left, middle, seed, SEEDS), s)
            best_first(Level(graph.links, levels, level + 1), halves.vectors, vector, s)
            for place in range(size(s.pool)):
                near = item_at(s.pool, place)
                offer(candidates, squared_distance(vectors[item], vectors, near), near)
        _merge(graph, vectors, item, level, middle, candidates)


def _link_left(
    graph: SegmentTree, vectors: np.ndarray, level: int, on_left: np.ndarray, right: np.ndarray, threads: int
) -> None:
    """Link items of left children to both: what they link to in their own, and the items of the right one
    that link to them."""
    levels, left = int(graph.shape[1]), np.flatnonzero(on_left).astype(np.int32)
    chosen = graph.links[right.astype(np.int64) * levels + level]
    chosen[~on_left[chosen]] = -1  # where it is -1, that of the last position is of no account
    into, edges, back = by_target(right, chosen)
    starts, ends = edges[np.searchsorted(into, left)], edges[np.searchsorted(into, left, side="right")]
    most = graph.links.shape[1] + int((ends - starts).max(initial=0))

    def link(first: int, last: int) -> None:
        part = slice(first, last)
        _link_back(graph, vectors, level, left[part], starts[part], ends[part], back, Pool.of(most))

    for_ranges(len(left), threads, link)


@jit
def _link_back(
    graph: SegmentTree,
    vectors: np.ndarray,
    level: int,
    items: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    back: np.ndarray,
    candidates: Pool,
) -> None:
    graph, vectors, candidates = borrowed(graph), borrowed(vectors), borrowed(candidates)
    for i in range(items.size):
        item = items[i]
        left, right = node_at(graph.shape[0], item, level)
        clear(candidates)
        for other in back[starts[i] : ends[i]]:
            offer(candidates, squared_distance(vectors[item], vectors, other), other)
        _merge(graph, vectors, item, level, middle_of(left, right), candidates)


@jit
def _merge(
    graph: SegmentTree, vectors: np.ndarray, item: int, level: int, middle: int, candidates: Pool
) -> None:
    """Choose the links of an item on a level, whose node is halved at `middle`, among the candidates and its
    links on the level below, for which they have room."""
    links, levels = graph.links, graph.shape[1]
    if level + 1 < levels:
        offer_links(links, row_of(levels, item, level + 1), vectors, item, candidates)
    out = links[row_of(levels, item, level)]
    kept = choose(Merged(middle), item, candidates, links.shape[1], vectors, out)
    out[kept:] = -1

"""The segment graphs of SeRF, and how a range of positions walks them.

Of two neighbours the one at the later position was inserted later.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.searching import (
    Conjunction,
    search_range,
    search_range_matching,
    spread,
)
from fannsbench.kernels import jit_inline
from fannsbench.kernels.pool import Marks, mark
from fannsbench.kernels.search import (
    Scratch,
    best_first,
    best_first_matching,
    enter,
    enter_matching,
    neighbours,
)

SEEDS = 3
"""Places of a range, evenly spread, where a search begins (the authors' code)."""


class SegmentGraphs(NamedTuple):
    """The 2D segment graph of m items, and the two 1D ones, whose arrays are empty where they are not built.

    A segment of v holds neighbours before v for the ranges that begin before `until` and not before the
    `until` of v's last segment. An edge of a 1D graph lives in ranges of at most `ends` items."""

    segments: np.ndarray  # (m + 1,) int64: where those of each item begin
    until: np.ndarray  # (S,) int32, ascending within an item
    edges: np.ndarray  # (S + 1,) int64: where those of each segment begin
    forward: np.ndarray  # (F,) int32: neighbours before the item
    reverse_starts: np.ndarray  # (m + 1,) int64
    reverse: np.ndarray  # (F or fewer,) int32: neighbours after the item, the last first
    below_starts: np.ndarray  # (m + 1,) int64; below: of ranges that begin with the first item
    below: np.ndarray  # (E,) int32
    below_ends: np.ndarray  # (E,) int32
    above_starts: np.ndarray  # (m + 1,) int64; above: of ranges that end with the last item
    above: np.ndarray  # (E,) int32
    above_ends: np.ndarray  # (E,) int32


class TwoSided(NamedTuple):
    """The 2D segment graph as the range first..last sees it."""

    segments: np.ndarray
    until: np.ndarray
    edges: np.ndarray
    forward: np.ndarray
    reverse_starts: np.ndarray
    reverse: np.ndarray
    first: int
    last: int
    spans: int  # segments that are read, from the first that serves the range on
    most: int  # reverse edges that are followed, the last in the range first


class OneSided(NamedTuple):
    """A 1D segment graph as the range first..last of `count` items, at one end of all, sees it."""

    starts: np.ndarray
    links: np.ndarray
    ends: np.ndarray
    first: int
    last: int
    count: int


class Reach(NamedTuple):
    """How much of the 2D graph is read of an item, as in `TwoSided`."""

    spans: int
    most: int


@neighbours.register(TwoSided)
def _in_range(graph: TwoSided, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count = 0
    segment, stop = graph.segments[node], graph.segments[node + 1]
    while segment < stop and graph.until[segment] <= graph.first:
        segment += 1
    for edge in range(graph.edges[segment], graph.edges[min(segment + graph.spans, stop)]):
        item = graph.forward[edge]
        if item >= graph.first and mark(marks, item):
            fresh[count] = item
            count += 1
    low, stop = graph.reverse_starts[node], graph.reverse_starts[node + 1]
    high = stop
    while low < high:
        middle = (low + high) >> 1
        if graph.reverse[middle] > graph.last:
            low = middle + 1
        else:
            high = middle
    for edge in range(low, min(stop, low + graph.most)):
        item = graph.reverse[edge]
        if mark(marks, item):
            fresh[count] = item
            count += 1
    return count


@neighbours.register(OneSided)
def _alive(graph: OneSided, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count = 0
    for edge in range(graph.starts[node], graph.starts[node + 1]):
        if graph.ends[edge] < graph.count:
            break
        item = graph.links[edge]
        if graph.first <= item <= graph.last and mark(marks, item):
            fresh[count] = item
            count += 1
    return count


def widest(graph: SegmentGraphs, index_k: int, two_segments: bool) -> int:
    """The most items that one leads to."""
    reverse = int(np.diff(graph.reverse_starts).max(initial=0)) if two_segments else 2 * index_k
    one_sided = max(
        int(np.diff(starts).max(initial=0)) for starts in (graph.below_starts, graph.above_starts)
    )
    return max((1 + two_segments) * index_k + reverse, one_sided)


@jit_inline
def _two_sided(graph: SegmentGraphs, how: Reach, first: int, last: int) -> TwoSided:
    return TwoSided(
        graph.segments,
        graph.until,
        graph.edges,
        graph.forward,
        graph.reverse_starts,
        graph.reverse,
        first,
        last,
        how.spans,
        how.most,
    )


@jit_inline
def _is_one_sided(graph: SegmentGraphs, first: int, last: int) -> bool:
    """Whether a 1D graph serves the range."""
    return bool((first == 0 and graph.below_starts.size > 0) or last == graph.above_starts.size - 2)


@jit_inline
def _one_sided(graph: SegmentGraphs, first: int, last: int) -> OneSided:
    count = last - first + 1
    if first == 0 and graph.below_starts.size > 0:
        return OneSided(graph.below_starts, graph.below, graph.below_ends, first, last, count)
    return OneSided(graph.above_starts, graph.above, graph.above_ends, first, last, count)


@search_range.register(SegmentGraphs)
def _search(
    graph: SegmentGraphs,
    how: Reach,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    s: Scratch,
) -> int:
    computed, seeds = 0, min(last - first + 1, SEEDS)
    for seed in range(seeds):
        computed += enter(vectors, query, spread(first, last, seed, seeds), s)
    if _is_one_sided(graph, first, last):
        return computed + best_first(_one_sided(graph, first, last), vectors, query, s)
    return computed + best_first(_two_sided(graph, how, first, last), vectors, query, s)


@search_range_matching.register(SegmentGraphs)
def _search_matching(
    graph: SegmentGraphs,
    how: Reach,
    matching: Conjunction,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    s: Scratch,
) -> int:
    computed, seeds = 0, min(last - first + 1, SEEDS)
    for seed in range(seeds):
        computed += enter_matching(matching, vectors, query, spread(first, last, seed, seeds), s)
    if _is_one_sided(graph, first, last):
        return computed + best_first_matching(_one_sided(graph, first, last), matching, vectors, query, s)
    return computed + best_first_matching(_two_sided(graph, how, first, last), matching, vectors, query, s)

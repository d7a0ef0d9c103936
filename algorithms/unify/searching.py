"""The three strategies, and how one is chosen by the number of matches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.searching import InRange, search_range
from fannsbench.algorithms.hnsw_native import index as hnsw
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.algorithms.unify.index import Active, Hsig, descend, segment_of
from fannsbench.kernels import jit
from fannsbench.kernels.pool import Pool, item_at, size
from fannsbench.kernels.search import (
    Scratch,
    Table,
    begin,
    best_first,
    best_first_matching,
    enter,
    enter_matching,
    scan_range,
)

AUTO, PRE, POST, HYBRID = range(4)
STRATEGIES = ("auto", "pre", "post", "hybrid")


class Choice(NamedTuple):
    """How a range is searched."""

    strategy: int  # of STRATEGIES
    m: int  # links that are read of an item, over all active segments; in the lowest layer twice as many
    k: int


@search_range.register(Hsig)
def _search(
    graph: Hsig, how: Choice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Scratch
) -> int:
    strategy = how.strategy
    if strategy == AUTO:
        strategy = chosen(graph, last - first + 1)
    if strategy == PRE:
        return scan_range(vectors, query, first, last, s.pool)
    if strategy == HYBRID:
        return _search_hybrid(graph, how, vectors, query, first, last, s)
    computed = _search_post(graph, vectors, query, first, last, s)
    if size(s.pool) < min(how.k, last - first + 1):
        begin(s)
        computed += _search_hybrid(graph, how, vectors, query, first, last, s)
    return computed


@jit
def chosen(graph: Hsig, count: int) -> int:
    """The strategy for a range of so many items."""
    share = count / graph.place.size
    if share <= graph.thresholds[0]:
        return PRE
    return POST if share >= graph.thresholds[1] else HYBRID


@jit
def _search_post(
    graph: Hsig, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Scratch
) -> int:
    """Search all items, and keep those of the range."""
    layers = Layers(graph.merged, graph.upper_merged, graph.starts, graph.place, graph.entry)
    nearest, computed = hnsw.descend(layers, vectors, query, 0)
    computed += enter(vectors, query, nearest, s)
    computed += best_first(Table(graph.merged), vectors, query, s)
    _keep_range(s.pool, first, last)
    return computed


@jit
def _keep_range(pool: Pool, first: int, last: int) -> None:
    """Take out of a pool that no search uses any more what is not in the range."""
    kept = 0
    for place in range(size(pool)):
        if first <= item_at(pool, place) <= last:
            pool.distances[kept] = pool.distances[place]
            pool.ids[kept] = pool.ids[place]
            kept += 1
    pool.state[0] = kept


@jit
def _search_hybrid(
    graph: Hsig, how: Choice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Scratch
) -> int:
    """Walk the segments that the range meets, and keep those of the range."""
    low, high = segment_of(graph, first), segment_of(graph, last)
    most = max(1, how.m // (high - low + 1))
    within = InRange(first, last)
    nearest, computed = descend(graph, vectors, query, low, high, most)
    computed += enter_matching(within, vectors, query, nearest, s)
    active = Active(graph.chunks, graph.tops.size, low, high, 2 * most)
    return computed + best_first_matching(active, within, vectors, query, s)

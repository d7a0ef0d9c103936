"""The adaptive two-hop search of today's engines, on the graph of HNSW."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._native.subgraph import enter_subgraph
from fannsbench.algorithms.hnsw_native.index import Layers, descend
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Marks, mark, write_ids
from fannsbench.kernels.search import Bitmap, Scratch, accepts, best_first, neighbours
from fannsbench.kernels.space import prefetch

ENOUGH = 0.9
"""A node most of whose links match is not explored further (Lucene)."""


class TwoHop(NamedTuple):
    """The lowest layer for one query, as Lucene's FilteredHnswGraphSearcher sees it. A node leads to the
    matches among its links; if more than a tenth of these do not match, to those that these lead to, and so
    on from there while fewer than `least` were found. Every item is looked at once in a search."""

    links: np.ndarray  # (n, 2 M) int32, -1 padded
    matching: Bitmap
    times: int  # a node leads to at most so many times its degree; at most 2 M times as many are looked at
    least: int
    waiting: np.ndarray  # (2 M times,) int32, scratch: items that do not match


@neighbours.register(TwoHop)
def _two_hops(graph: TwoHop, node: int, marks: Marks, fresh: np.ndarray) -> int:
    links, matching, waiting = graph.links, graph.matching, graph.waiting
    width = links.shape[1]
    count = last = degree = 0
    for place in range(width):
        item = links[node, place]
        if item < 0:
            break
        degree += 1
        if mark(marks, item):
            if accepts(matching, item):
                fresh[count] = item
                count += 1
            else:
                waiting[last] = item
                last += 1
    if last <= (1 - ENOUGH) * degree:
        return count
    most = degree * graph.times
    if last < degree:
        most = min(most, degree * degree // (degree - last))
    looked, left = 0, width * graph.times - 1
    first = 0
    while first < last and count < most and looked < left:
        if first + 1 < last:
            prefetch(links, waiting[first + 1])
        between = waiting[first]
        first += 1
        for place in range(width):
            item = links[between, place]
            if item < 0 or count >= most or looked >= left:
                break
            if not mark(marks, item):
                continue
            looked += 1
            if accepts(matching, item):
                fresh[count] = item
                count += 1
            elif count < graph.least and last < waiting.size:
                waiting[last] = item
                last += 1
    return count


def widest(M: int) -> int:  # noqa: N803
    """The most items that a node leads to, or that wait at once: of 2 M links, each for M / 2."""
    return 2 * M * max(1, M // 2 + 1)


@jit
def search(
    layers: Layers,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray,
    counts: np.ndarray,
    seeds: np.ndarray,
    waiting: np.ndarray,
    s: Scratch,
    neighbors: np.ndarray,
) -> int:
    """For queries[rows] into neighbors[rows] (q, k) int32, among the items in bitmaps (q, ceil(n / 8)) uint8,
    of which each row has counts (q,) int64. waiting and fresh of the scratch have room for `widest`. Returns
    the number of distances."""
    layers, vectors, bitmaps, s = borrowed(layers), borrowed(vectors), borrowed(bitmaps), borrowed(s)
    seeds, waiting = borrowed(seeds), borrowed(waiting)
    M = layers.upper.shape[1]  # noqa: N806
    computed = 0
    for row in rows:
        query = queries[row]
        matching = Bitmap(bitmaps[row])
        one_in = len(vectors) / max(counts[row], 1)
        times = max(1, int(np.rint(min(one_in, M / 2))))
        least = int(np.rint(min(max(0.0, one_in - 2 * M), float(M))))
        subgraph = TwoHop(layers.links, matching, times, least, waiting)
        start, steps = descend(layers, vectors, query, 0)
        some = seeds[: 0 if accepts(matching, start) else seeds.size]
        computed += steps
        computed += enter_subgraph(subgraph, matching, vectors, query, start, some, s)
        computed += best_first(subgraph, vectors, query, s)
        write_ids(s.pool, neighbors[row])
    return computed

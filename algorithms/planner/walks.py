"""The plans on a graph."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithms._native.unfiltered import entry
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, clear, write_ids
from fannsbench.kernels.search import Bitmap, Scratch, Table, begin, best_first_matching, enter_matching


def with_pool(scratch: Scratch, pool: int) -> Scratch:
    """The same, with a pool of so many of its places: one is as large as its arrays."""
    whole = scratch.pool
    return scratch._replace(pool=Pool(whole.distances[:pool], whole.ids[:pool], whole.state, whole.limit))


@jit
def search_matching(
    graph: Layers,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray,
    most: np.ndarray,
    s: Scratch,
    neighbors: np.ndarray,
) -> int:
    """For queries[rows], in the graph's space, into neighbors[rows] (q, k) int32, -1 padded: the matches that
    a walk over all items finds. bitmaps (q, ceil(n / 8)) uint8. A walk that computes more distances than most
    (q,) int64 is given up and finds nothing. Returns the number of distances."""
    graph, vectors, s = borrowed(graph), borrowed(vectors), borrowed(s)
    total = 0
    for row in rows:
        query, matching = queries[row], Bitmap(bitmaps[row])
        first, steps = entry(graph, vectors, query)
        begin(s)
        enter_matching(matching, vectors, query, first, s)
        computed = best_first_matching(Table(graph.links), matching, vectors, query, s, most[row])
        if computed > most[row]:
            clear(s.pool)
        write_ids(s.pool, neighbors[row])
        total += steps + computed
    return total


@jit
def keep_in_bitmaps(bitmaps: np.ndarray, found: np.ndarray, neighbors: np.ndarray) -> None:
    """The first matches of found (q, pool) int32 into neighbors (q, k) int32, -1 padded."""
    for i in range(len(found)):
        bits, out = bitmaps[i], neighbors[i]
        count = 0
        for item in found[i]:
            if item < 0 or count == out.size:
                break
            if (bits[item >> 3] >> (item & 7)) & 1:
                out[count] = item
                count += 1
        out[count:] = -1

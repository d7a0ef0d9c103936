"""The plans on a graph."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithms._native import unfiltered
from fannsbench.algorithms._native.unfiltered import entry
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.algorithms.planner.costs import IN
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, clear, write_ids
from fannsbench.kernels.search import Bitmap, Scratch, Table, begin, best_first_matching, enter_matching


def walk(
    plan: int,
    pool: int,
    graph: Layers,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray | None,
    most: np.ndarray | None,
    scratch: Scratch,
    neighbors: np.ndarray,
) -> int:
    """For queries[rows], in the graph's space, into neighbors[rows] (q, k) int32, -1 padded, with a pool of
    so many of the places that the scratch has. bitmaps (q, ceil(n / 8)) uint8 are of all queries; without
    them there is no filter. A walk for IN that computes more distances than most (q,) int64 is given up and
    finds nothing. Returns the number of distances."""
    whole = scratch.pool
    # The pool of a search is as large as its arrays.
    s = scratch._replace(pool=Pool(whole.distances[:pool], whole.ids[:pool], whole.state, whole.limit))
    if bitmaps is None or most is None:
        return unfiltered.search(graph, vectors, queries, rows, s, neighbors)
    if plan == IN:
        return _search_matching(graph, vectors, queries, rows, bitmaps, most, s, neighbors)
    found = np.empty((len(rows), pool), np.int32)
    computed = unfiltered.search(graph, vectors, queries[rows], np.arange(len(rows)), s, found)
    _keep_matches(bitmaps, rows, found, neighbors)
    return computed


@jit
def _search_matching(
    graph: Layers,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray,
    most: np.ndarray,
    s: Scratch,
    neighbors: np.ndarray,
) -> int:
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
def _keep_matches(bitmaps: np.ndarray, rows: np.ndarray, found: np.ndarray, neighbors: np.ndarray) -> None:
    """The first matches of found (r, pool) int32 into neighbors[rows]."""
    for i in range(len(rows)):
        bits, out = bitmaps[rows[i]], neighbors[rows[i]]
        count = 0
        for item in found[i]:
            if item < 0 or count == out.size:
                break
            if (bits[item >> 3] >> (item & 7)) & 1:
                out[count] = item
                count += 1
        out[count:] = -1

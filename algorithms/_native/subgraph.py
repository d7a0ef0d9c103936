"""Where walks begin that see matching items alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.pool import mark
from fannsbench.kernels.search import Bitmap, Scratch, accepts, begin, enter, neighbours, scan


@jit_inline
def enter_subgraph(
    graph: Any,
    matching: Bitmap,
    vectors: np.ndarray,
    query: np.ndarray,
    start: int,
    seeds: np.ndarray,
    s: Scratch,
) -> int:
    """Begin a search of a graph that leads to matching items alone: at `start`, or, if it does not match, at
    what it leads to; and at as many of the seeds, int32, as there are matches for, which are written. Returns
    the number of distances.

    The pool holds only matches from the first, so nothing else is ever returned."""
    begin(s)
    if accepts(matching, start):
        computed = enter(vectors, query, start, s)
    else:
        mark(s.marks, start)
        count = neighbours(graph, start, s.marks, s.fresh)
        computed = scan(vectors, query, s.fresh[:count], s.pool)
    for i in range(spread_matches(matching.bits, len(vectors), seeds)):
        computed += enter(vectors, query, seeds[i], s)
    return computed


@jit
def spread_matches(bits: np.ndarray, n: int, out: np.ndarray) -> int:
    """Write matching items into out (m,) int32, ascending, and return how many: of each m-th part of the n
    items the first match from its beginning on, if none before took it. bits (ceil(n / 8),) uint8."""
    count, item = 0, np.int64(0)
    for i in range(out.size):
        item = max(item, n * i // out.size)
        while item < n and not (bits[item >> 3] >> (item & 7)) & 1:
            item += 1
            while item < n and item & 7 == 0 and not bits[item >> 3]:
                item += 8
        if item >= n:
            break
        out[count] = item
        count += 1
        item += 1
    return count

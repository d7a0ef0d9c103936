"""The candidates of an item's edges: all that a search for it in an HNSW graph admits."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithms.hnsw_native.index import Layers, descend
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, clear, item_at, next_unexpanded, offer
from fannsbench.kernels.search import AHEAD, Scratch, Table, begin, enter, neighbours
from fannsbench.kernels.space import Halves, as_half, prefetch, squared_distance


@jit
def collect(
    graph: Layers, vectors: np.ndarray, halves: Halves, item: int, linked: bool, s: Scratch, admitted: Pool
) -> None:
    """Fill `admitted`, whose places are for the nearest, with what is let into the pool of a search for the
    item in the lowest layer, even if it is put out again. The search begins at the item if it is linked, else
    where the upper layers lead to."""
    graph, vectors, halves = borrowed(graph), borrowed(vectors), borrowed(halves)
    s, admitted = borrowed(s), borrowed(admitted)
    coarse = as_half(halves, vectors[item])
    begin(s)
    clear(admitted)
    start = item if linked else descend(graph, vectors, vectors[item], 0)[0]
    enter(halves.vectors, coarse, start, s)
    if not linked:
        offer(admitted, squared_distance(vectors[item], vectors, start), start)
    while True:
        place = next_unexpanded(s.pool)
        if place < 0:
            return
        count = neighbours(Table(graph.links), item_at(s.pool, place), s.marks, s.fresh)
        for i in range(min(AHEAD, count)):
            prefetch(halves.vectors, s.fresh[i])
        for i in range(count):
            if i + AHEAD < count:
                prefetch(halves.vectors, s.fresh[i + AHEAD])
            near = s.fresh[i]
            if offer(s.pool, squared_distance(coarse, halves.vectors, near), near):
                offer(admitted, squared_distance(vectors[item], vectors, near), near)

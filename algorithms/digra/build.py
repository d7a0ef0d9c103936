"""How the graphs of DIGRA's nodes are built: from the smallest up, each out of those of its children."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges.levels import Level, node_of, offer_links, row_of
from fannsbench.algorithms.digra.searching import descend
from fannsbench.algorithms.digra.tree import Digra, unlinked
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Pool, clear, offer
from fannsbench.kernels.prune import Heuristic, choose
from fannsbench.kernels.search import Scratch, begin, best_first, enter, rescore, scan_range
from fannsbench.kernels.space import Halves, as_half, halves_of, squared_distance


class Design(NamedTuple):
    """How the graphs are built."""

    M: int  # most links of an item on a level
    ef_construction: int
    seed: int


def build(vectors: np.ndarray, how: Design, threads: int, progress: Progress) -> Digra:
    """Of vectors (m, D) in the space of `fannsbench.kernels.space` and in order of position. The same for any
    number of threads: what is searched on a level was finished with the one below."""
    m, ef = len(vectors), how.ef_construction
    graph = unlinked(m, how.M, how.seed)
    halves = halves_of(vectors)
    workspaces = Workspaces(lambda: (Scratch.of(m, ef, how.M), Pool.of(3 * how.M), np.empty(how.M, np.int32)))
    levels = int(graph.levels[0])
    for level in reversed(range(levels)):

        def link(
            first: int, last: int, scratch: tuple[Scratch, Pool, np.ndarray], level: int = level
        ) -> None:
            _link(graph, vectors, halves, level, first, last, *scratch)

        workspaces.for_ranges(m, threads, link)
        progress(levels - level, levels)
    return graph


@jit
def _link(
    graph: Digra,
    vectors: np.ndarray,
    halves: Halves,
    level: int,
    first: int,
    last: int,
    s: Scratch,
    candidates: Pool,
    chosen: np.ndarray,
) -> None:
    """Link the items first..last - 1 in their nodes of a level: to what they link to in their own child, and
    to what a search of each other child finds."""
    graph, vectors, halves = borrowed(graph), borrowed(vectors), borrowed(halves)
    s, candidates, chosen = borrowed(s), borrowed(candidates), borrowed(chosen)
    links, levels = graph.links, graph.levels[0]
    for item in range(first, last):
        node = node_of(graph, level, item)
        clear(candidates)
        if level + 1 < levels:
            offer_links(links, row_of(levels, item, level + 1), vectors, item, candidates)
        child = node_of(graph, level + 1, graph.bounds[node])
        while graph.bounds[child] < graph.bounds[node + 1]:
            if not graph.bounds[child] <= item < graph.bounds[child + 1]:
                _seek(graph, vectors, halves, level + 1, child, item, s)
                for place in range(choose(Heuristic(), item, s.pool, chosen.size, vectors, chosen)):
                    other = chosen[place]
                    offer(candidates, squared_distance(vectors[item], vectors, other), other)
            child += 1
        out = links[row_of(levels, item, level)]
        kept = choose(Heuristic(), item, candidates, out.size, vectors, out)
        out[kept:] = -1


@jit
def _seek(
    graph: Digra, vectors: np.ndarray, halves: Halves, level: int, node: int, item: int, s: Scratch
) -> None:
    """Fill the pool with the nearest of a node to an item outside it."""
    graph, vectors, halves, s = borrowed(graph), borrowed(vectors), borrowed(halves), borrowed(s)
    vector = vectors[item]
    first, stop = graph.bounds[node], graph.bounds[node + 1]
    begin(s)
    if stop - first <= s.pool.ids.size:
        scan_range(vectors, vector, first, stop - 1, s.pool)
        return
    coarse = as_half(halves, vector)
    near, _ = descend(graph, halves.vectors, coarse, graph.entries[node], level)
    enter(halves.vectors, coarse, near, s)
    best_first(Level(graph.links, graph.levels[0], level), halves.vectors, coarse, s)
    rescore(vectors, vector, s.pool)

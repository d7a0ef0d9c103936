"""How queries walk ACORN's graph: over the items that match, and over what two links lead to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._native.subgraph import enter_subgraph
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Marks, mark, write_ids
from fannsbench.kernels.search import Bitmap, Scratch, accepts, best_first, neighbours
from fannsbench.kernels.space import prefetch, squared_distance

AHEAD = 2
"""Lists are asked for so many before their turn."""


class PredicateSubgraph(NamedTuple):
    """The lowest layer for one query. A node leads to the matches among its links, and among the links of
    those of its links from place `direct` on that do not match; it looks no further once it has come upon
    `most` matches, seen before or not."""

    links: np.ndarray  # (n, degree) int32, -1 padded
    matching: Bitmap
    direct: int
    most: int


@neighbours.register(PredicateSubgraph)
def _of_subgraph(graph: PredicateSubgraph, node: int, marks: Marks, fresh: np.ndarray) -> int:
    links, most, width = graph.links, graph.most, graph.links.shape[1]
    count, found = _matches_of_row(links, node, graph.matching, most, marks, fresh, 0)
    for place in range(graph.direct, width):
        between = links[node, place]
        if between < 0 or found >= most:
            break
        if place + AHEAD < width and links[node, place + AHEAD] >= 0:
            prefetch(links, links[node, place + AHEAD])
        # Matches are marked by now; what does not match is marked when its links have been looked at.
        if mark(marks, between):
            count, more = _matches_of_row(links, between, graph.matching, width, marks, fresh, count)
            found += more
    return count


@jit_inline
def _matches_of_row(
    links: np.ndarray,
    row: int,
    matching: Bitmap,
    most: int,
    marks: Marks,
    fresh: np.ndarray,
    count: int,
) -> tuple[int, int]:
    """Add those of a row's first `most` matches that are not seen to the `count` in fresh. Returns how many
    these are then, and how many matches there were. Without branches on the filter, which nobody can
    foresee."""
    last = count
    for place in range(links.shape[1]):
        item = links[row, place]
        if item < 0:
            break
        fresh[last] = item
        last += accepts(matching, item)
    last = min(last, count + most)
    new = count
    for place in range(count, last):
        if mark(marks, fresh[place]):
            fresh[new] = fresh[place]
            new += 1
    return new, last - count


@jit
def descend_matching(
    layers: Layers,
    matching: Bitmap,
    vectors: np.ndarray,
    query: np.ndarray,
    M: int,  # noqa: N803
) -> tuple[int, int]:
    """Come greedily down through the upper layers over matching items, looking at the first M matches of an
    item. An item that does not match is left for the first that does. Returns the item that is
    reached, which does not match if none was met, and how many distances were computed."""
    layers, matching, vectors, query = (
        borrowed(layers),
        borrowed(matching),
        borrowed(vectors),
        borrowed(query),
    )
    nearest = layers.entry[0]
    distance, computed = squared_distance(query, vectors, nearest), 1
    matches = accepts(matching, nearest)
    for layer in range(layers.starts.size - 1, 0, -1):
        moved = True
        while moved:
            moved, found = False, 0
            row = layers.starts[layer] + layers.place[nearest]
            for place in range(layers.upper.shape[1]):
                item = layers.upper[row, place]
                if item < 0 or found == M:
                    break
                if not accepts(matching, item):
                    continue
                found += 1
                other = squared_distance(query, vectors, item)
                computed += 1
                if other < distance or not matches:
                    nearest, distance, moved, matches = item, other, True, True
    return nearest, computed


@jit
def search(
    layers: Layers,
    M: int,  # noqa: N803
    direct: int,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray,
    seeds: np.ndarray,
    s: Scratch,
    neighbors: np.ndarray,
) -> int:
    """For queries[rows] into neighbors[rows] (q, k) int32, among the items in bitmaps (q, ceil(n / 8)) uint8,
    or in its only row. Returns the number of distances. fresh of the scratch has room for 2 M and two
    lists."""
    layers, vectors, bitmaps, seeds, s = (
        borrowed(layers),
        borrowed(vectors),
        borrowed(bitmaps),
        borrowed(seeds),
        borrowed(s),
    )
    computed = 0
    for row in rows:
        query = queries[row]
        matching = Bitmap(bitmaps[row if bitmaps.shape[0] > 1 else 0])
        subgraph = PredicateSubgraph(layers.links, matching, direct, 2 * M)
        start, steps = descend_matching(layers, matching, vectors, query, M)
        computed += steps
        computed += enter_subgraph(subgraph, matching, vectors, query, start, seeds, s)
        computed += best_first(subgraph, vectors, query, s)
        write_ids(s.pool, neighbors[row])
    return computed

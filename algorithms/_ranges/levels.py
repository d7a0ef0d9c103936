"""A graph in every node of a tree of nodes: the links of an item on all levels lie side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.pool import Marks, Pool, offer
from fannsbench.kernels.search import (
    fresh_of_row,
    neighbours,
    prefetch_fresh,
    prefetch_links,
    prefetch_neighbours,
)
from fannsbench.kernels.space import prefetch, squared_distance


class Level(NamedTuple):
    """The graphs of all nodes of one level. The links of an item on level l are row item * levels + l."""

    links: np.ndarray  # (m * levels, degree) int32, -1 padded
    levels: int
    level: int


@jit_inline
def row_of(levels: int, item: int, level: int) -> int:
    """Where the links of an item on a level are: beyond 2**31 links too, an int64."""
    return np.int64(item) * levels + level


@neighbours.register(Level)
def _of_level(graph: Level, node: int, marks: Marks, fresh: np.ndarray) -> int:
    return fresh_of_row(graph.links, row_of(graph.levels, node, graph.level), marks, fresh)


@prefetch_links.register(Level)
def _row_of_level(graph: Level, node: int) -> None:
    prefetch(graph.links, row_of(graph.levels, node, graph.level))


@prefetch_neighbours.register(Level)
def _rows_of_level(graph: Level, node: int, vectors: np.ndarray, marks: Marks) -> None:
    prefetch_fresh(graph.links[row_of(graph.levels, node, graph.level)], vectors, marks)


@jit
def offer_links(links: np.ndarray, row: int, vectors: np.ndarray, item: int, pool: Pool) -> None:
    """Offer an item the links of a row, none of which is in the pool."""
    for place in range(links.shape[1]):
        other = links[row, place]
        if other < 0:
            break
        offer(pool, squared_distance(vectors[item], vectors, other), other)


@jit
def node_of(graph: Any, level: int, item: int) -> int:
    """Where in `bounds` the node of an item on a level is: that the nodes of level l begin at the positions
    bounds[places[l]:places[l + 1]] the graph says, the last of which is their end."""
    low, high = graph.places[level], graph.places[level + 1] - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if graph.bounds[middle] <= item:
            low = middle
        else:
            high = middle
    return int(low)

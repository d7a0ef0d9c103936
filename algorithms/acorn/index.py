"""The graph of ACORN: an HNSW with long lists, built without looking at attributes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms.acorn.prune import Compression, Nearest
from fannsbench.algorithms.hnsw_native.index import Layers, descend, unlinked
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.frontier import pop
from fannsbench.kernels.insert import link_back
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Marks, item_at, size
from fannsbench.kernels.prune import choose
from fannsbench.kernels.reach import connect
from fannsbench.kernels.search import (
    Scratch,
    accepts,
    begin,
    best_first,
    enter,
    enter_matching,
    expand_matching,
    fresh_of_row,
    neighbours,
)


class FirstLinks(NamedTuple):
    """A layer while the graph is built: a node leads to the first `most` of its links that are not seen."""

    layers: Layers
    layer: int
    most: int


@neighbours.register(FirstLinks)
def _first_unseen(graph: FirstLinks, node: int, marks: Marks, fresh: np.ndarray) -> int:
    layers, layer = graph.layers, graph.layer
    links = layers.upper if layer else layers.links
    row = layers.starts[layer] + layers.place[node] if layer else np.int64(node)
    return fresh_of_row(links, row, marks, fresh, graph.most)


class Everything(NamedTuple):
    """The filter of a search that has none."""


@accepts.register(Everything)
def _always(filter_: Everything, item: int) -> bool:
    return True


class Gathering(NamedTuple):
    """How candidates are sought."""

    M: int  # links looked at in the descent, and of each item that is expanded
    by_distance: bool  # whether the search stops when nothing nearer is left


def build(
    vectors: np.ndarray,
    M: int,  # noqa: N803
    M_beta: int,  # noqa: N803
    gamma: int,
    gather_stop: str,
    seed: int,
    threads: int,
    progress: Progress,
) -> Layers:
    """Of vectors (n, D) in the space of `fannsbench.kernels.space`: `links` (n, M_beta + 1.5 M), nearest
    first where they were pruned last, `upper` (U, M gamma)."""
    n, candidates = len(vectors), M * gamma
    degree = M_beta + 3 * M // 2
    gathering = Gathering(M, gather_stop == "distance" or gamma == 1)
    layers, batches = unlinked(n, M, degree, candidates, seed, progress)
    widest = max(degree, candidates)
    workspaces = Workspaces(lambda: Scratch.of(n, candidates, widest, matching=not gathering.by_distance))
    for top, items in batches:
        _insert(layers, gathering, M_beta, vectors, items, top, workspaces, threads)
    _connect_first(layers.links, 2 * M, vectors, layers.entry[0], candidates)
    return layers


def _connect_first(links: np.ndarray, most: int, vectors: np.ndarray, start: int, ef: int) -> None:
    """Link in what a walk along the first `most` links of each item does not come to: a query that all items
    match sees no others. What these take the place of follows after them."""
    first = links[:, :most].copy()
    connect(first, vectors, start, ef)
    for row in np.flatnonzero((first != links[:, :most]).any(axis=1)):
        others = [item for item in links[row] if item >= 0 and item not in first[row]]
        both = [*first[row][first[row] >= 0], *others][: links.shape[1]]
        links[row, : len(both)] = both


def _insert(
    layers: Layers,
    gathering: Gathering,
    M_beta: int,  # noqa: N803
    vectors: np.ndarray,
    items: np.ndarray,
    top: int,
    workspaces: Workspaces,
    threads: int,
) -> None:
    """Items whose highest layer is `top`."""
    lowest = np.full((len(items), layers.links.shape[1]), -1, np.int32)
    upper = np.full((len(items), top, layers.upper.shape[1]), -1, np.int32)
    most = max(layers.upper.shape[1], layers.links.shape[1])
    rule = Compression(layers.links, M_beta, most)

    def find(first: int, last: int, scratch: Scratch) -> None:
        some = slice(first, last)
        _find_links(layers, gathering, rule, vectors, items[some], scratch, lowest[some], upper[some])

    workspaces.for_ranges(len(items), threads, find)
    layers.links[items] = lowest
    rule = rule._replace(links=layers.links.copy())  # pruning one list reads others
    link_back(rule, vectors, layers.links, items, lowest, threads)
    for layer in range(1, top + 1):
        rows = layers.starts[layer] + layers.place
        layers.upper[rows[items]] = upper[:, layer - 1]
        link_back(Nearest(), vectors, layers.upper, items, upper[:, layer - 1], threads, rows)


@jit
def _find_links(
    layers: Layers,
    gathering: Gathering,
    rule: Compression,
    vectors: np.ndarray,
    items: np.ndarray,
    s: Scratch,
    lowest: np.ndarray,
    upper: np.ndarray,
) -> None:
    """Choose neighbours of items that are not linked yet: lowest (b, degree) for the lowest layer, upper
    (b, layers above, candidates), -1 padded."""
    layers, rule, vectors, s = borrowed(layers), borrowed(rule), borrowed(vectors), borrowed(s)
    lowest, upper = borrowed(lowest), borrowed(upper)
    for i in range(items.size):
        item = items[i]
        vector = vectors[item]
        nearest, _ = descend(layers, vectors, vector, upper.shape[1], gathering.M)
        for layer in range(upper.shape[1], -1, -1):
            gather(layers, layer, gathering, vectors, vector, nearest, s)
            if layer:
                choose(Nearest(), item, s.pool, upper.shape[2], vectors, upper[i, layer - 1])
            else:
                choose(rule, item, s.pool, lowest.shape[1], vectors, lowest[i])
            nearest = item_at(s.pool, 0)


@jit_inline
def gather(
    layers: Layers,
    layer: int,
    gathering: Gathering,
    vectors: np.ndarray,
    vector: np.ndarray,
    start: int,
    s: Scratch,
) -> None:
    """Fill the pool with candidates from a layer.

    The authors' code does not stop by distance: on the lowest layer it expands all that was ever let in;
    above, it stops once the pool is full."""
    begin(s)
    graph = FirstLinks(layers, layer, gathering.M)
    if gathering.by_distance:
        enter(vectors, vector, start, s)
        best_first(graph, vectors, vector, s)
        return
    enter_matching(Everything(), vectors, vector, start, s)
    while s.frontier.size[0] and (layer == 0 or size(s.pool) < s.pool.ids.size):
        _, node = pop(s.frontier)
        expand_matching(graph, Everything(), vectors, vector, node, s)

"""The layered graph of HNSW: how it is built, and how a search comes down to its lowest layer.

Items are inserted layer by layer, those of the highest first, so the items of a layer are a prefix of that
order, and the first of all is where every search begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._native.unfiltered import entry
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import link_back, prefix_doubling, reported
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Marks, item_at
from fannsbench.kernels.prune import Heuristic, choose
from fannsbench.kernels.reach import connect
from fannsbench.kernels.search import (
    ALL,
    Scratch,
    Table,
    begin,
    best_first,
    enter,
    fresh_of_row,
    neighbours,
    rescore,
)
from fannsbench.kernels.space import Halves, as_half, halves_of, squared_distance

HIGHEST = 30


class Layers(NamedTuple):
    """An HNSW graph. Row v of `links` is the lowest layer's; layer c's from 1 up is row
    starts[c] + place[v] of `upper`."""

    links: np.ndarray  # (n, 2 M) int32, -1 padded
    upper: np.ndarray  # (U, M) int32, -1 padded
    starts: np.ndarray  # (layers,) int64; that of the lowest is not used
    place: np.ndarray  # (n,) int32: of each item in the order of insertion
    entry: np.ndarray  # (1,) int32


class Layer(NamedTuple):
    """One upper layer as a graph."""

    upper: np.ndarray
    start: int
    place: np.ndarray


@neighbours.register(Layer)
def _of_layer(graph: Layer, node: int, marks: Marks, fresh: np.ndarray) -> int:
    return fresh_of_row(graph.upper, graph.start + graph.place[node], marks, fresh)


def levels_of(n: int, M: int, seed: int) -> np.ndarray:  # noqa: N803
    """(n,) int64: the highest layer of each item, which is at least l with probability M ** -l."""
    uniform = 1 - np.random.default_rng([seed, n]).random(n)  # in (0, 1]
    levels: np.ndarray = np.minimum(np.floor(-np.log(uniform) / math.log(M)), HIGHEST).astype(np.int64)
    return levels


def sizes_and_starts(levels: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Given the highest layer of each item, how many items each layer holds, and `Layers.starts`."""
    sizes = [int(np.count_nonzero(levels >= layer)) for layer in range(int(levels.max()) + 1)]
    return sizes, np.cumsum([0, 0, *sizes[1:-1]], dtype=np.int64)[: len(sizes)]


def unlinked(
    n: int,
    M: int,  # noqa: N803
    degree: int,
    upper_degree: int,
    seed: int,
    progress: Progress,
) -> tuple[Layers, Iterator[tuple[int, np.ndarray]]]:
    """A graph of n items without links, with room for `degree` of them in the lowest layer and `upper_degree`
    in the others, and the batches to insert: the highest layer of their items, and these, ascending."""
    levels = levels_of(n, M, seed)
    order = np.random.default_rng([seed, n, 1]).permutation(n)
    order = order[np.argsort(-levels[order], kind="stable")].astype(np.int32)
    place = np.empty(n, np.int32)
    place[order] = np.arange(n, dtype=np.int32)
    sizes, starts = sizes_and_starts(levels)
    layers = Layers(
        np.full((n, degree), -1, np.int32),
        np.full((sum(sizes[1:]), upper_degree), -1, np.int32),
        starts,
        place,
        order[:1].copy(),
    )

    def batches() -> Iterator[tuple[int, np.ndarray]]:
        inserted = 1
        for top in range(len(sizes) - 1, -1, -1):
            for batch in reported(prefix_doubling(inserted, sizes[top], n), inserted, n, progress):
                yield top, np.sort(order[batch.start : batch.stop])
            inserted = sizes[top]

    return layers, batches()


def build(
    vectors: np.ndarray,
    M: int,  # noqa: N803
    ef_construction: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> Layers:
    """Of vectors (n, D) in the space of `fannsbench.kernels.space`."""
    layers, batches = unlinked(len(vectors), M, 2 * M, M, seed, progress)
    halves = halves_of(vectors)
    workspaces = Workspaces(lambda: Scratch.of(len(vectors), max(ef_construction, M), 2 * M))
    for top, items in batches:
        link_batch(layers, vectors, halves, items, top, M, workspaces, threads)
    connect(layers.links, vectors, layers.entry[0], ef_construction)
    return layers


def link_batch(
    layers: Layers,
    vectors: np.ndarray,
    halves: Halves,
    items: np.ndarray,
    top: int,
    M: int,  # noqa: N803
    workspaces: Workspaces,
    threads: int,
) -> None:
    """Insert items whose highest layer is `top`, one of the batches of `unlinked`. The pool of a workspace is
    that of the searches for links."""
    chosen = np.full((len(items), top + 1, M), -1, np.int32)

    def find(first: int, last: int, scratch: Scratch) -> None:
        find_links(layers, vectors, halves, items[first:last], top, scratch, chosen[first:last])

    workspaces.for_ranges(len(items), threads, find)
    for layer in range(top + 1):
        links = layers.upper if layer else layers.links
        rows = layers.starts[layer] + layers.place if layer else None
        links[items if rows is None else rows[items], :M] = chosen[:, layer]
        link_back(Heuristic(), vectors, links, items, chosen[:, layer], threads, rows)


@jit
def find_links(
    layers: Layers,
    vectors: np.ndarray,
    halves: Halves,
    items: np.ndarray,
    top: int,
    s: Scratch,
    chosen: np.ndarray,
) -> None:
    """Choose neighbours for items on the layers from `top` down: chosen (b, top + 1, M), -1 padded."""
    layers, vectors, halves = borrowed(layers), borrowed(vectors), borrowed(halves)
    s, chosen = borrowed(s), borrowed(chosen)
    for i in range(items.size):
        item = items[i]
        vector = vectors[item]
        coarse = as_half(halves, vector)
        nearest, _ = descend(layers, vectors, vector, top)
        for layer in range(top, -1, -1):
            begin(s)
            enter(halves.vectors, coarse, nearest, s)
            if layer:
                graph = Layer(layers.upper, layers.starts[layer], layers.place)
                best_first(graph, halves.vectors, coarse, s)
            else:
                best_first(Table(layers.links), halves.vectors, coarse, s)
            rescore(vectors, vector, s.pool)
            choose(Heuristic(), item, s.pool, chosen.shape[2], vectors, chosen[i, layer])
            nearest = item_at(s.pool, 0)


@jit
def descend(
    layers: Layers, vectors: np.ndarray, query: np.ndarray, lowest: int, most: int = ALL
) -> tuple[int, int]:
    """Come greedily down from the entry through the layers above `lowest`, looking at the first `most` links
    of an item. Returns the item that is reached and how many distances were computed."""
    layers, vectors, query = borrowed(layers), borrowed(vectors), borrowed(query)
    nearest = layers.entry[0]
    distance = squared_distance(query, vectors, nearest)
    computed = 1
    for layer in range(layers.starts.size - 1, lowest, -1):
        moved = True
        while moved:
            moved = False
            row = layers.starts[layer] + layers.place[nearest]
            for j in range(min(most, layers.upper.shape[1])):
                item = layers.upper[row, j]
                if item < 0:
                    break
                other = squared_distance(query, vectors, item)
                computed += 1
                if other < distance:
                    nearest, distance, moved = item, other, True
    return nearest, computed


@entry.register(Layers)
def _from_above(graph: Layers, vectors: np.ndarray, query: np.ndarray) -> tuple[int, int]:
    return descend(graph, vectors, query, 0)

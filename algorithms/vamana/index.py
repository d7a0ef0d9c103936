"""The graph of Vamana: one layer, entered at the medoid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._native.unfiltered import entry
from fannsbench.kernels import jit, jit_reordering
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import insert, prefix_doubling, reported
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.prune import RobustPrune, choose
from fannsbench.kernels.reach import connect
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter, rescore
from fannsbench.kernels.space import Halves, as_half, halves_of

MOST_CANDIDATES = 750
"""Of a node, before pruning (DiskANN's code)."""


class Vamana(NamedTuple):
    """One list of links for each item, and where searches begin."""

    links: np.ndarray  # (n, R) int32, -1 padded
    start: np.ndarray  # (1,) int32


class Parameters(NamedTuple):
    """How a graph is built."""

    R: int  # most links of an item
    L: int  # pool of the searches for links
    alpha: float  # largest threshold of pruning
    seed: int


@jit_reordering
def medoid(vectors: np.ndarray) -> int:
    """The item nearest to the mean of vectors (n, D), of equally near ones the lowest."""
    n, width = vectors.shape
    mean = np.zeros(width, np.float64)
    for item in range(n):
        for i in range(width):
            mean[i] += vectors[item, i]
    mean /= n
    nearest, best = 0, np.inf
    for item in range(n):
        distance = 0.0
        for i in range(width):
            difference = vectors[item, i] - mean[i]
            distance += difference * difference
        if distance < best:
            nearest, best = item, distance
    return nearest


def build(vectors: np.ndarray, how: Parameters, threads: int, progress: Progress) -> Vamana:
    """Of vectors (n, D) in the space of `fannsbench.kernels.space`, in random order, the medoid first."""
    n, start = len(vectors), medoid(vectors)
    order = np.random.default_rng([how.seed, n]).permutation(n).astype(np.int32)
    order = np.r_[np.int32(start), order[order != start]]
    graph = Vamana(np.full((n, how.R), -1, np.int32), order[:1].copy())
    rule, halves = RobustPrune(np.float32(how.alpha)), halves_of(vectors)
    workspaces = Workspaces(lambda: Scratch.of(n, how.L, how.R, trail=MOST_CANDIDATES))

    def find(items: np.ndarray, chosen: np.ndarray, scratch: Scratch) -> None:
        entries = np.full(len(items), start, np.int32)
        find_links(graph.links, entries, rule, vectors, halves, items, scratch, chosen)

    for batch in reported(prefix_doubling(1, n, n), 1, n, progress):
        items = np.sort(order[batch.start : batch.stop])
        insert(items, find, rule, vectors, graph.links, workspaces, threads)
    connect(graph.links, vectors, start, how.L)
    return graph


@jit
def find_links(
    links: np.ndarray,
    entries: np.ndarray,
    rule: RobustPrune,
    vectors: np.ndarray,
    halves: Halves,
    items: np.ndarray,
    s: Scratch,
    chosen: np.ndarray,
) -> None:
    """Choose neighbours of items (b,) that are not linked yet among those that a search for each, from
    entries (b,) on, expands: chosen (b, degree), -1 padded. The trail has room for MOST_CANDIDATES."""
    links, vectors, halves = borrowed(links), borrowed(vectors), borrowed(halves)
    s, chosen = borrowed(s), borrowed(chosen)
    for i in range(items.size):
        vector = vectors[items[i]]
        coarse = as_half(halves, vector)
        begin(s)
        enter(halves.vectors, coarse, entries[i], s)
        best_first(Table(links), halves.vectors, coarse, s)
        rescore(vectors, vector, s.trail)
        choose(rule, items[i], s.trail, chosen.shape[1], vectors, chosen[i])


@entry.register(Vamana)
def _at_medoid(graph: Vamana, vectors: np.ndarray, query: np.ndarray) -> tuple[int, int]:
    return graph.start[0], 1

"""How FilteredVamana inserts items: each is linked to what a search for it finds among the items that share a
label with it."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._filtered_diskann.connect import connect_labels
from fannsbench.algorithms._filtered_diskann.graph import Labelled, Matching, own_labels_first
from fannsbench.algorithms._filtered_diskann.labels import (
    OneEach,
    Sets,
    labels_at,
    most_labels,
    with_one_of,
)
from fannsbench.algorithms._filtered_diskann.prune import FilteredRobustPrune
from fannsbench.algorithms.vamana.index import MOST_CANDIDATES, Parameters, medoid
from fannsbench.attributes import Postings
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import drop, insert, prefix_doubling, reported
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Pool, clear, item_at, offer, size
from fannsbench.kernels.prune import choose
from fannsbench.kernels.reach import connect
from fannsbench.kernels.search import (
    Scratch,
    Table,
    begin,
    best_first,
    enter,
    rescore,
    with_places,
)
from fannsbench.kernels.space import Halves, as_half, halves_of
from fannsbench.vectors import slices

DRAWS = 25
"""Of an item for each label, of which the one where the fewest searches begin is taken (DiskANN's code)."""
_LABELS_AT_ONCE = 1 << 16


def build(
    vectors: np.ndarray,
    labels: OneEach | Sets,
    postings: Postings,
    how: Parameters,
    unfiltered_candidates: bool,
    gate: str,
    threads: int,
    progress: Progress,
) -> Labelled:
    """Of vectors (n, D) in the space of `fannsbench.kernels.space`, in random order, those where searches
    begin first. gate: "code" or "paper", see `FilteredRobustPrune`."""
    R, L, alpha, seed = how  # noqa: N806
    n, start = len(vectors), medoid(vectors)
    label_starts = load_balanced_starts(postings, n, seed)
    entries = np.unique(np.r_[np.int32(start), label_starts[label_starts >= 0]])
    order = np.random.default_rng([seed, n]).permutation(n).astype(np.int32)
    first = np.isin(order, entries)
    order = np.r_[np.int32(start), order[first & (order != start)], order[~first]]
    graph = Labelled(np.full((n, R), -1, np.int32), order[:1].copy(), label_starts)
    rule, halves = FilteredRobustPrune(np.float32(alpha), labels, gate == "paper"), halves_of(vectors)
    most = max(L, most_labels(labels))
    workspaces = Workspaces(
        lambda: (
            Scratch.of(n, most, R, trail=MOST_CANDIDATES),
            Scratch.of(n, L, R, trail=MOST_CANDIDATES),
            Pool.of(MOST_CANDIDATES),
        )
    )

    def find(items: np.ndarray, chosen: np.ndarray, scratch: tuple[Scratch, Scratch, Pool]) -> None:
        _find_links(graph, rule, vectors, halves, items, L, unfiltered_candidates, *scratch, chosen)

    for batch in reported(prefix_doubling(1, n, n), 1, n, progress):
        items = np.sort(order[batch.start : batch.stop])
        insert(items, find, rule, vectors, graph.links, workspaces, threads)
    if not len(postings.ids):
        connect(graph.links, vectors, start, L)
    connect_labels(graph, labels, postings, vectors, L)
    if isinstance(labels, OneEach):
        own_labels_first(labels.codes, graph.links)
    return graph


def load_balanced_starts(postings: Postings, n: int, seed: int) -> np.ndarray:
    """(labels,) int32: an item of each label, drawn so that few searches begin at the same (Filtered-DiskANN,
    algorithm 2); -1 where no item has the label."""
    rng = np.random.default_rng([seed, n, 1])
    starts = np.full(len(postings.starts) - 1, -1, np.int32)
    begins = np.zeros(n, np.int64)
    for some in slices(len(starts), _LABELS_AT_ONCE):
        _draw_starts(
            postings.starts, postings.ids, rng.random((len(starts[some]), DRAWS)), some.start, begins, starts
        )
    return starts


@jit
def _draw_starts(
    first: np.ndarray,
    ids: np.ndarray,
    uniform: np.ndarray,
    lowest: int,
    begins: np.ndarray,
    starts: np.ndarray,
) -> None:
    """For the labels from `lowest` on; begins (n,): how many searches begin at each item."""
    for i in range(uniform.shape[0]):
        label = lowest + i
        count = first[label + 1] - first[label]
        best = -1
        if count:
            for draw in uniform[i]:
                item = ids[first[label] + min(count - 1, int(draw * count))]
                if best < 0 or begins[item] < begins[best]:
                    best = item
            begins[best] += 1
        starts[label] = best


@jit
def _find_links(
    graph: Labelled,
    rule: FilteredRobustPrune,
    vectors: np.ndarray,
    halves: Halves,
    items: np.ndarray,
    L: int,  # noqa: N803
    unfiltered_candidates: bool,
    filtered: Scratch,
    unfiltered: Scratch,
    candidates: Pool,
    chosen: np.ndarray,
) -> None:
    """Choose neighbours of items that are not linked yet, among those that two searches for them expand: one
    follows the items that share a label, from where their labels begin, the other all."""
    graph, rule, vectors, candidates = (
        borrowed(graph),
        borrowed(rule),
        borrowed(vectors),
        borrowed(candidates),
    )
    filtered, unfiltered, chosen = borrowed(filtered), borrowed(unfiltered), borrowed(chosen)
    for i in range(items.size):
        item = items[i]
        vector = vectors[item]
        coarse = as_half(halves, vector)
        own = labels_at(rule.labels, item)
        s = with_places(filtered, max(L, own.size))
        begin(s)
        for label in own:
            if label >= 0:
                enter(halves.vectors, coarse, graph.label_starts[label], s)
        best_first(Matching(graph.links, with_one_of(rule.labels, own)), halves.vectors, coarse, s)
        begin(unfiltered)
        if unfiltered_candidates or size(s.pool) == 0:
            enter(halves.vectors, coarse, graph.start[0], unfiltered)
            best_first(Table(graph.links), halves.vectors, coarse, unfiltered)
        unite(s.trail, unfiltered.trail, candidates)
        drop(candidates, item)
        rescore(vectors, vector, candidates)
        choose(rule, item, candidates, chosen.shape[1], vectors, chosen[i])


@jit
def unite(one: Pool, other: Pool, out: Pool) -> None:
    """The nearest of two pools, each item once, into another."""
    clear(out)
    i = j = 0
    while i < size(one) or j < size(other):
        pool, place = one, i
        if i == size(one) or (j < size(other) and _comes_before(other, j, one, i)):
            pool, place = other, j
            j += 1
        else:
            if j < size(other) and item_at(other, j) == item_at(one, i):
                j += 1
            i += 1
        offer(out, pool.distances[place], item_at(pool, place))


@jit_inline
def _comes_before(pool: Pool, place: int, other: Pool, j: int) -> bool:
    one, two = pool.distances[place], other.distances[j]
    return bool(one < two or (one == two and item_at(pool, place) < item_at(other, j)))

"""Recall and cost of the graph's plans by selectivity, measured on held-out items when an index is built.

The held-out items are taken out of a copy of the lowest layer's lists and of the filters, so a walk finds
neither them nor its way through them; they are chosen among those that no higher layer holds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithms._native import unfiltered
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.algorithms.planner.costs import IN, POST, Calibration, K, Units, patience, scan_cost
from fannsbench.kernels import jit, refine
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.quantised import Quantised
from fannsbench.kernels.search import Scratch, with_places
from fannsbench.kernels.space import squared_distance

QUERIES = 256
SHARE = 20
"""At most one in so many items is held out."""
FILTERS = 15
"""Orders of the items: those before a place match, at every selectivity. A third of the orders is drawn,
which gives filters that are independent of the vectors; a third is by one dimension, a third by the distance
from some item, which gives filters that keep more or less of a query's surroundings, or none."""
STEP = 2**0.5
"""Between selectivities, and between sizes of the pool."""
LARGEST_POOL = 1280
PERFECT = 0.998
"""A recall from which on larger pools are not tried."""
RARE = 0.01
"""A share of queries that may be left with too few matches then."""


class _Sought(NamedTuple):
    """Held-out items and what is sought for them at one selectivity."""

    queries: np.ndarray  # (q, D) float32, in the graph's space
    bitmaps: np.ndarray  # (q, ceil(n / 8)) uint8
    counts: np.ndarray  # (q,) int64
    truth: np.ndarray  # (q, K) int32


class _Walked(NamedTuple):
    """What became of q queries on one plan, with e sizes of the pool; NaN where they were not tried."""

    recall: np.ndarray  # (e, q) float64
    cost: np.ndarray  # (e, q) float64
    short: np.ndarray  # (e, q) bool: whether fewer than min(K, matches) were found


def calibrate(
    graph: Layers, vectors: np.ndarray, codes: Quantised, unit: Units, seed: int, threads: int
) -> Calibration:
    """Of the graph of vectors (n, D), in its space, and the same items as bytes. The same for any number of
    threads."""
    n = len(vectors)
    pools = np.unique(np.rint(K * STEP ** np.arange(15)).astype(np.int64))
    pools = pools[pools <= min(LARGEST_POOL, n)]
    held_out = _held_out(graph, n, seed)
    if not len(held_out) or not len(pools):
        empty = np.empty((2, 0, 0))
        return Calibration(np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty(0), empty, empty)
    lowest = graph._replace(links=_without(graph.links, held_out))
    ranks = _ranks(vectors, codes.vectors.shape[1], held_out, seed)
    workspaces = Workspaces(lambda: Scratch.of(n, int(pools[-1]), graph.links.shape[1], matching=True))
    kept, recalls, costs = [], [], []
    walks = np.empty(0)
    share = 1.0
    while True:
        sought = _sought(vectors, codes, ranks, held_out, share, threads)
        scan = scan_cost(sought.counts, n, unit)
        walked_in, walked_post = (
            _walk(lowest, vectors, sought, plan, pools, unit, workspaces, threads) for plan in (IN, POST)
        )
        walks = walks if kept else walked_post.cost.mean(axis=1)
        measured = _or_scan(walked_in, scan), _or_more(walked_post, walks, scan)
        kept.append(share)
        recalls.append([recall.mean(axis=1) for recall, _ in measured])
        costs.append([cost.mean(axis=1) for _, cost in measured])
        if not (costs[-1] < scan.mean()).any() or share * n < K:
            break
        share /= STEP
    recall, cost = np.stack(recalls, axis=1), np.stack(costs, axis=1)
    unfiltered_recall = np.maximum.accumulate(np.nan_to_num(recall[POST, 0], nan=0.0))
    return Calibration(np.array(kept), pools, unfiltered_recall, walks, recall, cost)


def _held_out(graph: Layers, n: int, seed: int) -> np.ndarray:
    """(q,) int64, ascending."""
    above = int(graph.starts[2] - graph.starts[1]) if len(graph.starts) > 2 else len(graph.upper)
    lowest = np.flatnonzero(graph.place >= max(1, above))
    drawn = np.random.default_rng([seed, n, 2]).permutation(lowest)[: min(QUERIES, n // SHARE)]
    return np.sort(drawn)


def _without(links: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """links (n, degree), -1 padded, without these items."""
    out = np.zeros(len(links), bool)
    out[held_out] = True
    kept = links.copy()
    gone = (links >= 0) & out[np.maximum(links, 0)]
    for row in np.flatnonzero(gone.any(axis=1)):
        left = links[row, ~gone[row]]
        kept[row] = -1
        kept[row, : len(left)] = left
    return kept


def _ranks(vectors: np.ndarray, dimension: int, held_out: np.ndarray, seed: int) -> np.ndarray:
    """(FILTERS, n) int64: the place of each item in an order, beyond all for those held out."""
    n = len(vectors)
    random = np.random.default_rng([seed, n, 3])
    ranks = np.empty((FILTERS, n), np.int64)
    for i in range(FILTERS):
        drawn = random.permutation(n)
        key = np.zeros(n, np.float32)
        if i % 3 == 1:
            key = vectors[:, i // 3 % dimension]
        elif i % 3 == 2:
            _distances(vectors, drawn[0], key)
        order = drawn[np.argsort(key[drawn], kind="stable")]
        order = order[np.isin(order, held_out, invert=True)]
        ranks[i] = n
        ranks[i, order] = np.arange(len(order))
    return ranks


@jit
def _distances(vectors: np.ndarray, item: int, out: np.ndarray) -> None:
    """From an item to all."""
    for other in range(len(vectors)):
        out[other] = squared_distance(vectors[item], vectors, other)


def _sought(
    vectors: np.ndarray, codes: Quantised, ranks: np.ndarray, held_out: np.ndarray, share: float, threads: int
) -> _Sought:
    n, q = len(vectors), len(held_out)
    matches = max(1, round(share * (n - q)))
    which = np.arange(q) % FILTERS
    masks = ranks < matches
    lists = np.nonzero(masks)[1].astype(np.int32)
    starts = which * matches
    truth, _ = refine.search(codes, codes.vectors[held_out], K, starts, starts + matches, lists, threads)
    bitmaps = np.packbits(masks, axis=1, bitorder="little")[which]
    return _Sought(vectors[held_out], bitmaps, np.full(q, matches), truth)


def _walk(
    graph: Layers,
    vectors: np.ndarray,
    sought: _Sought,
    plan: int,
    pools: np.ndarray,
    unit: Units,
    workspaces: Workspaces,
    threads: int,
) -> _Walked:
    """With one size of the pool after another, until more cannot be of use."""
    q = len(sought.queries)
    recall, cost = np.full((len(pools), q), np.nan), np.full((len(pools), q), np.nan)
    short = np.zeros((len(pools), q), bool)
    most = patience(sought.counts, len(vectors), unit)
    scan = scan_cost(sought.counts, len(vectors), unit)
    wanted = np.minimum(K, sought.counts)
    for i, pool in enumerate(pools.tolist()):
        neighbors = np.full((q, K), -1, np.int32)

        def some(
            first: int, last: int, scratch: Scratch, i: int = i, pool: int = pool, neighbors: Any = neighbors
        ) -> None:
            smaller, found = with_places(scratch, pool), np.empty((q, pool), np.int32)
            for j in range(first, last):
                row = np.arange(j, j + 1)
                if plan == IN:
                    computed = unfiltered.search_matching(
                        graph, vectors, sought.queries, row, sought.bitmaps, most, smaller, neighbors
                    )
                else:
                    computed = unfiltered.search(graph, vectors, sought.queries, row, smaller, found)
                    _keep_in_bitmaps(sought.bitmaps[row], found[row], neighbors[j : j + 1])
                looked = _seen(scratch.marks.searches, scratch.marks.current)
                cost[i, j] = computed + unit.looked * max(0, looked - computed)

        workspaces.for_ranges(q, threads, some)
        hits = (neighbors[:, :, None] == sought.truth[:, None, :]) & (neighbors[:, :, None] >= 0)
        recall[i] = hits.any(axis=2).sum(axis=1) / wanted
        short[i] = np.count_nonzero(neighbors >= 0, axis=1) < wanted
        perfect = np.where(short[i], 1.0, recall[i]).mean() >= PERFECT
        if perfect and plan == POST:  # what falls back on more is perfect too, but may get cheaper
            perfect = short[i].mean() <= RARE
        if perfect or cost[i].mean() > scan.mean():
            break
    return _Walked(recall, cost, short)


def _or_scan(walked: _Walked, scan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and cost if those that found too few are scanned for."""
    return np.where(walked.short, 1.0, walked.recall), walked.cost + np.where(walked.short, scan, 0)


def _or_more(walked: _Walked, walks: np.ndarray, scan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and cost if those that found too few walk again with a pool of twice the size, which costs
    walks (e,), while that is cheaper than a scan."""
    recall, cost = walked.recall.copy(), walked.cost.copy()
    sizes = len(recall)
    for i in range(sizes):
        short, j = walked.short[i].copy(), i
        while short.any():
            j += 2  # twice the size
            again = short & (j < sizes and (walks[min(j, sizes - 1)] < scan))
            again &= np.isfinite(walked.cost[min(j, sizes - 1)])
            scanned = short & ~again
            recall[i, scanned] = 1.0
            cost[i, scanned] += scan[scanned]
            if not again.any():
                break
            recall[i, again] = walked.recall[j, again]
            cost[i, again] += walked.cost[j, again]
            short = again & walked.short[j]
    return recall, cost


@jit
def _keep_in_bitmaps(bitmaps: np.ndarray, found: np.ndarray, neighbors: np.ndarray) -> None:
    """The first matches of found (q, pool) int32 into neighbors (q, k) int32, -1 padded."""
    for i in range(len(found)):
        bits, out = bitmaps[i], neighbors[i]
        count = 0
        for item in found[i]:
            if item < 0 or count == out.size:
                break
            if (bits[item >> 3] >> (item & 7)) & 1:
                out[count] = item
                count += 1
        out[count:] = -1


@jit
def _seen(searches: np.ndarray, current: np.ndarray) -> int:
    """How many items the last search marked."""
    count = 0
    for number in searches:
        count += number == current[0]
    return count

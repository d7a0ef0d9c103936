"""From how many matches on which strategy is the cheapest, measured when an index is built.

Costs are counts of distances, not seconds, so two builds with the same seed choose alike.
"""

from __future__ import annotations

import numpy as np

from fannsbench.algorithms._ranges import searching
from fannsbench.algorithms.unify.index import Hsig
from fannsbench.algorithms.unify.searching import HYBRID, POST, PRE, Choice
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.search import Scratch

QUERIES = 200
K = 10
M = 16
"""Links that are read of an item."""
RECALL = 0.95
"""At which strategies are compared."""
STEP = 2**0.5
"""Between selectivities, and between sizes of the pool."""
LARGEST_POOL = 1280
SCANNED = 0.5
"""What a distance of a scan costs, whose items lie one after another, as a share of one of a walk."""


def calibrate(graph: Hsig, vectors: np.ndarray, seed: int, threads: int) -> np.ndarray:
    """The `thresholds` of a graph of vectors (m, D): the share of items up to which a range is scanned, and
    that from which on all items are searched. The same for any number of threads.

    A query is an item moved away from its nearest link by the distance between them: so it lies as far from
    the items as they from one another, while what lies between two of them is easier to find than most
    queries are. Ranges begin anywhere."""
    m = len(vectors)
    draw = np.random.default_rng([seed, m, 4])
    items = draw.integers(0, m, QUERIES)
    beside = np.where(graph.merged[items, 0] >= 0, graph.merged[items, 0], items)
    queries = 2 * vectors[items] - vectors[beside]
    shares, costs = [], []
    share = 1.0
    while share * m > K:
        count = int(share * m)
        first = draw.integers(0, m - count + 1, QUERIES)
        truth, _ = _found(graph, vectors, queries, first, count, PRE, K, threads)
        shares.append(share)
        costs.append(
            [
                _cost(graph, vectors, queries, first, count, strategy, truth, threads)
                for strategy in (POST, HYBRID)
            ]
        )
        if SCANNED * count < min(costs[-1]):
            break
        share /= STEP
    return thresholds(np.array(shares), np.array(costs).reshape(-1, 2), m)


def thresholds(shares: np.ndarray, costs: np.ndarray, m: int) -> np.ndarray:
    """Given shares of m items, falling, and what post-filtering and the hybrid cost at each, (s, 2)."""
    post, hybrid = costs.T
    walked = np.minimum(post, hybrid)
    scanned = np.flatnonzero(SCANNED * shares * m < walked)
    pre = np.sqrt(shares[scanned[0]] * shares[max(scanned[0] - 1, 0)]) if len(scanned) else K / m
    dearer = np.flatnonzero(~(post < hybrid))  # from the first of them on the hybrid is used
    if not len(dearer):
        return np.array([pre, 0.0])
    above = 2.0 if dearer[0] == 0 else float(np.sqrt(shares[dearer[0]] * shares[dearer[0] - 1]))
    return np.array([pre, above])


def _cost(
    graph: Hsig,
    vectors: np.ndarray,
    queries: np.ndarray,
    first: np.ndarray,
    count: int,
    strategy: int,
    truth: np.ndarray,
    threads: int,
) -> float:
    """Distances a query by a strategy at RECALL, with a pool between two sizes if need be; inf if that is not
    reached."""
    pool, recall, cost = float(K), 0.0, 0.0
    while True:
        found, computed = _found(graph, vectors, queries, first, count, strategy, int(pool), threads)
        before, recall = recall, float((found[:, :, None] == truth[:, None, :]).any(axis=2).mean())
        if recall >= RECALL:
            part = (RECALL - before) / (recall - before) if cost else 1.0
            return cost + part * (computed - cost)
        cost = computed
        pool *= STEP
        if pool > LARGEST_POOL or cost > SCANNED * count:
            return np.inf


def _found(
    graph: Hsig,
    vectors: np.ndarray,
    queries: np.ndarray,
    first: np.ndarray,
    count: int,
    strategy: int,
    pool: int,
    threads: int,
) -> tuple[np.ndarray, float]:
    """The nearest K (q, K) int32 that a strategy finds in ranges of so many items, and distances a query."""
    how, m = Choice(strategy, M, K), len(vectors)
    neighbors, computed = np.full((len(queries), K), -1, np.int32), []
    rows, last = np.arange(len(queries)), first + count - 1
    workspaces = Workspaces(lambda: Scratch.of(m, pool, widest(graph, M), matching=True))

    def some(a: int, b: int, scratch: Scratch) -> None:
        computed.append(
            searching.search(graph, how, vectors, queries, rows[a:b], first, last, m, scratch, neighbors)
        )

    workspaces.for_ranges(len(queries), threads, some)
    return neighbors, sum(computed) / len(queries)


def widest(graph: Hsig, m: int) -> int:
    """The most items that one leads to, if m links are read."""
    return max(graph.merged.shape[1], 2 * max(m, graph.tops.size))

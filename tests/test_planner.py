"""The planner: what it measures when it is built, what it chooses by, and that its answers are those of the
strategies."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import reference

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._native import unfiltered
from fannsbench.algorithms.planner import calibrate, costs
from fannsbench.algorithms.planner.costs import EXACT, IN, POST, Calibration, K
from fannsbench.algorithms.planner.plugin import Planner
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels.search import Scratch

N, D, Q = 4000, 16, 30
FREE = costs.Units(scanned=1e6, listed=0.0, marked=0.0, looked=0.0, ranked=0.0)
"""A scan is never worth it."""
UNIT = costs.Units(scanned=0.1, listed=0.005, marked=0.001, looked=0.05, ranked=80.0)


def clustered(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and the cluster of each."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 10, n)
    centres = np.random.default_rng(99).standard_normal((10, d))
    return (centres[cluster] + 0.6 * rng.standard_normal((n, d))).astype(np.float32), cluster


def items_of(vectors: np.ndarray, cluster: np.ndarray) -> Items:
    n = len(vectors)
    rng = np.random.default_rng(5)
    columns = {
        "cluster": Category.from_values([str(c) for c in cluster]),
        "number": Number(rng.permutation(n)),
        "near": Number(cluster * 1000 + rng.integers(0, 1000, n)),
        "labels": LabelSet.from_values([{"xyz"[i % 3]} if i % 2 else set() for i in range(n)]),
    }
    return Items(vectors, Attributes(columns, n))


def built(items: Items, metric: Metric = Metric.EUCLIDEAN, threads: int = 1, **build: int) -> Planner:
    index = Planner(metric, 0, **({"M": 8, "ef_construction": 50} | build))
    index.build(items, threads)
    index.threads = threads
    index.configure(ef=40)
    return index


@cache
def data() -> tuple[Items, np.ndarray, np.ndarray]:
    vectors, cluster = clustered(N, D)
    queries, of = clustered(Q, D, seed=1)
    return items_of(vectors, cluster), queries, of


@cache
def index_and_data() -> tuple[Planner, Items, np.ndarray, np.ndarray]:
    items, queries, of = data()
    return built(items), items, queries, of


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    pairs = [(set(a[a >= 0]), set(b[b >= 0])) for a, b in zip(found, truth, strict=True)]
    return float(np.mean([len(a & b) / len(b) if b else 1 for a, b in pairs]))


def filters_of(text: str, items: Items, of: np.ndarray) -> BoundFilters:
    values = {
        "own": np.array([str(c) for c in of], object),
        "other": np.array([str((c + 5) % 10) for c in of], object),
        "low": np.full(len(of), 300),
    }
    filter_ = Filter.parse(text)
    return filter_.bind(items.attributes, {name: values[name] for name in filter_.parameters}, len(of))


TEXTS = [
    "number >= 300",
    "number < 900",
    "number < 12",
    "number < 5",
    "cluster == $own",
    "cluster == $other",
    "near >= 3000",
    "not cluster == $own",
    "'x' in labels",
    "'nothing' in labels",
    "cluster == $own and number >= $low",
    "(cluster == $other or 'y' in labels) and not number < 100",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("forced", [None, IN, POST, EXACT])
def test_recall_under_every_filter_by_every_plan(
    text: str, forced: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, items, queries, of = index_and_data()
    filters = filters_of(text, items, of)
    masks = np.array([filters.mask(j) for j in range(Q)])
    truth = reference.brute_force(items.vectors, queries, K, "euclidean", masks)[0]
    if forced is not None:

        def chosen(c: costs.Choice, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.where(counts > K, forced, EXACT), np.where(counts > K, 150, 0)

        monkeypatch.setattr(costs, "choose", chosen)
    index.configure(ef=100)
    found = index.search(queries, K, index.select(filters))
    returned = found[found >= 0]
    assert masks[np.nonzero(found >= 0)[0], returned].all()
    assert ((found >= 0).sum(axis=1) == np.minimum(K, masks.sum(axis=1))).all()
    assert recall(found, truth) >= (1.0 if forced == EXACT else 0.9)
    counters = index.counters()
    assert sum(counters[f"queries by {plan}"] for plan in costs.PLANS) == Q
    if forced is not None and masks.sum(axis=1).min() > K:
        assert counters[f"queries by {costs.PLANS[forced]}"] == Q


@pytest.mark.parametrize("metric", list(Metric))
def test_a_query_alone_is_answered_as_in_a_batch(metric: Metric) -> None:
    items, queries, of = data()
    index = built(items, metric, threads=2)
    for text in ("number >= 300", "near >= 3000", "cluster == $own"):
        filters = filters_of(text, items, of)
        batch = index.search(queries, K, index.select(filters))
        alone = [index.search(queries[j : j + 1], K, index.select(filters[j : j + 1])) for j in range(Q)]
        assert np.array_equal(np.concatenate(alone), batch)


def test_calibration_is_what_a_walk_without_the_held_out_items_gives() -> None:
    index, items, _, _ = index_and_data()
    c = index.calibration
    held_out = calibrate._held_out(index.graph, N, 0)
    assert len(held_out) == N // calibrate.SHARE
    links = calibrate._without(index.graph.links, held_out)
    for row in (0, *held_out[:3], N - 1):
        kept = [i for i in index.graph.links[row] if i >= 0 and i not in set(held_out.tolist())]
        assert links[row].tolist() == kept + [-1] * (links.shape[1] - len(kept))
    mask = np.ones(N, bool)
    mask[held_out] = False
    masks = np.tile(mask, (len(held_out), 1))
    truth = reference.brute_force(items.vectors, items.vectors[held_out], K, "euclidean", masks)[0]
    found = np.full((len(held_out), K), -1, np.int32)
    pool = int(c.pools[2])
    scratch = Scratch.of(N, pool, links.shape[1], matching=True)
    graph = index.graph._replace(links=links)
    rows = np.arange(len(held_out))
    computed = unfiltered.search(graph, index.vectors, index.vectors[held_out], rows, scratch, found)
    assert not np.isin(found, held_out).any()
    assert c.unfiltered[2] == pytest.approx(recall(found, truth))
    assert c.cost[POST, 0, 2] >= computed / len(held_out)
    measured = c.cost[np.isfinite(c.cost)]
    assert (measured > 0).all()
    assert (np.diff(c.unfiltered) >= 0).all()
    assert (np.diff(c.selectivities) < 0).all()


def calibration() -> Calibration:
    """Pools 10, 20, 40; unfiltered recall 0.8, 0.9, 0.95; at half the items in- is better, post- dearer."""
    recall = np.full((2, 2, 3), np.nan)
    cost = np.full((2, 2, 3), np.nan)
    recall[IN] = [[0.8, 0.9, 0.95], [0.9, 0.95, 1.0]]
    cost[IN] = [[300, 500, 900], [600, 1000, 1800]]
    recall[POST] = [[0.8, 0.9, 0.95], [0.99, 0.5, 0.95]]
    cost[POST] = [[300, 500, 800], [5000, 700, 900]]
    pools, walks = np.array([10, 20, 40]), np.array([300.0, 500.0, 800.0])
    return Calibration(np.array([1.0, 0.5]), pools, np.array([0.8, 0.9, 0.95]), walks, recall, cost)


def chosen(
    c: Calibration, ef: int, k: int, counts: list[int], unit: costs.Units
) -> tuple[list[int], list[int]]:
    plans, pools = costs.choose(costs.choice(c, ef, k, 1000, unit), np.array(counts))
    return plans.tolist(), pools.tolist()


def test_the_cheapest_plan_with_the_recall_is_chosen() -> None:
    c = calibration()
    assert chosen(c, 20, K, [1000, 500, 499, 10, 0], FREE) == ([IN, IN, *3 * [EXACT]], [20, 10, 0, 0, 0])
    assert chosen(c, 40, K, [1000, 500], FREE) == ([POST, POST], [40, 40])
    assert chosen(c, 40, 20, [500], FREE) == ([IN], [20])  # as 20 for half as many
    assert chosen(c, 20, K, [1000, 500], UNIT) == ([EXACT, EXACT], [0, 0])
    assert chosen(c, 80, K, [1000], FREE) == ([POST], [80])  # beyond what was measured


def test_between_selectivities_costs_and_pools_are_between() -> None:
    c = costs.choice(calibration(), 20, K, 1000, FREE)
    middle = round(1000 * 0.5**0.5)
    assert chosen(calibration(), 20, K, [middle], FREE) == ([IN], [15])
    for scanned, plan in ((549, EXACT), (551, IN)):  # halfway from 500 to 600
        dearer = c._replace(scanned=0.0, begun=float(scanned))
        assert costs.choose(dearer, np.array([middle]))[0].tolist() == [plan]


def test_a_recall_that_is_not_reached_means_a_scan() -> None:
    c = calibration()
    c.recall[:, 1] = 0.7
    assert chosen(c, 20, K, [1000, 999, 500], FREE)[0] == [IN, EXACT, EXACT]


def test_who_finds_too_few_walks_by_larger_pools_while_that_is_cheaper_than_a_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index, items, queries, of = index_and_data()
    filters = filters_of("number < 900", items, of)  # independent of the vectors, and less than a quarter
    masks = np.array([filters.mask(j) for j in range(Q)])

    def chosen(c: costs.Choice, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(counts), POST), np.full(len(counts), 20)

    monkeypatch.setattr(costs, "choose", chosen)
    answers, fallbacks, distances = [], [], []
    for walked in (0.0, np.inf):
        index.configure(ef=20)
        index._choice = index._choice._replace(walked=walked)
        answers.append(index.search(queries, K, index.select(filters)))
        fallbacks.append(index.counters()["fallbacks"])
        distances.append(index.counters()["distances"])
        assert masks[np.nonzero(answers[-1] >= 0)[0], answers[-1][answers[-1] >= 0]].all()
        assert all(len(set(row)) == K for row in answers[-1].tolist())
    assert fallbacks[0] == 0 < fallbacks[1]
    assert distances[0] > distances[1]
    truth = reference.brute_force(items.vectors, queries, K, "euclidean", masks)[0]
    assert recall(answers[0], truth) >= 0.9


def test_walking_again_is_cheaper_than_a_scan_or_is_not_done() -> None:
    c = costs.choice(calibration(), 20, K, 1000, UNIT)
    assert c.walked == 20  # 800 distances by a pool of 40
    counts, pools = np.array([500, 500, 900, 900, 900]), np.array([6, 7, 8, 9, 1001])
    # 80 and 5 to begin with, and a tenth for each match: 135 and 175
    assert costs.walks_again(c, counts, pools).tolist() == [True, False, True, False, False]


def test_the_cost_of_walking_again_is_measured() -> None:
    rng = np.random.default_rng(0)
    sizes, q = 5, 40
    walked = calibrate._Walked(
        rng.random((sizes, q)), rng.uniform(10, 100, (sizes, q)), rng.random((sizes, q)) < 0.5
    )
    walked.recall[4], walked.cost[4] = np.nan, np.nan
    walks, scan = np.array([10.0, 20, 30, 40, 50]), rng.uniform(10, 60, q)
    recall, cost = calibrate._or_more(walked, walks, scan)
    for i in range(sizes):
        for j in range(q):
            size, paid = i, walked.cost[i, j]
            while walked.short[size, j]:
                size += 2
                if size >= 4 or walks[size] >= scan[j]:
                    paid += scan[j]
                    break
                paid += walked.cost[size, j]
            found = 1.0 if size != i and (size >= 4 or walks[size] >= scan[j]) else walked.recall[size, j]
            assert cost[i, j] == pytest.approx(paid, nan_ok=True)
            assert recall[i, j] == pytest.approx(found, nan_ok=True)


def test_many_dimensions() -> None:
    vectors, cluster = clustered(400, 4096)
    items = items_of(vectors, cluster)
    index = built(items)
    filters = Filter.parse("number >= 100").bind(items.attributes, {}, 3)
    found = index.search(vectors[:3].copy(), 1, index.select(filters))
    numbers = items.attributes["number"]
    for j in range(3):
        if numbers.value(j) >= 100:
            assert found[j, 0] == j

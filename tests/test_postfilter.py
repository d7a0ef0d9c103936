"""Post-filtering over a fetch function that is exact, or that misses what a graph would miss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.algorithms import _postfilter
from fannsbench.algorithms._postfilter import PostFilter
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels.postfilter import distances_to, keep_matches

N, Q = 60, 9
RNG = np.random.default_rng(5)
VECTORS = RNG.standard_normal((N, 4)).astype(np.float32)
QUERIES = RNG.standard_normal((Q, 4)).astype(np.float32)
VALUES = np.arange(N) % 20


def below(bounds: np.ndarray) -> BoundFilters:
    """Query j is matched by the 3 * bounds[j] items whose value is below bounds[j]."""
    attributes = Attributes({"value": Number.from_values(VALUES.tolist())}, N)
    return Filter.parse("value < $bound").bind(attributes, {"bound": bounds})


def distances(metric: Metric) -> np.ndarray:
    items, queries = VECTORS.astype(np.float64), QUERIES.astype(np.float64)
    if metric is Metric.EUCLIDEAN:
        return np.linalg.norm(queries[:, None] - items, axis=2)
    if metric is Metric.COSINE:
        items /= np.linalg.norm(items, axis=1, keepdims=True)
    return -queries @ items.T


class ExactFetch:
    """Fetches the nearest items but `unreachable`, and notes for how many queries it was asked what."""

    def __init__(self, metric: Metric, unreachable: tuple[int, ...] = ()) -> None:
        ranked = np.argsort(distances(metric), axis=1)
        reached = ~np.isin(ranked, unreachable)
        self.ranked = ranked[reached].reshape(Q, -1)
        self.asked: list[tuple[int, int]] = []

    def __call__(self, queries: np.ndarray, count: int) -> np.ndarray:
        self.asked.append((len(queries), count))
        rows = [int(np.flatnonzero((query == QUERIES).all(axis=1))[0]) for query in queries]
        ids = np.full((len(queries), count), -1, np.int32)
        found = self.ranked[rows, :count]
        ids[:, : found.shape[1]] = found
        return ids


def expected(metric: Metric, bounds: np.ndarray, k: int) -> np.ndarray:
    ids = np.full((Q, k), -1)
    for j, row in enumerate(distances(metric)):
        matches = np.flatnonzero(bounds[j] > VALUES)
        nearest = matches[np.argsort(row[matches])][:k]
        ids[j, : len(nearest)] = nearest
    return ids


@pytest.mark.parametrize("metric", list(Metric))
@given(
    bounds=st.lists(st.integers(0, 20), min_size=Q, max_size=Q).map(np.array),
    k=st.integers(1, N + 5),
    first=st.integers(1, 2 * N),
    scan_matches=st.booleans(),
)
def test_an_exact_fetch_gives_exact_answers(
    metric: Metric, bounds: np.ndarray, k: int, first: int, scan_matches: bool
) -> None:
    selection = PostFilter(below(bounds), VECTORS, metric)
    found = selection.search(ExactFetch(metric), QUERIES, k, first, scan_matches)
    assert found.dtype == np.int32
    assert np.array_equal(found, expected(metric, bounds, k))


@pytest.mark.parametrize("scan_matches", [False, True])
def test_items_that_no_fetch_reaches_are_found_where_matches_are_short(scan_matches: bool) -> None:
    bounds = np.full(Q, 1)  # matches 0, 20, 40
    fetch = ExactFetch(Metric.EUCLIDEAN, unreachable=(0, 20))
    found = PostFilter(below(bounds), VECTORS, Metric.EUCLIDEAN).search(fetch, QUERIES, 5, 1, scan_matches)
    assert np.array_equal(found, expected(Metric.EUCLIDEAN, bounds, 5))


def test_rounds_double_and_only_short_queries_are_in_them() -> None:
    bounds = np.array([0, 20, 20, 20, 20, 20, 20, 20, 2])  # matches: none, all, ..., 6
    fetch = ExactFetch(Metric.EUCLIDEAN)
    PostFilter(below(bounds), VECTORS, Metric.EUCLIDEAN).search(fetch, QUERIES, 4, 8, False)
    assert fetch.asked[0] == (8, 8)
    assert set(fetch.asked[1:]) <= {(1, 16), (1, 32)}


def test_with_scan_matches_no_round_fetches_more_than_match() -> None:
    bounds = np.full(Q, 2)  # 6 matches
    fetch = ExactFetch(Metric.EUCLIDEAN)
    PostFilter(below(bounds), VECTORS, Metric.EUCLIDEAN).search(fetch, QUERIES, 6, 3, True)
    assert [count for _, count in fetch.asked] == [3, 6]


def test_queries_without_matches_cost_nothing() -> None:
    fetch = ExactFetch(Metric.EUCLIDEAN)
    found = PostFilter(below(np.zeros(Q, int)), VECTORS, Metric.EUCLIDEAN).search(fetch, QUERIES, 3, 4, False)
    assert (found == -1).all()
    assert fetch.asked == []


def test_large_rounds_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postfilter, "_CANDIDATES_AT_ONCE", 30)
    bounds = np.full(Q, 20)
    fetch = ExactFetch(Metric.COSINE)
    found = PostFilter(below(bounds), VECTORS, Metric.COSINE).search(fetch, QUERIES, 7, 7, False)
    assert fetch.asked == [(4, 7), (4, 7), (1, 7)]
    assert np.array_equal(found, expected(Metric.COSINE, bounds, 7))


def test_what_an_earlier_round_kept_does_not_stay() -> None:
    filters = below(np.array([5, 5]))
    neighbors, found = np.full((2, 3), 9, np.int32), np.zeros(2, np.int64)
    candidates = np.array([[7, 4, 8, 0, -1], [1, 2, 3, 4, 0]], np.int32)
    keep_matches(filters.predicate, np.array([1, 0]), candidates, neighbors, found)
    assert neighbors.tolist() == [[1, 2, 3], [4, 0, -1]]
    assert found.tolist() == [3, 2]


def test_warm_up_compiles_all_that_a_search_runs() -> None:
    _postfilter.warm_up()
    selection = PostFilter(below(np.full(Q, 3)), VECTORS.view(np.memmap), Metric.COSINE)
    selection.search(ExactFetch(Metric.COSINE), QUERIES, 8, 4, True)
    for kernel in (keep_matches, distances_to):
        assert len(getattr(kernel, "signatures", ["not compiled"])) == 1

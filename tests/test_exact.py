"""`exact` against brute force: every way through it gives the same ids, ties by the lower id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
import threadpoolctl
from exact_cases import TEMPLATES, K, N, Q, bound, data, first, numbers, plain_items
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms.exact import plugin
from fannsbench.algorithms.exact.plugin import Exact
from fannsbench.kernels import exact as kernels
from fannsbench.parameters import defaults
from fannsbench.registry import find

SCAN, GATHER = 0.0, 1e9
"""Values of scan_above that leave no choice."""


def built(
    items: Items, metric: Metric = Metric.EUCLIDEAN, scan_above: float = 0.3, threads: int = 1
) -> Exact:
    index = Exact(metric, 0)
    index.build(items, threads)
    index.threads = threads
    index.configure(scan_above=scan_above)
    return index


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("threads", [1, 3])
def test_unfiltered(metric: Metric, threads: int) -> None:
    items, queries = data()
    found = built(items, metric, threads=threads).search(queries, K, None)
    assert found.dtype == np.int32
    assert np.array_equal(found, reference.brute_force(items.vectors, queries, K, metric)[0])


@pytest.mark.parametrize("kind", TEMPLATES)
@pytest.mark.parametrize("metric", list(Metric))
def test_filtered_by_every_way_through(metric: Metric, kind: str) -> None:
    items, queries = data()
    filters = bound(TEMPLATES[kind], items.attributes)
    masks = reference.masks(TEMPLATES[kind], items.attributes, filters.parameters)
    truth = reference.brute_force(items.vectors, queries, K, metric, masks)[0]
    for scan_above in (SCAN, 0.3, GATHER):
        for threads in (1, 3):
            index = built(items, metric, scan_above, threads)
            assert np.array_equal(index.search(queries, K, index.select(filters)), truth)
    singly = [index.search(queries[j : j + 1], K, index.select(filters[j : j + 1])) for j in range(Q)]
    assert np.array_equal(np.concatenate(singly), truth)


@given(
    n=st.integers(1, 150),
    d=st.integers(1, 9),
    k=st.integers(1, 40),
    values=st.integers(1, 3),
    metric=st.sampled_from(list(Metric)),
    scan_above=st.sampled_from([SCAN, GATHER]),
    seed=st.integers(0, 1000),
)
def test_ties_go_to_the_lower_id(
    n: int, d: int, k: int, values: int, metric: Metric, scan_above: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Lengths that are powers of two keep cosine distances exact too, so that ties are ties.
    scales = np.float32(2.0) ** rng.integers(-1, 2, (n, 1)) if metric is Metric.COSINE else np.float32(1)
    one_hot = np.eye(d, dtype=np.float32)
    items = plain_items(one_hot[rng.integers(0, d, n)] * scales * rng.integers(1, 1 + values))
    queries = one_hot[rng.integers(0, d, 12)]
    counts = rng.integers(0, n + 1, 12).tolist()
    masks = np.arange(n) < np.array(counts)[:, None]
    index = built(items, metric, scan_above)
    truth = reference.brute_force(items.vectors, queries, k, metric, masks)[0]
    assert np.array_equal(index.search(queries, k, index.select(first(counts, n))), truth)
    truth = reference.brute_force(items.vectors, queries, k, metric)[0]
    assert np.array_equal(index.search(queries, k, None), truth)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 1e4), (1e19, 0.0), (1e-22, 0.0), (1e-41, 0.0), (0.0, 0.0), (0.0, 3.0)]
)
def test_numbers_at_which_float32_scores_fail(scale: float, offset: float, metric: Metric) -> None:
    """Cancellation, overflow, underflow, subnormal numbers, vectors of length zero, equal vectors."""
    n, q = 60, 10
    vectors, queries = (np.float32(scale) * numbers(rows, 5, rows) + np.float32(offset) for rows in (n, q))
    counts = list(range(0, n, n // q))
    masks = np.arange(n) < np.array(counts)[:, None]
    truth = reference.brute_force(vectors, queries, K, metric)[0]
    filtered_truth = reference.brute_force(vectors, queries, K, metric, masks)[0]
    for scan_above in (SCAN, GATHER):
        index = built(plain_items(vectors), metric, scan_above)
        assert np.array_equal(index.search(queries, K, None), truth)
        assert np.array_equal(index.search(queries, K, index.select(first(counts, n))), filtered_truth)


@pytest.mark.parametrize("scan_above", [SCAN, GATHER])
def test_more_ties_than_candidates_are_kept(scan_above: float) -> None:
    n, q = 3000, plugin.SCAN_FROM
    vectors = np.ones((n, 4), np.float32)
    vectors[n - 5 :] = 2
    index = built(plain_items(vectors), scan_above=scan_above)
    queries = np.full((q, 4), 2, np.float32)
    wanted = [*range(n - 5, n), *range(5)]
    assert (index.search(queries, K, None) == wanted).all()
    assert (index.search(queries, K, index.select(first([n] * q, n))) == wanted).all()
    assert (index.search(queries, K, index.select(first([n - 5] * q, n))) == range(10)).all()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "q"), [(1, 1), (63, 8), (64, 9), (65, 17), (700, 33)])
def test_blocks_and_tiles_meet(n: int, q: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "QUERY_BLOCK", 5)
    monkeypatch.setattr(kernels, "TILE_SCORES", 5 * 128)
    monkeypatch.setattr(kernels, "TILE_BYTES", 4 * 4 * 10)
    monkeypatch.setattr(kernels, "SHARED_BY", 0)
    vectors, queries = numbers(n, 4), numbers(q, 4, seed=1)
    counts = np.random.default_rng(2).integers(0, n + 1, q).tolist()
    masks = np.arange(n) < np.array(counts)[:, None]
    truth = reference.brute_force(vectors, queries, K, "euclidean")[0]
    filtered_truth = reference.brute_force(vectors, queries, K, "euclidean", masks)[0]
    for scan_above in (SCAN, GATHER):
        index = built(plain_items(vectors), scan_above=scan_above, threads=threads)
        assert np.array_equal(index.search(queries, K, None), truth)
        assert np.array_equal(index.search(queries, K, index.select(first(counts, n))), filtered_truth)


def test_more_neighbours_than_items() -> None:
    index = built(plain_items(numbers(7, 3)))
    queries = numbers(2, 3, seed=1)
    found = index.search(queries, 300, None)
    assert (np.sort(found[:, :7]) == np.arange(7)).all()
    assert (found[:, 7:] == -1).all()
    found = index.search(queries, 300, index.select(first([0, 3], 7)))
    assert (found[0] == -1).all()
    assert (np.sort(found[1, :3]) == np.arange(3)).all()
    assert (found[1, 3:] == -1).all()


def test_selection_lists_few_matches_and_makes_bitmaps_for_many() -> None:
    n, d = 1000, 60
    index = built(
        plain_items(np.zeros((n, d), np.float32)), scan_above=0.4
    )  # the limit is 0.2 for 60 dimensions
    counts = [0, 200, 201, 3] + [900] * 7
    selection = index.select(first(counts, n))
    assert selection.gathering.tolist() == [0, 1, 3]
    assert selection.indptr.tolist() == [0, 0, 200, 203]
    assert selection.ids.tolist() == [*range(200), *range(3)]
    assert selection.scanning.tolist() == [2, *range(4, 11)]
    assert np.bitwise_count(selection.bitmaps).sum(axis=1).tolist() == [201] + [900] * 7


def test_a_few_queries_never_scan() -> None:
    index = built(plain_items(np.zeros((100, 2), np.float32)), scan_above=SCAN)
    for q, scanning in ((plugin.SCAN_FROM - 1, 0), (plugin.SCAN_FROM, plugin.SCAN_FROM)):
        assert len(index.select(first([100] * q, 100)).scanning) == scanning


def test_distances_are_counted_since_configure() -> None:
    n, counts = 100, [1, 2] + [80] * 8
    index = built(plain_items(numbers(n, 60)), scan_above=0.5)
    queries = numbers(10, 60)
    index.search(queries, K, index.select(first(counts, n)))
    assert index.counters() == {"distances": 3 + 8 * n}
    index.search(queries[:3], K, None)
    assert index.counters() == {"distances": 3 + 11 * n}
    index.configure(scan_above=0.5)
    assert index.counters() == {"distances": 0}


@pytest.mark.parametrize("metric", list(Metric))
def test_a_loaded_index_answers_as_the_saved_one(metric: Metric, tmp_path: Path) -> None:
    items, queries = data()
    saved = built(items, metric)
    saved.save(tmp_path)
    assert N * 8 <= sum(path.stat().st_size for path in tmp_path.iterdir()) < N * 8 + 200
    loaded = Exact(metric, 1)
    loaded.load(tmp_path, items)
    loaded.configure()
    filters = bound(TEMPLATES["c"], items.attributes)
    for selection in (None, saved.select(filters)):
        assert np.array_equal(loaded.search(queries, K, selection), saved.search(queries, K, selection))


def test_items_are_used_where_they_lie(tmp_path: Path) -> None:
    vectors = numbers(50, 3)
    vectors.tofile(tmp_path / "vectors")
    mapped = np.memmap(tmp_path / "vectors", np.float32, "r", shape=vectors.shape)
    index = built(plain_items(mapped))
    assert np.shares_memory(index._block.vectors, mapped)
    assert np.array_equal(index.search(vectors, 1, None).ravel(), np.arange(50))


def test_nothing_is_compiled_after_the_warm_up(tmp_path: Path) -> None:
    Exact(Metric.EUCLIDEAN, 0).warm_up()
    compiled = (kernels._begin, kernels._scan_tile, kernels._gather, kernels._admit)
    before = [len(kernel.signatures) for kernel in compiled]
    items, queries = data()
    mapped = np.memmap(tmp_path / "vectors", np.float32, "w+", shape=items.vectors.shape)
    mapped[:] = items.vectors
    for vectors in (items.vectors, mapped):
        for scan_above in (SCAN, GATHER):
            index = built(Items(vectors, items.attributes), Metric.COSINE, scan_above, threads=2)
            index.search(queries, K, index.select(bound(TEMPLATES["c"], items.attributes)))
            index.search(queries[::2], 1, None)
    assert [len(kernel.signatures) for kernel in compiled] == before


def test_several_threads_leave_blas_as_it_was() -> None:
    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    items, queries = data()
    before = blas()
    assert before
    built(items, threads=2).search(queries, K, None)
    assert blas() == before


def test_declaration_and_plugin_agree() -> None:
    index = built(*data()[:1])
    index.configure()
    by_default = vars(index).copy()
    index.configure(**defaults(find("exact").declaration.search))
    assert vars(index) == by_default

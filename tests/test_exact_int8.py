"""`exact-int8` and its kernels against brute force: bytes that bound scores, and answers that are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
from exact_cases import TEMPLATES, D, K, N, Q, bound, data, first, numbers, plain_items
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms.exact_int8.plugin import ExactInt8
from fannsbench.kernels import quantised, refine


def built(items: Items, metric: Metric = Metric.EUCLIDEAN, threads: int = 1) -> ExactInt8:
    index = ExactInt8(metric, 0)
    index.build(items, threads)
    index.threads = threads
    index.configure()
    return index


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_unfiltered(metric: Metric, threads: int) -> None:
    items, queries = data()
    found = built(items, metric, threads).search(queries, K, None)
    assert found.dtype == np.int32
    assert np.array_equal(found, reference.brute_force(items.vectors, queries, K, metric)[0])


@pytest.mark.parametrize("kind", TEMPLATES)
@pytest.mark.parametrize("metric", list(Metric))
def test_filtered(metric: Metric, kind: str) -> None:
    items, queries = data()
    filters = bound(TEMPLATES[kind], items.attributes)
    masks = reference.masks(TEMPLATES[kind], items.attributes, filters.parameters)
    truth = reference.brute_force(items.vectors, queries, K, metric, masks)[0]
    for threads in (1, 2, 8):
        index = built(items, metric, threads)
        assert np.array_equal(index.search(queries, K, index.select(filters)), truth)
    singly = [index.search(queries[j : j + 1], K, index.select(filters[j : j + 1])) for j in range(Q)]
    assert np.array_equal(np.concatenate(singly), truth)


@given(
    n=st.integers(1, 150),
    d=st.integers(1, 40),
    k=st.integers(1, 40),
    values=st.integers(1, 3),
    metric=st.sampled_from(list(Metric)),
    seed=st.integers(0, 1000),
)
def test_ties_go_to_the_lower_id(n: int, d: int, k: int, values: int, metric: Metric, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Lengths that are powers of two keep cosine distances exact too, so that ties are ties.
    scales = np.float32(2.0) ** rng.integers(-1, 2, (n, 1)) if metric is Metric.COSINE else np.float32(1)
    one_hot = np.eye(d, dtype=np.float32)
    items = plain_items(one_hot[rng.integers(0, d, n)] * scales * rng.integers(1, 1 + values))
    queries = one_hot[rng.integers(0, d, 12)]
    counts = rng.integers(0, n + 1, 12).tolist()
    masks = np.arange(n) < np.array(counts)[:, None]
    index = built(items, metric)
    truth = reference.brute_force(items.vectors, queries, k, metric, masks)[0]
    assert np.array_equal(index.search(queries, k, index.select(first(counts, n))), truth)
    truth = reference.brute_force(items.vectors, queries, k, metric)[0]
    assert np.array_equal(index.search(queries, k, None), truth)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1.0, 1e4), (1e19, 0.0), (1e38, 0.0), (1e-22, 0.0), (1e-41, 0.0), (0.0, 0.0), (0.0, 3.0)],
)
def test_numbers_at_the_ends_of_float32(scale: float, offset: float, metric: Metric) -> None:
    """Cancellation, overflow, underflow, subnormal numbers, vectors of length zero, equal vectors."""
    n, q = 60, 10
    vectors, queries = (
        (scale * numbers(rows, 5, rows).clip(-3, 3) + offset).astype(np.float32) for rows in (n, q)
    )
    counts = list(range(0, n, n // q))
    masks = np.arange(n) < np.array(counts)[:, None]
    index = built(plain_items(vectors), metric)
    truth = reference.brute_force(vectors, queries, K, metric)[0]
    assert np.array_equal(index.search(queries, K, None), truth)
    truth = reference.brute_force(vectors, queries, K, metric, masks)[0]
    assert np.array_equal(index.search(queries, K, index.select(first(counts, n))), truth)


@pytest.mark.parametrize("metric", list(Metric))
def test_items_far_nearer_to_one_another_than_bytes_can_tell(metric: Metric) -> None:
    """One outlier makes the rest equal as bytes, in more candidates than are kept."""
    n = 4 * refine.PLACES
    vectors = 1e-4 * numbers(n, 8) + 1
    vectors[7] = 1e6
    queries = vectors[::100] + 1e-5
    index = built(plain_items(vectors), metric)
    truth = reference.brute_force(vectors, queries, K, metric)[0]
    assert np.array_equal(index.search(queries, K, None), truth)


def test_more_ties_than_candidates_are_kept() -> None:
    n, q = 3000, 3
    vectors = np.ones((n, 4), np.float32)
    vectors[n - 5 :] = 2
    index = built(plain_items(vectors))
    queries = np.full((q, 4), 2, np.float32)
    assert (index.search(queries, K, None) == [*range(n - 5, n), *range(5)]).all()
    assert (index.search(queries, K, index.select(first([n - 5] * q, n))) == range(10)).all()


@given(
    n=st.integers(1, 30),
    d=st.integers(1, 70),
    spread=st.floats(0, 8),
    metric=st.sampled_from(list(Metric)),
    seed=st.integers(0, 1000),
)
def test_scores_lie_within_their_bounds(n: int, d: int, spread: float, metric: Metric, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((n, d)) * np.exp(spread * rng.standard_normal(d))).astype(np.float32)
    queries = (vectors[rng.integers(0, n, 5)] * rng.normal(1, 0.1, (5, d))).astype(np.float32)
    items = quantised.quantised(metric, vectors)
    assert np.abs(items.codes[:, : -quantised.TAIL].astype(int)).max() <= quantised.LARGEST
    found = refine._begin(items, queries, 1)
    for j, query in enumerate(queries):
        for item in range(n):
            product = int(found.integers[j].astype(int) @ items.codes[item, : -quantised.TAIL].astype(int))
            assert refine._product(found.integers[j], items.codes, item) == product
            score = (
                quantised.base(items, item) - found.step[j] * float(quantised.scale(items, item)) * product
            )
            error = found.reach[j] * float(quantised.error(items, item)) + found.slack[j]
            far = reference.distance(query.astype(np.longdouble), vectors[item].astype(np.longdouble), metric)
            far = far**2 if metric is Metric.EUCLIDEAN else far
            true = (float(far) - found.offset[j]) / found.factor[j]
            assert abs(score - true) <= error


@pytest.mark.parametrize("d", [1, 3, 517, 4096])
def test_the_largest_products_fit_their_sum(d: int) -> None:
    vectors = np.ones((2, d), np.float32) * np.float32([[1], [-1]])
    items = quantised.quantised(Metric.INNER_PRODUCT, vectors)
    found = refine._begin(items, vectors, 1)
    widest = int(np.abs(found.integers.astype(np.int64)).sum(axis=1).max()) * quantised.LARGEST
    assert widest < 2**31
    assert built(plain_items(vectors), Metric.INNER_PRODUCT).search(vectors, 2, None).tolist() == [
        [0, 1],
        [1, 0],
    ]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "q"), [(1, 1), (63, 8), (64, 9), (65, 17), (700, 33)])
def test_tiles_meet(n: int, q: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "TILE_BYTES", 32 * 10)
    monkeypatch.setattr(refine, "SHARED_BY", 0)
    vectors, queries = numbers(n, 4), numbers(q, 4, seed=1)
    counts = np.random.default_rng(2).integers(0, n + 1, q).tolist()
    masks = np.arange(n) < np.array(counts)[:, None]
    index = built(plain_items(vectors), threads=threads)
    truth = reference.brute_force(vectors, queries, K, "euclidean")[0]
    assert np.array_equal(index.search(queries, K, None), truth)
    truth = reference.brute_force(vectors, queries, K, "euclidean", masks)[0]
    assert np.array_equal(index.search(queries, K, index.select(first(counts, n))), truth)


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


def test_few_distances_are_computed() -> None:
    n = 5000
    index = built(plain_items(numbers(n, 64)))
    queries = numbers(10, 64, seed=1)
    index.search(queries, K, None)
    counters = index.counters()
    assert counters["estimates"] == 10 * n
    assert 10 * K <= counters["distances"] < 10 * 5 * K
    index.search(queries, K, index.select(first([100] * 10, n)))
    assert index.counters()["estimates"] == 10 * (n + 100)
    index.configure()
    assert index.counters() == {"estimates": 0, "distances": 0}


@pytest.mark.parametrize("metric", list(Metric))
def test_a_loaded_index_answers_as_the_saved_one(metric: Metric, tmp_path: Path) -> None:
    items, queries = data()
    saved = built(items, metric, threads=2)
    saved.save(tmp_path)
    assert np.array_equal(saved._items.codes, built(items, metric)._items.codes)
    kept = N * quantised.width_of(D) + 8 * D
    assert kept <= sum(path.stat().st_size for path in tmp_path.iterdir()) < kept + 400
    loaded = ExactInt8(metric, 1)
    loaded.load(tmp_path, items)
    loaded.configure()
    filters = bound(TEMPLATES["c"], items.attributes)
    for selection in (None, saved.select(filters)):
        assert np.array_equal(loaded.search(queries, K, selection), saved.search(queries, K, selection))
    assert loaded.counters() == saved.counters()


def test_nothing_is_compiled_after_the_warm_up(tmp_path: Path) -> None:
    ExactInt8(Metric.EUCLIDEAN, 0).warm_up()
    compiled = (quantised._quantise, quantised._extent, refine._begin, refine._scan)
    before = [len(kernel.signatures) for kernel in compiled]
    items, queries = data()
    mapped = np.memmap(tmp_path / "vectors", np.float32, "w+", shape=items.vectors.shape)
    mapped[:] = items.vectors
    for vectors in (items.vectors, mapped):
        index = built(Items(vectors, items.attributes), Metric.COSINE, threads=2)
        index.search(queries, K, index.select(bound(TEMPLATES["c"], items.attributes)))
        index.search(queries[::2], 1, None)
        index.save(tmp_path)
        index.load(tmp_path, items)
        index.search(queries, K, None)
    assert [len(kernel.signatures) for kernel in compiled] == before

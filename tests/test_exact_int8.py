"""`exact-int8` and its kernels: bytes that bound scores, and what they save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
from exact_cases import TEMPLATES, K, bound, data, first, numbers, plain_items
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
def test_items_far_nearer_to_one_another_than_bytes_can_tell(metric: Metric) -> None:
    """One outlier makes the rest equal as bytes, in more candidates than are kept."""
    n = 4 * refine.PLACES
    vectors = 1e-4 * numbers(n, 8) + 1
    vectors[7] = 1e6
    queries = vectors[::100] + 1e-5
    index = built(plain_items(vectors), metric)
    truth = reference.brute_force(vectors, queries, K, metric)[0]
    assert np.array_equal(index.search(queries, K, None), truth)


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

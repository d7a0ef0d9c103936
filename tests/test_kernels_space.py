"""The space that graphs live in, against the metrics' definitions."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from fannsbench.algorithm import Metric
from fannsbench.kernels.space import LINE, items_in_space, prefetch, queries_in_space, squared_distance


@pytest.mark.parametrize("d", [1, 3, 15, 16, 17, 384])
@pytest.mark.parametrize("metric", list(Metric))
def test_items_have_the_order_of_the_metric(metric, d):
    rng = np.random.default_rng(d)
    items = (rng.standard_normal((40, d)) * rng.uniform(0.5, 2, (40, 1))).astype(np.float32)
    queries = rng.standard_normal((5, d)).astype(np.float32)
    space = items_in_space(metric, items)
    asked = queries_in_space(metric, queries, space)
    assert space.dtype == asked.dtype == np.float32
    assert space.shape[1] == asked.shape[1]
    for query, brought in zip(queries, asked, strict=True):
        far = np.array([reference.distance(query, item, metric) for item in items])
        found = np.array([squared_distance(brought, space, i) for i in range(len(items))])
        gaps = far[:, None] - far
        assert ((found[:, None] - found)[gaps > 1e-4] > 0).all()  # closer ones may round to the same


@pytest.mark.parametrize("length", [1, 4e3, 4e5])
def test_short_queries_of_long_items_keep_the_order_of_the_inner_product(length):
    rng = np.random.default_rng(1)
    items = (rng.standard_normal((2000, 24)) * length).astype(np.float32)
    queries = rng.standard_normal((20, 24)).astype(np.float32) * 1e-3
    space = items_in_space(Metric.INNER_PRODUCT, items)
    asked = queries_in_space(Metric.INNER_PRODUCT, queries, space)
    for query, brought in zip(queries, asked, strict=True):
        product = items.astype(np.float64) @ query
        nearest = np.argsort([squared_distance(brought, space, i) for i in range(len(items))])[:10]
        assert len(set(nearest) & set(np.argsort(-product)[:10])) >= 9


def test_rows_begin_with_cache_lines_and_cannot_be_written():
    space = items_in_space(Metric.EUCLIDEAN, np.ones((3, 5), np.float32))
    assert space.ctypes.data % LINE == 0
    assert space.strides[0] % LINE == 0
    with pytest.raises(ValueError, match="read-only"):
        space[0, 0] = 2


def test_vectors_of_length_zero_stay_in_place():
    space = items_in_space(Metric.COSINE, np.zeros((2, 3), np.float32))
    assert (space == 0).all()
    assert (queries_in_space(Metric.COSINE, np.zeros((1, 3), np.float32), space) == 0).all()


@pytest.mark.parametrize("stored", [np.float32, np.float16, np.int8, np.uint8])
def test_distances_to_vectors_of_every_type(stored):
    rng = np.random.default_rng(0)
    items = rng.integers(0, 100, (20, 48)).astype(stored)
    query = rng.integers(0, 100, 48).astype(np.float32)
    readable = items.view(np.uint16) if stored is np.float16 else items
    for i in range(len(items)):
        prefetch(readable, i)
        want = ((query.astype(np.float64) - items[i].astype(np.float64)) ** 2).sum()
        assert squared_distance(query, readable, i) == want


def test_halves_of_every_size_are_read():
    halves = np.array([0.1, -2.5, 6e-8, 65504, -0.0, np.inf], np.float16)
    for half in halves:
        found = squared_distance(np.zeros(1, np.float32), np.array([[half]]).view(np.uint16), 0)
        assert found == np.float32(half) ** 2


def test_rows_beyond_two_billion_numbers(tmp_path):
    n, d = 2**22 + 1, 512  # n * d > 2**31; the file has holes, so it takes no space
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(n * d)
    items = np.memmap(path, np.int8, "r+", shape=(n, d))
    items[-1] = 3
    plain = items.view(np.ndarray)
    query = np.ones(d, np.float32)
    prefetch(plain, n - 1)
    assert squared_distance(query, plain, n - 1) == 4 * d
    assert squared_distance(query, plain, n - 2) == d
    assert squared_distance(query, plain, np.int32(n - 1)) == 4 * d

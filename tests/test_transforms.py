"""Maps of vectors: what they keep, and what they are told by other means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.data.make import transforms
from fannsbench.data.make.transforms import float16, int8, int8_scale, principal_components, random_rotation
from fannsbench.errors import DatasetError
from fannsbench.vectors import Mapped


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(max_examples=30)
@given(
    dimension=st.integers(1, 40), more=st.integers(0, 60), seed=st.integers(0, 9), scale=st.floats(1e-3, 1e3)
)
def test_a_rotation_keeps_distances_and_dot_products(dimension, more, seed, scale):
    vectors = (scale * rng(seed).standard_normal((12, dimension))).astype(np.float32)
    rotated = random_rotation(dimension, dimension + more, rng(seed))(vectors)
    assert rotated.dtype == np.float32 and rotated.shape == (12, dimension + more)
    dots, kept = (x.astype(np.float64) @ x.astype(np.float64).T for x in (vectors, rotated))
    lengths = np.sqrt(np.diag(dots))
    np.testing.assert_allclose(kept, dots, atol=4e-6 * lengths.max() ** 2)
    squares = [np.add.outer(np.diag(x), np.diag(x)) - 2 * x for x in (dots, kept)]
    np.testing.assert_allclose(*squares, atol=1e-5 * lengths.max() ** 2)


def test_a_rotation_mixes_all_dimensions_and_is_drawn_from_the_seed():
    one, again, other = (random_rotation(8, 20, rng(seed)).matrix for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1
    means = np.mean([random_rotation(3, 3, rng(seed)).matrix for seed in range(400)], axis=0)
    np.testing.assert_allclose(means, 0, atol=0.12)  # without the right signs the diagonal is far from 0


def test_a_rotation_to_fewer_dimensions_is_none():
    with pytest.raises(DatasetError, match="5 dimensions to 4"):
        random_rotation(5, 4, rng())


def stretched(n=400, d=10):
    """Vectors far from the origin, of falling variance in rotated directions."""
    spread = rng(1).standard_normal((n, d)) * 2.0 ** -np.arange(d)
    turn, _ = np.linalg.qr(rng(2).standard_normal((d, d)))
    return ((spread + 3) @ turn).astype(np.float32)


@pytest.mark.parametrize("metric", list(Metric))
def test_principal_components_are_those_of_the_singular_values(metric, monkeypatch):
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 40 * 7)
    vectors = stretched()
    centred = vectors.astype(np.float64)
    if metric is Metric.EUCLIDEAN:
        centred -= centred.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    linear = principal_components(vectors, 4, metric, rng())
    np.testing.assert_allclose(np.abs(directions[:4] @ linear.matrix), np.eye(4), atol=1e-4)
    projected = linear(vectors)
    assert projected.shape == (400, 4) and projected.dtype == np.float32
    np.testing.assert_allclose((projected.astype(np.float64) ** 2).sum(axis=0), singular[:4] ** 2, rtol=1e-4)
    assert (linear.mean == 0).all() == (metric is not Metric.EUCLIDEAN)


@pytest.mark.parametrize("metric", list(Metric))
def test_all_principal_components_keep_what_the_metric_compares(metric):
    vectors = stretched()
    mapped = principal_components(vectors, 10, metric, rng())(vectors)
    if metric is Metric.EUCLIDEAN:
        pairs = [np.linalg.norm(x[:50, None] - x[None, :50], axis=2) for x in (vectors, mapped)]
    else:
        pairs = [x[:50] @ x[:50].T for x in (vectors, mapped)]
    np.testing.assert_allclose(pairs[1], pairs[0], atol=2e-4)


def test_principal_components_of_a_sample(monkeypatch):
    monkeypatch.setattr(transforms, "SAMPLE", 50)
    vectors = stretched()
    linear = principal_components(vectors, 2, Metric.EUCLIDEAN, rng(5))
    rows = np.sort(rng(5).permutation(400)[:50])
    np.testing.assert_allclose(linear.mean, vectors[rows].mean(axis=0), rtol=1e-5)
    with pytest.raises(DatasetError, match="11 principal components of 10 dimensions"):
        principal_components(vectors, 11, Metric.EUCLIDEAN, rng())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8])
def test_float16(dtype):
    block = np.array([[1, 2, 100], [0, 5, 7]], dtype)
    assert float16(block).dtype == np.float16 and float16(block).tolist() == block.tolist()


def test_numbers_beyond_float16():
    assert float16(np.array([[65504.0, -65504.0]], np.float32)).tolist() == [[65504, -65504]]
    with pytest.raises(DatasetError, match="beyond 65,504"):
        float16(np.array([[0, -66_000]], np.float32))


@given(
    numbers=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    query=st.floats(-1e6, 1e6, width=32),
)
def test_int8_is_within_half_a_step(numbers, query):
    items = np.array(numbers, np.float32)[:, None]
    queries = np.array([[query]], np.float32)
    scale = int8_scale(items, queries)
    largest = max(abs(number) for number in [*numbers, query])
    assert scale == (pytest.approx(127 / largest) if largest else 1)
    for block in (items, queries):
        rounded = int8(scale)(block)
        assert rounded.dtype == np.int8
        np.testing.assert_allclose(rounded, block.astype(np.float64) * scale, atol=0.5001)
    if largest:
        assert 127 in np.abs([int8(scale)(items).min(), int8(scale)(items).max(), int8(scale)(queries)[0, 0]])


def test_the_scale_of_int8_is_that_of_all_blocks(monkeypatch):
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 8)
    items = np.zeros((9, 2), np.float32)
    items[7, 1] = -254
    assert int8_scale(items, items[:1]) == 0.5
    assert int8(0.5)(Mapped(items, lambda block: block, 2, items.dtype)[:])[7].tolist() == [0, -127]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(number):
    items = np.array([[1.0, 1.0], [number, 0.0]], np.float32)
    with pytest.raises(DatasetError, match="hold NaN"):
        int8_scale(items, items[:1])
    with pytest.raises(DatasetError, match="hold NaN"):
        principal_components(items, 1, Metric.COSINE, rng())

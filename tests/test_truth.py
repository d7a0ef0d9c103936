"""Ground truth against a sort of all distances, in extended precision."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.data.truth import checkpoint
from fannsbench.data.truth import exact as truth
from fannsbench.data.truth.exact import exact_knn
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter, matches_item

METRICS = list(Metric)


def brute_force(vectors, queries, k, metric, masks=None):
    """All distances sorted; of equal ones the lower id first."""
    vectors, queries = np.asarray(vectors, np.longdouble), np.asarray(queries, np.longdouble)
    if metric is Metric.EUCLIDEAN:
        distances = np.sqrt(((queries[:, None] - vectors[None]) ** 2).sum(axis=2))
    else:
        distances = -(queries @ vectors.T)
    if metric is Metric.COSINE:
        lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
        distances = 1 + np.divide(distances, lengths, out=np.zeros_like(distances), where=lengths > 0)
    if masks is not None:
        distances[~masks] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")
    ordered = np.take_along_axis(distances, order, axis=1)
    order[np.isinf(ordered)] = -1
    pad = ((0, 0), (0, max(0, k - order.shape[1])))
    return np.pad(order, pad, constant_values=-1)[:, :k], np.pad(ordered, pad, constant_values=np.inf)[:, :k]


def assert_same(found, expected):
    ids, distances = expected
    np.testing.assert_array_equal(found.neighbors, ids)
    np.testing.assert_array_equal(np.isinf(found.distances), np.isinf(distances))
    near = ~np.isinf(distances)
    np.testing.assert_allclose(found.distances[near], distances[near], rtol=2e-7, atol=2e-7)
    assert (found.neighbors.dtype, found.distances.dtype, found.matches.dtype) == (
        np.int32,
        np.float32,
        np.int64,
    )


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(truth, "rows_within", lambda memory, vectors: 61)
    monkeypatch.setattr(truth, "_MOST_QUERIES", 3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_random_vectors_in_small_blocks(small_blocks, metric, dtype):
    rng = np.random.default_rng(1)
    vectors, queries = rng.normal(size=(301, 24)).astype(dtype), rng.normal(size=(17, 24)).astype(np.float32)
    found = exact_knn(vectors, queries, 10, metric, threads=2)
    assert_same(found, brute_force(vectors.astype(np.float32), queries, 10, metric))
    assert (found.matches == 301).all()


@pytest.mark.parametrize("metric", [Metric.EUCLIDEAN, Metric.INNER_PRODUCT])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_ties_go_to_the_lower_id(metric, data):
    n, k = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 70))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (n, 3)).astype(np.float32)  # sums of small integers are exact
    queries = rng.integers(-1, 2, (5, 3)).astype(np.float32)
    assert_same(exact_knn(vectors, queries, k, metric, threads=1), brute_force(vectors, queries, k, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_across_blocks(small_blocks, metric):
    rng = np.random.default_rng(2)
    vectors = np.repeat(rng.normal(size=(3, 8)), 70, axis=0)[rng.permutation(210)].astype(np.float32)
    queries = rng.normal(size=(9, 8)).astype(np.float32)
    assert_same(exact_knn(vectors, queries, 100, metric), brute_force_by_kind(vectors, queries, 100, metric))


def brute_force_by_kind(vectors, queries, k, metric):
    """Equal vectors get the very same distance, which sums in another order would not always give."""
    kinds, kind = np.unique(vectors, axis=0, return_inverse=True)
    ids, distances = brute_force(kinds, queries, len(kinds), metric)
    rank = np.empty_like(ids)
    np.put_along_axis(rank, ids, np.arange(len(kinds))[None], axis=1)
    order = np.argsort(rank[:, kind.ravel()], axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, np.take_along_axis(rank[:, kind.ravel()], order, 1), 1)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_that_float32_cannot_tell_apart(small_blocks, metric):
    """All items lie within the rounding error of float32 dot products: only float64 orders them."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=64) * 100
    vectors = (base + rng.normal(size=(500, 64)) * 1e-4).astype(np.float32)
    queries = (base + rng.normal(size=(20, 64)) * 1e-4).astype(np.float32)
    estimates = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :20]
    exact = brute_force(vectors, queries, 20, metric)
    assert (estimates != exact[0]).any()
    assert_same(exact_knn(vectors, queries, 20, metric), exact)


@pytest.mark.parametrize("scale", [1e-25, 1e-19, 1e15, 1e18])
def test_overflow_and_underflow_of_float32(scale):
    rng = np.random.default_rng(4)
    vectors = (rng.normal(size=(200, 16)) * scale).astype(np.float32)
    queries = (rng.normal(size=(8, 16)) * scale * 10).astype(np.float32)
    found = exact_knn(vectors, queries, 5, Metric.EUCLIDEAN)
    np.testing.assert_array_equal(found.neighbors, brute_force(vectors, queries, 5, Metric.EUCLIDEAN)[0])


def test_items_of_very_different_length(small_blocks):
    rng = np.random.default_rng(5)
    vectors = (rng.normal(size=(400, 32)) * 10.0 ** rng.integers(-6, 7, (400, 1))).astype(np.float32)
    queries = np.concatenate([np.zeros((1, 32)), rng.normal(size=(9, 32))]).astype(np.float32)
    for metric in METRICS:
        assert_same_but_for_scale(exact_knn(vectors, queries, 30, metric), vectors, queries, metric)


def assert_same_but_for_scale(found, vectors, queries, metric):
    ids, distances = brute_force(vectors, queries, 30, metric)
    np.testing.assert_array_equal(found.neighbors, ids)
    np.testing.assert_allclose(found.distances, distances, rtol=2e-7, atol=2e-7)


def test_zero_vectors_are_at_cosine_distance_one():
    vectors = np.array([[0, 0], [1, 0], [-1, 0], [0, 1]], np.float32)
    found = exact_knn(vectors, np.array([[1, 0], [0, 0]], np.float32), 4, Metric.COSINE)
    np.testing.assert_array_equal(found.neighbors, [[1, 0, 3, 2], [0, 1, 2, 3]])
    np.testing.assert_array_equal(found.distances, [[0, 1, 1, 2], [1, 1, 1, 1]])


def attributes(n, rng):
    labels = ["a", "b", "c", "d"]
    return Attributes(
        {
            "color": Category.from_values(rng.choice([*labels, None], n).tolist()),
            "price": Number.from_values(rng.integers(0, 50, n).tolist()),
            "tags": LabelSet.from_values([rng.choice(labels, rng.integers(0, 3)).tolist() for _ in range(n)]),
        },
        n,
    )


FILTERS = [
    ("color == $x", {"x": lambda rng, q: rng.choice(["a", "b", "unknown"], q).astype(object)}),
    ("price == $p", {"p": lambda rng, q: rng.integers(-5, 55, q)}),  # few matches: distances without scan
    ("$p <= price", {"p": lambda rng, q: rng.integers(-5, 55, q)}),
    ("$x in tags and not price > $p", {"x": lambda rng, q: rng.choice(["a", "z"], q).astype(object),
                                       "p": lambda rng, q: rng.integers(0, 50, q)}),
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("text", "draws"), FILTERS)
def test_filters(small_blocks, text, draws, metric):
    rng = np.random.default_rng(6)
    n, q, k = 213, 20, 15
    vectors, queries = (
        rng.normal(size=(n, 12)).astype(np.float32),
        rng.normal(size=(q, 12)).astype(np.float32),
    )
    columns = attributes(n, rng)
    parameters = {name: draw(rng, q) for name, draw in draws.items()}
    filter_ = Filter.parse(text)
    masks = np.array(
        [
            [
                matches_item(
                    filter_,
                    {name: columns[name].value(i) for name in columns},
                    {name: values[j] for name, values in parameters.items()},
                )
                for i in range(n)
            ]
            for j in range(q)
        ]
    )
    done = []
    bound = filter_.bind(columns, parameters)
    found = exact_knn(vectors, queries, k, metric, bound, threads=2, advance=done.append)
    assert_same(found, brute_force(vectors, queries, k, metric, masks))
    np.testing.assert_array_equal(found.matches, masks.sum(axis=1))
    assert {True, False} == set((found.neighbors >= 0).ravel().tolist())
    assert sum(done) == n * q


def test_reads_hdf5_and_read_only_arrays_alike(tmp_path, small_blocks):
    rng = np.random.default_rng(7)
    vectors, queries = (
        rng.normal(size=(150, 8)).astype(np.float16),
        rng.normal(size=(4, 8)).astype(np.float32),
    )
    vectors.setflags(write=False)
    queries.setflags(write=False)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        stored = file.create_dataset("train", data=vectors, chunks=(7, 8))
        from_file = exact_knn(stored, queries, 12, Metric.EUCLIDEAN)
    for one, other in zip(from_file, exact_knn(vectors, queries, 12, Metric.EUCLIDEAN), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_result_does_not_depend_on_threads_or_blocks(monkeypatch):
    rng = np.random.default_rng(8)
    vectors, queries = (
        rng.normal(size=(1000, 16)).astype(np.float32),
        rng.normal(size=(50, 16)).astype(np.float32),
    )
    whole = exact_knn(vectors, queries, 20, Metric.COSINE, threads=1)
    monkeypatch.setattr(truth, "rows_within", lambda memory, vectors: 128)
    monkeypatch.setattr(truth, "_MOST_QUERIES", 7)
    for one, other in zip(whole, exact_knn(vectors, queries, 20, Metric.COSINE, threads=3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_way_to_serve_a_query_gives_the_same(small_blocks):
    """Filters shared by many queries and filters of one, keeping nearly all items, half of them, or few."""
    rng = np.random.default_rng(10)
    n, q, k = 1200, 160, 12
    vectors = rng.normal(size=(n, 40)).astype(np.float32)
    queries = rng.normal(size=(q, 40)).astype(np.float32)
    rank = rng.permutation(n)
    columns = Attributes({"rank": Number.from_values(rank.tolist())}, n)
    high = np.concatenate([np.full(80, 300), rng.integers(1, 60, 40), rng.integers(n - 60, n, 40)])
    filters = Filter.parse("rank < $high").bind(columns, {"high": high})
    ways = truth._cheapest_ways(truth._groups(filters), filters.counts(), n, 40)
    assert set(ways.tolist()) == {truth._SCAN, truth._SHARE, truth._GATHER}
    masks = rank[None] < high[:, None]
    for metric in METRICS:
        assert_same(
            exact_knn(vectors, queries, k, metric, filters, threads=2),
            brute_force(vectors, queries, k, metric, masks),
        )


def test_queries_without_match_are_no_work(small_blocks):
    rng = np.random.default_rng(13)
    n, q = 1200, 90
    vectors, queries = (rng.normal(size=(rows, 40)).astype(np.float32) for rows in (n, q))
    columns = Attributes({"rank": Number.from_values(list(range(n)))}, n)
    high = np.array([-1, 300, -7, n, 0, 5] * 15)
    filters = Filter.parse("rank < $high").bind(columns, {"high": high})
    tasks = list(truth._tasks(filters, filters.counts(), 5, (61, 40), 10**6))
    served = np.sort(np.concatenate([task.queries for task in tasks]))
    np.testing.assert_array_equal(served, np.flatnonzero(high > 0))
    done = []
    exact_knn(vectors, queries, 5, Metric.EUCLIDEAN, filters, advance=done.append)
    assert done[0] == n * (high <= 0).sum() and sum(done) == n * q


@pytest.mark.parametrize(("metric", "scale"), [(Metric.INNER_PRODUCT, 1e25), (Metric.EUCLIDEAN, 1e38)])
def test_distances_that_float32_cannot_hold_are_refused(metric, scale):
    vectors = np.ones((20, 9), np.float32)
    queries = np.ones((3, 9), np.float32)
    queries[1] = -1 if metric is Metric.EUCLIDEAN else 1e5
    vectors[7], queries[1] = scale, queries[1] * scale
    with pytest.raises(DatasetError, match=r"^query 1 has an item at distance .*e\+\d+, which is infinite"):
        exact_knn(vectors, queries, 20, metric)
    with pytest.raises(DatasetError, match=r"^query 1 has an item at distance .*e\+\d+, which is infinite"):
        truth.distances_of(vectors, queries, [np.full((3, 1), 7, np.int32)], metric)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_of_known_neighbors(metric):
    rng = np.random.default_rng(11)
    vectors, queries = (rng.normal(size=(n, 9)).astype(np.float32) for n in (300, 7))
    found = exact_knn(vectors, queries, 20, metric)
    shuffled = rng.permuted(found.neighbors, axis=1)
    shuffled[2, 5:] = -1
    few = found.neighbors[:, :3]
    ours, fewer = truth.distances_of(vectors, queries, [shuffled, few], metric)
    expected = [dict(zip(*row, strict=True)) for row in zip(found.neighbors, found.distances, strict=True)]
    for row, ids, distances in zip(expected, shuffled, ours, strict=True):
        np.testing.assert_array_equal(distances, [row.get(item, np.inf) for item in ids])
    np.testing.assert_array_equal(fewer, found.distances[:, :3])


def filtered_case():
    rng = np.random.default_rng(12)
    vectors, queries = (rng.normal(size=(n, 16)).astype(np.float32) for n in (2000, 30))
    columns = Attributes({"price": Number.from_values(rng.integers(0, 9, 2000).tolist())}, 2000)
    return vectors, queries, Filter.parse("price >= $p").bind(columns, {"p": rng.integers(0, 9, 30)})


class KilledError(Exception):
    pass


class DiesAt:
    """Vectors that cannot be read from one row on; counts what is read."""

    def __init__(self, vectors, row):
        self.vectors, self.row, self.read = vectors, row, 0
        self.shape, self.dtype = vectors.shape, vectors.dtype

    def __getitem__(self, rows):
        if rows.stop > self.row and rows.stop - rows.start < len(self.vectors):
            raise KilledError
        self.read += rows.stop - rows.start
        return self.vectors[rows]


def test_a_long_computation_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    vectors, queries, filters = filtered_case()
    expected = exact_knn(vectors, queries, 10, Metric.COSINE, filters)
    monkeypatch.setattr(truth, "rows_within", lambda memory, vectors: 100)
    monkeypatch.setattr(checkpoint, "_LONG", 1)
    monkeypatch.setattr(checkpoint, "_INTERVAL", 0.0)

    def run(row):
        source, done = DiesAt(vectors, row), []
        try:
            found = exact_knn(
                source, queries, 10, Metric.COSINE, filters, advance=done.append, checkpoints=tmp_path
            )
        except KilledError:
            found = None
        return found, source.read - len(vectors), sum(done)  # all are read once for the identity

    assert run(1250) == (None, 1200, 30 * 1200)
    (kept,) = tmp_path.iterdir()
    found, read, done = run(5000)
    assert (read, done) == (800, 30 * 2000)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(tmp_path.iterdir()) == [], "what is finished is not kept"
    run(1250)
    kept.write_bytes(kept.read_bytes()[:1000])
    for one, other in zip(run(5000)[0], expected, strict=True):
        np.testing.assert_array_equal(one, other, "a damaged file is begun anew")


def test_what_was_kept_belongs_to_one_computation_only(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_LONG", 1)
    vectors, queries, filters = filtered_case()
    changed = vectors.copy()
    changed[1999, 15] += 1
    other = Filter.parse("price <= $p").bind(filters.attributes, filters.parameters)
    cases = [
        (vectors, queries, 10, Metric.COSINE, filters),
        (changed, queries, 10, Metric.COSINE, filters),
        (vectors, queries + 1, 10, Metric.COSINE, filters),
        (vectors, queries, 11, Metric.COSINE, filters),
        (vectors, queries, 10, Metric.EUCLIDEAN, filters),
        (vectors, queries, 10, Metric.COSINE, None),
        (vectors, queries, 10, Metric.COSINE, other),
    ]
    kept_in = [checkpoint.Checkpoint.of(tmp_path, *case)._path for case in cases]
    assert len(set(kept_in)) == len(cases)
    again = (vectors.copy(), queries.copy(), 10, Metric.COSINE, filters)
    assert checkpoint.Checkpoint.of(tmp_path, *again)._path == kept_in[0]

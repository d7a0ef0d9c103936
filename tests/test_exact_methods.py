"""`exact`, by each of its ways, and `exact-int8` against brute force: the same ids, ties by the lower id."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import reference
from exact_cases import GATHER, SCAN, TEMPLATES, D, K, N, Q, bound, data, first, numbers, plain_items
from hypothesis import given
from hypothesis import strategies as st

from fannsbench import registry
from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms.exact import plugin
from fannsbench.kernels import exact, quantised, refine


class Way(NamedTuple):
    name: str
    search: dict[str, float]
    kept: int  # bytes that are saved of N items, in `files`, besides what these begin with
    files: int = 1


WAYS = [Way("exact", {"scan_above": above}, 8 * N) for above in (SCAN, 0.3, GATHER)]
WAYS.append(Way("exact-int8", {}, N * quantised.width_of(D) + 8 * D, 2))
every = pytest.mark.parametrize(
    "way", WAYS, ids=[" ".join([way.name, *map(str, way.search.values())]) for way in WAYS]
)
by_metric = pytest.mark.parametrize("metric", list(Metric))


def built(way: Way, items: Items, metric: Metric = Metric.EUCLIDEAN, threads: int = 1) -> Any:
    index = registry.find(way.name).create(metric)
    index.build(items, threads)
    index.threads = threads
    index.configure(**way.search)
    return index


@every
@by_metric
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_unfiltered(way: Way, metric: Metric, threads: int) -> None:
    items, queries = data()
    found = built(way, items, metric, threads).search(queries, K, None)
    assert found.dtype == np.int32
    assert np.array_equal(found, reference.brute_force(items.vectors, queries, K, metric)[0])


@every
@by_metric
@pytest.mark.parametrize("kind", TEMPLATES)
def test_filtered(way: Way, metric: Metric, kind: str) -> None:
    items, queries = data()
    filters = bound(TEMPLATES[kind], items.attributes)
    masks = reference.masks(TEMPLATES[kind], items.attributes, filters.parameters)
    truth = reference.brute_force(items.vectors, queries, K, metric, masks)[0]
    for threads in (1, 2, 3, 8):
        index = built(way, items, metric, threads)
        assert np.array_equal(index.search(queries, K, index.select(filters)), truth)
    singly = [index.search(queries[j : j + 1], K, index.select(filters[j : j + 1])) for j in range(Q)]
    assert np.array_equal(np.concatenate(singly), truth)


def assert_exact(index: Any, vectors: np.ndarray, queries: np.ndarray, k: int, counts: list[int]) -> None:
    """Without a filter, and where query j keeps the first counts[j] items."""
    n = len(vectors)
    truth = reference.brute_force(vectors, queries, k, index.metric)[0]
    assert np.array_equal(index.search(queries, k, None), truth)
    masks = np.arange(n) < np.array(counts)[:, None]
    truth = reference.brute_force(vectors, queries, k, index.metric, masks)[0]
    assert np.array_equal(index.search(queries, k, index.select(first(counts, n))), truth)


@every
@given(
    n=st.integers(1, 150),
    d=st.integers(1, 40),
    k=st.integers(1, 40),
    values=st.integers(1, 3),
    metric=st.sampled_from(list(Metric)),
    seed=st.integers(0, 1000),
)
def test_ties_go_to_the_lower_id(
    way: Way, n: int, d: int, k: int, values: int, metric: Metric, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Lengths that are powers of two keep cosine distances exact too, so that ties are ties.
    scales = np.float32(2.0) ** rng.integers(-1, 2, (n, 1)) if metric is Metric.COSINE else np.float32(1)
    one_hot = np.eye(d, dtype=np.float32)
    items = plain_items(one_hot[rng.integers(0, d, n)] * scales * rng.integers(1, 1 + values))
    queries = one_hot[rng.integers(0, d, 12)]
    counts = rng.integers(0, n + 1, 12).tolist()
    assert_exact(built(way, items, metric), items.vectors, queries, k, counts)


@every
@by_metric
@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1.0, 1e4), (1e19, 0.0), (1e38, 0.0), (1e-22, 0.0), (1e-41, 0.0), (0.0, 0.0), (0.0, 3.0)],
)
def test_numbers_at_the_ends_of_float32(way: Way, scale: float, offset: float, metric: Metric) -> None:
    """Cancellation, overflow, underflow, subnormal numbers, vectors of length zero, equal vectors."""
    n, q = 60, 10
    vectors, queries = (
        (scale * numbers(rows, 5, rows).clip(-3, 3) + offset).astype(np.float32) for rows in (n, q)
    )
    assert_exact(built(way, plain_items(vectors), metric), vectors, queries, K, list(range(0, n, n // q)))


@every
def test_more_ties_than_candidates_are_kept(way: Way) -> None:
    n, q = 3000, plugin.SCAN_FROM
    vectors = np.ones((n, 4), np.float32)
    vectors[n - 5 :] = 2
    index = built(way, plain_items(vectors))
    queries = np.full((q, 4), 2, np.float32)
    wanted = [*range(n - 5, n), *range(5)]
    assert (index.search(queries, K, None) == wanted).all()
    assert (index.search(queries, K, index.select(first([n] * q, n))) == wanted).all()
    assert (index.search(queries, K, index.select(first([n - 5] * q, n))) == range(10)).all()


@every
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "q"), [(1, 1), (63, 8), (64, 9), (65, 17), (700, 33)])
def test_blocks_and_tiles_meet(
    way: Way, n: int, q: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "QUERY_BLOCK", 5)
    monkeypatch.setattr(exact, "TILE_SCORES", 5 * 128)
    monkeypatch.setattr(exact, "TILE_BYTES", 4 * 4 * 10)
    monkeypatch.setattr(refine, "TILE_BYTES", 32 * 10)
    for kernels in (exact, refine):
        monkeypatch.setattr(kernels, "SHARED_BY", 0)
    vectors, queries = numbers(n, 4), numbers(q, 4, seed=1)
    counts = np.random.default_rng(2).integers(0, n + 1, q).tolist()
    assert_exact(built(way, plain_items(vectors), threads=threads), vectors, queries, K, counts)


@every
def test_more_neighbours_than_items(way: Way) -> None:
    index = built(way, plain_items(numbers(7, 3)))
    queries = numbers(2, 3, seed=1)
    found = index.search(queries, 300, None)
    assert (np.sort(found[:, :7]) == np.arange(7)).all()
    assert (found[:, 7:] == -1).all()
    found = index.search(queries, 300, index.select(first([0, 3], 7)))
    assert (found[0] == -1).all()
    assert (np.sort(found[1, :3]) == np.arange(3)).all()
    assert (found[1, 3:] == -1).all()


@every
@by_metric
def test_a_loaded_index_answers_as_the_saved_one(way: Way, metric: Metric, tmp_path: Path) -> None:
    items, queries = data()
    files = []
    for threads in (1, 2):
        folder = tmp_path / f"{threads}"
        folder.mkdir()
        saved = built(way, items, metric, threads)
        saved.save(folder)
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == way.files
    assert way.kept <= sum(map(len, files[0].values())) < way.kept + 200 * way.files
    loaded = registry.find(way.name).create(metric, 1)
    loaded.load(folder, items)
    loaded.configure(**way.search)
    filters = bound(TEMPLATES["c"], items.attributes)
    for selection in (None, saved.select(filters)):
        assert np.array_equal(loaded.search(queries, K, selection), saved.search(queries, K, selection))
    assert loaded.counters() == saved.counters()

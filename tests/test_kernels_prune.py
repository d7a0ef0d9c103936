"""Pruning and insertion, against the rules as papers and guides state them."""

from __future__ import annotations

import numpy as np
import pytest
import reference_graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.kernels.insert import LARGEST_BATCH, link_back, part_of, prefix_doubling, reported
from fannsbench.kernels.pool import Pool, offer
from fannsbench.kernels.prune import Heuristic, RobustPrune, choose


def candidates_of(vectors: np.ndarray, node: int, items: list[int]) -> Pool:
    pool = Pool.of(len(items))
    for item in items:
        offer(pool, np.float32(reference_graphs.squared(vectors[node], vectors[item])), item)
    return pool


def chosen(rule: Heuristic | RobustPrune, vectors: np.ndarray, items: list[int], degree: int) -> list[int]:
    out = np.full(degree, -1, np.int32)
    kept = choose(rule, 0, candidates_of(vectors, 0, items), degree, vectors, out)
    return out[:kept].tolist()


worlds = given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 12), st.integers(2, 10))


def world(seed: int, count: int, sides: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, sides, (count + 1, 4)).astype(np.float32)  # copies and ties among them
    return vectors, (1 + rng.permutation(count)).tolist()


@worlds
@settings(deadline=None)
def test_heuristic(seed, count, degree, sides):
    vectors, items = world(seed, count, sides)
    assert chosen(Heuristic(), vectors, items, degree) == reference_graphs.heuristic(
        0, items, degree, vectors
    )


@pytest.mark.parametrize("alpha", [1.0, 1.2, 1.44, 1.6])
@worlds
@settings(deadline=None, max_examples=60)
def test_robust_prune(alpha, seed, count, degree, sides):
    vectors, items = world(seed, count, sides)
    found = chosen(RobustPrune(np.float32(alpha)), vectors, items, degree)
    assert found == reference_graphs.robust_prune(0, items, degree, alpha, vectors)


def test_alpha_acts_in_steps():
    vectors, items = world(3, 30, 10)
    results = {
        alpha: chosen(RobustPrune(np.float32(alpha)), vectors, items, 12)
        for alpha in (1, 1.1, 1.2, 1.4, 1.44)
    }
    assert results[1] == results[1.1]
    assert results[1.2] == results[1.4]
    assert results[1] != results[1.44]


@given(st.integers(0, 50), st.integers(0, 3000), st.integers(1, 3000))
def test_batches_double_up_to_a_share_of_all(first, extra, n):
    batches = list(prefix_doubling(first, first + extra, n))
    assert [place for batch in batches for place in batch] == list(range(first, first + extra))
    for batch in batches:
        largest = max(1, int(LARGEST_BATCH * n))
        assert 1 <= len(batch) <= max(1, min(batch.start, largest))
    assert all(len(b) == max(1, min(b.start, int(LARGEST_BATCH * n))) for b in batches[:-1])


def test_progress_is_told_when_a_batch_has_been_inserted():
    told, seen = [], []
    progress = part_of(lambda *report: told.append(report), 100, 150)
    for batch in reported(prefix_doubling(2, 9, 50, largest=3), 2, 9, progress):
        seen.append((batch.stop, len(told)))
    assert seen == [(4, 0), (7, 1), (9, 2)]
    assert told == [(104, 150), (107, 150), (109, 150)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 5))
@settings(deadline=None)
def test_links_back(seed, threads, width):
    rng = np.random.default_rng(seed)
    n, batch = 30, 8
    vectors = rng.integers(0, 5, (n, 4)).astype(np.float32)
    links = np.full((n, width), -1, np.int32)
    for node in range(n - batch):
        some = rng.permutation(np.delete(np.arange(n - batch), node))[: rng.integers(0, width + 1)]
        links[node, : len(some)] = some
    sources = np.arange(n - batch, n, dtype=np.int32)
    new = np.full((batch, width), -1, np.int32)
    for row in new:
        some = rng.permutation(n - batch)[: rng.integers(0, width + 1)]
        row[: len(some)] = some
    wanted = links.copy()
    for target in range(n):
        added = [int(s) for s, row in zip(sources, new, strict=True) if target in row]
        union = [v for v in links[target].tolist() if v >= 0] + added
        if added:
            kept = union
            if len(union) > width:
                kept = reference_graphs.heuristic(target, union, width, vectors)
            wanted[target] = (kept + [-1] * width)[:width]
    link_back(Heuristic(), vectors, links, sources, new, threads)
    assert (links == wanted).all()


def test_links_back_once():
    vectors = np.arange(6, dtype=np.float32)[:, None]
    links = np.array([[3, 1, -1]], np.int32)
    link_back(Heuristic(), vectors, links, np.array([3, 4], np.int32), np.array([[0], [0]], np.int32), 1)
    assert links.tolist() == [[3, 1, 4]]


def test_rows_apart_from_items():
    vectors = np.arange(6, dtype=np.float32)[:, None]
    links = np.full((2, 2), -1, np.int32)
    rows = np.array([9, 9, 9, 9, 1, 0], np.int64)
    link_back(
        Heuristic(), vectors, links, np.array([2, 3], np.int32), np.array([[4], [5]], np.int32), 1, rows
    )
    assert links.tolist() == [[3, -1], [2, -1]]

"""Graph search, against HNSW's algorithm with heaps and sets."""

from __future__ import annotations

import numpy as np
import pytest
import reference_graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.kernels.pool import Pool, item_at, offer, size
from fannsbench.kernels.search import (
    Bitmap,
    Scratch,
    Table,
    accepts,
    begin,
    best_first,
    best_first_matching,
    enter,
    enter_matching,
    neighbours,
    rescore,
    scan,
)
from fannsbench.kernels.space import as_half, halves_of


def random_graph(seed: int, n: int, degree: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 4, (n, 16)).astype(np.float32)
    links = np.full((n, degree), -1, np.int32)
    for row in links:
        some = rng.permutation(n)[: rng.integers(0, degree + 1)]
        row[: len(some)] = some
    return vectors, links, rng


def as_dict(links: np.ndarray) -> dict[int, list[int]]:
    return {node: [int(v) for v in row if v >= 0] for node, row in enumerate(links)}


def content(pool: Pool) -> list[tuple[float, int]]:
    return [(float(pool.distances[place]), item_at(pool, place)) for place in range(size(pool))]


cases = given(
    st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 6), st.integers(1, 12), st.integers(1, 3)
)


@cases
@settings(deadline=None)
def test_best_first_search(seed, n, degree, ef, num_entries):
    vectors, links, rng = random_graph(seed, n, degree)
    query = rng.integers(0, 4, 16).astype(np.float32)
    entries = sorted(set(rng.integers(0, n, num_entries).tolist()))
    s = Scratch.of(n, ef, degree, trail=n)
    for _ in range(2):  # nothing is left from the search before
        begin(s)
        computed = sum(enter(vectors, query, v, s) for v in [*entries, entries[0]])
        computed += best_first(Table(links), vectors, query, s)
        nearest, seen, expanded = reference_graphs.search_layer(as_dict(links), vectors, query, entries, ef)
        assert content(s.pool) == nearest
        assert computed == len(seen)
        assert {v for _, v in content(s.trail)} == expanded
        assert content(s.trail) == sorted(content(s.trail))


@cases
@settings(deadline=None)
def test_best_first_search_for_matches(seed, n, degree, ef, share):
    vectors, links, rng = random_graph(seed, n, degree)
    query = rng.integers(0, 4, 16).astype(np.float32)
    entry, mask = int(rng.integers(n)), rng.random(n) < share / 3
    bits = np.packbits(mask, bitorder="little")
    s = Scratch.of(n, ef, degree, matching=True)
    for _ in range(2):
        begin(s)
        enter_matching(Bitmap(bits), vectors, query, entry, s)
        best_first_matching(Table(links), Bitmap(bits), vectors, query, s)
        wanted = reference_graphs.search_matching(
            as_dict(links), vectors, query, entry, ef, lambda v: bool(mask[v])
        )
        assert content(s.pool) == wanted


def test_a_bitmap_accepts_what_is_set():
    mask = np.random.default_rng(0).random(37) < 0.5
    bits = np.packbits(mask, bitorder="little")
    assert [accepts(Bitmap(bits), i) for i in range(37)] == mask.tolist()


def test_scan_keeps_the_nearest():
    vectors, _, rng = random_graph(1, 50, 1)
    query = rng.integers(0, 4, 16).astype(np.float32)
    for count in (0, 1, 3, 4, 5, 50):
        items, pool = rng.permutation(50)[:count].astype(np.int32), Pool.of(7)
        assert scan(vectors, query, items, pool) == count
        assert content(pool) == sorted((reference_graphs.squared(query, vectors[v]), v) for v in items)[:7]


def test_what_a_coarse_space_found_is_put_in_order():
    vectors, _, rng = random_graph(2, 50, 1)
    vectors = vectors * 1e4  # beyond what half precision holds
    query = (rng.integers(0, 4, 16) * 1e4).astype(np.float32)
    halves = halves_of(vectors)
    assert np.abs(halves.vectors.view(np.float16)).max() < 4
    coarse, exact = Pool.of(20), Pool.of(20)
    items = np.arange(50, dtype=np.int32)
    scan(halves.vectors, as_half(halves, query), items, coarse)
    scan(vectors, query, items, exact)
    far = np.array([distance for distance, _ in content(coarse)]) / halves.scale**2
    np.testing.assert_allclose(far, [distance for distance, _ in content(exact)], rtol=0.02)
    pool = Pool.of(20)
    for distance, item in content(exact):
        offer(pool, np.float32(-distance), item)
    assert rescore(vectors, query, pool) == 20
    assert content(pool) == content(exact)


@pytest.mark.parametrize("case", ["far from the origin", "beside one far away", "all equal", "of one"])
def test_halves_tell_near_from_far(case):
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((1 if case == "of one" else 400, 16)).astype(np.float32)
    if case == "far from the origin":
        vectors += np.float32(10_000)
    if case == "beside one far away":
        vectors[7] = 1e8
    if case == "all equal":
        vectors[:] = 3
    halves = halves_of(vectors)
    assert np.isfinite(halves.vectors.view(np.float16)).all()
    for item in range(0, len(vectors), 40):
        exact = ((vectors - vectors[item].astype(float)) ** 2).sum(axis=1)
        halved = halves.vectors.view(np.float16).astype(float)
        coarse = ((halved - as_half(halves, vectors[item])) ** 2).sum(axis=1)
        assert coarse[item] <= coarse.max() * 1e-4
        usual = exact < 1e6
        np.testing.assert_allclose(coarse[usual] / halves.scale**2, exact[usual], rtol=0.02, atol=0.02)
        if item != 7:
            assert (coarse[~usual] > coarse[usual].max()).all()


def test_what_is_not_registered_is_refused():
    with pytest.raises(NotImplementedError):
        neighbours(object(), 0, None, None)

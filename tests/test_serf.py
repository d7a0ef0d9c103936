"""SeRF: what its segments and life times are by their definition, and what ranges find in them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import bound, built, clusters, unheard
from range_cases import BOTH, World, answered, far, grid

from fannsbench.algorithms.serf import build, half_bounded, index
from fannsbench.algorithms.serf.build import Cut
from fannsbench.algorithms.serf.half_bounded import NEVER
from fannsbench.algorithms.serf.index import TwoSided
from fannsbench.algorithms.serf.plugin import Serf
from fannsbench.attributes import Number
from fannsbench.kernels.pool import Marks, Pool, mark, offer, unmark_all

SMALL: dict[str, Any] = {
    "index_k": 12,
    "ef_construction": 40,
    "ef_max": 80,
    "leap": "max",
    "exhaustive_leaps": False,
    "one_sided": "2d",
    "batch": 64,
}


def relative(vectors: np.ndarray, item: int, candidates: list[int], degree: int) -> list[int]:
    """The selection of HNSW in which ties survive."""
    candidates = sorted(candidates, key=lambda c: (far(vectors, item, c), c))
    if len(candidates) < degree:
        return candidates
    chosen: list[int] = []
    for c in candidates:
        if len(chosen) < degree and not any(far(vectors, s, c) < far(vectors, item, c) for s in chosen):
            chosen.append(c)
    return chosen


def segments(
    vectors: np.ndarray, item: int, candidates: list[int], how: Cut
) -> list[tuple[int, int, list[int]]]:
    """Begin, end and neighbours of each, as the paper's algorithm is told with last = end."""
    candidates = sorted(candidates, key=lambda c: (far(vectors, item, c), c))
    found, last = [], -1
    while True:
        chosen: list[int] = []
        seen, full = 0, False
        for c in candidates:
            if c <= last:
                continue
            if len(chosen) == how.index_k or seen == how.window:
                full = True
                break
            seen += 1
            if not any(far(vectors, s, c) < far(vectors, item, c) for s in chosen):
                chosen.append(c)
        if not chosen:
            return found
        leap = [max(chosen), sorted(chosen)[(len(chosen) - 1) // 2], min(chosen)][how.leap]
        more = any(c > leap for c in candidates)
        if how.leap or ((full or how.exhaustive) and more):
            found.append((last + 1, leap, chosen))
            last = leap
        else:
            found.append((last + 1, item, chosen))
            return found


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize("leap", build.LEAPS)
@pytest.mark.parametrize(("index_k", "window"), [(3, 10), (8, 5), (100, 100)])
def test_candidates_are_cut_into_segments(leap, exhaustive, index_k, window):
    vectors, rng = grid(200), np.random.default_rng(1)
    how = Cut(index_k, window, build.LEAPS.index(leap), exhaustive)
    until, chosen = np.empty(60, np.int32), np.empty((60, index_k), np.int32)
    for item in (0, 1, 30, 199):
        candidates = rng.choice(item, min(item, 60), replace=False).tolist()
        pool = Pool.of(60)
        for c in candidates:
            offer(pool, np.float32(far(vectors, item, c)), c)
        count = build.cut(item, pool, how, vectors, until, chosen)
        wanted = segments(vectors, item, candidates, how)
        assert count == len(wanted)
        for place, (_, end, neighbours) in enumerate(wanted):
            # Ranges that begin with the last of MaxLeap's neighbours have only that one in this segment.
            assert until[place] == end + (how.leap > 0)
            assert chosen[place][chosen[place] >= 0].tolist() == neighbours


@pytest.fixture(scope="module")
def world() -> World:
    return World.of(3000)


@pytest.mark.parametrize("leap", build.LEAPS)
def test_structure_of_the_2d_graph(leap):
    vectors, _, _ = clusters(500, 16)
    how = Cut(8, 20, build.LEAPS.index(leap), False)
    graph = build.build_two_sided(vectors, how, 60, 32, 2, unheard)
    starts, until, edges, forward, reverse_starts, reverse = graph
    pairs = set()
    for item in range(len(vectors)):
        ends = until[starts[item] : starts[item + 1]]
        assert (np.diff(ends) > 0).all()
        assert item == 0 or len(ends)
        begin = 0
        for segment in range(starts[item], starts[item + 1]):
            held = forward[edges[segment] : edges[segment + 1]]
            assert 0 < len(held) <= how.index_k
            assert len(set(held.tolist())) == len(held)
            assert ((held >= begin) & (held < item)).all()
            if leap == "max" and segment + 1 < starts[item + 1]:
                assert until[segment] == held.max()
            for place, other in enumerate(held):
                assert not any(far(vectors, s, other) < far(vectors, item, other) for s in held[:place])
            pairs |= {(int(v), item) for v in held}
            begin = until[segment]
    if leap == "max":
        assert len(pairs) == len(forward)
    after = [reverse[a:b] for a, b in pairwise(reverse_starts)]
    assert all((np.diff(row) < 0).all() for row in after)
    assert {(v, int(u)) for v, row in enumerate(after) for u in row} == pairs
    assert len(reverse) == len(pairs)


def test_neighbours_in_a_range():
    vectors, _, _ = clusters(400, 16)
    how = Cut(8, 20, 0, False)
    graph = build.build_two_sided(vectors, how, 60, 1, 1, unheard)
    starts, until, edges, forward, reverse_starts, reverse = graph
    rng, marks, fresh = np.random.default_rng(2), Marks.of(400), np.empty(500, np.int32)
    for first, last, node in np.sort(rng.integers(0, 400, (200, 3)), axis=1)[:, [0, 2, 1]]:
        for spans, most in ((1, 16), (2, 500)):
            serving = [s for s in range(starts[node], starts[node + 1]) if first < until[s]][:spans]
            before = [v for s in serving for v in forward[edges[s] : edges[s + 1]] if v >= first]
            after = [u for u in reverse[reverse_starts[node] : reverse_starts[node + 1]] if u <= last][:most]
            unmark_all(marks)
            hidden = before[:1]
            for v in hidden:
                mark(marks, v)
            seen = TwoSided(*graph, int(first), int(last), spans, most)
            count = index.neighbours(seen, int(node), marks, fresh)
            assert sorted(fresh[:count].tolist()) == sorted(set(map(int, before + after)) - set(hidden))


@pytest.mark.parametrize("backwards", [False, True])
def test_every_prefix_of_the_1d_graph_is_the_graph_of_the_prefix(backwards):
    vectors, n, degree = grid(90, seed=3), 90, 5
    order = np.arange(n, dtype=np.int32)[:: -1 if backwards else 1].copy()
    starts, links, ends = half_bounded.build_one_sided(vectors, order, degree, n, 1, 2, unheard)
    rank = np.argsort(order)
    lists: dict[int, list[int]] = {}
    for count, item in enumerate(order.tolist()):
        lists[item] = relative(vectors, item, order[:count].tolist(), degree)
        for other in lists[item]:
            both = [*lists[other], item]
            lists[other] = both if len(both) <= degree else relative(vectors, other, both, degree)
        for node, held in lists.items():
            row = slice(starts[node], starts[node + 1])
            alive = links[row][(rank[links[row]] <= count) & (ends[row] > count)]
            assert len(alive) == len(held) <= degree
            assert set(alive.tolist()) == set(held)
    sources = np.repeat(np.arange(n), np.diff(starts))
    assert (ends > np.maximum(rank[sources], rank[links])).all()
    assert all((np.diff(ends[a:b].astype(np.int64)) <= 0).all() for a, b in pairwise(starts))
    assert (ends == NEVER).any()
    assert (ends < NEVER).any()


def test_two_segments_find_no_less_than_one(world):
    made = built(Serf, world.items, {"independent": world.columns["independent"]}, threads=2, **SMALL)
    filters = world.asked("independent", BOTH, 0.4)
    found = []
    for two_segments in (False, True):
        made.configure(ef=20, two_segments=two_segments)
        found.append(world.recall(made, filters))
    assert found[0] > 0.8
    assert found[1] > found[0] - 0.01


def test_copies_among_the_items_hide_nothing():
    """Half of the items are one point, and the rest are found all the same."""
    items, queries, _ = clusters(1200, 16)
    items[::2] = items[0]
    number = {"number": Number(np.random.default_rng(0).permutation(len(items)))}
    for one_sided in ("2d", "1d"):
        made = built(Serf, items, number, **{**SMALL, "one_sided": one_sided})
        made.configure(ef=100, two_segments=False)
        for text in ("number >= 0", "number <= 900", "number >= 300", "200 <= number <= 900"):
            filters = bound(text, number, len(items), len(queries))
            assert answered(made, filters, items, queries) > 0.85, text


def test_batches_change_little(world):
    number = {"along": world.columns["along"]}
    filters = world.asked("along", BOTH, 0.3)
    recalls = []
    for batch in (1, 64, 1024):
        made = built(Serf, world.items, number, threads=2, **{**SMALL, "batch": batch})
        made.configure(ef=30, two_segments=False)
        recalls.append(world.recall(made, filters))
    assert max(recalls) - min(recalls) < 0.03

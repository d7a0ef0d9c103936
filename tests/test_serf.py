"""SeRF: what its segments and life times are by their definition, and what ranges find in them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, recall, unheard

from fannsbench.algorithms.serf import build, half_bounded, index
from fannsbench.algorithms.serf.build import Cut
from fannsbench.algorithms.serf.half_bounded import NEVER
from fannsbench.algorithms.serf.index import TwoSided
from fannsbench.algorithms.serf.plugin import Serf
from fannsbench.attributes import Number
from fannsbench.errors import FilterError
from fannsbench.filters import BoundFilters
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
BOTH = "$low <= number <= $high"


def grid(n: int, seed: int = 0) -> np.ndarray:
    """(n, 16) small whole numbers: distances are exact, and many are equal."""
    vectors = np.zeros((n, 16), np.float32)
    vectors[:, :3] = np.random.default_rng(seed).integers(0, 9, (n, 3))
    return vectors


def far(vectors: np.ndarray, one: int, other: int) -> float:
    return float(((vectors[one] - vectors[other]) ** 2).sum())


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
def world():
    """Items in clusters, and a number that goes along with these, against them, or neither."""
    items, queries, cluster = clusters(3000, 24)
    rng = np.random.default_rng(5)
    far_cluster = (cluster + 5) % 10
    columns = {
        "along": Number(cluster * 100 + rng.integers(0, 150, len(items))),
        "against": Number(far_cluster * 100 + rng.integers(0, 150, len(items))),
        "independent": Number(rng.integers(0, 1000, len(items))),
    }
    return items, queries, cluster, columns


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


def asked(world: Any, name: str, text: str, share: float, **values: Any) -> Any:
    """Filters of ranges that hold about this share of the items."""
    items, queries, _, columns = world
    n, ordered = len(items), np.sort(columns[name].values)
    begins = np.random.default_rng(4).integers(0, n - int(share * n) + 1, len(queries))
    low, high = ordered[begins], ordered[begins + int(share * n) - 1]
    text = text.replace("number", name)
    return bound(text, columns, n, len(queries), low=low, high=high, **values)


def answered(made: Serf, filters: BoundFilters, items: np.ndarray, queries: np.ndarray) -> float:
    """The recall, if all that comes back is right."""
    found, mask = made.search(queries, 10, made.select(filters)), masks_of(filters)
    if mask.any():
        return recall(found, items, queries, mask)
    assert (found == -1).all()
    return 1.0


@pytest.mark.parametrize("one_sided", ["2d", "1d"])
@pytest.mark.parametrize("name", ["along", "against", "independent"])
def test_ranges(world, name, one_sided):
    items, queries, _, columns = world
    made = built(
        Serf, items, {name: columns[name]}, threads=2, **{**SMALL, "ef_max": 200, "one_sided": one_sided}
    )
    made.configure(ef=64, two_segments=False)
    for text in (BOTH, "number <= $high", "number > $low", "number >= 0"):
        for share in (0.1, 0.3, 0.8):
            filters = asked(world, name, text, share)
            assert answered(made, filters, items, queries) > 0.93
    assert recall(made.search(queries, 10, None), items, queries) > 0.93


def test_two_segments_find_no_less_than_one(world):
    items, queries, _, columns = world
    made = built(Serf, items, {"independent": columns["independent"]}, threads=2, **SMALL)
    filters = asked(world, "independent", BOTH, 0.4)
    found = []
    for two_segments in (False, True):
        made.configure(ef=20, two_segments=two_segments)
        found.append(answered(made, filters, items, queries))
    assert found[0] > 0.8
    assert found[1] > found[0] - 0.01


def test_several_numbers_and_single_values(world):
    items, queries, _, columns = world
    used = {name: columns[name] for name in ("independent", "along")}
    for one_sided in ("2d", "1d"):
        made = built(Serf, items, used, threads=2, **{**SMALL, "one_sided": one_sided})
        made.configure(ef=64, two_segments=False)
        for text in (
            "$low <= number <= $high and along >= $other",
            "number <= $high and along < 500",
            "number >= $low and along < 800 and number <= 900",
            "along < $other and number >= 0",
            "number == $low",
            "number == 500.5",
            "$high < number < $low",
        ):
            filters = asked(world, "independent", text, 0.5, other=np.full(len(queries), 300))
            assert answered(made, filters, items, queries) > 0.95, text


def test_missing_values_are_in_no_range_and_found_without_one(world):
    items, queries, _, columns = world
    missing = np.random.default_rng(8).random(len(items)) < 0.3
    for lost in (missing, np.ones(len(items), bool)):
        number = Number(columns["independent"].values, lost)
        made = built(Serf, items, {"number": number}, **{**SMALL, "one_sided": "1d"})
        made.configure(ef=64, two_segments=False)
        for text in ("number <= 700", "number >= 300", "200 <= number <= 800", "number >= 0"):
            filters = bound(text, {"number": number}, len(items), len(queries))
            assert not masks_of(filters)[:, lost].any()
            assert answered(made, filters, items, queries) > 0.93
        assert recall(made.search(queries, 10, None), items, queries) > 0.93


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
    items, queries, _, columns = world
    number = {"along": columns["along"]}
    filters = asked(world, "along", BOTH, 0.3)
    recalls = []
    for batch in (1, 64, 1024):
        made = built(Serf, items, number, threads=2, **{**SMALL, "batch": batch})
        made.configure(ef=30, two_segments=False)
        recalls.append(answered(made, filters, items, queries))
    assert max(recalls) - min(recalls) < 0.03


def test_a_filter_without_the_number_that_orders_is_an_error():
    made = built(Serf, grid(50), {"a": Number(np.arange(50)), "b": Number(np.arange(50))}, **SMALL)
    made.configure(ef=10, two_segments=False)
    with pytest.raises(FilterError, match="has no range of a"):
        made.select(bound("b >= 3", {"b": Number(np.arange(50))}, 50, 2))

"""UNIFY: the chunks of its graph by their definition, and which strategy is chosen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import built, clusters, unheard
from range_cases import BOTH, World, grid, held, nearest_first, relative

from fannsbench.algorithms.unify import build, calibrate, index, searching
from fannsbench.algorithms.unify.build import Design
from fannsbench.algorithms.unify.index import Active, Hsig
from fannsbench.algorithms.unify.plugin import UnifyAlgorithm
from fannsbench.attributes import Number
from fannsbench.kernels.pool import Marks, mark, unmark_all
from fannsbench.kernels.reach import reached_from

SEGMENTS, M = 4, 4


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, Hsig]:
    vectors = clusters(900, 16)[0]
    return vectors, build.build(vectors, Design(SEGMENTS, M, 40, 0), 2, unheard)


def levels_of(graph: Hsig) -> np.ndarray:
    """The highest layer of each item."""
    level = np.zeros(len(graph.place), np.int64)
    ends = [*graph.starts[1:], len(graph.upper_merged)]
    for layer in range(1, len(graph.starts)):
        level += graph.place < ends[layer] - graph.starts[layer]
    return level


def test_structure(made: tuple[np.ndarray, Hsig]) -> None:
    vectors, graph = made
    m, level = len(vectors), levels_of(graph)
    assert np.diff(graph.bounds).max() - np.diff(graph.bounds).min() <= 1
    segment = np.searchsorted(graph.bounds, np.arange(m), side="right") - 1
    for item in range(m):
        assert index.segment_of(graph, item) == segment[item]
        for layer in range(level[item] + 1):
            row = graph.starts[layer] + graph.place[item] if layer else item
            chunks, merged = (graph.upper, graph.upper_merged) if layer else (graph.chunks, graph.merged)
            leads_to = []
            for j in range(SEGMENTS):
                links = held(chunks[row * SEGMENTS + j])
                assert item not in links
                assert len(set(links)) == len(links)
                assert links == nearest_first(vectors, item, links)
                assert all(segment[other] == j and level[other] >= layer for other in links)
                leads_to += links
            kept = held(merged[row])
            assert len(set(kept)) == len(kept)
            if layer:
                assert kept == relative(vectors, item, leads_to, M)
    for j, (first, stop) in enumerate(pairwise(graph.bounds.tolist())):
        assert first <= graph.entries[j] < stop
        assert graph.tops[j] == level[first:stop].max() == level[graph.entries[j]]
    assert level[graph.entry[0]] == level.max()
    assert reached_from(graph.merged, graph.entry).all()


def test_links_across_segments_are_those_of_the_plain_method() -> None:
    """Where pools hold whole segments, so that what a search finds is all of one."""
    m, degree = 140, 3
    vectors = grid(m)
    graph = build.build(vectors, Design(SEGMENTS, degree, m, 0), 2, unheard)
    segment = np.searchsorted(graph.bounds, np.arange(m), side="right") - 1
    parts = [range(a, b) for a, b in pairwise(graph.bounds.tolist())]
    sought = {
        (item, j): relative(vectors, item, parts[j], degree)
        for item in range(m)
        for j in range(SEGMENTS)
        if j != segment[item]
    }
    for (item, j), found in sought.items():
        back = [other for other in parts[j] if item in sought[other, int(segment[item])]]
        both = nearest_first(vectors, item, {*found, *back})
        wanted = both if len(both) <= 2 * degree else relative(vectors, item, both, 2 * degree)
        assert held(graph.chunks[item * SEGMENTS + j]) == wanted
    same = 0
    for item in range(m):
        links = [o for row in graph.chunks[item * SEGMENTS : (item + 1) * SEGMENTS] for o in held(row)]
        same += held(graph.merged[item]) == relative(vectors, item, links, 2 * degree)
    assert same > 0.95 * m, "but for what had to be linked in"


def test_links_of_active_segments(made: tuple[np.ndarray, Hsig]) -> None:
    _, graph = made
    rng, marks, fresh = np.random.default_rng(1), Marks.of(900), np.empty(2 * M * SEGMENTS, np.int32)
    for item in range(0, 900, 17):
        first, last = np.sort(rng.integers(0, SEGMENTS, 2)).tolist()
        most, known = int(rng.integers(1, 12)), set(rng.integers(0, 900, 90).tolist())
        unmark_all(marks)
        for other in known:
            mark(marks, other)
        wanted = [o for j in range(first, last + 1) for o in held(graph.chunks[item * SEGMENTS + j])[:most]]
        count = index.neighbours(Active(graph.chunks, SEGMENTS, first, last, most), item, marks, fresh)
        assert fresh[:count].tolist() == [o for o in wanted if o not in known]


@pytest.mark.parametrize("m", [1, 2, 3, 7])
def test_more_segments_than_items(m: int) -> None:
    vectors = grid(m)
    graph = build.build(vectors, Design(5, M, 10, 0), 2, unheard)
    assert (np.diff(graph.bounds) == 0).any() == (m < 5)
    assert ((graph.entries < 0) == (np.diff(graph.bounds) == 0)).all()
    for item in range(m):
        links = {o for row in graph.chunks[item * 5 : item * 5 + 5] for o in held(row)}
        apart = len(np.unique(vectors, axis=0)) == m
        assert not apart or links == set(range(m)) - {item}


def test_thresholds_are_where_costs_cross() -> None:
    m, shares = 10_000, 0.5 ** np.arange(8)
    post = np.array([100, 150, 300, 800, 2000, 5000, np.inf, np.inf])
    hybrid = np.array([180, 190, 200, 220, 240, 250, 260, 270])
    pre, above = calibrate.thresholds(shares, np.stack([post, hybrid], axis=1), m)
    assert above == pytest.approx(np.sqrt(0.5 * 0.25))
    cheaper = [
        s for s, p, h in zip(shares, post, hybrid, strict=True) if calibrate.SCANNED * s * m < min(p, h)
    ]
    assert max(cheaper) < pre < 2 * max(cheaper)
    assert calibrate.thresholds(shares, np.stack([hybrid, post], axis=1), m)[1] > 1, "never post"
    always = calibrate.thresholds(shares, np.stack([post, np.full(8, np.inf)], axis=1), m)
    assert always[1] < 0.5**4


def test_what_is_chosen_costs_no_more_than_the_best() -> None:
    world = World.of(6000)
    made = built(
        UnifyAlgorithm,
        world.items,
        {"along": world.columns["along"]},
        2,
        segments=8,
        M=12,
        ef_construction=60,
    )
    pre, above = made.graph.thresholds
    assert 0 < pre < 0.5
    assert above > pre
    for share in (0.01, 0.2, 0.9):
        filters = world.asked("along", BOTH, share)
        computed, recalls = {}, {}
        for strategy in searching.STRATEGIES:
            made.configure(ef=40, strategy=strategy, m=16)
            recalls[strategy] = world.recall(made, filters)
            computed[strategy] = made.counters()["distances"]
        assert recalls["pre"] == 1
        assert min(recalls.values()) > 0.8
        assert computed["auto"] in (computed["pre"], computed["post"], computed["hybrid"])
        walks = min(computed["post"], computed["hybrid"])
        assert computed["auto"] < 1.6 * min(walks, computed["pre"])


def test_more_links_read_cost_more_and_find_no_less() -> None:
    world = World.of(3000)
    number: dict[str, Any] = {"independent": Number(np.arange(3000))}
    made = built(UnifyAlgorithm, world.items, number, 2, segments=8, M=12, ef_construction=60)
    filters = World(world.items, world.queries, number).asked("independent", BOTH, 0.6)
    found, computed = [], []
    for m in (8, 32):
        made.configure(ef=20, strategy="hybrid", m=m)
        found.append(world.recall(made, filters))
        computed.append(made.counters()["distances"])
    assert found[1] >= found[0] - 0.01
    assert computed[1] > computed[0]

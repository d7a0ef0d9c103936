"""iRangeGraph: its tree and the links of its nodes by their definition, and the links that a range sees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from graph_cases import built, clusters, unheard
from range_cases import World, far, grid, held, nearest_first

from fannsbench.algorithms.irangegraph import build, index, searching
from fannsbench.algorithms.irangegraph.build import Design
from fannsbench.algorithms.irangegraph.index import All, SegmentTree
from fannsbench.algorithms.irangegraph.plugin import IRangeGraph
from fannsbench.kernels.pool import Marks, mark, unmark_all

Nodes = dict[tuple[int, int], tuple[int, int]]


def nodes_of(m: int) -> Nodes:
    """The node of every item on every level that it has one of two items and more on, by halving."""
    nodes: Nodes = {}

    def halve(left: int, right: int, level: int) -> None:
        if left < right:
            nodes.update({(item, level): (left, right) for item in range(left, right + 1)})
            size = math.ceil((right - left + 1) / 2)
            halve(left, left + size - 1, level + 1)
            halve(left + size, right, level + 1)

    halve(0, m - 1, 0)
    return nodes


def row(graph: SegmentTree, item: int, level: int) -> list[int]:
    return held(graph.links[item * graph.shape[1] + level])


@pytest.mark.parametrize("m", [1, 2, 3, 7, 64, 65, 100])
def test_nodes_are_halves(m: int) -> None:
    nodes = nodes_of(m)
    levels = index.levels_of(m)
    assert levels == max((level + 1 for _, level in nodes), default=0)
    for item in range(m):
        for level in range(levels):
            assert index.node_at(m, item, level) == nodes.get((item, level), (item, item))


def merged(vectors: np.ndarray, item: int, old: list[int], new: list[int], degree: int) -> list[int]:
    """The selection in which links of the child do not compete with one another."""
    candidates = nearest_first(vectors, item, old + new)
    if len(candidates) <= degree:
        return candidates
    chosen: list[int] = []
    for c in candidates:
        against = [s for s in chosen if not (s in old and c in old)]
        near = (far(vectors, s, c) < far(vectors, item, c) or far(vectors, s, c) == 0 for s in against)
        if len(chosen) < degree and not any(near):
            chosen.append(c)
    return chosen


@pytest.mark.parametrize("m", [1, 2, 5, 90, 130])
def test_links_are_those_of_the_plain_method(m: int) -> None:
    """Where every child is scanned, so that what a search would find is all of it."""
    vectors, degree = grid(m), 4
    graph = build.build(vectors, Design(degree, 10, m), 2, unheard)
    nodes = nodes_of(m)
    lists: dict[tuple[int, int], list[int]] = {}
    for level in reversed(range(index.levels_of(m))):
        back: dict[int, list[int]] = {}
        here = {item: node for (item, at), node in nodes.items() if at == level}
        for item, (left, right) in here.items():
            middle, old = (left + right) // 2, lists.get((item, level + 1), [])
            if item > middle:
                lists[item, level] = merged(vectors, item, old, list(range(left, middle + 1)), degree)
                for other in lists[item, level]:
                    if other <= middle:
                        back.setdefault(other, []).append(item)
        for item, (left, right) in here.items():
            if item <= (left + right) // 2:
                old = lists.get((item, level + 1), [])
                lists[item, level] = merged(vectors, item, old, back.get(item, []), degree)
    for item in range(m):
        for level in range(index.levels_of(m)):
            assert row(graph, item, level) == lists.get((item, level), [])


@pytest.mark.parametrize("below", [0, 20])
def test_structure(below: int) -> None:
    vectors, _, _ = clusters(700, 16)
    graph = build.build(vectors, Design(8, 30, below), 2, unheard)
    nodes = nodes_of(700)
    for item in range(700):
        for level in range(index.levels_of(700)):
            links = row(graph, item, level)
            if (item, level) not in nodes:
                assert not links
                continue
            left, right = nodes[item, level]
            assert links
            assert all(left <= other <= right and other != item for other in links)
            assert len(set(links)) == len(links)
            assert links == nearest_first(vectors, item, links)
            if right - left < 8 and below:
                assert len(links) == right - left


@pytest.fixture(scope="module")
def graph() -> SegmentTree:
    vectors, _, _ = clusters(300, 16)
    return build.build(vectors, Design(6, 30, 20), 2, unheard)


def seen(
    graph: SegmentTree, nodes: Nodes, item: int, first: int, last: int, most: int, known: set[int]
) -> list[int]:
    """The links of an item that a range sees, level by level."""
    found: list[int] = []
    part = (-1, -1)
    for level in range(graph.shape[1]):
        left, right = nodes.get((item, level), (item, item))
        below = nodes.get((item, level + 1), (item, item))
        part, child = (max(left, first), min(right, last)), (max(below[0], first), min(below[1], last))
        if part == child and (left, right) != below:
            continue
        for other in row(graph, item, level):
            if first <= other <= last and other not in known and other not in found:
                found.append(other)
                if len(found) == most:
                    return found
        if first <= left and right <= last:
            break
    return found


def test_links_that_a_range_sees(graph: SegmentTree) -> None:
    nodes, rng = nodes_of(300), np.random.default_rng(1)
    marks, fresh = Marks.of(300), np.empty(6, np.int32)
    ranges = np.sort(rng.integers(0, 300, (300, 3)), axis=1)[:, [0, 2, 1]].tolist()
    for first, last, item in [
        *ranges,
        (0, 299, 7),
        (0, 149, 3),
        (150, 299, 160),
        (0, 150, 20),
        (75, 112, 80),
    ]:
        for most in (6, 3):
            view = index.improvised(graph, first, last, most, All())
            known = set(rng.integers(0, 300, 40).tolist())
            unmark_all(marks)
            for other in known:
                mark(marks, other)
            count = index.neighbours(view, item, marks, fresh)
            assert fresh[:count].tolist() == seen(graph, nodes, item, first, last, most, known)


def test_a_range_that_is_a_node_sees_its_lists_alone(graph: SegmentTree) -> None:
    marks, fresh = Marks.of(300), np.empty(6, np.int32)
    for (item, level), (first, last) in nodes_of(300).items():
        unmark_all(marks)
        count = index.neighbours(index.improvised(graph, first, last, 6, All()), item, marks, fresh)
        assert fresh[:count].tolist() == row(graph, item, level)


def test_canonical_nodes(graph: SegmentTree) -> None:
    nodes, out = set(nodes_of(300).values()) | {(i, i) for i in range(300)}, np.empty((20, 2), np.int64)

    def largest(first: int, last: int, left: int, right: int) -> list[tuple[int, int]]:
        if first <= left and right <= last:
            return [(left, right)]
        if right < first or last < left:
            return []
        middle = (left + right) // 2
        return [*largest(first, last, left, middle), *largest(first, last, middle + 1, right)]

    rng = np.random.default_rng(2)
    for first, last in [*np.sort(rng.integers(0, 300, (200, 2)), axis=1).tolist(), (0, 299), (5, 5), (0, 0)]:
        count = index.canonical_nodes(index.improvised(graph, first, last, 6, All()), out)
        found = sorted(map(tuple, out[:count].tolist()))
        assert found == largest(first, last, 0, 299)
        assert set(found) <= nodes


def test_odds_of_walking_through_what_does_not_match() -> None:
    for before in range(25):
        logistic = 1 / (1 + math.e**before) if before < 20 else 0
        assert searching.odds(searching.LOGISTIC, before) == pytest.approx(logistic)
        assert searching.odds(searching.EXPONENTIAL, before) == pytest.approx(
            math.e**-before if before < 20 else 0
        )
        assert searching.odds(searching.IN, before) == 0
    drawn = [searching._uniform(i, j) for i in range(100) for j in range(100)]
    assert min(drawn) >= 0
    assert max(drawn) < 1
    shares = np.bincount((np.array(drawn) * 10).astype(int), minlength=10) / len(drawn)
    assert np.abs(shares - 0.1).max() < 0.015


@pytest.mark.parametrize("passing", searching.PASSING)
def test_further_predicates_by_every_mode(passing: str) -> None:
    world = World.of(3000)
    used: dict[str, Any] = {name: world.columns[name] for name in ("independent", "along")}
    parameters = {"M": 16, "ef_construction": 60, "exact_merge_below": 30}
    made = built(IRangeGraph, world.items, used, 2, **parameters)
    found = []
    for ef in (20, 400):
        made.configure(ef=ef, edge_limit=0, passing=passing)
        for text in ("$low <= number <= $high and along >= 400", "number <= $high and along < 500"):
            found.append(world.recall(made, world.asked("independent", text, 0.5)))
    assert min(found) > 0.6
    assert min(found[2:]) > 0.97


def test_fewer_links_are_followed_if_so_is_asked() -> None:
    world = World.of(3000)
    parameters = {"M": 16, "ef_construction": 60, "exact_merge_below": 30}
    made = built(IRangeGraph, world.items, {"along": world.columns["along"]}, 2, **parameters)
    distances = []
    for limit in (0, 4):
        made.configure(ef=40, edge_limit=limit, passing="post")
        assert world.recall(made, world.asked("along", "$low <= number <= $high", 0.4)) > 0.7
        distances.append(made.counters()["distances"])
    assert distances[1] < distances[0]

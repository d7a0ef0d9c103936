"""DIGRA: its tree and the links of its nodes by their definition, and what a range is walked in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import bound, built, clusters, unheard
from range_cases import grid, held, nearest_first, relative

from fannsbench.algorithms._ranges.levels import node_of
from fannsbench.algorithms.digra import build, tree
from fannsbench.algorithms.digra.build import Design
from fannsbench.algorithms.digra.plugin import DigraAlgorithm
from fannsbench.algorithms.digra.searching import NONE, Cover, neighbours
from fannsbench.algorithms.digra.tree import Digra
from fannsbench.attributes import Number
from fannsbench.kernels.pool import Marks, mark, unmark_all


def plain_bounds(m: int) -> list[list[int]]:
    """Where nodes begin, from the root down, node after node."""
    levels = [list(range(m + 1))]
    while len(levels[-1]) > 2:
        left, taken, bounds = len(levels[-1]) - 1, 0, [0]
        while left:
            if taken % 2 == 0:
                count = 2 if left >= 4 else left
            else:
                count = 3 if left >= 6 else left if left <= 3 else left // 2
            bounds.append(bounds[-1] + count)
            left -= count
            taken += 1
        levels.append([levels[-1][place] for place in bounds])
    return levels[::-1]


def test_trees_of_all_sizes() -> None:
    for m in range(1, 3000):
        bounds = tree.bounds_of(m)
        assert [level.tolist() for level in bounds] == plain_bounds(m)
        for above, below in pairwise(bounds):
            children = np.diff(np.searchsorted(below, above))
            assert set(children.tolist()) <= {2, 3}, m
            assert np.isin(above, below).all()
        assert len(bounds) - 1 <= max(m, 1).bit_length()


@pytest.mark.parametrize("m", [1, 2, 3, 10, 333])
def test_nodes_and_their_entries(m: int) -> None:
    graph, bounds = tree.unlinked(m, 4, 7), tree.bounds_of(m)
    for level, starts in enumerate(bounds):
        for item in range(m):
            node = node_of(graph, level, item)
            first, stop = graph.bounds[node], graph.bounds[node + 1]
            assert first == max(s for s in starts if s <= item)
            assert first <= item < stop
            assert first <= graph.entries[node] < stop


def row(graph: Digra, item: int, level: int) -> list[int]:
    return held(graph.links[item * graph.levels[0] + level])


@pytest.mark.parametrize("m", [1, 2, 3, 5, 120])
def test_links_are_those_of_the_plain_method(m: int) -> None:
    """Where every child is scanned, so that what a search would find is all of it."""
    vectors, degree = grid(m), 4
    graph, bounds = build.build(vectors, Design(degree, m, 0), 2, unheard), tree.bounds_of(m)
    lists: dict[tuple[int, int], list[int]] = {}
    for level in reversed(range(len(bounds) - 1)):
        for first, stop in pairwise(bounds[level].tolist()):
            children = [(a, b) for a, b in pairwise(bounds[level + 1].tolist()) if first <= a < stop]
            for item in range(first, stop):
                found = list(lists.get((item, level + 1), []))
                for a, b in children:
                    if not a <= item < b:
                        found += relative(vectors, item, range(a, b), degree)
                lists[item, level] = relative(vectors, item, found, degree)
    for item in range(m):
        for level in range(len(bounds) - 1):
            assert row(graph, item, level) == lists[item, level]


def test_structure() -> None:
    vectors, _, _ = clusters(900, 16)
    graph, bounds = build.build(vectors, Design(8, 20, 0), 2, unheard), tree.bounds_of(900)
    for level in range(len(bounds) - 1):
        starts = bounds[level]
        for item in range(900):
            links = row(graph, item, level)
            place = np.searchsorted(starts, item, side="right") - 1
            assert links, "every node has two items and more"
            assert all(starts[place] <= other < starts[place + 1] and other != item for other in links)
            assert len(set(links)) == len(links)
            assert links == nearest_first(vectors, item, links)


def test_what_is_walked() -> None:
    """In the node on an item's side and in its child, whatever the range; across, in the range alone."""
    vectors, _, _ = clusters(500, 16)
    graph, levels = build.build(vectors, Design(6, 20, 0), 2, unheard), len(tree.bounds_of(500)) - 1
    rng, marks, fresh = np.random.default_rng(3), Marks.of(500), np.empty(18, np.int32)
    for first, last, item in np.sort(rng.integers(0, 500, (300, 3)), axis=1)[:, [0, 2, 1]].tolist():
        split, left, right = rng.integers(0, 500), *rng.integers(0, levels + 1, 2)
        across = int(rng.integers(-1, levels))
        known = set(rng.integers(0, 500, 40).tolist())
        unmark_all(marks)
        for other in known:
            mark(marks, other)
        cover = Cover(graph.links, levels, first, last, int(split), int(left), int(right), across)
        level = int(left if item < split else right)
        wanted = [o for at in (level, level + 1) if at < levels for o in row(graph, item, at)]
        if across != NONE:
            wanted += [o for o in row(graph, item, across) if first <= o <= last]
        count = neighbours(cover, item, marks, fresh)
        assert fresh[:count].tolist() == [o for o in dict.fromkeys(wanted) if o not in known]


@pytest.mark.parametrize("strict", [True, False])
def test_an_item_outside_an_empty_range_comes_back_only_as_published(strict: bool) -> None:
    n, rng = 200, np.random.default_rng(0)
    values = rng.permutation(n) * 10
    column: dict[str, Any] = {"number": Number(values)}
    made = built(DigraAlgorithm, grid(n), column, M=4, ef_construction=20, strict=strict)
    made.configure(ef=20)
    assert made.exact_filter == strict
    queries = grid(6, seed=1)
    low = np.array([3, 1234, 5000, -7, 1990.5, 11])
    for text in ("$low <= number <= $high", "number == $low"):
        given = {"low": low} | ({"high": low + 2} if "$high" in text else {})
        filters = bound(text, column, n, len(queries), **given)
        found = made.search(queries, 5, made.select(filters))
        before = [int(np.flatnonzero(values == max(0, min(v // 10 * 10, 1990)))[0]) for v in low]
        assert (found[:, 1:] == -1).all()
        assert found[:, 0].tolist() == ([-1] * 6 if strict else before)
    filters = bound("number < 0", column, n, len(queries))
    found = made.search(queries, 5, made.select(filters))
    assert (found[:, 0] == (-1 if strict else np.flatnonzero(values == 0)[0])).all()
    nothing = built(
        DigraAlgorithm,
        grid(n),
        {"number": Number(values, values >= 0)},
        M=4,
        ef_construction=20,
        strict=strict,
    )
    nothing.configure(ef=20)
    filters = bound("number < 0", {"number": Number(values, values >= 0)}, n, len(queries))
    assert (nothing.search(queries, 5, nothing.select(filters)) == -1).all()

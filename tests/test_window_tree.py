"""The window search tree: its windows, how they tile a range or hold it, and what its graphs are like."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import clusters, unheard
from range_cases import held

from fannsbench.algorithms.vamana.index import Parameters
from fannsbench.algorithms.window_tree import index, searching
from fannsbench.algorithms.window_tree.index import WindowTree


def rows_of(graph: WindowTree) -> list[list[tuple[int, int]]]:
    """Of every row the first and the last position of each window."""
    parts = pairwise(graph.places.tolist())
    return [[(a, b - 1) for a, b in pairwise(graph.bounds[first:stop].tolist())] for first, stop in parts]


def made(m: int, beta: int, cutoff: int, overlapping: bool, degree: int = 6) -> WindowTree:
    vectors = clusters(m, 16)[0]
    return index.build(vectors, Parameters(degree, 20, 1.0, 0), beta, cutoff, overlapping, 2, unheard)


@pytest.mark.parametrize("beta", [2, 3, 4])
@pytest.mark.parametrize("m", [1, 5, 100, 1023, 1024])
def test_levels_tile_and_refine(m: int, beta: int) -> None:
    levels = index.levels_of(m, beta, 10)
    assert levels[0].tolist() == [0, m]
    assert all(np.diff(level)[0] > 10 for level in levels[:-1])
    assert np.diff(levels[-1])[0] <= 10
    for above, below in pairwise(levels):
        sizes = np.diff(below)
        assert below[0] == 0
        assert below[-1] == m
        assert sizes.min() > 0
        assert sizes.max() - sizes.min() <= 1
        assert np.isin(above, below).all()
        children = np.diff(np.searchsorted(below, above))
        assert (children == beta).all()
        for first, stop in pairwise(above):
            parts = np.diff(below[(below >= first) & (below <= stop)])
            assert (np.diff(parts) <= 0).all(), "the larger first"


@pytest.mark.parametrize("overlapping", [False, True])
def test_structure_of_the_graphs(overlapping: bool) -> None:
    m = 700
    graph = made(m, 2, 50, overlapping)
    rows = rows_of(graph)
    levels, count = graph.levels
    assert len(rows) == count == (2 * levels - 1 if overlapping else levels)
    for row, windows in enumerate(rows):
        assert [window[0] for window in windows] == [0, *(last + 1 for _, last in windows[:-1])]
        assert windows[-1][1] == m - 1
        for place, (first, last) in enumerate(windows):
            assert first <= graph.entries[graph.places[row] + place] <= last
            for item in range(first, last + 1):
                links = held(graph.links[item * count + row])
                assert all(first <= other <= last and other != item for other in links)
                assert len(set(links)) == len(links)


def test_overlapping_windows_hold_every_range_of_half_their_length() -> None:
    m = 600
    graph = made(m, 2, 40, True)
    rows, levels = rows_of(graph), int(graph.levels[0])
    for level in range(1, levels):
        windows = [*rows[level], *rows[levels - 1 + level]]
        shortest = min(last - first + 1 for first, last in rows[level])
        for first in range(m - shortest // 2 + 1):
            last = first + shortest // 2 - 1
            assert any(a <= first and last <= b for a, b in windows), (level, first)


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_smallest_window_that_holds_a_range(overlapping: bool) -> None:
    graph = made(300, 2, 20, overlapping)
    rows, rng = rows_of(graph), np.random.default_rng(1)
    for first, last in np.sort(rng.integers(0, 300, (500, 2)), axis=1).tolist():
        row, window = searching.smallest_holding(graph, first, last)
        chosen = rows[row][window - graph.places[row]]
        assert chosen[0] <= first <= last <= chosen[1]
        sizes = [b - a for windows in rows for a, b in windows if a <= first and last <= b]
        assert chosen[1] - chosen[0] == min(sizes)


@pytest.mark.parametrize("beta", [2, 3])
def test_every_range_is_tiled(beta: int) -> None:
    m = 120
    graph = made(m, beta, 10, True)
    levels = rows_of(graph)[: graph.levels[0]]
    tiles = np.empty((2 * beta * len(levels), 2), np.int64)

    def largest(first: int, last: int, level: int, window: tuple[int, int]) -> list[tuple[int, int, int]]:
        """By descent from the root."""
        if first <= window[0] and window[1] <= last:
            return [(level, *window)]
        if level + 1 == len(levels) or window[1] < first or last < window[0]:
            return []
        below = [w for w in levels[level + 1] if window[0] <= w[0] <= window[1]]
        return [tile for w in below for tile in largest(first, last, level + 1, w)]

    for first in range(m):
        for last in range(first, m):
            wanted = sorted(largest(first, last, 0, (0, m - 1)))
            for one_level in (False, True):
                count, low, high = searching.tile(graph, first, last, one_level, tiles)
                found = []
                for level, window in tiles[:count].tolist():
                    found.append((level, *levels[level][window - graph.places[level]]))
                assert found == sorted(found, key=lambda tile: tile[0]), "the larger first"
                alike = [tile for tile in wanted if tile[0] == min(w[0] for w in wanted)]
                assert sorted(found) == (alike if one_level else wanted)
                covered: list[Any] = sorted(p for _, a, b in found for p in range(a, b + 1))
                assert covered == list(range(low, high))
                assert first <= low <= high <= last + 1

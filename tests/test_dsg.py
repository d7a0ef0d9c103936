"""DSG: its rectangles against greedy selection for all ranges, and the graph that a range sees."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import clusters, unheard
from range_cases import far, grid, nearest_first

from fannsbench.algorithms.dsg import build, compress, index
from fannsbench.algorithms.dsg.build import Design
from fannsbench.algorithms.dsg.candidates import collect
from fannsbench.algorithms.dsg.compress import Boxes, Family
from fannsbench.algorithms.dsg.index import FIELDS, LINE, SegmentGraph, Window
from fannsbench.algorithms.hnsw_native import index as hnsw
from fannsbench.kernels.pool import Marks, Pool, mark, offer, unmark_all
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import halves_of

EXACT = Design(
    M=4, ef_construction=200, ef_max=200, alpha=1.0, exact_rectangles=True, prune_fraction=0, seed=1
)


def greedy(vectors: np.ndarray, centre: int, candidates: list[int], most: int, alpha: float) -> list[int]:
    """Selected among candidates that come nearest first."""
    chosen: list[int] = []
    for c in candidates:
        if len(chosen) == most:
            break
        near = (
            alpha * far(vectors, s, c) < far(vectors, centre, c) or far(vectors, s, c) == 0 for s in chosen
        )
        if not any(near):
            chosen.append(c)
    return chosen


def boxes_of(
    vectors: np.ndarray, centre: int, candidates: list[int], most: int, alpha: float, whole: bool
) -> dict[int, list[list[int]]]:
    pool = Pool.of(len(candidates))
    for c in candidates:
        offer(pool, np.float32(far(vectors, centre, c)), c)
    boxes = Boxes(np.empty(1, np.int32), np.empty((1, 4), np.int32))
    pairs = np.empty((len(candidates), len(candidates)), np.uint8)
    end = len(vectors) - 1
    count, boxes = compress.compress(
        centre, pool, end, np.float32(alpha), vectors, Family.of(most, len(candidates)), pairs, boxes
    )
    if whole:
        count = compress.hulls(count, boxes, len(candidates))
    found: dict[int, list[list[int]]] = {}
    for place, box in zip(boxes.places[:count], boxes.bounds[:count].tolist(), strict=True):
        found.setdefault(int(pool.ids[place]), []).append(box)
    return found


@pytest.mark.parametrize(("most", "alpha"), [(4, 1.0), (4, 1.3), (20, 1.0)])
def test_rectangles_are_greedy_selection_for_every_range(most: int, alpha: float) -> None:
    n, rng = 90, np.random.default_rng(1)
    for vectors in (grid(n), clusters(n, 16)[0]):
        for centre in (0, 13, 50, n - 1):
            some = rng.choice(np.delete(np.arange(n), centre), 50, replace=False)
            candidates = nearest_first(vectors, centre, some)
            exact = boxes_of(vectors, centre, candidates, most, alpha, whole=False)
            hulls = boxes_of(vectors, centre, candidates, most, alpha, whole=True)
            for first in range(centre + 1):
                for last in range(centre, n):
                    inside = [c for c in candidates if first <= c <= last]
                    wanted = greedy(vectors, centre, inside, most, alpha)
                    covering = [
                        (c, a <= first <= b and e <= last <= f) for c in exact for a, b, e, f in exact[c]
                    ]
                    assert sorted(c for c, covers in covering if covers) == sorted(wanted), "each once"
                    held = {c for c, [(a, b, e, f)] in hulls.items() if a <= first <= b and e <= last <= f}
                    assert set(wanted) <= held
            for c, [box] in hulls.items():
                parts = np.array(exact[c])
                assert box == [
                    *parts.min(axis=0)[:1],
                    *parts.max(axis=0)[1:2],
                    *parts.min(axis=0)[2:3],
                    *parts.max(axis=0)[3:],
                ]
                assert box[0] <= box[1] <= min(c, centre)
                assert max(c, centre) <= box[2] <= box[3] <= n - 1


def admitted(vectors: np.ndarray, links: np.ndarray, item: int, ef: int) -> set[int]:
    """By a search that begins at the item, of two lists."""
    pool = [(0.0, item)]
    expanded, seen, ever = set(), {item}, set()
    while waiting := [entry for entry in pool if entry[1] not in expanded]:
        node = min(waiting)[1]
        expanded.add(node)
        for other in links[node][links[node] >= 0].tolist():
            if other in seen:
                continue
            seen.add(other)
            entry = (far(vectors, item, other), other)
            if len(pool) < ef or entry < max(pool):
                ever.add(other)
                pool = sorted([*pool, entry])[:ef]
    return ever


def test_candidates_are_all_that_the_search_admits() -> None:
    vectors, ef = grid(400, seed=2), 30
    layers = hnsw.build(vectors, 6, 40, 0, 1, unheard)
    scratch, pool = Scratch.of(400, ef, 12), Pool.of(400)
    for item in range(0, 400, 23):
        collect(layers, vectors, halves_of(vectors), item, True, scratch, pool)
        found = pool.ids[: pool.state[0]].tolist()
        assert set(found) == admitted(vectors, layers.links, item, ef)
        assert found == nearest_first(vectors, item, found)
        assert pool.distances[: len(found)].tolist() == [far(vectors, item, other) for other in found]


Edge = tuple[int, int, int, int, int]


def rows_of(graph: SegmentGraph) -> list[list[Edge]]:
    rows = []
    for begin, stop in pairwise(graph.starts.tolist()):
        fields = graph.edges[FIELDS * begin : FIELDS * stop].reshape(FIELDS, stop - begin)
        rows.append([tuple(edge) for edge in fields.T.tolist()])
    return rows


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_structure(exact: bool, incremental: bool) -> None:
    n = 600
    vectors, _, _ = clusters(n, 16)
    how = EXACT._replace(ef_construction=40, ef_max=40, M=6, exact_rectangles=exact)
    graph = (build.build_inserting if incremental else build.build)(vectors, how, 2, unheard)
    assert len(graph.edges) % LINE == 0
    rows = rows_of(graph)
    for item, row in enumerate(rows):
        others = [edge[0] for edge in row]
        assert others == sorted(others)
        assert item not in others
        assert exact or len(set(others)) == len(others)
        for other, least_first, most_first, least_last, most_last in row:
            assert 0 <= least_first <= most_first <= min(item, other)
            assert max(item, other) <= least_last <= most_last < n
            assert (item, least_first, most_first, least_last, most_last) in rows[other], "both ways"
        assert row, "for the whole range at least one candidate is chosen"
        assert any(edge[1] == 0 and edge[4] == n - 1 for edge in row)


def test_pruning_leaves_out_long_edges_that_hold_for_few_ranges() -> None:
    n = 600
    vectors, _, _ = clusters(n, 16)
    how = EXACT._replace(ef_construction=40, ef_max=40, M=6, exact_rectangles=False)
    whole = rows_of(build.build(vectors, how, 2, unheard))
    kept = rows_of(build.build(vectors, how._replace(prune_fraction=0.1), 2, unheard))
    assert sum(map(len, kept)) < sum(map(len, whole))
    for item, (before, after) in enumerate(zip(whole, kept, strict=True)):
        long = [e for e in before if abs(e[0] - item) + 1 > 12 and (e[1] > 0 or e[4] < n - 1)]
        score = {e: (e[2] - e[1] + 1) * (e[4] - e[3] + 1) // (abs(e[0] - item) + 1) for e in long}
        ordered = sorted(score.values())
        limit = ordered[len(long) // 10 - 1] if len(long) >= 10 else -1
        assert after == [edge for edge in before if score.get(edge, limit + 1) > limit]


@pytest.fixture(scope="module")
def graph() -> SegmentGraph:
    vectors, _, _ = clusters(500, 16)
    return build.build(vectors, EXACT._replace(ef_max=60, M=6, prune_fraction=0.1), 2, unheard)


def test_edges_that_a_range_sees(graph: SegmentGraph) -> None:
    rows, rng = rows_of(graph), np.random.default_rng(5)
    widest = max(map(len, rows))
    marks, fresh, holds = Marks.of(500), np.empty(widest, np.int32), np.empty(widest, np.uint8)
    for first, last, item in np.sort(rng.integers(0, 500, (300, 3)), axis=1)[:, [0, 2, 1]].tolist():
        for loose in (False, True):
            known = set(rng.integers(0, 500, 60).tolist())
            unmark_all(marks)
            for other in known:
                mark(marks, other)
            lines = graph.edges.reshape(-1, LINE)
            window = Window(graph.starts, graph.edges, lines, first, last, loose, holds)
            wanted: dict[int, Any] = {
                o: None
                for o, a, b, c, d in rows[item]
                if first <= o <= last and (loose or (a <= first <= b and c <= last <= d)) and o not in known
            }
            count = index.neighbours(window, item, marks, fresh)
            assert fresh[:count].tolist() == list(wanted)


def test_links_of_the_exact_graph_are_greedy_for_all_ranges() -> None:
    """From end to end: with all items as candidates, a range sees what it selects, one way or the other."""
    n = 60
    vectors = clusters(n, 16)[0]
    rows = rows_of(build.build(vectors, EXACT, 2, unheard))
    order = [nearest_first(vectors, item, set(range(n)) - {item}) for item in range(n)]
    for first in range(0, n, 7):
        for last in range(first + 1, n, 5):
            chosen = {
                (item, c)
                for item in range(first, last + 1)
                for c in greedy(vectors, item, [o for o in order[item] if first <= o <= last], 4, 1.0)
            }
            seen = {
                (item, o)
                for item in range(first, last + 1)
                for o, a, b, c, d in rows[item]
                if a <= first <= b and c <= last <= d
            }
            assert seen == chosen | {(c, item) for item, c in chosen}

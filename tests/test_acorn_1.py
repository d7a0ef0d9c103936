"""ACORN-1 on the graph of HNSW: its walk against a naive one, and what it finds under filters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graph_cases import arrays_of, bound, built, clusters, masks_of, recall, relative

from fannsbench.algorithms.acorn_1.plugin import Acorn1
from fannsbench.algorithms.hnsw_native.plugin import HnswNative
from fannsbench.attributes import Number

BUILD = {"M": 8, "ef_construction": 60}


@pytest.fixture(scope="module")
def world():
    items, queries, of_item = clusters(3000, 24)
    return built(Acorn1, items, threads=2, **BUILD), items, queries, of_item


def test_the_graph_is_that_of_hnsw(world):
    index, items, queries, _ = world
    other = built(HnswNative, items, **BUILD)
    for name, array in arrays_of(other).items():
        assert (arrays_of(index)[name] == array).all()
    index.configure(ef=30, seeds=10)
    other.configure(ef=30, filtering="in")
    assert (index.search(queries, 10, None) == other.search(queries, 10, None)).all()


def lists_of(rows):
    return [row[row >= 0].tolist() for row in rows]


def naive_two_hops(links, width, mask, node, seen, share):
    """Lucene's rule, as the guide of its search tells it."""
    M = width // 2  # noqa: N806
    times = max(1, round(min(1 / share, M / 2)))
    least = round(min(max(0, 1 / share - width), M))
    score, explore = [], []
    for v in links[node]:
        if v not in seen:
            (score if mask[v] else explore).append(v)
            seen.add(v)
    degree, rare = len(links[node]), len(explore)
    if not degree or rare / degree <= 0.1:
        return score
    most = degree * times
    if rare < degree:
        most = min(most, degree * degree // (degree - rare))
    looked = 0
    while explore and len(score) < most and looked < width * times - 1:
        for v in links[explore.pop(0)]:
            if len(score) >= most or looked >= width * times - 1:
                break
            if v in seen:
                continue
            seen.add(v)
            looked += 1
            if mask[v]:
                score.append(v)
            elif len(score) < least:
                explore.append(v)
    return score


def naive_search(index, items, query, mask, ef, seeds):
    graph = index.graph
    links, width, share = lists_of(graph.links), graph.links.shape[1], mask.mean()
    far = ((items.astype(int) - query.astype(int)) ** 2).sum(axis=1).tolist()
    start = int(graph.entry[0])
    for layer in range(len(graph.starts) - 1, 0, -1):
        while True:
            before = start
            row = graph.upper[graph.starts[layer] + graph.place[before]]
            for v in row[row >= 0].tolist():
                start = v if far[v] < far[start] else start
            if start == before:
                break
    seen = {start}
    starts = [start]
    if not mask[start]:
        starts = naive_two_hops(links, width, mask, start, seen, share)
        starts += [v for v in seeds if v not in seen]
    seen |= set(starts)
    pool, expanded = sorted((far[v], v) for v in starts)[:ef], set()
    while waiting := [v for _, v in pool if v not in expanded]:
        expanded.add(waiting[0])
        new = naive_two_hops(links, width, mask, waiting[0], seen, share)
        pool = sorted(pool + [(far[v], v) for v in new])[:ef]
    return [v for _, v in pool]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.55])
@pytest.mark.parametrize("seeds", [0, 4])
def test_the_walk_is_the_naive_one(seeds, share):
    rng = np.random.default_rng(3)
    items = rng.integers(0, 12, (600, 4)).astype(np.float32)
    queries = rng.integers(0, 12, (20, 4)).astype(np.float32)
    index = built(Acorn1, items, M=4, ef_construction=30)
    index.configure(ef=7, seeds=seeds)
    marked = Number((rng.random(600) < share).astype(np.int64))
    filters = bound("marked == 1", {"marked": marked}, 600, 20)
    mask = masks_of(filters)[0]
    selection = index.select(filters)
    assert selection.counts[0] > index.scans_up_to(5)
    found = index.search(queries, 5, selection)
    chosen: list[int] = []
    for first in (600 * i // seeds for i in range(seeds)):
        chosen += next(([v] for v in range(first, 600) if mask[v] and v not in chosen), [])
    complete = 0
    for row, query in zip(found, queries, strict=True):
        expected = naive_search(index, items, query, mask, 7, chosen)[:5]
        if len(expected) == 5:  # else all distances are computed
            complete += 1
            assert row.tolist() == expected
    assert complete >= 5


FILTERS = {
    "with the vectors": ("cluster == $c", 0),
    "against the vectors": ("cluster == $c", 5),
    "any but the query's": ("not cluster == $c", 0),
    "independent": ("random == $c", 0),
    "rare": ("random == $c and cluster <= 4", 0),
    "sets": ("$c in sets", 0),
    "all": ("cluster >= 0", 0),
}


@pytest.mark.parametrize("name", list(FILTERS))
def test_filters(world, name):
    index, items, queries, of_item = world
    text, shift = FILTERS[name]
    filters = relative(text, shift, items, queries, of_item, labels=10)
    index.configure(ef=120, seeds=10)
    found = index.search(queries, 10, index.select(filters))
    assert recall(found, items, queries, masks_of(filters)) > 0.93
    if name == "all":
        assert (found == index.search(queries, 10, None)).all()


def test_where_most_items_match_the_others_are_walked_too(world):
    index, items, queries, of_item = world
    other = built(HnswNative, items, **BUILD)
    index.configure(ef=30, seeds=10)
    other.configure(ef=30, filtering="in")
    for text, same in (("c >= 3", True), ("c >= 5", False)):
        filters = bound(text, {"c": Number(of_item)}, len(items), len(queries))
        found = [each.search(queries, 10, each.select(filters)) for each in (index, other)]
        assert (found[0] == found[1]).all() == same


def test_few_matches_are_scanned(world):
    index, items, queries, _ = world
    numbers = {"i": Number(np.arange(len(items)))}
    few = int(10 * math.log(len(items)))
    index.configure(ef=10, seeds=0)
    for count, exact in ((few, True), (few + 1, False)):
        filters = bound("i < $i", numbers, len(items), len(queries), i=[count] * len(queries))
        index.configure(ef=10, seeds=0)
        index.search(queries, 10, index.select(filters))
        assert (index.counters()["distances"] == count * len(queries)) == exact

"""ACORN-gamma: the structure of its graph, and what it finds under filters of all kinds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, reached, recall, relative
from naive_acorn import layers_of

from fannsbench.algorithms._native.subgraph import spread_matches
from fannsbench.algorithms.acorn.plugin import Acorn
from fannsbench.attributes import Number

BUILD = {"M": 8, "M_beta": 8, "gamma": 6, "gather_stop": "distance"}
SEARCH = {"ef": 60, "seeds": 64, "fallback": 0.0}


@pytest.fixture(scope="module")
def world():
    items, queries, of_item = clusters(3000, 24)
    index = built(Acorn, items, threads=2, **BUILD)
    return index, items, queries, of_item


def test_structure(world):
    index, items, _, _ = world
    lists, n = layers_of(index.graph), len(items)
    assert index.graph.links.shape == (n, 8 + 12)
    assert index.graph.upper.shape[1] == 48
    for members in lists:
        for item, links in members.items():
            assert len(set(links)) == len(links)
            assert item not in links
            assert all(v in members for v in links)
            assert links or len(members) == 1
    assert int(index.graph.entry[0]) in lists[-1]
    assert reached(index.graph.links, index.graph.entry[0]) == set(range(n))


def test_a_query_that_all_items_match_can_reach_them():
    items, _, _ = clusters(3000, 24)
    index = built(Acorn, items, threads=2, **BUILD | {"M_beta": 16})
    links = index.graph.links
    assert reached(np.ascontiguousarray(links[:, :16]), index.graph.entry[0]) == set(range(3000))
    for row in links:
        held = row[row >= 0].tolist()
        assert len(set(held)) == len(held)
        assert (row[len(held) :] == -1).all()
    index.configure(**SEARCH | {"ef": 1000})
    found = index.search(items[:500], 1, None)[:, 0]
    assert np.mean(found == np.arange(500)) > 0.99


def test_seeds_are_matches_spread_over_all():
    bits = np.zeros(13, np.uint8)
    out = np.empty(4, np.int32)
    assert spread_matches(bits, 100, out) == 0
    for item in (0, 1, 60, 61, 62, 99):
        bits[item >> 3] |= 1 << (item & 7)
    assert spread_matches(bits, 100, out) == 4
    assert out.tolist() == [0, 60, 61, 99]
    assert spread_matches(bits, 99, out) == 3
    assert spread_matches(bits, 100, np.empty(0, np.int32)) == 0


FILTERS = {
    "with the vectors": ("cluster == $c", 0, 60),
    "against the vectors": ("cluster == $c", 5, 60),
    "any but the query's": ("not cluster == $c", 0, 200),
    "independent": ("random == $c", 0, 60),
    "sets": ("$c in sets", 0, 60),
    "several": ("cluster <= $c and random <= 5 or '3' in sets", 0, 60),
    "all": ("cluster >= 0", 0, 60),
}


@pytest.mark.parametrize("name", list(FILTERS))
def test_filters(world, name):
    index, items, queries, of_item = world
    text, shift, ef = FILTERS[name]
    filters = relative(text, shift, items, queries, of_item, labels=30)
    index.configure(**SEARCH | {"ef": ef})
    found = index.search(queries, 10, index.select(filters))
    assert recall(found, items, queries, masks_of(filters)) > 0.93
    if name == "all":
        assert (found == index.search(queries, 10, None)).all()


def test_more_candidates_find_more_at_more_distances(world):
    index, items, queries, of_item = world
    half = bound("c >= 5", {"c": Number(of_item)}, len(items), len(queries))
    found, computed = [], []
    for ef in (10, 20, 40, 80, 400):
        index.configure(ef=ef, seeds=16, fallback=0.0)
        found.append(recall(index.search(queries, 10, index.select(half)), items, queries, masks_of(half)))
        computed.append(index.counters()["distances"])
    assert all(b >= a - 0.005 for a, b in pairwise(found))
    assert all(b > a for a, b in pairwise(computed))
    assert found[-1] > 0.99


def test_up_to_the_fallback_all_distances_are_computed(world):
    index, items, queries, of_item = world
    filters = bound(
        "c == $c", {"c": Number(of_item)}, len(items), len(queries), c=np.arange(len(queries)) % 10
    )
    selection = index.select(filters)
    for fallback, exact in ((1 / 6, True), (0.0, False)):
        index.configure(ef=10, seeds=0, fallback=fallback)
        found = index.search(queries, 10, selection)
        assert (recall(found, items, queries, masks_of(filters)) == 1.0) == exact
        assert (index.counters()["distances"] == selection.counts.sum()) == exact


def test_matches_in_parts_with_no_links_between_them():
    items, _, of_item = clusters(2000, 8, count=20)
    items = (items + 40 * of_item[:, None]).astype(np.float32)  # far apart, in a row
    queries = items[np.flatnonzero(of_item == 17)[:30]] + np.float32(0.1)
    parts = Number(np.isin(of_item, (2, 17)).astype(np.int64))
    filters = bound("parts == 1", {"parts": parts}, len(items), len(queries))
    index = built(Acorn, items, **BUILD)
    shares = []
    for seeds in (0, 64):
        index.configure(ef=20, seeds=seeds, fallback=0.0)
        found = index.search(queries, 10, index.select(filters))
        shares.append(recall(found, items, queries, masks_of(filters)))
    assert shares[0] < 0.1
    assert shares[1] > 0.95

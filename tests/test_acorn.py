"""ACORN-gamma: the structure of its graph, and what it finds under filters of all kinds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import arrays_of, bound, built, clusters, masks_of, odd_items, reached, recall
from naive_acorn import layers_of

from fannsbench.algorithm import Items
from fannsbench.algorithms._native.subgraph import spread_matches
from fannsbench.algorithms.acorn.plugin import Acorn
from fannsbench.attributes import Attributes, Category, LabelSet, Number

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


@pytest.mark.parametrize("gather_stop", ["distance", "code"])
def test_the_same_for_any_number_of_threads(gather_stop):
    items, queries, _ = clusters(1500, 12)
    parameters = BUILD | {"M": 6, "gather_stop": gather_stop}
    one, two, eight = (built(Acorn, items, threads=t, **parameters) for t in (1, 2, 8))
    for name, array in arrays_of(one).items():
        assert (arrays_of(two)[name] == array).all()
        assert (arrays_of(eight)[name] == array).all()
    third = bound("i >= $i", {"i": Number(np.arange(1500) % 3)}, 1500, len(queries), i=[1] * len(queries))
    found = []
    for index, threads in ((one, 1), (two, 2), (eight, 8)):
        index.configure(**SEARCH)
        index.threads = threads
        found.append(index.search(queries, 10, index.select(third)))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


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
    rng = np.random.default_rng(2)
    attributes = {
        "cluster": Number(of_item),
        "random": Number(rng.integers(0, 10, len(items))),
        "sets": LabelSet.from_values([{str(c) for c in rng.integers(0, 30, c % 4)} for c in of_item]),
    }
    text, shift, ef = FILTERS[name]
    nearest = [of_item[((items - query) ** 2).sum(axis=1).argmin()] for query in queries]
    values: list[Any] = [(c + shift) % 10 for c in nearest]
    if "$c in" in text:
        values = [str(value) for value in values]
    filters = bound(text, attributes, len(items), len(queries), **({"c": values} if "$" in text else {}))
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


@pytest.mark.parametrize("name", list(odd_items()))
@pytest.mark.parametrize("gather_stop", ["distance", "code"])
def test_odd_items(name, gather_stop):
    items = odd_items()[name]
    n = len(items)
    index = built(Acorn, items, threads=2, **BUILD | {"gather_stop": gather_stop})
    queries = items[:5]
    index.configure(ef=n, seeds=4, fallback=0.0)
    assert recall(index.search(queries, 10, None), items, queries) == 1.0
    attributes = {
        "i": Number(np.arange(n)),
        "own": Category.from_values([str(i) for i in range(n)]),
        "one": Category.from_values(["same"] * n),
        "sets": LabelSet.from_values([set() if i % 2 else {"even"} for i in range(n)]),
    }
    for text in ("i >= 1", "own == '0'", "one == 'same'", "'even' in sets", "i > 1000", "'odd' in sets"):
        filters = bound(text, attributes, n, len(queries))
        for ef in (1, n):
            index.configure(ef=ef, seeds=4, fallback=0.0)
            found = index.search(queries, 10, index.select(filters))
            if not masks_of(filters).any():
                assert (found == -1).all()
            elif ef == n:
                assert recall(found, items, queries, masks_of(filters)) == 1.0


def test_save_and_load(world, tmp_path):
    index, items, queries, _ = world
    index.save(tmp_path)
    again = Acorn(index.metric, 0, **BUILD)
    again.load(tmp_path, Items(items, Attributes({}, len(items))))
    for each in (index, again):
        each.configure(**SEARCH)
    assert (again.search(queries, 10, None) == index.search(queries, 10, None)).all()

"""FilteredVamana: where searches begin, which candidates it has, and Vamana as the case of one label."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import arrays_of, built, clusters, unheard

from fannsbench.algorithms._filtered_diskann.labels import labels_of
from fannsbench.algorithms.filtered_vamana import index as filtered
from fannsbench.algorithms.filtered_vamana.index import load_balanced_starts, unite
from fannsbench.algorithms.filtered_vamana.plugin import FilteredVamana
from fannsbench.algorithms.vamana import index as vamana
from fannsbench.attributes import Category, LabelSet
from fannsbench.kernels.pool import Pool, item_at, offer, size
from fannsbench.kernels.space import items_in_space

SMALL = {"R": 16, "L": 30, "alpha": 1.2, "unfiltered_candidates": True, "gate": "code"}


def test_starts_are_spread_over_the_items_of_their_labels():
    n = 400
    sets = [{f"{i % 40}", f"{i % 37}", "all"} for i in range(n)]
    column = LabelSet.from_values(sets)
    starts = load_balanced_starts(column.postings, n, seed=0)
    assert all(label in sets[start] for label, start in zip(column.vocabulary, starts, strict=True))
    assert np.bincount(starts).max() == 1
    again = load_balanced_starts(column.postings, n, seed=1)
    assert (starts != again).any()
    few = LabelSet.from_values([{"a", "b", "c"}, {"d"}])
    assert load_balanced_starts(few.postings, 2, 0).tolist() == [0, 0, 0, 1]


def test_a_union_holds_each_item_once_nearest_first():
    rng = np.random.default_rng(0)
    for _ in range(30):
        far = rng.integers(0, 5, 20).astype(np.float32)
        one, other, out = Pool.of(20), Pool.of(20), Pool.of(12)
        for pool in (one, other):
            for item in rng.permutation(20)[: rng.integers(0, 20)]:
                offer(pool, far[item], item)
        unite(one, other, out)
        items = {item_at(pool, i) for pool in (one, other) for i in range(size(pool))}
        expected = sorted(items, key=lambda item: (far[item], item))[:12]
        assert [item_at(out, i) for i in range(size(out))] == expected


@pytest.mark.parametrize("gate", ["code", "paper"])
def test_one_label_for_all_gives_the_graph_of_vamana(gate, monkeypatch):
    vectors = items_in_space("euclidean", clusters(900, 12)[0])
    start = vamana.medoid(vectors)
    monkeypatch.setattr(filtered, "load_balanced_starts", lambda *_: np.array([start], np.int32))
    monkeypatch.setattr(vamana, "connect", lambda *_: 0)
    monkeypatch.setattr(filtered, "connect_labels", lambda *_: 0)
    column = Category.from_values(["a"] * 900)
    labels, how = labels_of(column, 900), vamana.Parameters(16, 30, 1.2, seed=3)
    graph = filtered.build(vectors, labels, column.postings, how, False, gate, 1, unheard)
    assert (graph.links == vamana.build(vectors, how, 1, unheard).links).all()


@pytest.mark.parametrize("items", [clusters(600, 12)[0], np.ones((200, 3), np.float32)])
def test_without_labels_it_is_vamana(items):
    index = built(FilteredVamana, items, **SMALL)
    how = vamana.Parameters(16, 30, 1.2, seed=3)
    expected = vamana.build(items_in_space("euclidean", items), how, 1, unheard)
    assert (index.graph.links == expected.links).all()


def test_candidates_among_those_that_share_a_label_alone_give_no_other_links():
    items, _, of_item = clusters(1000, 12)
    column = Category.from_values([f"{c % 4}" for c in of_item])
    links = {
        among_all: built(
            FilteredVamana, items, {"label": column}, **{**SMALL, "unfiltered_candidates": among_all}
        ).graph.links
        for among_all in (False, True)
    }
    other_label = {
        among_all: ((row >= 0) & (column.codes[row] != column.codes[:, None])).sum()
        for among_all, row in links.items()
    }
    assert other_label[False] == 0
    assert other_label[True] > 0


def test_alpha_acts_in_steps():
    items, _, of_item = clusters(500, 8)
    column = Category.from_values([f"{c % 4}" for c in of_item])
    arrays = [
        arrays_of(built(FilteredVamana, items, {"label": column}, **{**SMALL, "R": 8, "alpha": alpha}))
        for alpha in (1.0, 1.1, 1.2)
    ]
    assert (arrays[0]["links"] == arrays[1]["links"]).all()
    assert (arrays[0]["links"] != arrays[2]["links"]).any()

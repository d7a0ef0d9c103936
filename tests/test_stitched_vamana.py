"""StitchedVamana: the graphs of labels, one by one and in batches, and how they are joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_cases import arrays_of, built, clusters, unheard

from fannsbench.algorithms.stitched_vamana import index as stitched
from fannsbench.algorithms.stitched_vamana import label_graphs as graphs
from fannsbench.algorithms.stitched_vamana.label_graphs import insertion_order, label_graphs
from fannsbench.algorithms.stitched_vamana.plugin import StitchedVamana
from fannsbench.algorithms.vamana.index import Parameters, medoid
from fannsbench.attributes import Category, LabelSet
from fannsbench.kernels.space import items_in_space

SMALL: dict[str, Any] = {
    "R_small": 8,
    "L_small": 20,
    "R_stitched": 24,
    "alpha": 1.2,
    "final_alpha": 1.2,
    "entry": "random",
}


def naive_prune(far: np.ndarray, node: int, candidates: set[int], degree: int, alpha: float) -> list[int]:
    left = sorted(candidates - {node}, key=lambda c: (far[node, c], c))
    ranks, kept, threshold = {c: i for i, c in enumerate(left)}, [], 1.0
    while threshold <= alpha + 1e-6:
        for c in list(left):
            before = [k for k in kept if ranks[k] < ranks[c]]
            if len(kept) < degree and all(far[node, c] <= threshold * far[k, c] for k in before):
                kept.append(c)
                left.remove(c)
        threshold *= 1.2
    return kept


def naive_vamana(vectors: np.ndarray, order: list[int], R: int, L: int, alpha: float) -> list[list[int]]:  # noqa: N803
    """Items inserted one after another, each among those that a greedy search for it expands."""
    far = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    links: list[list[int]] = [[] for _ in vectors]
    for item in order[1:]:
        pool, expanded = {order[0]}, set()
        while pool - expanded:
            node = min(pool - expanded, key=lambda v: (far[item, v], v))
            expanded.add(node)
            pool = set(sorted(pool | set(links[node]), key=lambda v: (far[item, v], v))[:L])
        links[item] = naive_prune(far, item, expanded, R, alpha)
        for other in links[item]:
            held = {*links[other], item}
            links[other] = (
                [*links[other], item] if len(held) <= R else naive_prune(far, other, held, R, alpha)
            )
    return links


def test_small_graphs_are_those_of_inserting_item_after_item():
    items = items_in_space("euclidean", clusters(160, 3)[0])
    column = LabelSet.from_values([{"abcd"[i % 3], "d", f"{i // 2}"} for i in range(160)])
    starts, ids = column.postings.starts, column.postings.ids
    made = label_graphs(items, column.postings, Parameters(6, 10, 1.2, seed=3), 2, unheard)
    order = insertion_order(column.postings, 3)
    for label in range(len(column.vocabulary)):
        part = slice(starts[label], starts[label + 1])
        vectors = items[ids[part]]
        start = int(np.flatnonzero(ids[part] == made.medoids[label])[0])
        far = ((vectors - vectors.astype(np.float64).mean(axis=0)) ** 2).sum(axis=1)
        assert far[start] <= far.min() * (1 + 1e-5)
        inserted = [start, *(i for i in order[part].tolist() if i != start)]
        expected = naive_vamana(vectors.astype(np.float64), inserted, 6, 10, 1.2)
        assert [[v for v in row.tolist() if v >= 0] for row in made.links[part]] == expected


@pytest.mark.parametrize("small", [1, 150, 5000])
def test_large_and_small_labels(small, monkeypatch):
    monkeypatch.setattr(graphs, "SMALL", small)
    items, _, of_item = clusters(800, 8)
    column = LabelSet.from_values([{f"{c}", "all"} for c in of_item])
    one, two = (built(StitchedVamana, items, {"label": column}, threads, **SMALL) for threads in (1, 2))
    for name, array in arrays_of(one).items():
        assert (arrays_of(two)[name] == array).all()
    assert ((one.graph.links >= 0).sum(axis=1) > 0).all()


def test_progress_over_large_labels_and_then_the_small_ones(monkeypatch):
    monkeypatch.setattr(graphs, "SMALL", 150)
    column = LabelSet.from_values([{"all", f"{i % 8}"} | ({"most"} if i % 4 else set()) for i in range(400)])
    told: list[tuple[int, int]] = []
    label_graphs(
        items_in_space("euclidean", clusters(400, 8)[0]),
        column.postings,
        Parameters(8, 20, 1.2, seed=3),
        2,
        lambda *report: told.append(report),
    )
    done = [now for now, _ in told]
    assert done == sorted(set(done))
    assert {400, 700, 1100} <= {*done}
    assert {total for _, total in told} == {1100}


def test_links_join_items_that_share_a_label():
    items, _, of_item = clusters(700, 8)
    rng = np.random.default_rng(4)
    sets = [{f"{c}", f"r{rng.integers(0, 30)}", f"r{rng.integers(0, 30)}"} for c in of_item]
    index = built(StitchedVamana, items, {"label": LabelSet.from_values(sets)}, **SMALL)
    for item, row in enumerate(index.graph.links):
        assert all(sets[item] & sets[other] for other in row[row >= 0])


def test_links_are_those_of_all_graphs_where_there_is_room(monkeypatch):
    monkeypatch.setattr(stitched, "connect_labels", lambda *_: 0)
    items, _, of_item = clusters(300, 8)
    column = LabelSet.from_values([{f"{c}", f"r{i % 7}"} for i, c in enumerate(of_item)])
    index = built(StitchedVamana, items, {"label": column}, **{**SMALL, "R_stitched": 96})
    postings = column.postings
    made = label_graphs(index.vectors, postings, Parameters(8, 20, 1.2, seed=3), 1, unheard)
    expected: list[set[int]] = [set() for _ in items]
    for label in range(len(column.vocabulary)):
        part = slice(postings.starts[label], postings.starts[label + 1])
        ids = postings.ids[part]
        for item, row in zip(ids, made.links[part], strict=True):
            expected[item] |= set(ids[row[row >= 0]].tolist())
    assert [set(row[row >= 0].tolist()) for row in index.graph.links] == expected


def test_one_label_each_needs_no_more_than_small_lists():
    items, _, of_item = clusters(300, 8)
    column = Category.from_values([f"{c}" for c in of_item])
    links = built(StitchedVamana, items, {"label": column}, **SMALL).graph.links
    assert links.shape[1] == 8
    assert (column.codes[links] == column.codes[:, None])[links >= 0].all()


@pytest.mark.parametrize("entry", ["random", "medoid"])
def test_where_searches_begin(entry):
    items, _, of_item = clusters(300, 8)
    column = Category.from_values([f"{c}" for c in of_item])
    starts = built(StitchedVamana, items, {"label": column}, **{**SMALL, "entry": entry}).graph.label_starts
    medoids = [np.flatnonzero(of_item == int(c))[medoid(items[of_item == int(c)])] for c in column.vocabulary]
    assert (column.codes[starts] == np.arange(len(starts))).all()
    assert (starts.tolist() == medoids) == (entry == "medoid")


def test_items_without_labels_have_no_links():
    items = clusters(100, 8)[0]
    column = LabelSet.from_values([{"a", "b"} if i % 2 else set() for i in range(100)])
    links = built(StitchedVamana, items, {"label": column}, **SMALL).graph.links
    assert ((links >= 0).any(axis=1) == np.arange(100) % 2).all()

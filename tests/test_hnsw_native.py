"""HNSW on our own kernels: the structure of its layers, and what it finds."""

from __future__ import annotations

import hnswlib
import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, reached, recall
from scipy.stats import chisquare

from fannsbench.algorithms.hnsw_native.index import levels_of
from fannsbench.algorithms.hnsw_native.plugin import HnswNative
from fannsbench.attributes import Number


@pytest.fixture(scope="module")
def world():
    items, queries, of_item = clusters(3000, 24)
    index = built(HnswNative, items, {"cluster": Number(of_item)}, threads=2, M=8, ef_construction=60)
    return index, items, queries, of_item


def rows_of_layer(graph, layer, n):
    """The items of a layer and their lists."""
    levels = np.zeros(n, int)
    sizes = [*np.diff(graph.starts[1:]), len(graph.upper) - graph.starts[-1]] if len(graph.starts) > 1 else []
    for c, size in enumerate(sizes, 1):
        levels[graph.place < size] = c
    if layer == 0:
        return np.arange(n), graph.links, levels
    items = np.flatnonzero(levels >= layer)
    return items, graph.upper[graph.starts[layer] + graph.place[items]], levels


def test_levels_thin_out_by_a_factor_of_m():
    levels = levels_of(100_000, 16, seed=5)
    expected = 100_000 * 16.0 ** -np.arange(4) * (1 - 1 / 16)
    observed = np.array([(levels == level).sum() for level in range(4)])
    expected[-1] = 100_000 * 16.0**-3
    observed[-1] = (levels >= 3).sum()
    assert chisquare(observed, expected).pvalue > 0.001
    assert (levels_of(100, 2, 1) == levels_of(100, 2, 1)).all()
    assert (levels_of(100, 2, 1) != levels_of(100, 2, 2)).any()


def test_structure(world):
    index, items, _, _ = world
    graph, n = index.graph, len(items)
    _, _, levels = rows_of_layer(graph, 0, n)
    assert levels[graph.entry[0]] == levels.max() == len(graph.starts) - 1
    for layer in range(len(graph.starts)):
        members, lists, _ = rows_of_layer(graph, layer, n)
        for item, row in zip(members, lists, strict=True):
            held = row[row >= 0]
            assert (row[len(held) :] == -1).all()
            assert len(set(held.tolist())) == len(held)
            assert item not in held
            assert (levels[held] >= layer).all()
            assert len(held) or len(members) == 1
    assert reached(graph.links, graph.entry[0]) == set(range(n))


def test_another_seed_gives_another_graph():
    items, _, _ = clusters(1500, 12)
    one, other = (built(HnswNative, items, seed=seed, M=6, ef_construction=40) for seed in (3, 4))
    assert (other.graph.place != one.graph.place).any()


def test_as_good_as_hnswlib(world):
    index, items, queries, _ = world
    other = hnswlib.Index("l2", items.shape[1])
    other.init_index(len(items), M=8, ef_construction=60)
    other.add_items(items, num_threads=1)
    for ef in (10, 30):
        other.set_ef(ef)
        index.configure(ef=ef, filtering="in")
        theirs = recall(other.knn_query(queries, 10)[0].astype(np.int32), items, queries)
        assert recall(index.search(queries, 10, None), items, queries) > theirs - 0.03


@pytest.mark.parametrize("filtering", ["in", "post"])
@pytest.mark.parametrize("text", ["cluster == $c", "cluster != $c", "cluster > 100", "cluster >= 0"])
def test_filters(world, filtering, text):
    index, items, queries, of_item = world
    values = {"c": np.arange(len(queries)) % 10} if "$" in text else {}
    filters = bound(text, {"cluster": Number(of_item)}, len(items), len(queries), **values)
    index.configure(ef=50, filtering=filtering)
    found = index.search(queries, 10, index.select(filters))
    assert (
        recall(found, items, queries, masks_of(filters)) > 0.95 if "100" not in text else (found == -1).all()
    )
    if text == "cluster >= 0":
        assert (found == index.search(queries, 10, None)).all()


def test_what_post_filtering_scans_is_counted(world):
    index, items, queries, _ = world
    numbers = {"i": Number(np.arange(len(items)))}
    few = bound("i < 30", numbers, len(items), len(queries))
    index.configure(ef=50, filtering="post")
    index.search(queries, 10, index.select(few))
    assert index.counters()["distances"] == 30 * len(queries)

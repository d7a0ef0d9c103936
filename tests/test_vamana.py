"""Vamana on our own kernels: the structure of its graph, and what it finds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from graph_cases import arrays_of, bound, built, clusters, masks_of, odd_items, reached, recall

from fannsbench.algorithm import Items
from fannsbench.algorithms.vamana.index import medoid
from fannsbench.algorithms.vamana.plugin import VamanaAlgorithm
from fannsbench.attributes import Attributes, Number

SMALL = {"R": 16, "L": 40, "alpha": 1.2}


@pytest.fixture(scope="module")
def world():
    items, queries, of_item = clusters(3000, 24)
    return built(VamanaAlgorithm, items, threads=2, **SMALL), items, queries, of_item


def test_the_medoid_is_nearest_to_the_mean():
    items = np.random.default_rng(0).standard_normal((500, 7)).astype(np.float32)
    far = ((items.astype(np.float64) - items.astype(np.float64).mean(axis=0)) ** 2).sum(axis=1)
    assert medoid(items) == np.argmin(far)
    assert medoid(np.ones((5, 3), np.float32)) == 0


def test_structure(world):
    index, items, _, _ = world
    links = index.graph.links
    assert links.shape == (len(items), 16)
    for item, row in enumerate(links):
        held = row[row >= 0]
        assert (row[len(held) :] == -1).all()
        assert len(set(held.tolist())) == len(held)
        assert item not in held
    assert reached(links, index.graph.start[0]) == set(range(len(items)))


def test_alpha_acts_in_steps():
    items, _, _ = clusters(600, 8)
    links = {
        alpha: built(VamanaAlgorithm, items, R=8, L=20, alpha=alpha).graph.links
        for alpha in (1.0, 1.1, 1.2, 1.4)
    }
    assert (links[1.0] == links[1.1]).all()
    assert (links[1.2] == links[1.4]).all()
    assert (links[1.0] != links[1.2]).any()


def test_the_graph_is_the_same_for_any_number_of_threads():
    items, queries, _ = clusters(1500, 12)
    one, two, eight = (built(VamanaAlgorithm, items, threads=t, **SMALL) for t in (1, 2, 8))
    found = []
    for index, threads in ((one, 1), (two, 2), (eight, 8)):
        for name, array in arrays_of(one).items():
            assert (arrays_of(index)[name] == array).all()
        index.configure(ef=20, filtering="in")
        index.threads = threads
        found.append(index.search(queries, 10, None))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_more_candidates_find_more(world):
    index, items, queries, _ = world
    found = []
    for ef in (1, 10, 20, 40, 80, 3000):
        index.configure(ef=ef, filtering="in")
        found.append(recall(index.search(queries, 10, None), items, queries))
    assert all(b >= a - 0.005 for a, b in pairwise(found))
    assert found[2] > 0.9
    assert found[-1] == 1.0


@pytest.mark.parametrize("filtering", ["in", "post"])
@pytest.mark.parametrize("text", ["cluster == $c", "cluster != $c"])
def test_filters(world, filtering, text):
    index, items, queries, of_item = world
    columns = {"cluster": Number(of_item)}
    filters = bound(text, columns, len(items), len(queries), c=np.arange(len(queries)) % 10)
    index.configure(ef=50, filtering=filtering)
    found = index.search(queries, 10, index.select(filters))
    assert recall(found, items, queries, masks_of(filters)) > 0.95


@pytest.mark.parametrize("name", list(odd_items()))
def test_odd_items(name):
    items = odd_items()[name]
    index = built(VamanaAlgorithm, items, threads=2, R=4, L=20, alpha=1.2)
    index.configure(ef=len(items), filtering="in")
    assert recall(index.search(items[:5], 10, None), items, items[:5]) == 1.0


def test_save_and_load(world, tmp_path):
    index, items, queries, _ = world
    index.save(tmp_path)
    again = VamanaAlgorithm(index.metric, 0, **SMALL)
    again.load(tmp_path, Items(items, Attributes({}, len(items))))
    for each in (index, again):
        each.configure(ef=30, filtering="in")
    assert (again.search(queries, 10, None) == index.search(queries, 10, None)).all()

"""Vamana on our own kernels: the structure of its graph, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, reached, recall

from fannsbench.algorithms.vamana.index import medoid
from fannsbench.algorithms.vamana.plugin import VamanaAlgorithm
from fannsbench.attributes import Number

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


@pytest.mark.parametrize("filtering", ["in", "post"])
@pytest.mark.parametrize("text", ["cluster == $c", "cluster != $c"])
def test_filters(world, filtering, text):
    index, items, queries, of_item = world
    columns = {"cluster": Number(of_item)}
    filters = bound(text, columns, len(items), len(queries), c=np.arange(len(queries)) % 10)
    index.configure(ef=50, filtering=filtering)
    found = index.search(queries, 10, index.select(filters))
    assert recall(found, items, queries, masks_of(filters)) > 0.95

"""What a graph reaches, against sets; and linking in what it does not."""

from __future__ import annotations

import numpy as np
from graph_cases import reached
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels_search import random_graph

from fannsbench.kernels.reach import connect, degrees_of, reached_from


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4))
@settings(deadline=None)
def test_reach(seed, n, degree):
    _, links, rng = random_graph(seed, n, degree)
    starts = rng.integers(0, n, 2)
    wanted = reached(links, int(starts[0])) | reached(links, int(starts[1]))
    assert set(np.flatnonzero(reached_from(links, starts)).tolist()) == wanted


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4))
@settings(deadline=None)
def test_everything_is_connected_and_nothing_reached_is_lost(seed, n, degree):
    vectors, links, rng = random_graph(seed, n, degree)
    for node, row in enumerate(links):  # no link to itself
        held = [v for v in row.tolist() if v not in (-1, node)]
        row[:] = held + [-1] * (degree - len(held))
    start = int(rng.integers(n))
    lost = n - len(reached(links, start))
    before = links.copy()
    count = connect(links, vectors, start, ef=3)
    assert count == lost
    assert reached(links, start) == set(range(n))
    assert lost or (links == before).all()
    for node, row in enumerate(links):
        held = row[row >= 0].tolist()
        assert node not in held
        assert len(set(held)) == len(held)
        assert (row[len(held) :] == -1).all()


def test_degrees():
    links = np.array([[1, 2, -1], [-1, -1, -1], [0, 1, 3], [0, -1, -1]], np.int32)
    assert degrees_of(links) == (0, 6 / 4, 3)

"""ACORN-gamma: its graph and its walk are the naive ones."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import bound, built, masks_of
from naive_acorn import exact_items, held, layers_of, naive_build, naive_compression, naive_search

from fannsbench.algorithms.acorn.plugin import Acorn
from fannsbench.algorithms.acorn.prune import Compression
from fannsbench.attributes import Number
from fannsbench.kernels import jit
from fannsbench.kernels.pool import Pool, offer
from fannsbench.kernels.prune import choose


@pytest.mark.parametrize("gather_stop", ["distance", "code"])
@pytest.mark.parametrize(("M", "M_beta", "gamma"), [(2, 2, 2), (3, 2, 3), (2, 4, 1)])
def test_the_graph_is_the_naive_one(M, M_beta, gamma, gather_stop):  # noqa: N803
    items = exact_items(90, seed=M)
    index = built(Acorn, items, M=M, M_beta=M_beta, gamma=gamma, gather_stop=gather_stop)
    lists = layers_of(index.graph)
    levels = [max(c for c in range(len(lists)) if v in lists[c]) for v in range(90)]
    order = np.argsort(index.graph.place).tolist()
    stop = "distance" if gamma == 1 else gather_stop
    expected = naive_build(items, order, levels, M, M_beta, gamma, stop)
    assert lists[1:] == expected[1:]
    lost = 90 - len(reached_in(expected[0], order[0], 2 * M))
    changed = sum(lists[0][v] != expected[0][v] for v in range(90))
    assert changed <= 3 * lost, "only to link in what no walk comes to"
    assert len(reached_in(lists[0], order[0], 2 * M)) == 90


def reached_in(lists, start, most):
    """By a query that all items match: it looks at `most` links of each."""
    seen, waiting = {start}, [start]
    while waiting:
        new = [v for v in lists[waiting.pop()][:most] if v not in seen]
        seen.update(new)
        waiting += new
    return seen


def test_compression_is_the_naive_one():
    rng = np.random.default_rng(0)
    run = jit(lambda rule, pool, degree, vectors, out: choose(rule, 0, pool, degree, vectors, out))
    none = np.zeros((1, 16), np.float32)
    for trial in range(200):
        n, width = int(rng.integers(2, 40)), int(rng.integers(1, 9))
        links = np.full((n, width), -1, np.int32)
        for v in range(n):
            others = rng.permutation(n)[: rng.integers(0, width + 1)]
            links[v, : len(others)] = others
        candidates = (rng.permutation(n - 1) + 1)[: rng.integers(1, n)].tolist()
        pool = Pool.of(len(candidates))
        for place, v in enumerate(candidates):
            offer(pool, np.float32(place), v)
        M_beta, degree, most = (int(rng.integers(1, high)) for high in (6, 12, 30))  # noqa: N806
        most = max(most, degree)
        out = np.full(degree, -1, np.int32)
        kept = run(Compression(links, M_beta, most), pool, degree, none, out)
        lists = [held(row) for row in links]
        expected = naive_compression(candidates, lists, M_beta, degree, most)
        assert out[:kept].tolist() == expected, trial
        assert expected[:M_beta] == candidates[: min(M_beta, degree)]


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("seeds", [0, 5])
@pytest.mark.parametrize("gamma", [1, 4])
def test_the_walk_is_the_naive_one(gamma, seeds, share):
    items, queries = exact_items(400, 5), exact_items(20, 6)
    index = built(Acorn, items, M=6, M_beta=3, gamma=gamma, gather_stop="distance")
    index.configure(ef=7, seeds=seeds, fallback=0.0)
    marked = Number((np.random.default_rng(7).random(400) < share).astype(np.int64))
    filters = bound("marked == 1", {"marked": marked}, 400, 20)
    mask = masks_of(filters)[0]
    found = index.search(queries, 5, index.select(filters))
    chosen: list[int] = []
    for first in (400 * i // seeds for i in range(seeds)):
        chosen += next(([v] for v in range(first, 400) if mask[v] and v not in chosen), [])
    lists, start = layers_of(index.graph), int(index.graph.entry[0])
    complete = 0
    for row, query in zip(found, queries, strict=True):
        direct = 3 if gamma > 1 else 0
        expected = naive_search(lists, items, query, mask, 6, direct, 7, chosen, start)[:5]
        if len(expected) == 5:  # else all distances are computed
            complete += 1
            assert row.tolist() == expected
    assert complete >= 5

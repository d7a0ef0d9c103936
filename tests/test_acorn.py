"""ACORN-gamma: its graph and its walk against naive ones, and what it finds under filters of all kinds."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_cases import arrays_of, bound, built, clusters, masks_of, odd_items, reached, recall

from fannsbench.algorithm import Items
from fannsbench.algorithms._native.subgraph import spread_matches
from fannsbench.algorithms.acorn.plugin import Acorn
from fannsbench.algorithms.acorn.prune import Compression
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.kernels import jit
from fannsbench.kernels.pool import Pool, offer
from fannsbench.kernels.prune import choose

BUILD = {"M": 8, "M_beta": 8, "gamma": 6, "gather_stop": "distance"}
SEARCH = {"ef": 60, "seeds": 64, "fallback": 0.0}


@pytest.fixture(scope="module")
def world():
    items, queries, of_item = clusters(3000, 24)
    index = built(Acorn, items, threads=2, **BUILD)
    return index, items, queries, of_item


def layers_of(graph):
    """The list of every item, for each layer it is in."""
    starts = [int(start) for start in graph.starts]
    lists: list[dict[int, list[int]]] = [{v: held(row) for v, row in enumerate(graph.links)}]
    for c in range(1, len(starts)):
        size = (starts[c + 1] if c + 1 < len(starts) else len(graph.upper)) - starts[c]
        members = np.flatnonzero(graph.place < size)
        lists.append({int(v): held(graph.upper[starts[c] + graph.place[v]]) for v in members})
    return lists


def held(row):
    links = row[row >= 0].tolist()
    assert (row[len(links) :] == -1).all()
    return links


# A naive ACORN. Coordinates are small integers, so that all distances are exact.


def exact_items(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 12, (n, 4)).astype(np.float32)


def distances(items, query):
    return ((items.astype(int) - query.astype(int)) ** 2).sum(axis=1).tolist()


def naive_descend(lists, far, start, lowest, M, matches=lambda v: True):  # noqa: N803
    nearest = start
    for layer in range(len(lists) - 1, lowest, -1):
        while True:
            before = nearest
            for v in [v for v in lists[layer][before] if matches(v)][:M]:
                if far[v] < far[nearest] or not matches(nearest):
                    nearest = v
            if nearest == before:
                break
    return nearest


def naive_best_first(leads_to, far, starts, ef):
    """leads_to(node, seen) sees to it that what it returns is seen."""
    pool, expanded = sorted((far[v], v) for v in starts), set()
    seen = set(starts)
    while True:
        pool = sorted(pool)[:ef]
        waiting = [v for _, v in pool if v not in expanded]
        if not waiting:
            return [v for _, v in pool]
        expanded.add(waiting[0])
        pool += [(far[v], v) for v in leads_to(waiting[0], seen)]


def naive_gather(lists, layer, far, start, M, ef, stop):  # noqa: N803
    def first_unseen(node, seen):
        new = [v for v in lists[layer][node] if v not in seen][:M]
        seen.update(new)
        return new

    if stop == "distance":
        return naive_best_first(first_unseen, far, [start], ef)
    frontier, pool, seen = [(far[start], start)], [(far[start], start)], {start}
    while frontier and (layer == 0 or len(pool) < ef):
        _, node = heapq.heappop(frontier)
        for v in first_unseen(node, seen):
            if len(pool) < ef or far[v] < pool[-1][0]:
                heapq.heappush(frontier, (far[v], v))
                pool = sorted([*pool, (far[v], v)])[:ef]
    return [v for _, v in pool]


def naive_compression(candidates, lists, M_beta, degree, most):  # noqa: N803
    kept, two_hops = list(candidates[:M_beta][:degree]), set()
    for v in candidates[M_beta:]:
        if len(kept) == degree or len(kept) + len(two_hops) > most:
            break
        if v not in two_hops:
            kept.append(v)
            two_hops |= set(lists[v])
    return kept


def naive_build(items, order, levels, M, M_beta, gamma, stop):  # noqa: N803
    """One item at a time."""
    degree = M_beta + 3 * M // 2
    lists = [{order[0]: []} for _ in range(levels[order[0]] + 1)]

    def cut(layer, candidates, before):
        if layer:
            return candidates[: M * gamma]
        return naive_compression(candidates, before, M_beta, degree, max(M * gamma, degree))

    for p in order[1:]:
        far = distances(items, items[p])
        nearest = naive_descend(lists, far, order[0], levels[p], M)
        chosen = []
        for layer in range(levels[p], -1, -1):
            found = naive_gather(lists, layer, far, nearest, M, M * gamma, stop)
            chosen.append((layer, cut(layer, found, lists[0])))
            nearest = found[0]
        for layer, own in chosen:
            lists[layer][p] = own
            before = {v: list(links) for v, links in lists[layer].items()}
            for v in own:
                lists[layer][v].append(p)
                if len(lists[layer][v]) > (M * gamma if layer else degree):
                    away = distances(items, items[v])
                    lists[layer][v] = cut(layer, sorted(lists[layer][v], key=lambda u: (away[u], u)), before)
    return lists


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
    was_reached = reached_in(expected[0], order[0])
    same = [v for v in range(90) if lists[0][v] == expected[0][v]]
    if len(was_reached) == 90:
        assert len(same) == 90
    else:  # linked in afterwards
        assert len(same) >= 90 - 3 * (90 - len(was_reached))
        assert len(reached_in(lists[0], order[0])) == 90


def reached_in(lists, start):
    seen, waiting = {start}, [start]
    while waiting:
        new = [v for v in lists[waiting.pop()] if v not in seen]
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


def naive_search(lists, items, query, mask, M, direct, ef, seeds, start):  # noqa: N803
    far = distances(items, query)

    def leads_to(node, seen):
        found = [v for v in lists[0][node] if mask[v]][: 2 * M]
        new = [v for v in found if v not in seen]
        seen.update(new)
        met = len(found)
        for between in lists[0][node][direct:]:
            if met >= 2 * M:
                break
            if between not in seen:
                seen.add(between)
                matches = [v for v in lists[0][between] if mask[v]]
                met += len(matches)
                more = [v for v in matches if v not in seen]
                seen.update(more)
                new += more
        return new

    start = naive_descend(lists, far, start, 0, M, lambda v: mask[v])
    seen = {start}
    starts = [start] if mask[start] else leads_to(start, seen)
    starts += [v for v in seeds if v not in seen]
    seen |= set(starts)
    pool, expanded = sorted((far[v], v) for v in starts)[:ef], set()
    while waiting := [v for _, v in pool if v not in expanded]:
        expanded.add(waiting[0])
        pool = sorted(pool + [(far[v], v) for v in leads_to(waiting[0], seen)])[:ef]
    return [v for _, v in pool]


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

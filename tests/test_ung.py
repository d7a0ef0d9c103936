"""UNG: groups, trie, navigating graph and edges by their definitions, and answers by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, recall

from fannsbench.algorithms.ung import crossing, labels, navigating
from fannsbench.algorithms.ung.index import Ung
from fannsbench.algorithms.ung.plugin import UngAlgorithm
from fannsbench.attributes import Attributes, Category, LabelSet, Number

BUILD = {"R": 8, "L": 30, "alpha": 1.2, "delta": 3, "rule2": "nearest", "branch": 0}
SEARCH = {"ef": 40, "sigma": 8, "scan": 0}
LETTERS = "abcdefghij"
N = 400


def random_sets(n=N, seed=0, most=5):
    """Sets of letters, the first ones frequent; some are empty."""
    rng = np.random.default_rng(seed)
    share = 1 / (1 + np.arange(len(LETTERS)))
    return [
        set(rng.choice(list(LETTERS), rng.integers(0, most + 1), replace=False, p=share / share.sum()))
        for _ in range(n)
    ]


def attributes_of(sets):
    return {"tags": LabelSet.from_values(sets)}


@pytest.fixture(scope="module")
def grouped():
    """Attributes, groups, trie, and the letters of each group."""
    sets = random_sets()
    attributes = Attributes(attributes_of(sets), N)
    groups = labels.group(attributes)
    return sets, attributes, groups, labels.trie(groups), sets_of_groups(groups)


def sets_of_groups(groups):
    return [
        set(groups.set_labels[a:b].tolist())
        for a, b in zip(groups.set_starts[:-1], groups.set_starts[1:], strict=True)
    ]


def minimal(candidates, sets):
    return [c for c in candidates if not any(sets[o] < sets[c] for o in candidates)]


def test_groups_are_the_items_of_one_set(grouped):
    sets, _, groups, _, of_group = grouped
    frequencies = [sum(letter in s for s in sets) for letter in sorted(set().union(*sets))]
    assert groups.ranks.tolist() == np.argsort(np.argsort(-np.array(frequencies), kind="stable")).tolist()
    rank = dict(zip(sorted(set().union(*sets)), groups.ranks.tolist(), strict=True))
    assert sorted(groups.items.tolist()) == list(range(N))
    as_tuples = [tuple(sorted(s)) for s in of_group]
    assert as_tuples == sorted(set(as_tuples))
    for g, (a, b) in enumerate(zip(groups.starts[:-1], groups.starts[1:], strict=True)):
        items = groups.items[a:b].tolist()
        assert items == sorted(items) != []
        assert all({rank[letter] for letter in sets[i]} == of_group[g] for i in items)


def test_trie_leads_to_every_group_and_back(grouped):
    _, _, groups, trie, of_group = grouped
    ended = np.flatnonzero(np.diff(trie.groups_before))
    assert trie.groups_before[ended].tolist() == list(range(len(of_group)))
    for g, node in enumerate(ended):
        path, above = [], node
        while above > 0:
            path.append(trie.labels[above])
            above = trie.parents[above]
        assert path[::-1] == sorted(of_group[g])
    for node in range(len(trie.labels)):
        below = {node}
        for v in range(node + 1, len(trie.labels)):
            if trie.parents[v] in below:
                below.add(v)
        assert below == set(range(node, trie.ends[node]))
    for rank in range(len(groups.ranks)):
        some = trie.nodes[trie.node_starts[rank] : trie.node_starts[rank + 1]]
        assert some.tolist() == np.flatnonzero(trie.labels == rank).tolist()


def test_subtrees_and_minimal_supersets_are_those_that_contain_the_labels(grouped):
    _, _, groups, trie, of_group = grouped
    rng = np.random.default_rng(1)
    nodes, candidates = np.empty(len(trie.labels), np.int32), np.empty(len(of_group), np.int32)
    signatures = navigating.signatures_of(groups)
    for size in [0, 1, 1, 2, 2, 3, 3, 4, 5] * 10:
        wanted = np.full(6, -1, np.int32)
        wanted[6 - size :] = np.sort(rng.choice(len(LETTERS), size, replace=False))
        found = nodes[: labels.find_subtrees(trie, wanted, nodes)]
        below = [g for v in found for g in range(trie.groups_before[v], trie.groups_before[trie.ends[v]])]
        containing = [g for g, s in enumerate(of_group) if s >= set(wanted.tolist()) - {-1}]
        assert below == containing
        count = navigating.first_supersets(trie, found, -1, candidates)
        kept = candidates[: navigating.keep_minimal(groups, signatures, candidates[:count])]
        assert sorted(kept.tolist()) == minimal(containing, of_group)


def test_label_navigating_graph_leads_to_minimal_proper_supersets(grouped):
    _, _, groups, trie, of_group = grouped
    graph = navigating.label_navigating_graph(groups, trie, 2)
    edges = set()
    for g in range(len(of_group)):
        out = graph.groups[graph.starts[g] : graph.starts[g + 1]].tolist()
        supersets = [o for o, s in enumerate(of_group) if s > of_group[g]]
        assert sorted(out) == (minimal(supersets, of_group) if of_group[g] else [])
        edges |= {(g, o) for o in out}
    back = navigating.reversed_edges(graph)
    assert edges == {
        (o, g)
        for g in range(len(of_group))
        for o in back.groups[back.starts[g] : back.starts[g + 1]].tolist()
    }
    for g in reversed(np.argsort([len(s) for s in of_group])):  # its closure is all supersets
        reached, waiting = set(), [g]
        while waiting:
            new = {o for a, o in edges if a == waiting[-1]} - reached
            waiting.pop()
            reached |= new
            waiting += new
        assert not of_group[g] or reached == {o for o, s in enumerate(of_group) if s > of_group[g]}


def edges_of(index: Ung):
    return np.repeat(np.arange(len(index.items)), np.diff(index.link_starts)), index.links


@pytest.mark.parametrize("rule2", ["nearest", "code", "paper"])
@pytest.mark.parametrize("delta", [1, 3])
def test_edges_stay_in_a_group_or_lead_to_the_next_larger_sets(grouped, rule2, delta):
    vectors, _, _ = clusters(N, 8)
    made = built(UngAlgorithm, vectors, grouped[1], **{**BUILD, "rule2": rule2, "delta": delta})
    _, _, groups, trie, of_group = grouped
    navigates = navigating.label_navigating_graph(groups, trie, 1)
    rows, targets = edges_of(made.graph)
    assert len(set(zip(rows.tolist(), targets.tolist(), strict=True))) == len(rows)
    assert (rows != targets).all()
    group_of = np.repeat(np.arange(len(of_group)), np.diff(groups.starts))
    inside = group_of[rows] == group_of[targets]
    degrees = np.bincount(rows[inside], minlength=N)
    sizes = np.diff(groups.starts)[group_of]
    assert (degrees <= BUILD["R"]).all()
    assert (degrees[sizes <= BUILD["R"]] == sizes[sizes <= BUILD["R"]] - 1).all()
    far = ((made.vectors[:, None] - made.vectors[None]) ** 2).sum(axis=2)
    pairs = {}
    for a, b in zip(rows[~inside].tolist(), targets[~inside].tolist(), strict=True):
        pairs.setdefault((group_of[a], group_of[b]), set()).add((a, b))
    expected = {
        (g, o)
        for g in range(len(of_group))
        for o in navigates.groups[navigates.starts[g] : navigates.starts[g + 1]].tolist()
    }
    assert pairs.keys() <= expected
    for row in range(N):
        groups_out = [o for g, o in expected if g == group_of[row]]
        out = np.flatnonzero(np.isin(group_of, groups_out))
        nearest = out[np.lexsort((out, far[row, out]))][:delta]
        assert set(nearest.tolist()) <= set(targets[rows == row].tolist())
        for g in [g for g, o in expected if o == group_of[row] and rule2 == "nearest"]:
            closest = np.flatnonzero(group_of == g)[far[row, group_of == g].argmin()]
            assert row in targets[rows == closest]
    wanted = {
        (a, b): min(delta if rule2 == "paper" else 1, int(np.diff(groups.starts)[[a, b]].prod()))
        for a, b in expected
    }
    assert all(len(pairs[pair]) >= count for pair, count in wanted.items())


def test_of_large_groups_a_search_finds_about_the_nearest(grouped, monkeypatch):
    vectors, _, _ = clusters(N, 8)
    graphs = []
    for scanned, threads in ((1000, 1), (8, 1), (8, 2)):
        monkeypatch.setattr(crossing, "SCANNED", scanned)
        made = built(UngAlgorithm, vectors, grouped[1], threads=threads, **BUILD | {"L": 4})
        rows, targets = edges_of(made.graph)
        graphs.append(set(zip(rows.tolist(), targets.tolist(), strict=True)))
    exact, searched, again = graphs
    assert searched == again != exact
    assert len(exact & searched) > 0.95 * len(exact)


def test_walks_come_to_all_that_matches(grouped):
    vectors, _, _ = clusters(N, 8)
    made = built(UngAlgorithm, vectors, grouped[1], **BUILD)
    rows, targets = edges_of(made.graph)
    for wanted in range(len(LETTERS)):
        matching = [g for g, s in enumerate(grouped[4]) if wanted in s]
        seen = set(made.graph.entries[minimal(matching, grouped[4])].tolist())
        waiting = list(seen)
        while waiting:
            new = set(targets[rows == waiting.pop()].tolist()) - seen
            seen |= new
            waiting += new
        starts = grouped[2].starts
        assert seen == {row for g in matching for row in range(starts[g], starts[g + 1])}


@pytest.mark.parametrize("most", [2, 4])
def test_large_nested_sets(most):
    items, queries, _ = clusters(5000, 12, seed=2)
    depth = np.random.default_rng(3).integers(1, most + 1, 5000)
    attributes = attributes_of([set("abcd"[:length]) for length in depth])
    made = built(UngAlgorithm, items, attributes, **BUILD | {"R": 16, "delta": 6})
    filters = bound("'a' in tags", attributes, 5000, len(queries))
    shares = []
    for ef in (40, 100, 300):
        made.configure(ef=ef, sigma=16, scan=0)
        shares.append(
            recall(made.search(queries, 10, made.select(filters)), items, queries, masks_of(filters))
        )
    assert shares[0] > 0.9
    assert shares[1] > 0.95
    assert shares[2] > 0.99


def test_branches_are_graphs_of_all_below_a_node(grouped):
    vectors, _, _ = clusters(N, 8)
    graph = built(UngAlgorithm, vectors, grouped[1], **{**BUILD, "branch": 30}).graph
    first, last = labels.rows_below(grouped[2], grouped[3])
    large = np.flatnonzero(last - first >= 30)
    assert graph.branch_nodes.tolist() == large[large > 0].tolist() != []
    assert len(graph.link_starts) - 1 == (last - first)[graph.branch_nodes].sum()
    for node, entry, shift in zip(graph.branch_nodes, graph.branch_entries, graph.branch_shifts, strict=True):
        seen, waiting = {int(entry)}, [int(entry)]
        while waiting:
            place = waiting.pop() + shift
            out = graph.links[graph.link_starts[place] : graph.link_starts[place + 1]].tolist()
            assert len(set(out)) == len(out) <= BUILD["R"]
            waiting += set(out) - seen
            seen |= set(out)
        assert seen == set(range(first[node], last[node]))


def attributes_beside(cluster, rng):
    """Attributes that go along with the clusters, against them, or neither."""
    n = len(cluster)
    values = {
        "along": cluster % 4,
        "against": (cluster + rng.integers(1, 4, n)) % 4,
        "beside": rng.integers(0, 4, n),
    }
    columns = {name: Category.from_values(np.array(list("abcd"))[v]) for name, v in values.items()}
    columns["number"] = Number.from_values([None if v == 3 else int(v) for v in rng.integers(0, 4, n)])
    for name, v in values.items():
        letters = np.array(list("abcdxyz"))
        columns[f"{name}_tags"] = LabelSet.from_values(
            [{letters[value], *rng.choice(letters[4:], rng.integers(0, 3))} for value in v]
        )
    return columns


@pytest.mark.parametrize("branch", [0, 60])
@pytest.mark.parametrize(
    "text",
    [
        "along == $v",
        "against == $v",
        "beside == $v and number == 1",
        "$v in along_tags",
        "$v in against_tags",
        "$v in beside_tags",
        "$v in against_tags and 'x' in against_tags",
        "$v in beside_tags and 'y' in along_tags",
    ],
)
def test_recall(text, branch):
    items, queries, cluster = clusters(2000, 12, queries=40)
    everything = attributes_beside(cluster, np.random.default_rng(5))
    used = {name: column for name, column in everything.items() if name in text.split()}
    filters = bound(text, used, 2000, 40, v=np.random.default_rng(6).choice(list("abcd"), 40).astype(object))
    made = built(UngAlgorithm, items, used, **{**BUILD, "R": 16, "branch": branch})
    shares = []
    for ef in (20, 100, 2000):
        made.configure(**{**SEARCH, "ef": ef})
        shares.append(
            recall(made.search(queries, 10, made.select(filters)), items, queries, masks_of(filters))
        )
        assert made.counters()["distances"] > 0
    assert shares[1] >= 0.93
    assert shares[0] <= shares[1] + 0.02
    assert shares[2] == 1
    made.configure(**{**SEARCH, "ef": 20, "scan": 1})
    assert recall(made.search(queries, 10, made.select(filters)), items, queries, masks_of(filters)) > 0.6
    made.configure(**{**SEARCH, "scan": 1000})
    assert recall(made.search(queries, 10, made.select(filters)), items, queries, masks_of(filters)) == 1


def test_without_filters():
    items, queries, _ = clusters(1500, 12)
    for attributes in ({}, attributes_of(random_sets(1500)), {"n": Number(np.arange(1500) % 3)}):
        made = built(UngAlgorithm, items, attributes, **{**BUILD, "R": 16})
        made.configure(**{**SEARCH, "ef": 200})
        assert recall(made.search(queries, 10, None), items, queries) > 0.75
        made.configure(**{**SEARCH, "ef": 1500})
        assert recall(made.search(queries, 10, None), items, queries) == 1


def test_missing_values_are_no_labels():
    vectors, _, _ = clusters(90, 4)
    colours = Category.from_values([["red", "blue", None][i % 3] for i in range(90)])
    made = built(UngAlgorithm, vectors, {"colour": colours}, **BUILD)
    assert made.graph.groups.starts.tolist() == [0, 30, 60, 90]
    made.configure(**SEARCH)
    filters = bound("colour == $v", {"colour": colours}, 90, 3, v=np.array(["red", "blue", "green"], object))
    found = made.search(vectors[:3], 40, made.select(filters))
    assert (found >= 0).sum(axis=1).tolist() == [30, 30, 0]


def test_too_few_found_are_completed():
    """Two clusters far apart, and a pool of one: most walks end before they have found 10."""
    rng = np.random.default_rng(0)
    items = (rng.standard_normal((300, 4)) + 100 * (np.arange(300) % 2)[:, None]).astype(np.float32)
    attributes = attributes_of([set("a") | ({"b"} if i % 2 else set()) for i in range(300)])
    made = built(UngAlgorithm, items, attributes, **BUILD)
    made.configure(**{**SEARCH, "ef": 1})
    filters = bound("'a' in tags", attributes, 300, 20)
    recall(made.search(items[:20], 200, made.select(filters)), items, items[:20], masks_of(filters))

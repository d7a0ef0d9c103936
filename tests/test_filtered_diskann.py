"""What FilteredVamana and StitchedVamana share: labels, pruning by them, and what filtered search finds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from graph_cases import bound, built, clusters, masks_of, recall

from fannsbench.algorithms._filtered_diskann.labels import (
    HasCode,
    HasOneOfCodes,
    OneEach,
    Sets,
    labels_at,
    labels_of,
    most_labels,
    with_label,
    with_one_of,
)
from fannsbench.algorithms._filtered_diskann.prune import FilteredRobustPrune, includes
from fannsbench.algorithms.filtered_vamana.plugin import FilteredVamana
from fannsbench.algorithms.stitched_vamana.plugin import StitchedVamana
from fannsbench.attributes import Category, LabelSet, Number
from fannsbench.errors import UserError
from fannsbench.filters import Filter
from fannsbench.kernels import jit
from fannsbench.kernels.pool import Pool, offer
from fannsbench.kernels.prune import choose
from fannsbench.kernels.search import accepts
from fannsbench.kernels.space import items_in_space

METHODS: dict[type, dict[str, Any]] = {
    FilteredVamana: {"R": 24, "L": 40, "alpha": 1.2, "unfiltered_candidates": True, "gate": "paper"},
    StitchedVamana: {
        "R_small": 16,
        "L_small": 40,
        "R_stitched": 48,
        "alpha": 1.2,
        "final_alpha": 1.2,
        "entry": "random",
    },
}
KINDS = ["along", "across", "free"]
both = pytest.mark.parametrize("method", METHODS)


def make(method: type, items: np.ndarray, column: Any, threads: int = 1, **other: Any) -> Any:
    columns = {} if column is None else {"label": column}
    index = built(method, items, columns, threads, **{**METHODS[method], **other})
    index.configure(ef=100, exact_below=0)
    return index


def label_sets(of_item: np.ndarray) -> LabelSet:
    """None to six labels: that of the cluster, some at random, rare ones, and one that most items have."""
    rng = np.random.default_rng(6)
    sets = []
    for cluster in of_item:
        labels = {f"c{cluster}", *(f"r{r}" for r in rng.integers(0, 8, rng.integers(0, 4)))}
        labels |= {"most"} if rng.random() < 0.7 else set()
        labels |= {f"rare{rng.integers(0, 40)}"} if rng.random() < 0.3 else set()
        sets.append(labels if rng.random() > 0.05 else set())
    return LabelSet.from_values(sets)


def sets_of(column: Any) -> list[set[str]]:
    """The labels of every item, whatever the kind of column."""
    values = [column.value(item) for item in range(len(column))]
    return [set() if v is None else v if isinstance(v, set) else {v} for v in values]


@pytest.fixture(scope="module")
def world():
    """Items, queries, and columns: labels that go along with the clusters, across them, or neither."""
    items, queries, of_item = clusters(3000, 16)
    along = [f"l{c % 6}" for c in of_item]
    rank = np.argsort(np.argsort(of_item, kind="stable"))
    columns: dict[str, Any] = {
        "along": Category.from_values(along),
        "across": Category.from_values([f"l{i % 6}" for i in rank]),
        "free": Category.from_values(np.random.default_rng(5).permutation(along)),
        "sets": label_sets(of_item),
    }
    return items, queries, columns


@pytest.fixture(scope="module", params=METHODS)
def indexes(world, request):
    items, _, columns = world
    return {name: make(request.param, items, column, threads=2) for name, column in columns.items()}


def answers(index: Any, items: np.ndarray, queries: np.ndarray, column: Any, text: str, **values: Any):
    """The ids of ten neighbours and their recall."""
    filters = bound(text, {"label": column}, len(items), len(queries), **values)
    found = index.search(queries, 10, index.select(filters))
    return found, recall(found, items, queries, masks_of(filters))


def some_labels(column: Any, count: int) -> Any:
    rng = np.random.default_rng(8)
    return np.array([column.vocabulary[i] for i in rng.integers(0, len(column.vocabulary), count)], object)


@jit
def passes(test: Any, item: int) -> bool:
    return accepts(test, item)


@jit
def has_one_of(labels: Any, wanted: np.ndarray, item: int) -> bool:
    return accepts(with_one_of(labels, wanted), item)


@jit
def has(labels: Any, label: int, item: int) -> bool:
    return accepts(with_label(labels, label), item)


@jit
def has_all_of(labels: Any, one: int, other: int, node: int, shared_alone: bool) -> bool:
    return includes(labels, one, other, node, shared_alone)


def random_columns() -> list[Any]:
    rng = np.random.default_rng(0)
    letters = [chr(97 + i) for i in range(9)]
    many = [f"{i:03}" for i in range(300)]
    return [
        Category.from_values([rng.choice([*letters, None]) for _ in range(40)]),
        LabelSet.from_values([set(rng.choice(letters, rng.integers(0, 5))) for _ in range(40)]),
        LabelSet.from_values([set(rng.choice(many[::63] + many, rng.integers(0, 9))) for _ in range(40)]),
        LabelSet.from_values([set(letters[: i % 2]) for i in range(40)]),
        Number.from_values([int(x) if x < 5 else None for x in rng.integers(0, 6, 40)]),
    ]


@pytest.mark.parametrize("column", random_columns())
def test_tests_of_labels(column):
    labels = labels_of(column, 40)
    postings, rng = column.postings, np.random.default_rng(1)
    count = len(postings.starts) - 1
    having = [set(postings.ids[postings.starts[c] : postings.starts[c + 1]].tolist()) for c in range(count)]
    of_item = [{c for c in range(count) if item in having[c]} for item in range(40)]
    assert most_labels(labels) == max(1, *map(len, of_item))
    for item in range(40):
        assert set(labels_at(labels, item).tolist()) - {-1} == of_item[item]
        for label in range(count):
            assert has(labels, label, item) == (label in of_item[item])
    for _ in range(50):
        wanted = np.sort(rng.integers(0, count, 3)).astype(np.int32)
        for item in range(40):
            assert has_one_of(labels, wanted, item) == bool(of_item[item] & set(wanted.tolist()))
        one, other, node = rng.integers(0, 40, 3).tolist()
        for a, b in ((one, other), (one, one), (other, one)):
            assert has_all_of(labels, a, b, node, False) == (of_item[b] <= of_item[a])
            assert has_all_of(labels, a, b, node, True) == (of_item[b] & of_item[node] <= of_item[a])


def test_kinds_of_labels():
    assert isinstance(labels_of(None, 3), OneEach)
    assert isinstance(labels_of(LabelSet.from_values([{"a"}, set()]), 2), OneEach)
    assert isinstance(labels_of(LabelSet.from_values([{"a", "b"}, set()]), 2), Sets)
    codes = np.array([0, 1, -1], np.int32)
    assert [passes(HasCode(codes, 1), i) for i in range(3)] == [False, True, False]
    assert [passes(HasOneOfCodes(codes, codes[:2]), i) for i in range(3)] == [True, True, False]


@pytest.mark.parametrize("column", random_columns()[:3])
@pytest.mark.parametrize("shared_alone", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 1.44])
def test_pruning_against_its_definition(column, shared_alone, alpha):
    vectors = items_in_space("euclidean", np.random.default_rng(2).standard_normal((40, 3)).astype("f4"))
    sets = sets_of(column)
    rule = FilteredRobustPrune(np.float32(alpha), labels_of(column, 40), shared_alone)

    def far(i: int, j: int) -> np.float32:
        return ((vectors[i] - vectors[j]) ** 2).sum()

    for node in range(10):
        pool = Pool.of(39)
        for item in range(40):
            if item != node:
                offer(pool, far(node, item), item)
        candidates = pool.ids.tolist()
        for degree in (5, 39):
            out = np.full(degree, -1, np.int32)
            kept = out[: choose(rule, node, pool, degree, vectors, out)].tolist()
            left, expected, threshold = list(candidates), [], 1.0
            while threshold <= alpha + 1e-6:
                for item in list(left):
                    before = [c for c in expected if candidates.index(c) < candidates.index(item)]
                    needed = sets[item] & sets[node] if shared_alone else sets[item]
                    standing = [c for c in before if needed <= sets[c]]
                    fallen = any(far(node, item) / far(c, item) > threshold for c in standing)
                    if not fallen and len(expected) < degree:
                        expected.append(item)
                        left.remove(item)
                threshold *= 1.2
            assert kept == expected


def test_structure(indexes, world):
    _, _, columns = world
    for name, index in indexes.items():
        sets, links = sets_of(columns[name]), index.graph.links
        stitched = 48 if name == "sets" else 16  # an item of one label is in one graph
        assert links.shape[1] == (24 if isinstance(index, FilteredVamana) else stitched)
        for item, row in enumerate(links):
            held = row[row >= 0].tolist()
            assert (row[len(held) :] == -1).all()
            assert len(set(held)) == len(held)
            assert item not in held
            if name != "sets":
                same = [sets[other] == sets[item] for other in held]
                assert same == sorted(same, reverse=True)
        for label, start in zip(columns[name].vocabulary, index.graph.label_starts, strict=True):
            assert label in sets[start]


def test_labels_hang_together(indexes, world):
    _, _, columns = world
    for name, index in indexes.items():
        sets = sets_of(columns[name])
        for label, start in zip(columns[name].vocabulary, index.graph.label_starts, strict=True):
            having = {item for item, held in enumerate(sets) if label in held}
            seen, waiting = {start}, [start]
            while waiting:
                for other in index.graph.links[waiting.pop()].tolist():
                    if other in having and other not in seen:
                        seen.add(other)
                        waiting.append(other)
            assert len(seen) >= 0.99 * len(having) or len(having) < 100  # short lists may leave rare ones out


@pytest.mark.parametrize("kind", KINDS)
def test_one_label(indexes, world, kind):
    items, queries, columns = world
    column = columns[kind]
    labels = some_labels(column, len(queries))
    _, found = answers(indexes[kind], items, queries, column, "label == $x", x=labels)
    assert found > 0.97
    others = some_labels(column, len(queries))[::-1]
    text = "label in [$x, $y, 'none of them']"
    _, found = answers(indexes[kind], items, queries, column, text, x=labels, y=others)
    assert found > 0.97


@pytest.mark.parametrize("kind", [*KINDS, "sets"])
def test_one_of_several_of_which_some_are_unknown_or_the_same(indexes, world, kind):
    items, queries, columns = world
    column, index = columns[kind], indexes[kind]
    some = [some_labels(column, len(queries)), some_labels(column, len(queries))[::-1]]
    some[0][:10] = some[1][:10]
    some[1][5:20] = "none of them"
    one = "'none of them' in label or $x in label or $y in label"
    text = one if kind == "sets" else "label in ['none of them', $x, $y]"
    filters = bound(text, {"label": column}, len(items), len(queries), x=some[0], y=some[1])
    assert (index.select(filters).counts == filters.counts()).all()
    for threads in (1, 2):
        index.threads = threads
        index.configure(ef=10, exact_below=len(items))
        found = index.search(queries, 10, index.select(filters))
        assert recall(found, items, queries, masks_of(filters)) == 1.0
        assert index.counters()["distances"] == filters.counts().sum()
    index.threads = 1
    index.configure(ef=100, exact_below=0)


def test_sets(indexes, world):
    items, queries, columns = world
    column, index = columns["sets"], indexes["sets"]
    labels, others = some_labels(column, len(queries)), some_labels(column, len(queries))[::-1]
    alone, found = answers(index, items, queries, column, "$x in label", x=labels)
    assert found > 0.97
    twice, _ = answers(index, items, queries, column, "$x in label or $y in label", x=labels, y=labels)
    assert (twice == alone).all()
    _, found = answers(index, items, queries, column, "$x in label or $y in label", x=labels, y=others)
    assert found > 0.95


def test_more_labels_than_candidates(indexes, world):
    items, queries, columns = world
    column, index = columns["sets"], indexes["sets"]
    rare = [label for label in column.vocabulary if label.startswith("rare")]
    index.configure(ef=10, exact_below=0)
    text = " or ".join(f"'{label}' in label" for label in rare)
    _, found = answers(index, items, queries, column, text)
    index.configure(ef=100, exact_below=0)
    assert found > 0.8


def test_few_matches_are_scanned(indexes, world):
    items, queries, columns = world
    column, index = columns["free"], indexes["free"]
    index.configure(ef=10, exact_below=len(items))
    labels = some_labels(column, len(queries))
    _, found = answers(index, items, queries, column, "label == $x", x=labels)
    assert found == 1.0
    matches = column.postings.starts[1:] - column.postings.starts[:-1]
    assert index.counters()["distances"] == sum(matches[column.vocabulary.index(x)] for x in labels)
    index.configure(ef=100, exact_below=0)


@both
def test_what_it_serves(method):
    def skipped(text: str) -> str | None:
        return method.skip(None, SimpleNamespace(filter=Filter.parse(text)))

    served = ["a == $x", "a in [1, $y]", "$x in s or $y in s", "a == 1 or (a == 2 or a == 3)"]
    not_served = ["a == 1 or b == 1", "a > 1 or a == 0", "a != 1", "not $x in s", "a == 1 or not a == 2"]
    assert not any(map(skipped, served))
    assert all(map(skipped, not_served))


@both
def test_two_attributes_are_refused(method):
    items = np.ones((3, 2), np.float32)
    columns = {"a": Category.from_values("xyz"), "b": Category.from_values("xyz")}
    with pytest.raises(UserError, match="one attribute, not on a, b"):
        built(method, items, columns, **METHODS[method])

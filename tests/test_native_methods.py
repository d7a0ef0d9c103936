"""What every native method promises, whatever its graph and its walk are."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import reference
from graph_cases import bound, built, clusters, masks_of, odd_items, recall

from fannsbench import registry
from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.parameters import Settings, defaults

K = 10
LETTERS = "abcdefghij"
NONE: dict[str, Any] = {}


class Method(NamedTuple):
    """A plugin with parameters of its build and search."""

    name: str
    small: dict[str, Any]  # for little data
    variant: dict[str, Any] = NONE  # what makes it another method than by its defaults
    attributes: tuple[str, ...] = ("letter", "shape", "number", "weight", "tags")  # that it understands
    tight: dict[str, Any] = NONE  # for odd items, in place of those for little data
    ef: int = 5000  # a pool of all odd items
    least: float = 1.0  # recall with it
    unfiltered: float = 1.0  # and without a filter
    copies: float = 0.85  # recall where half of the items are one point
    at_20: float = 0.8  # recall of many items without a filter and with a pool of 20

    @property
    def plugin(self) -> registry.Plugin:
        return registry.find(self.name)

    @property
    def kind(self) -> type[Algorithm]:
        return self.plugin.load()

    def build(self, **other: Any) -> Settings:
        return chosen(defaults(self.plugin.declaration.build), self.small | self.variant | other)

    def search(self, **other: Any) -> Settings:
        return chosen(defaults(self.plugin.declaration.search), self.small | self.variant | other)

    def serves(self, text: str) -> bool:
        filter_ = Filter.parse(text)
        return filter_.kind in self.kind.filters and {*filter_.attributes} <= {*self.attributes}


def chosen(declared: Settings, given: dict[str, Any]) -> Settings:
    return declared | {name: value for name, value in given.items() if name in declared}


HNSW = {"M": 8, "ef_construction": 60}
ACORN = {"M": 8, "M_beta": 8, "gamma": 6}
STITCHED = {"R_small": 16, "L_small": 40, "R_stitched": 48}
UNG = {"R": 8, "L": 30, "delta": 3, "sigma": 8, "scan": 0}
SERF = {"index_k": 12, "ef_construction": 40, "ef_max": 80, "batch": 64}
SEGMENTS = {"index_k": 4, "batch": 8}
IRANGE = {"M": 12, "ef_construction": 40, "exact_merge_below": 20}
TIGHT_IRANGE = {"M": 4, "ef_construction": 20, "exact_merge_below": 8}
DIGRA, TIGHT_DIGRA = {"M": 12, "ef_construction": 40}, {"M": 4, "ef_construction": 20}
DSG = {"M": 8, "ef_construction": 40, "ef_max": 80}
TIGHT_DSG = {"M": 4, "ef_construction": 20, "ef_max": 20}
WINDOWS = {"R": 16, "L": 40, "cutoff": 100}
TIGHT_WINDOWS = {"R": 4, "L": 20, "cutoff": 10}
UNIFY = {"segments": 4, "M": 8, "ef_construction": 60}
TIGHT_UNIFY = {"segments": 3, "M": 4, "ef_construction": 20}
LABELS, NUMBERS = ("letter", "tags"), ("number", "weight")
SETS = ("letter", "shape", "number", "tags")
METHODS = [
    Method("hnsw-native", HNSW, tight={"ef_construction": 20}, at_20=0.9),
    Method("hnsw-native", HNSW, {"filtering": "post"}, tight={"ef_construction": 20}, at_20=0.9),
    Method("vamana", {"R": 16, "L": 40}, tight={"R": 4, "L": 20}, at_20=0.9),
    Method("acorn", ACORN),
    Method("acorn", ACORN, {"gather_stop": "code"}),
    Method("acorn-1", HNSW, tight={"ef_construction": 20}),
    Method("filtered-vamana", {"R": 24, "L": 40}, attributes=LABELS, ef=100, least=0.99),
    Method("stitched-vamana", STITCHED, attributes=LABELS, ef=100, least=0.99),
    Method("ung", UNG, attributes=SETS),
    Method("ung", UNG, {"branch": 60}, SETS, tight={"branch": 5}),
    Method("serf", SERF, {}, NUMBERS, tight=SEGMENTS, unfiltered=0.8),
    Method("serf", SERF, {"one_sided": "1d"}, NUMBERS, tight=SEGMENTS, unfiltered=0.8, copies=0.7),
    Method("irangegraph", IRANGE, {}, NUMBERS, tight=TIGHT_IRANGE, unfiltered=0.9),
    Method("irangegraph", IRANGE, {"passing": "logistic"}, NUMBERS, tight=TIGHT_IRANGE, unfiltered=0.9),
    Method("digra", DIGRA, {}, NUMBERS, tight=TIGHT_DIGRA, unfiltered=0.9),
    Method("dsg", DSG, {}, NUMBERS, tight=TIGHT_DSG, unfiltered=0.9),
    Method("dsg", DSG, {"variant": "incremental"}, NUMBERS, tight=TIGHT_DSG, unfiltered=0.9),
    Method("dsg", DSG, {"exact_rectangles": True}, NUMBERS, tight=TIGHT_DSG, unfiltered=0.9),
    Method("window-tree", WINDOWS, {}, NUMBERS, tight=TIGHT_WINDOWS),
    Method("window-tree", WINDOWS, {"strategy": "post", "overlapping": True}, NUMBERS, tight=TIGHT_WINDOWS),
    Method("window-tree", WINDOWS, {"strategy": "three-split"}, NUMBERS, tight=TIGHT_WINDOWS),
    Method("unify", UNIFY, {}, NUMBERS, tight=TIGHT_UNIFY),
    Method("unify", UNIFY, {"strategy": "hybrid"}, NUMBERS, tight=TIGHT_UNIFY),
    Method("unify", UNIFY, {"strategy": "post"}, NUMBERS, tight=TIGHT_UNIFY),
    Method("planner", HNSW, ef=40),
]
every = pytest.mark.parametrize(
    "method", METHODS, ids=[" ".join([m.name, *map(str, m.variant.values())]) for m in METHODS]
)
HALF = "weight >= 5"
TEXTS = [
    "letter == $letter",
    "number == $low",
    "$low <= number <= $high",
    "number >= $high",
    HALF,
    "$tag in tags",
    "letter == $letter and shape == 'round'",
    "number >= $low and weight < 7",
    "$tag in tags and 'b' in tags",
    "letter in [$letter, 'b', 'none of them']",
    "$tag in tags or 'j' in tags",
    "(letter == $letter or 'b' in tags) and not number > $high",
]


def columns_of(cluster: np.ndarray) -> dict[str, Column]:
    """Attributes along with the clusters, or independent of them; some values are missing."""
    n, rng = len(cluster), np.random.default_rng(5)
    share = 1 / (1 + np.arange(len(LETTERS)))
    return {
        "letter": Category.from_values([LETTERS[c] if c < 6 else None for c in rng.integers(0, 7, n)]),
        "shape": Category.from_values(rng.choice(["round", "square"], n)),
        "number": Number(cluster * 100 + rng.integers(0, 150, n)),
        "weight": Number(rng.integers(0, 10, n)),
        "tags": LabelSet.from_values(
            [
                set(rng.choice(list(LETTERS), rng.integers(0, 6), replace=False, p=share / share.sum()))
                for _ in range(n)
            ]
        ),
    }


def tasks(
    method: Method, cluster: np.ndarray, queries: int
) -> Iterator[tuple[dict[str, Column], list[BoundFilters | None]]]:
    """What an index is built on, and the filters that it serves then; None is no filter."""
    columns, rng = columns_of(cluster), np.random.default_rng(6)
    low = rng.integers(0, 600, queries)
    values: dict[str, np.ndarray] = {
        "letter": rng.choice(list(LETTERS[:6]), queries).astype(object),
        "tag": rng.choice(list(LETTERS), queries).astype(object),
        "low": low,
        "high": low + 300,
    }
    served = []
    for filter_ in (Filter.parse(text) for text in TEXTS if method.serves(text)):
        used = {name: columns[name] for name in filter_.attributes}
        given = {name: values[name] for name in filter_.parameters}
        served.append((used, bound(filter_.text, used, len(cluster), queries, **given)))
    assert served
    if method.kind.builds_on_attributes:
        yield {}, [None]
        yield from ((used, [filters]) for used, filters in served)
    else:
        yield {}, [None, *(filters for _, filters in served)]


def made(
    method: Method, items: np.ndarray, columns: dict[str, Column], threads: int = 2, **other: Any
) -> Any:
    metric = other.pop("metric", Metric.EUCLIDEAN)
    return built(method.kind, items, columns, threads, metric, **method.build(**other))


def answers(index: Any, queries: np.ndarray, filters: BoundFilters | None, k: int = K) -> np.ndarray:
    found: np.ndarray = index.search(queries, k, None if filters is None else index.select(filters))
    return found


def saved(index: Any, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    index.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@every
def test_the_table_names_parameters_that_exist(method: Method) -> None:
    declared = method.plugin.declaration
    given = method.small | method.variant | method.tight
    assert given.keys() <= declared.build.keys() | declared.search.keys()


@every
def test_the_same_for_any_number_of_threads(method: Method, tmp_path: Path) -> None:
    items, queries, cluster = clusters(1500, 12)
    for i, (columns, served) in enumerate(tasks(method, cluster, len(queries))):
        seen = []
        for threads in (1, 2, 8):
            index = made(method, items, columns, threads)
            index.configure(**method.search(ef=20))
            index.threads = threads
            found = [answers(index, queries, filters) for filters in served]
            seen.append((saved(index, tmp_path / f"{i} {threads}"), found, index.counters()))
        for files, found, counters in seen[1:]:
            assert files == seen[0][0]
            assert np.array_equal(found, seen[0][1])
            assert counters == seen[0][2]


@every
def test_a_loaded_index_answers_as_the_saved_one(method: Method, tmp_path: Path) -> None:
    items, queries, cluster = clusters(1000, 12)
    for i, (columns, served) in enumerate(tasks(method, cluster, len(queries))):
        index = made(method, items, columns)
        files = saved(index, tmp_path / f"{i}")
        loaded = method.plugin.create(Metric.EUCLIDEAN, 0, **method.build())
        loaded.load(tmp_path / f"{i}", Items(items, Attributes(columns, len(items))))
        for each in (index, loaded):
            each.configure(**method.search(ef=30))
        for filters in served:
            assert np.array_equal(answers(loaded, queries, filters), answers(index, queries, filters))
        assert saved(loaded, tmp_path / f"{i} again") == files


@every
@pytest.mark.parametrize("metric", list(Metric))
def test_nearest_by_every_metric(method: Method, metric: Metric, tmp_path: Path) -> None:
    items, queries, cluster = clusters(600, 12)
    for i, (columns, served) in enumerate(tasks(method, cluster, len(queries))):
        one, index = (made(method, items, columns, threads, metric=metric) for threads in (1, 3))
        assert saved(one, tmp_path / f"{i} one") == saved(index, tmp_path / f"{i} three")
        index.configure(**method.search(ef=200))
        for filters in served:
            masks = None if filters is None else masks_of(filters)
            truth = reference.brute_force(items, queries, K, metric, masks)[0]
            found = answers(index, queries, filters)
            assert ((found >= 0) == (truth >= 0)).all()
            assert masks is None or masks[np.nonzero(found >= 0)[0], found[found >= 0]].all()
            hits = (found[:, :, None] == truth[:, None, :]) & (found[:, :, None] >= 0)
            assert hits.sum() > 0.9 * (truth >= 0).sum(), filters and filters.filter.text


@every
def test_more_candidates_find_more(method: Method) -> None:
    items, queries, cluster = clusters(3000, 24)
    for columns, served in tasks(method, cluster, len(queries)):
        index = made(method, items, columns)
        for filters in served:
            masks = None if filters is None else masks_of(filters)
            found = {}
            for ef in (1, 10, 20, 40, 80, 400, 3000):
                index.configure(**method.search(ef=ef))
                found[ef] = recall(answers(index, queries, filters), items, queries, masks)
            text = filters.filter.text if filters else None
            assert all(b >= a - 0.005 for a, b in pairwise(found.values())), text
            assert text or found[20] > method.at_20
            assert found[400] > (0.99 if text in (None, HALF) else 0.95), text
            assert found[3000] == 1.0, text


ODD_COLUMNS: dict[str, list[Any]] = {
    "number": [
        lambda n: Number(np.zeros(n, np.int64)),
        lambda n: Number(np.arange(n)[::-1].copy()),
        lambda n: Number(np.arange(n) // 7 % 5),
    ],
    "letter": [
        lambda n: Category.from_values(["a"] * n),
        lambda n: Category.from_values([f"{i}" for i in range(n)]),
    ],
    "tags": [
        lambda n: LabelSet.from_values([{"a"}] * n),
        lambda n: LabelSet.from_values([{f"{i}"} for i in range(n)]),
        lambda n: LabelSet.from_values([set()] * n),
        lambda n: LabelSet.from_values([set("a" * (i % 2)) for i in range(n)]),
        lambda n: LabelSet.from_values([set("ab"[: i % 3]) for i in range(n)]),
        lambda n: LabelSet.from_values([set("abcdefgh"[: i % 9]) for i in range(n)]),
    ],
}
"""All equal, all different, a few of each, none."""
ODD_TEXTS = {
    "number": ["number >= 0", "number < 3", "number > 1", "1 <= number <= 3", "number == 0", "number > 1000"],
    "letter": ["letter == 'a'", "letter == '0'", "letter == 'none'", "letter in ['a', '0', 'none']"],
    "tags": ["'a' in tags", "'c' in tags", "'0' in tags", "'none' in tags", "'c' in tags and 'a' in tags"],
}


@every
@pytest.mark.parametrize("name", list(odd_items()))
def test_odd_items(method: Method, name: str) -> None:
    items = odd_items()[name]
    n = len(items)
    queries = items[[0, 0, -1, *range(min(n, 5))]]
    index, attributes = None, [name for name in ODD_COLUMNS if name in method.attributes]
    for attribute in attributes:
        served = [text for text in ODD_TEXTS[attribute] if method.serves(text)]
        for column in (make(n) for make in ODD_COLUMNS[attribute]):
            columns = {attribute: column}
            if index is None or method.kind.builds_on_attributes:
                index = made(method, items, columns, **method.tight)
            for text in served:
                filters = bound(text, columns, n, len(queries))
                masks = masks_of(filters)
                for ef in (1, method.ef):
                    index.configure(**method.search(ef=ef))
                    found = answers(index, queries, filters)
                    if masks.any():
                        share = recall(found, items, queries, masks)
                        assert ef == 1 or share >= method.least, text
                    else:
                        assert (found == -1).all()
    alike = [{name: ODD_COLUMNS[name][0](n)} for name in attributes if method.kind.builds_on_attributes]
    for columns in ({}, *alike):
        index = made(method, items, columns, **method.tight)
        index.configure(**method.search(ef=method.ef))
        assert recall(answers(index, queries, None), items, queries) >= method.unfiltered, columns


@every
def test_more_asked_for_than_there_are(method: Method) -> None:
    items, queries, cluster = clusters(40, 6)
    for columns, served in tasks(method, cluster, len(queries)):
        index = made(method, items, columns)
        index.configure(**method.search(ef=10))
        for filters in served:
            masks = None if filters is None else masks_of(filters)
            found = answers(index, queries, filters, k=60)
            for row, ids in enumerate(found):
                matching = np.arange(40) if masks is None else np.flatnonzero(masks[row])
                assert sorted(ids[: len(matching)].tolist()) == matching.tolist()
                assert (ids[len(matching) :] == -1).all()


@every
def test_copies_among_the_items_hide_nothing(method: Method) -> None:
    """Half of the items are one point, and the rest are found all the same."""
    items, queries, cluster = clusters(1200, 16)
    items[np.random.default_rng(0).permutation(1200)[:600]] = items[0]
    for columns, served in tasks(method, cluster, len(queries)):
        index = made(method, items, columns)
        index.configure(**method.search(ef=100))
        for filters in served:
            masks = None if filters is None else masks_of(filters)
            if masks is None or masks.any():
                share = recall(answers(index, queries, filters), items, queries, masks)
                assert share > method.copies, filters and filters.filter.text


@every
def test_progress_is_reported_up_to_the_end(method: Method, tmp_path: Path) -> None:
    items, queries, cluster = clusters(1000, 12)
    *_, (columns, _) = tasks(method, cluster, len(queries))
    done, totals, callers = [], set(), set()

    def hear(now: int, total: int) -> None:
        done.append(now)
        totals.add(total)
        callers.add(threading.get_ident())

    index = method.plugin.create(Metric.EUCLIDEAN, 3, **method.build())
    index.progress = hear
    index.warm_up()
    assert not done, "a warm-up is no build"
    index.build(Items(items, Attributes(columns, len(items))), 2)
    assert done == sorted(done)
    assert totals == {done[-1]}
    assert callers == {threading.get_ident()}
    assert saved(index, tmp_path / "heard") == saved(made(method, items, columns), tmp_path / "unheard")


SCRIPT = """
import gc, json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from fannsbench import registry
from fannsbench.algorithm import Items
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, find
from fannsbench.parameters import defaults

name, variant = sys.argv[1], json.loads(sys.argv[2])
plugin, n = registry.find(name), 1500
build, search = (
    declared | {key: value for key, value in variant.items() if key in declared}
    for declared in (defaults(plugin.declaration.build), defaults(plugin.declaration.search))
)

def specialised():
    kernels = [o for o in gc.get_objects() if isinstance(o, Dispatcher)]
    return {f"{k.py_func.__module__}.{k.py_func.__name__}": len(k.signatures) for k in kernels}

with Dataset.open(find("wordnet-10k")) as dataset:
    vectors, queries = np.array(dataset.items().vectors[:n]), dataset.queries()[:20]
    vectors.flags.writeable = False  # as mapped ones are
    selections = []
    for workload in map(dataset.workload, ("none", "em", "r", "emis", "mem", "mr", "c")):
        used = workload.filter.attributes if workload.filter else ()
        attributes = Attributes({a: dataset.attributes[a].take(np.arange(n)) for a in used}, n)
        served = workload.filter is None or workload.filter.kind in plugin.load().filters
        if served and not plugin.load().skip(dataset, workload):
            bound = workload.bind(attributes)
            if bound is not None:
                bound.counts(), bound.bitmaps(), bound.postings()  # what the harness itself compiles
            selections.append((attributes, bound))
    index = plugin.create(dataset.metric, **build)
    index.warm_up()
    before = specialised()
    for attributes, bound in selections:
        index.threads = 2
        index.build(Items(vectors, attributes), 2)
        index.configure(**search)
        index.search(queries, 10, None if bound is None else index.select(bound[:20]))
    after = specialised()
print(json.dumps(sorted(k for k in after if after[k] > before.get(k, 0))))
"""


@every
def test_nothing_is_compiled_after_the_warm_up(method: Method) -> None:
    """Nor read from the cache, in the timed build and searches."""
    command = [sys.executable, "-c", SCRIPT, method.name, json.dumps(method.variant)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == []

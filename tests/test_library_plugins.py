"""The plugins of hnswlib, faiss and annoy against brute force, with settings that leave little to chance."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import pytest
import reference
import tiny

from fannsbench import registry
from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.algorithms import _postfilter
from fannsbench.algorithms.hnsw.plugin import nearest_reached
from fannsbench.dataset import Dataset
from fannsbench.filters import BoundFilters, Filter, FilterKind

N, D, Q, K = 2000, 24, 20, 10


class Effort(NamedTuple):
    build: dict[str, Any]
    search: dict[str, Any]


THOROUGH = {
    "hnsw": Effort({"M": 16, "ef_construction": 200}, {"ef": 300, "oversample": 5, "scan_matches": False}),
    "hnsw-infilter": Effort({"M": 16, "ef_construction": 200}, {"ef": 200}),
    "faiss-flat": Effort({}, {}),
    "faiss-ivf": Effort({"nlist": 32}, {"nprobe": 32}),
    "faiss-ivfpq": Effort({"nlist": 32, "m": 12, "refine": True}, {"nprobe": 32, "rerank": 50}),
    "faiss-hnsw": Effort({"M": 32, "ef_construction": 100}, {"ef": N}),
    "annoy": Effort({"n_trees": 50}, {"search_k": 20_000, "oversample": 10, "scan_matches": False}),
}
"""Recall of nearly 1 with every filter."""
EXACT = {"faiss-flat", "faiss-ivf"}
ON_ONE_THREAD = {"hnsw", "hnsw-infilter", "annoy"}
"""Their indexes depend on the number of build threads."""

TEMPLATES = {
    FilterKind.EM: "colour == $colour",
    FilterKind.R: "$low <= price <= $high",
    FilterKind.EMIS: "$tag in tags",
    FilterKind.MEM: "colour == $colour and price == $low",
    FilterKind.MR: "$low <= price <= $high and weight < $weight",
    FilterKind.MEMIS: "$tag in tags and 'a' in tags",
    FilterKind.C: "(colour == $colour or $tag in tags) and not weight > $weight",
}


@cache
def data() -> tuple[Items, np.ndarray]:
    rng = np.random.default_rng(11)
    centres = rng.standard_normal((20, D))
    vectors, queries = (
        (centres[rng.integers(0, 20, rows)] + 0.6 * rng.standard_normal((rows, D))).astype(np.float32)
        for rows in (N, Q)
    )
    return Items(vectors, tiny.attributes(N)), queries


@cache
def parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(12)
    return {
        "colour": rng.choice(["blue", "grün", "violet"], Q).astype(object),  # no item is violet
        "low": rng.integers(0, 25, Q),
        "high": rng.integers(25, 50, Q),
        "tag": rng.choice(["a", "b"], Q).astype(object),
        "weight": rng.random(Q),
    }


@cache
def distances(metric: Metric) -> np.ndarray:
    items, queries = (side.astype(np.float64) for side in (data()[0].vectors, data()[1]))
    return np.array([[reference.distance(query, item, metric) for item in items] for query in queries])


@cache
def masks(text: str) -> np.ndarray:
    return reference.masks(text, data()[0].attributes, used(text))


def used(text: str) -> dict[str, np.ndarray]:
    return {name: parameters()[name] for name in Filter.parse(text).parameters}


def bound(text: str) -> BoundFilters:
    return Filter.parse(text).bind(data()[0].attributes, used(text), Q)


def truth(metric: Metric, allowed: np.ndarray | None, k: int = K) -> np.ndarray:
    ids = np.full((Q, k), -1)
    for j, row in enumerate(distances(metric)):
        matches = np.arange(N) if allowed is None else np.flatnonzero(allowed[j])
        nearest = matches[np.argsort(row[matches])][:k]
        ids[j, : len(nearest)] = nearest
    return ids


def make(name: str, metric: Metric = Metric.EUCLIDEAN, seed: int = 3, **changes: Any) -> Algorithm:
    build, search = THOROUGH[name]
    algorithm = registry.find(name).create(
        metric, seed, **{key: changes.get(key, build[key]) for key in build}
    )
    algorithm.configure(**{key: changes.get(key, search[key]) for key in search})
    return algorithm


def build(algorithm: Algorithm, items: Items | None = None, threads: int = 1) -> Algorithm:
    algorithm.warm_up()
    algorithm.build(items or data()[0], threads)
    return algorithm


@cache
def built(name: str, metric: Metric = Metric.EUCLIDEAN) -> Algorithm:
    return build(make(name, metric))


def search(algorithm: Algorithm, text: str | None, k: int = K) -> np.ndarray:
    selection = None if text is None else algorithm.select(bound(text))
    found = algorithm.search(data()[1], k, selection)
    assert found.shape == (Q, k)
    assert found.dtype == np.int32
    return found


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    hits = sum(np.isin(row, best[best >= 0]).sum() for row, best in zip(found, wanted, strict=True))
    return float(hits / (wanted >= 0).sum())


def assert_sound(found: np.ndarray, metric: Metric, allowed: np.ndarray | None) -> None:
    """Distinct matching items, nearest first, padded at the end."""
    for j, row in enumerate(found):
        ids = row[row >= 0]
        assert (row[len(ids) :] == -1).all()
        assert len(set(ids)) == len(ids)
        assert (np.diff(distances(metric)[j, ids]) > -1e-5).all()
        assert allowed is None or allowed[j, ids].all()


@pytest.mark.parametrize("name", ["hnsw", "annoy"])
def test_progress_is_reported_after_parts_which_change_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[dict[str, bytes]] = []
    for at_once, expected in ((N, [N]), (600, [600, 1200, 1800, N])):
        monkeypatch.setattr(_postfilter, "_ADDED_AT_ONCE", at_once)
        told: list[tuple[int, int]] = []
        algorithm = make(name)
        algorithm.progress = lambda *report, told=told: told.append(report)
        build(algorithm)
        assert told == [(done, N) for done in expected]
        folder = tmp_path / f"{at_once}"
        folder.mkdir()
        algorithm.save(folder)
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("name", THOROUGH)
def test_unfiltered(name: str, metric: Metric) -> None:
    found = search(built(name, metric), None)
    assert_sound(found, metric, None)
    assert recall(found, truth(metric, None)) >= (1 if name in EXACT else 0.95)


@pytest.mark.parametrize("kind", TEMPLATES)
@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("name", THOROUGH)
def test_filtered(name: str, metric: Metric, kind: FilterKind) -> None:
    text = TEMPLATES[kind]
    assert Filter.parse(text).kind == kind
    algorithm, allowed = built(name, metric), masks(text)
    assert kind in algorithm.filters
    found = search(algorithm, text)
    assert_sound(found, metric, allowed)
    assert recall(found, truth(metric, allowed)) >= (1 if name in EXACT else 0.95)
    if name != "faiss-hnsw":  # which comes back short; here the others must not
        assert np.array_equal((found >= 0).sum(axis=1), np.minimum(K, allowed.sum(axis=1)))


def test_every_kind_is_served_and_tested() -> None:
    assert set(TEMPLATES) == ALL_FILTERS
    assert any((masks(text).sum(axis=1) == 0).any() for text in TEMPLATES.values())


@pytest.mark.parametrize("name", THOROUGH)
def test_a_filter_that_nothing_matches(name: str) -> None:
    assert (search(built(name), "price > 1000") == -1).all()


@pytest.mark.parametrize("name", THOROUGH)
def test_a_filter_that_everything_matches(name: str) -> None:
    found, unfiltered = search(built(name), "price >= 0"), search(built(name), None)
    assert_sound(found, Metric.EUCLIDEAN, None)
    assert recall(found, truth(Metric.EUCLIDEAN, None)) >= (1 if name in EXACT else 0.95)
    assert recall(found, unfiltered) >= 0.95


@pytest.mark.parametrize("text", [None, "price >= 0", "$tag in tags"])
@pytest.mark.parametrize("name", THOROUGH)
def test_k_larger_than_the_data(name: str, text: str | None) -> None:
    n = 30
    items = Items(data()[0].vectors[:n], tiny.attributes(n))
    algorithm = build(make(name, m=8), items)
    filters = None if text is None else Filter.parse(text).bind(items.attributes, used(text), Q)
    selection = None if filters is None else algorithm.select(filters)
    found = algorithm.search(data()[1], n + 7, selection)
    matching = [set(range(n)) if filters is None else set(np.flatnonzero(filters.mask(j))) for j in range(Q)]
    assert [set(row) - {-1} for row in found] == matching
    assert all(len(row[row >= 0]) == len(ids) for row, ids in zip(found, matching, strict=True))


@pytest.mark.parametrize("name", THOROUGH)
def test_a_single_item(name: str) -> None:
    items = Items(data()[0].vectors[:1], tiny.attributes(1))
    found = build(make(name), items).search(data()[1], 2, None)
    assert np.array_equal(found, np.tile([0, -1], (Q, 1)))


@pytest.mark.parametrize("name", THOROUGH)
def test_a_loaded_index_answers_as_the_saved_one(name: str, tmp_path: Path) -> None:
    saved, loaded = build(make(name)), make(name)
    answers = [search(saved, text) for text in (None, *TEMPLATES.values())]
    saved.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 1000
    loaded.load(tmp_path, data()[0])
    for algorithm in (loaded, saved):
        for text, answer in zip((None, *TEMPLATES.values()), answers, strict=True):
            assert np.array_equal(search(algorithm, text), answer)
        shutil.rmtree(tmp_path, ignore_errors=True)  # the harness deletes it: `saved` must not need it


@pytest.mark.parametrize("name", THOROUGH)
def test_the_seed_and_nothing_else_decides_the_index(name: str, tmp_path: Path) -> None:
    def bytes_of(seed: int, threads: int) -> bytes:
        folder = tmp_path / f"{seed}-{threads}"
        folder.mkdir(exist_ok=True)
        build(make(name, seed=seed), threads=threads).save(folder)
        return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))

    index = bytes_of(0, 1)
    assert bytes_of(0, 1) == index
    assert (bytes_of(1, 1) == index) == (name == "faiss-flat")
    if name not in ON_ONE_THREAD:
        assert bytes_of(0, 2) == index


@pytest.mark.parametrize("name", THOROUGH)
def test_answers_do_not_depend_on_the_search_threads(name: str) -> None:
    algorithm = built(name)
    texts = (None, TEMPLATES[FilterKind.C])
    single = [search(algorithm, text) for text in texts]
    algorithm.threads = 2
    several = [search(algorithm, text) for text in texts]
    algorithm.threads = 1
    assert all(np.array_equal(one, two) for one, two in zip(single, several, strict=True))


@pytest.mark.parametrize("name", THOROUGH)
def test_queries_may_come_one_by_one(name: str) -> None:
    algorithm, text = built(name), TEMPLATES[FilterKind.C]
    filters = bound(text)
    singly = [
        algorithm.search(data()[1][j : j + 1], K, algorithm.select(filters[j : j + 1])) for j in range(Q)
    ]
    assert np.array_equal(np.concatenate(singly), search(algorithm, text))


@pytest.mark.parametrize("name", THOROUGH)
def test_declared_parameters_are_those_the_plugin_takes(name: str) -> None:
    declaration = registry.find(name).declaration
    assert set(declaration.build) == set(THOROUGH[name].build)
    assert set(declaration.search) == set(THOROUGH[name].search)
    declared = {**declaration.build, **declaration.search}
    assert all(p.default in p.values and p.values == sorted(p.values) for p in declared.values())
    assert sum(p.sweep for p in declaration.search.values()) == (name != "faiss-flat")


@pytest.mark.parametrize("name", ["hnsw", "annoy"])
def test_scanning_few_matches_changes_no_complete_answer(name: str) -> None:
    algorithm = built(name)
    text = TEMPLATES[FilterKind.MEM]
    thorough = search(algorithm, text)
    algorithm.configure(**(THOROUGH[name].search | {"scan_matches": True}))
    assert np.array_equal(search(algorithm, text), thorough)
    algorithm.configure(**THOROUGH[name].search)


@pytest.mark.parametrize("name", ["hnsw", "hnsw-infilter"])
def test_a_graph_that_reaches_only_some_items_gives_these(name: str) -> None:
    algorithm = build(make(name, M=2, ef_construction=1, ef=1, oversample=1))
    algorithm.index.set_ef(N)
    with pytest.raises(RuntimeError):
        algorithm.index.knn_query(data()[1], N)
    found = search(algorithm, None, N)
    assert_sound(found, Metric.EUCLIDEAN, None)
    counts = (found >= 0).sum(axis=1)
    assert (counts < N).any()
    for query, count in zip(data()[1], counts, strict=True):
        algorithm.index.knn_query(query, count)
        if count < N:
            with pytest.raises(RuntimeError):
                algorithm.index.knn_query(query, count + 1)
    text = TEMPLATES[FilterKind.R]
    filtered = search(algorithm, text, N)
    assert_sound(filtered, Metric.EUCLIDEAN, masks(text))
    if name == "hnsw":
        assert np.array_equal((filtered >= 0).sum(axis=1), masks(text).sum(axis=1))


@pytest.mark.parametrize("reached", range(8))
def test_bisection_finds_the_largest_answer(reached: int) -> None:
    class Graph:
        def knn_query(self, query: np.ndarray, k: int, **_: Any) -> tuple[np.ndarray, np.ndarray]:
            if k > reached:
                raise RuntimeError
            return np.arange(k)[None], np.zeros((1, k))

    for k in range(10):
        assert len(nearest_reached(Graph(), np.zeros(1), k)) == min(k, reached)


def test_infilter_is_skipped_without_a_filter(tiny_dataset: Path) -> None:
    algorithm = registry.find("hnsw-infilter").load()
    with Dataset.open(tiny_dataset) as dataset:
        assert "hnsw" in (algorithm.skip(dataset, dataset.workload("none")) or "")
        assert algorithm.skip(dataset, dataset.workload("em")) is None


def test_infilter_holds_ef_matches_however_few_match() -> None:
    algorithm = make("hnsw-infilter", ef=1)
    algorithm = build(algorithm)
    text = TEMPLATES[FilterKind.MEM]
    found = search(algorithm, text)
    assert np.array_equal((found >= 0).sum(axis=1), np.minimum(K, masks(text).sum(axis=1)))


def test_infilter_finds_more_with_a_larger_ef() -> None:
    algorithm, text = build(make("hnsw-infilter", M=4, ef_construction=10)), TEMPLATES[FilterKind.R]
    recalls = []
    for ef in (1, 200):
        algorithm.configure(ef=ef)
        recalls.append(recall(search(algorithm, text), truth(Metric.EUCLIDEAN, masks(text))))
    assert recalls[0] + 0.05 < recalls[1]


def test_code_length_is_the_largest_divisor_of_the_dimension() -> None:
    def bytes_of_code(m: int) -> int:
        return faiss.extract_index_ivf(build(make("faiss-ivfpq", m=m)).index).code_size

    assert [bytes_of_code(m) for m in (1, 5, 8, 11, 24, 48)] == [1, 4, 8, 8, 24, 24]


def test_pq_without_vectors_is_smaller_and_less_exact(tmp_path: Path) -> None:
    bare = build(make("faiss-ivfpq", refine=False))
    bare.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < data()[0].vectors.nbytes
    for text in (None, TEMPLATES[FilterKind.EM]):
        allowed = None if text is None else masks(text)
        found = search(bare, text)
        assert 0.3 < recall(found, truth(Metric.EUCLIDEAN, allowed)) < 0.95
        assert allowed is None or all(allowed[j, row[row >= 0]].all() for j, row in enumerate(found))


@pytest.mark.parametrize(("n", "lists"), [(10, 1), (77, 1), (78, 2), (N, 32)])
def test_small_data_gets_fewer_lists(n: int, lists: int) -> None:
    items = Items(data()[0].vectors[:n], tiny.attributes(n))
    assert build(make("faiss-ivf"), items).index.nlist == lists


@pytest.mark.parametrize("name", ["faiss-ivf", "faiss-ivfpq"])
def test_ivf_counts_the_distances_it_computes(name: str) -> None:
    algorithm, text = built(name), TEMPLATES[FilterKind.R]
    algorithm.configure(**THOROUGH[name].search)
    assert algorithm.counters() == {"distances": 0}
    search(algorithm, None)
    assert algorithm.counters() == {"distances": Q * (N + 32)}
    algorithm.configure(**THOROUGH[name].search)
    search(algorithm, text)
    matches = masks(text).sum(axis=1)
    assert algorithm.counters() == {"distances": matches.sum() + 32 * (matches > 0).sum()}


def test_faiss_hnsw_counts_the_distances_it_computes() -> None:
    algorithm = built("faiss-hnsw")
    counts = []
    for ef in (10, 100):
        algorithm.configure(ef=ef)
        assert algorithm.counters() == {"distances": 0}
        search(algorithm, None)
        counts.append(algorithm.counters()["distances"])
    algorithm.configure(**THOROUGH["faiss-hnsw"].search)
    assert 10 * Q < counts[0] < counts[1] < N * Q


def test_a_selective_filter_shortens_the_answers_of_faiss_hnsw() -> None:
    algorithm, text = built("faiss-hnsw"), TEMPLATES[FilterKind.MEM]
    algorithm.configure(ef=16)
    found = search(algorithm, text)
    algorithm.configure(**THOROUGH["faiss-hnsw"].search)
    assert ((found >= 0).sum(axis=1) < np.minimum(K, masks(text).sum(axis=1))).any()
    assert_sound(found, Metric.EUCLIDEAN, masks(text))


def test_a_plugin_built_on_another_has_its_source_in_its_hash(tmp_path: Path) -> None:
    for name in ("hnsw", "hnsw_infilter"):
        shutil.copytree(registry.find("hnsw").folder.parent / name, tmp_path / name)
    before = registry.from_folder(tmp_path / "hnsw_infilter").source_hash
    with (tmp_path / "hnsw" / "plugin.py").open("a") as stream:
        stream.write("# changed\n")
    assert registry.from_folder(tmp_path / "hnsw_infilter").source_hash != before

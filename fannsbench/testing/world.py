"""A tiny data set with every kind of filter, and the right answers by definition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.dataset import UNFILTERED, Dataset, DatasetWriter, Items, Workload
from fannsbench.filters import BoundFilters, Filter, matches_item
from fannsbench.metric import Metric

NUM_ITEMS, NUM_QUERIES, DIMENSION = 600, 20, 16
KINDS = {
    "em": "colour == $colour",
    "r": "$low <= price <= $high",
    "emis": "$tag in tags",
    "mem": "colour == $colour and shape == $shape",
    "mr": "$low <= price <= $high and weight <= $heaviest",
    "memis": "$tag in tags and $place in places",
    "c": "(colour == $colour or $tag in tags) and not price > $high",
}
"""A workload of each kind of filter."""
NOTHING = {
    "em-nothing": "colour == 'none of them'",
    "r-nothing": "price > 1000",
    "emis-nothing": "'none of them' in tags",
    "c-nothing": "colour == 'red' and not colour == 'red'",
}
EVERYTHING = {
    "em-everything": "shop == 'main'",
    "r-everything": "price >= 0",
    "emis-everything": "'main' in shops",
    "c-everything": "not price > 1000",
}
TEMPLATES = {**KINDS, **NOTHING, **EVERYTHING}


@dataclass(frozen=True)
class Task:
    """One workload: what a plugin gets, and which answers are right."""

    workload: Workload
    items: Items
    queries: np.ndarray
    filters: BoundFilters | None
    distances: np.ndarray
    """(q, n) float64."""
    matching: np.ndarray
    """(q, n) bool: which items match which query."""

    def recall(self, found: np.ndarray) -> float:
        """Mean over the queries that any item matches; by distance, so that ties count."""
        k, shares = found.shape[1], []
        for distances, ids in zip(np.where(self.matching, self.distances, np.inf), found, strict=True):
            if wanted := min(k, int(np.isfinite(distances).sum())):
                limit = np.sort(distances)[wanted - 1]
                hits = distances[np.unique(ids[ids >= 0])] <= limit + 1e-5 * (1 + abs(limit))
                shares.append(min(1.0, hits.sum() / wanted))
        return float(np.mean(shares)) if shares else 1.0


@dataclass(frozen=True, eq=False)
class World:
    """An open data set file and its workloads."""

    dataset: Dataset
    tasks: dict[str, Task]

    @classmethod
    def make(cls, folder: Path, metric: Metric, n: int, distinct: int) -> World:
        """n items around a few centres, of which only `distinct` differ."""
        content = _content(n, distinct)
        far = _distances(metric, content.vectors, content.queries)
        everything = np.ones_like(far, bool)
        path = folder / f"{metric}-{n}-{distinct}.h5"
        with DatasetWriter(path, name="compliance", metric=metric) as writer:
            writer.items(content.vectors)
            writer.queries(content.queries)
            for name, column in content.attributes.items():
                writer.attribute(name, column)
            writer.truth(*_truth(far, everything))
            for name, matching in content.matching.items():
                truth = _truth(far, matching)
                writer.workload(name, TEMPLATES[name], content.parameters[name], *truth, matching.sum(axis=1))
        dataset = Dataset.open(path)
        allowed = {UNFILTERED: everything, **content.matching}
        return cls(dataset, {name: _task(dataset, name, far, items) for name, items in allowed.items()})


@dataclass(frozen=True)
class _Content:
    vectors: np.ndarray
    queries: np.ndarray
    attributes: Attributes
    parameters: dict[str, dict[str, np.ndarray]]
    matching: dict[str, np.ndarray]


@cache
def _content(n: int, distinct: int) -> _Content:
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((8, DIMENSION))
    vectors, queries = (
        centres[rng.integers(0, 8, rows)] + 0.5 * rng.standard_normal((rows, DIMENSION))
        for rows in (n, NUM_QUERIES)
    )
    vectors, queries = vectors[np.arange(n) % distinct].astype(np.float32), queries.astype(np.float32)
    attributes = _attributes(n, rng)
    filters = {name: Filter.parse(text) for name, text in TEMPLATES.items()}
    parameters = {name: _parameters(filter_, rng) for name, filter_ in filters.items()}
    matching = {name: _matching(filters[name], attributes, parameters[name]) for name in filters}
    return _Content(vectors, queries, attributes, parameters, matching)


def _task(dataset: Dataset, name: str, distances: np.ndarray, matching: np.ndarray) -> Task:
    workload = dataset.workload(name)
    used = workload.filter.attributes if workload.filter else ()
    # As in a run, a plugin sees the attributes that filters use and no others.
    attributes = Attributes({name: dataset.attributes[name] for name in used}, dataset.n)
    items = Items(dataset.items().vectors, attributes)
    return Task(workload, items, dataset.queries(), workload.bind(attributes), distances, matching)


def _distances(metric: Metric, vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    a, b = queries.astype(np.float64)[:, None], vectors.astype(np.float64)[None]
    if metric is Metric.EUCLIDEAN:
        return np.asarray(np.sqrt(((a - b) ** 2).sum(axis=2)))
    product = (a * b).sum(axis=2)
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(-product)
    return np.asarray(1 - product / np.sqrt((a**2).sum(axis=2) * (b**2).sum(axis=2)))


def _truth(distances: np.ndarray, matching: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All items in order: (q, n) ids, -1 padded, and distances, inf padded."""
    far = np.where(matching, distances, np.inf)
    ids = np.argsort(far, axis=1, kind="stable")
    far = np.take_along_axis(far, ids, axis=1)
    return np.where(np.isfinite(far), ids, -1), far


def _attributes(n: int, rng: np.random.Generator) -> Attributes:
    def sets(labels: str) -> LabelSet:
        return LabelSet.from_values([set(rng.choice(list(labels), rng.integers(0, 3))) for _ in range(n)])

    colours = rng.choice(["red", "green", "blue", ""], n)
    return Attributes(
        {
            "colour": Category.from_values([colour or None for colour in colours]),
            "shape": Category.from_values(rng.choice(["round", "square"], n)),
            "shop": Category.from_values(["main"] * n),
            "price": Number.from_values(rng.integers(0, 100, n)),
            "weight": Number.from_values([None if w < 0.1 else float(w) for w in rng.random(n)]),
            "tags": sets("abcd"),
            "places": sets("xyz"),
            "shops": LabelSet.from_values([{"main"}] * n),
        },
        n,
    )


def _parameters(filter_: Filter, rng: np.random.Generator) -> dict[str, np.ndarray]:
    q = NUM_QUERIES
    drawn = {
        "colour": rng.choice(["red", "green", "blue"], q).astype(object),
        "shape": rng.choice(["round", "square"], q).astype(object),
        "low": rng.integers(0, 50, q),
        "high": rng.integers(50, 100, q),
        "heaviest": rng.random(q),
        "tag": rng.choice(list("abcd"), q).astype(object),
        "place": rng.choice(list("xyz"), q).astype(object),
    }
    return {name: drawn[name] for name in filter_.parameters}


def _matching(filter_: Filter, attributes: Attributes, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """By the plain Python meaning of filters, one item at a time."""
    names = filter_.attributes
    items = [{name: attributes[name].value(i) for name in names} for i in range(attributes.n)]
    values = [{name: column[j] for name, column in parameters.items()} for j in range(NUM_QUERIES)]
    return np.array([[matches_item(filter_, item, value) for item in items] for value in values], bool)

"""Data for tests of graph methods: clusters, filters that go along with them or against them, odd cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.attributes import Attributes, LabelSet, Number
from fannsbench.filters import BoundFilters, Filter

NO_ATTRIBUTES: dict[str, Any] = {}


def clusters(n: int, d: int, seed: int = 0, queries: int = 50, count: int = 10) -> tuple[Any, Any, Any]:
    """Items (n, d), queries, and the cluster of each item."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, d)) * 1.5
    of_item, of_query = rng.integers(0, count, n), rng.integers(0, count, queries)
    items = (centres[of_item] + rng.standard_normal((n, d))).astype(np.float32)
    asked = (centres[of_query] + rng.standard_normal((queries, d))).astype(np.float32)
    return items, asked, of_item


def odd_items() -> dict[str, np.ndarray]:
    """Few, equal, flat, and very long vectors."""
    rng = np.random.default_rng(1)
    return {
        "one": rng.standard_normal((1, 8)).astype(np.float32),
        "two": rng.standard_normal((2, 8)).astype(np.float32),
        "fewer than a degree": rng.standard_normal((7, 8)).astype(np.float32),
        "all equal": np.ones((200, 8), np.float32),
        "pairs": np.repeat(rng.standard_normal((100, 8)), 2, axis=0).astype(np.float32),
        "one dimension": rng.standard_normal((200, 1)).astype(np.float32),
        "three dimensions": rng.standard_normal((200, 3)).astype(np.float32),
        "4096 dimensions": rng.standard_normal((60, 4096)).astype(np.float32),
    }


def built(
    algorithm: type[Algorithm],
    vectors: np.ndarray,
    attributes: dict[str, Any] = NO_ATTRIBUTES,
    threads: int = 1,
    metric: Metric = Metric.EUCLIDEAN,
    seed: int = 3,
    **parameters: Any,
) -> Any:
    """An index; it is to be configured."""
    made = algorithm(metric, seed, **parameters)
    made.build(Items(vectors, Attributes(attributes, len(vectors))), threads)
    return made


def bound(text: str, attributes: dict[str, Any], n: int, queries: int, **values: Any) -> BoundFilters:
    """Filters on n items; `values` of the parameters, one for each of the queries."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    return Filter.parse(text).bind(Attributes(attributes, n), arrays, queries)


def relative(
    text: str, shift: int, items: np.ndarray, queries: np.ndarray, of_item: np.ndarray, labels: int
) -> BoundFilters:
    """Filters on `cluster`, `random`, 0 to 9, and `sets` of up to three out of so many labels; $c is the
    number, of ten, of the cluster where the query lies, moved on by `shift`."""
    rng = np.random.default_rng(2)
    attributes = {
        "cluster": Number(of_item),
        "random": Number(rng.integers(0, 10, len(items))),
        "sets": LabelSet.from_values([{str(c) for c in rng.integers(0, labels, c % 4)} for c in of_item]),
    }
    nearest = [of_item[((items - query) ** 2).sum(axis=1).argmin()] for query in queries]
    values: list[Any] = [(c + shift) % 10 for c in nearest]
    if "$c in" in text:
        values = [str(value) for value in values]
    return bound(text, attributes, len(items), len(queries), **({"c": values} if "$" in text else {}))


def recall(
    found: np.ndarray, items: np.ndarray, queries: np.ndarray, mask: np.ndarray | None = None
) -> float:
    """By distance, so that ties count; mask (q, n): which items match."""
    shares = []
    for row, (ids, query) in enumerate(zip(found, queries, strict=True)):
        far = ((items.astype(np.float64) - query.astype(np.float64)) ** 2).sum(axis=1)
        allowed = np.ones(len(items), bool) if mask is None else mask[row]
        wanted = min(found.shape[1], int(allowed.sum()))
        held = ids[ids >= 0]
        assert len(set(held.tolist())) == len(held) == wanted, "as many as there are, each once"
        assert allowed[held].all(), "only matches"
        assert (np.diff(far[held]) >= -1e-4 * far.max()).all(), "nearest first"
        if wanted:
            limit = np.sort(far[allowed])[wanted - 1]
            shares.append((far[held] <= limit * (1 + 1e-5)).sum() / wanted)
    return float(np.mean(shares))


def unheard(done: int, total: int) -> None:
    """Progress that nobody follows."""


def masks_of(filters: BoundFilters) -> np.ndarray:
    """(q, n) bool, item by item."""
    return np.array([filters.mask(j) for j in range(len(filters))])


def arrays_of(index: Any) -> dict[str, np.ndarray]:
    """All that is saved of an index."""
    return {name: np.asarray(array) for name, array in index.graph._asdict().items()}


def reached(links: np.ndarray, start: int) -> set[int]:
    """By a walk along the links."""
    seen, waiting = {start}, [start]
    while waiting:
        for v in links[waiting.pop()].tolist():
            if v >= 0 and v not in seen:
                seen.add(v)
                waiting.append(v)
    return seen

"""Items, filters of every kind and queries for tests of exact search."""

from __future__ import annotations

from functools import cache

import numpy as np
import tiny

from fannsbench.algorithm import Items
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter

N, D, Q, K = 400, 12, 20, 10
SCAN, GATHER = 0.0, 1e9
"""Values of `exact`'s scan_above that leave no choice."""
TEMPLATES = {
    "em": "colour == $colour",
    "r": "$low <= price <= $high",
    "emis": "$tag in tags",
    "mem": "colour == $colour and price == $low",
    "mr": "$low <= price <= $high and weight < $weight",
    "memis": "$tag in tags and 'a' in tags",
    "c": "(colour == $colour or $tag in tags) and not weight > $weight",
}


def numbers(rows: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, d)).astype(np.float32)


def plain_items(vectors: np.ndarray) -> Items:
    """Whose attribute `place` is the item's id."""
    return Items(vectors, Attributes({"place": Number(np.arange(len(vectors)))}, len(vectors)))


def bound(text: str, attributes: Attributes, q: int = Q) -> BoundFilters:
    rng = np.random.default_rng(12)
    values: dict[str, np.ndarray] = {
        "colour": rng.choice(["blue", "grün", "violet"], q).astype(object),  # no item is violet
        "low": rng.integers(0, 25, q),
        "high": rng.integers(25, 50, q),
        "tag": rng.choice(["a", "b"], q).astype(object),
        "weight": rng.random(q),
    }
    filter_ = Filter.parse(text)
    return filter_.bind(attributes, {name: values[name] for name in filter_.parameters}, q)


def first(counts: list[int], n: int) -> BoundFilters:
    """Query j keeps the first counts[j] items of `plain_items`."""
    attributes = plain_items(np.zeros((n, 1), np.float32)).attributes
    return Filter.parse("place < $count").bind(attributes, {"count": np.array(counts)})


@cache
def data() -> tuple[Items, np.ndarray]:
    return Items(numbers(N, D), tiny.attributes(N)), numbers(Q, D, seed=1)

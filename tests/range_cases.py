"""Data for tests of range methods: numbers that go along with clusters or not, and ranges of given shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from graph_cases import bound, clusters, masks_of, recall

from fannsbench.attributes import Column, Number
from fannsbench.filters import BoundFilters

BOTH = "$low <= number <= $high"


class World(NamedTuple):
    """Items in clusters, and a number that goes along with these, against them, or neither."""

    items: np.ndarray
    queries: np.ndarray
    columns: dict[str, Column]

    @classmethod
    def of(cls, n: int, d: int = 24) -> World:
        """Of n items."""
        items, queries, cluster = clusters(n, d)
        rng = np.random.default_rng(5)
        far_cluster = (cluster + 5) % 10
        columns: dict[str, Column] = {
            "along": Number(cluster * 100 + rng.integers(0, 150, n)),
            "against": Number(far_cluster * 100 + rng.integers(0, 150, n)),
            "independent": Number(rng.integers(0, 1000, n)),
        }
        return cls(items, queries, columns)

    def asked(self, name: str, text: str, share: float, **values: Any) -> BoundFilters:
        """Filters of ranges that hold about this share of the items."""
        column: Any = self.columns[name]
        n, ordered = len(self.items), np.sort(column.values)
        begins = np.random.default_rng(4).integers(0, n - int(share * n) + 1, len(self.queries))
        low, high = ordered[begins], ordered[begins + int(share * n) - 1]
        text = text.replace("number", name)
        return bound(text, self.columns, n, len(self.queries), low=low, high=high, **values)

    def recall(self, index: Any, filters: BoundFilters) -> float:
        """If all that comes back is right."""
        return answered(index, filters, self.items, self.queries)


def answered(index: Any, filters: BoundFilters, items: np.ndarray, queries: np.ndarray) -> float:
    """The recall, if all that comes back is right."""
    found, mask = index.search(queries, 10, index.select(filters)), masks_of(filters)
    if mask.any():
        return recall(found, items, queries, mask)
    assert (found == -1).all()
    return 1.0


def grid(n: int, seed: int = 0) -> np.ndarray:
    """(n, 16) small whole numbers: distances are exact, and many are equal."""
    vectors = np.zeros((n, 16), np.float32)
    vectors[:, :3] = np.random.default_rng(seed).integers(0, 9, (n, 3))
    return vectors


def far(vectors: np.ndarray, one: int, other: int) -> float:
    """Squared."""
    return float(((vectors[one] - vectors[other]) ** 2).sum())


def nearest_first(vectors: np.ndarray, item: int, others: Any) -> list[int]:
    """In the order of (distance, position)."""
    return sorted((int(o) for o in others), key=lambda o: (far(vectors, item, o), o))


def relative(vectors: np.ndarray, item: int, candidates: Any, degree: int) -> list[int]:
    """The selection of HNSW, in which one copy of a vector stands in for the others."""
    candidates = nearest_first(vectors, item, candidates)
    if len(candidates) < degree:
        return candidates
    chosen: list[int] = []
    for c in candidates:
        if len(chosen) < degree and not any(
            far(vectors, s, c) < far(vectors, item, c) or far(vectors, s, c) == 0 for s in chosen
        ):
            chosen.append(c)
    return chosen


def held(row: np.ndarray) -> list[int]:
    """What of a row, -1 padded, are links."""
    kept = row[row >= 0].tolist()
    assert row[: len(kept)].tolist() == kept, "the padding comes last"
    return kept

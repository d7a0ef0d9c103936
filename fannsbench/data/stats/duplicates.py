"""Vectors that occur more than once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from fannsbench.vectors import as_float32


def row_hashes(block: np.ndarray) -> np.ndarray:
    """(rows,) uint64 that are equal where rows are equal as float32. Unequal rows share one by chance
    only: once in 2 million data sets of 2.7 million items."""
    rows = as_float32(block) + np.float32(0)  # turns -0 into 0
    digests = b"".join(hashlib.blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, np.uint64)


@dataclass(frozen=True)
class Duplicates:
    repeats: int
    """Items whose vector an earlier item has."""
    groups: int
    """Distinct vectors that more than one item has."""
    largest_group: int
    """The most items that have one vector; 1 where no vector is repeated."""
    queries_among_items: int
    """Queries whose vector is that of an item."""

    @classmethod
    def of(cls, items: np.ndarray, queries: np.ndarray) -> Duplicates:
        """From the row hashes of all items (n,) and queries (q,)."""
        distinct, counts = np.unique(items, return_counts=True)
        return cls(
            repeats=len(items) - len(distinct),
            groups=int((counts > 1).sum()),
            largest_group=int(counts.max()),
            queries_among_items=int(np.isin(queries, distinct).sum()),
        )

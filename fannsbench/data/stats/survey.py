"""One pass over all items: what needs every vector, and a sample for what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fannsbench.data.duplicates import DIGEST, digests_of
from fannsbench.kernels.exact import lengths_of
from fannsbench.vectors import Vectors, as_float32, blocks, rows_within

SAMPLE_ITEMS = 10_000
_SAMPLE_BYTES = 256 << 20
"""So that vectors of more than 6,710 dimensions make a smaller sample."""


@dataclass(frozen=True, eq=False)
class Survey:
    norms: np.ndarray
    """(n,) float64, the Euclidean lengths of all items."""
    digests: np.ndarray
    """(n,) `digests_of` all items."""
    numbers: np.ndarray
    """(s,) int64, ascending: the items of the sample."""
    sample: np.ndarray
    """(s, d) float32."""

    @property
    def distinct(self) -> np.ndarray:
        """(t, d) float32: the sample without repeated vectors."""
        _, first = np.unique(self.digests[self.numbers], return_index=True)
        return self.sample if len(first) == len(self.sample) else self.sample[np.sort(first)]

    @classmethod
    def take(cls, vectors: Vectors, rng: np.random.Generator, advance: Callable[[int], None]) -> Survey:
        """Read all (n, d) items in blocks; `advance` is called with the rows of each."""
        n, d = vectors.shape
        size = min(n, SAMPLE_ITEMS, rows_within(_SAMPLE_BYTES, vectors))
        numbers = np.sort(rng.choice(n, size, replace=False))
        norms, digests = np.empty(n), np.empty(n, DIGEST)
        sample = np.empty((size, d), np.float32)
        for rows, block in blocks(vectors):
            items = as_float32(block)
            norms[rows], digests[rows] = lengths_of(items), digests_of(items)
            first, last = np.searchsorted(numbers, [rows.start, rows.stop])
            sample[first:last] = items[numbers[first:last] - rows.start]
            advance(len(items))
        return cls(norms, digests, numbers, sample)

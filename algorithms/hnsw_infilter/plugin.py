"""HNSW as in hnswlib, with hnswlib's own filter: a Python function that says whether an item may be returned.

Build: see `fannsbench.algorithms.hnsw`. The traversal ignores the filter, and stops only when `ef` matches
are held or the graph is exhausted, so a search visits about ef / selectivity items, at most all.

`select` counts and marks each filter's matches in a bitmap. `search` is one call of `knn_query` for each
query, since a call takes one filter. hnswlib calls the function once for every item it visits, some ten
items for each of `ef`, at about 0.3 microseconds; the function is the fastest that was found, the look-up
of a memory view. It holds Python's interpreter lock: more threads would not help, and one is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms.hnsw.plugin import Hnsw, nearest_reached
from fannsbench.dataset import Dataset, Workload
from fannsbench.filters import BoundFilters


class Selection(NamedTuple):
    counts: np.ndarray  # (q,) int64
    bitmaps: np.ndarray  # (q, ceil(n / 8)) uint8


class HnswInFilter(Hnsw):
    def configure(self, ef: int) -> None:
        self.ef = ef

    def select(self, filters: BoundFilters) -> Selection:
        return Selection(filters.counts(self.threads), filters.bitmaps(self.threads))

    def search(self, queries: np.ndarray, k: int, selection: Selection | None) -> np.ndarray:
        if selection is None:
            return self.nearest(queries, k)
        self.index.set_ef(self.ef)
        ids = np.full((len(queries), k), -1, np.int32)
        for row, query, count, bitmap in zip(ids, queries, *selection, strict=True):
            marks = np.unpackbits(bitmap, bitorder="little")
            found = nearest_reached(self.index, query, min(k, int(count)), memoryview(marks).__getitem__)
            row[: len(found)] = found
        return ids

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        return None if workload.filter else "without a filter it is hnsw"

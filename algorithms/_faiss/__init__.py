"""What the plugins of faiss share: metrics, filters, threads, saving.

Filters are faiss' own: a selector that looks an item up in a bitmap. `select` makes the bitmaps of all
queries, and a selector for each that is not empty. A search call takes one selector, so `search` is one call
for each query; queries with equal filters are not grouped, as a server would not see them together. Queries
without a match are not searched. Unfiltered queries are one call.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.filters import BoundFilters
from fannsbench.kernels.parallel import for_ranges

METRICS = {
    Metric.EUCLIDEAN: faiss.METRIC_L2,
    Metric.COSINE: faiss.METRIC_INNER_PRODUCT,  # of normalised items; a query's length does not matter
    Metric.INNER_PRODUCT: faiss.METRIC_INNER_PRODUCT,
}


class Selection(NamedTuple):
    selectors: list[faiss.IDSelector | None]
    bitmaps: np.ndarray
    """Kept, as the selectors hold only pointers to its rows."""


class FaissAlgorithm(Algorithm):
    """An algorithm around one faiss index."""

    filters = ALL_FILTERS
    metrics = frozenset(METRICS)
    builds_on_attributes = False

    @abstractmethod
    def trained(self, vectors: np.ndarray, metric: int) -> faiss.Index:
        """An index for `vectors` (n, d) float32, trained where it must be, and empty."""

    @abstractmethod
    def search_parameters(self) -> tuple[faiss.SearchParameters, faiss.SearchParameters]:
        """What the index is searched with, and that part of it which takes a selector."""

    def build(self, items: Items, threads: int) -> None:
        vectors = items.vectors
        if self.metric is Metric.COSINE:
            vectors = np.array(vectors)
            faiss.normalize_L2(vectors)
        faiss.omp_set_num_threads(threads)
        self.index = self.trained(vectors, METRICS[self.metric])
        self.index.add(vectors)

    def select(self, filters: BoundFilters) -> Selection:
        bitmaps = filters.bitmaps(self.threads)
        selectors = [
            faiss.IDSelectorBitmap(bitmap) if matched else None
            for bitmap, matched in zip(bitmaps, bitmaps.any(axis=1), strict=True)
        ]
        return Selection(selectors, bitmaps)

    def search(self, queries: np.ndarray, k: int, selection: Selection | None) -> np.ndarray:
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.empty((len(queries), k), np.float32)

        def search_one_by_one(first: int, last: int) -> None:
            faiss.omp_set_num_threads(1)  # holds for the calling thread
            parameters, selecting = self.search_parameters()
            for j in range(first, last):
                selecting.sel = selection.selectors[j]
                if selecting.sel is not None:
                    row = slice(j, j + 1)
                    self.index.search(queries[row], k, params=parameters, D=distances[row], I=ids[row])

        if selection is None:
            faiss.omp_set_num_threads(self.threads)
            self.index.search(queries, k, params=self.search_parameters()[0], D=distances, I=ids)
        else:
            for_ranges(len(queries), self.threads, search_one_by_one)
        return ids.astype(np.int32)

    def save(self, folder: Path) -> None:
        faiss.write_index(self.index, str(folder / "index.faiss"))

    def load(self, folder: Path, items: Items) -> None:
        self.index = faiss.read_index(str(folder / "index.faiss"))


def number_of_lists(nlist: int, n: int) -> int:
    """nlist, or fewer where k-means would have fewer items for a list than faiss deems enough."""
    return max(1, min(nlist, n // faiss.ClusteringParameters().min_points_per_centroid))


def ivf_counters(index: faiss.Index, threads: int) -> dict[str, float]:
    """Distances since faiss' counts for inverted lists were reset; none where several threads added to them
    without a lock."""
    statistics = faiss.cvar.indexIVF_stats
    to_centres = statistics.nq * faiss.extract_index_ivf(index).nlist
    return {} if threads > 1 else {"distances": float(statistics.ndis + to_centres)}

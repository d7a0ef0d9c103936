"""Random projection trees of annoy; filters by post-filtering.

Trees are split by random planes; a search walks all trees at once until it has met `search_k` items, and
ranks these by distance. Trees depend on the seed and on the number of build threads.

Every query is a call of its own, which takes and gives Python lists; their conversion is part of the time.
annoy holds Python's interpreter lock: more threads would not help, and one is used.

Filtered search: `select` counts each filter's matches. `search` fetches oversample * k nearest items, drops
those that do not match, and fetches twice as many for the queries that are still short of min(k, matches),
and so on; at least as many items are met as are fetched. Where a round would fetch more candidates than
there are matches, their distances are computed instead (`scan_matches`; without it, only where a round would
fetch every item). Unfiltered, fewer than k may come back where `search_k` is small, since an item is met
in several trees.

Saving makes annoy read the index from the saved file, memory-mapped, as a loaded one is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from annoy import AnnoyIndex

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.filters import BoundFilters
from fannsbench.kernels import postfilter
from fannsbench.kernels.postfilter import PostFilter

METRICS = {Metric.EUCLIDEAN: "euclidean", Metric.COSINE: "angular", Metric.INNER_PRODUCT: "dot"}


class Annoy(Algorithm):
    filters = ALL_FILTERS
    metrics = frozenset(METRICS)
    builds_on_attributes = False

    def __init__(self, metric: Metric, seed: int, n_trees: int) -> None:
        super().__init__(metric, seed)
        self.n_trees = n_trees

    def build(self, items: Items, threads: int) -> None:
        self.vectors = items.vectors
        self.index = AnnoyIndex(items.vectors.shape[1], METRICS[self.metric])
        self.index.set_seed(self.seed)
        for item, vector in enumerate(items.vectors):
            self.index.add_item(item, vector.tolist())
        self.index.build(self.n_trees, n_jobs=threads)

    def configure(self, search_k: int, oversample: int, scan_matches: bool) -> None:
        self.search_k = search_k
        self.oversample = oversample
        self.scan_matches = scan_matches

    def select(self, filters: BoundFilters) -> PostFilter:
        return PostFilter(filters, self.vectors, self.metric, self.threads)

    def search(self, queries: np.ndarray, k: int, selection: PostFilter | None) -> np.ndarray:
        if selection is None:
            return self._nearest(queries, k)
        return selection.search(self._nearest, queries, k, self.oversample * k, self.scan_matches)

    def _nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        """The k nearest items whatever their attributes: (q, k) int32 ids, padded with -1."""
        ids = np.full((len(queries), k), -1, np.int32)
        for row, query in zip(ids, queries.tolist(), strict=True):
            found = self.index.get_nns_by_vector(query, k, max(self.search_k, k))
            row[: len(found)] = found
        return ids

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.ann"))

    def load(self, folder: Path, items: Items) -> None:
        self.vectors = items.vectors
        self.index = AnnoyIndex(items.vectors.shape[1], METRICS[self.metric])
        self.index.load(str(folder / "index.ann"))

    def warm_up(self) -> None:
        postfilter.warm_up()

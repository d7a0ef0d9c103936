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

from itertools import chain
from pathlib import Path

import numpy as np
from annoy import AnnoyIndex

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._postfilter import PostFiltering

METRICS = {Metric.EUCLIDEAN: "euclidean", Metric.COSINE: "angular", Metric.INNER_PRODUCT: "dot"}


class Annoy(PostFiltering):
    metrics = frozenset(METRICS)

    def __init__(self, metric: Metric, seed: int, n_trees: int) -> None:
        super().__init__(metric, seed)
        self.n_trees = n_trees

    def build(self, items: Items, threads: int) -> None:
        self._take(items)
        self.index.set_seed(self.seed)
        for item, vector in enumerate(chain.from_iterable(self.in_parts(self.vectors))):
            self.index.add_item(item, vector.tolist())
        self.index.build(self.n_trees, n_jobs=threads)

    def _take(self, items: Items) -> None:
        self.vectors = items.vectors
        self.index = AnnoyIndex(items.vectors.shape[1], METRICS[self.metric])

    def configure(self, search_k: int, oversample: int, scan_matches: bool) -> None:
        super().configure(oversample, scan_matches)
        self.search_k = search_k

    def nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        ids = np.full((len(queries), k), -1, np.int32)
        for row, query in zip(ids, queries.tolist(), strict=True):
            found = self.index.get_nns_by_vector(query, k, max(self.search_k, k))
            row[: len(found)] = found
        return ids

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.ann"))

    def load(self, folder: Path, items: Items) -> None:
        self._take(items)
        self.index.load(str(folder / "index.ann"))

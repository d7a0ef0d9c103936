"""HNSW as in hnswlib; filters by post-filtering.

Build: hnswlib's parallel insertion, with all the threads the harness grants. The graph depends on how the
threads interleave; only a build on one thread gives the same graph for the same seed again.

Unfiltered search: one call of `knn_query` for all queries.

Filtered search: `select` counts each filter's matches. `search` fetches max(ef, oversample * k) nearest
items for all queries in one call, drops those that do not match, and fetches twice as many for the queries
that are still short of min(k, matches), and so on; `ef` grows with what is fetched. Where a round would
fetch more candidates than there are matches, their distances are computed instead (`scan_matches`; without
it, only where a round would fetch every item). Testing the candidates is part of `search`.

hnswlib takes several threads only for batches of more than 4 queries per thread. For cosine it normalises
the queries within the timed call.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hnswlib
import numpy as np

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._postfilter import PostFiltering

SPACES = {Metric.EUCLIDEAN: "l2", Metric.COSINE: "cosine", Metric.INNER_PRODUCT: "ip"}


class Hnsw(PostFiltering):
    metrics = frozenset(SPACES)

    def __init__(self, metric: Metric, seed: int, M: int, ef_construction: int) -> None:  # noqa: N803
        super().__init__(metric, seed)
        self.M = M
        self.ef_construction = ef_construction

    def build(self, items: Items, threads: int) -> None:
        self._take(items)
        seed = self.seed + 1  # the library's random generator takes 0 for 1
        self.index.init_index(
            len(self.vectors), M=self.M, ef_construction=self.ef_construction, random_seed=seed
        )
        for vectors in self.in_parts(self.vectors):  # on one thread, the graph is that of a single call
            self.index.add_items(vectors, num_threads=threads)

    def _take(self, items: Items) -> None:
        self.vectors = items.vectors
        self.index = hnswlib.Index(SPACES[self.metric], items.vectors.shape[1])

    def configure(self, ef: int, oversample: int, scan_matches: bool) -> None:
        super().configure(oversample, scan_matches)
        self.ef = ef

    def fetched_first(self, k: int) -> int:
        return max(self.ef, super().fetched_first(k))

    def nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        most = min(k, len(self.vectors))
        self.index.set_ef(max(self.ef, most))
        ids = np.full((len(queries), k), -1, np.int32)
        try:
            ids[:, :most] = self.index.knn_query(queries, most, num_threads=self.threads)[0]
        except RuntimeError:  # the graph reaches fewer for some query: hnswlib answers none
            for row, query in zip(ids, queries, strict=True):
                found = nearest_reached(self.index, query, most)
                row[: len(found)] = found
        return ids

    def save(self, folder: Path) -> None:
        self.index.save_index(str(folder / "index.bin"))

    def load(self, folder: Path, items: Items) -> None:
        self._take(items)
        self.index.load_index(str(folder / "index.bin"))


def nearest_reached(
    index: hnswlib.Index, query: np.ndarray, k: int, accepts: Callable[[int], bool] | None = None
) -> np.ndarray:
    """Ids of the k nearest items that `accepts` is true of, or of as many as the graph reaches: hnswlib
    raises where these are fewer than asked for, so the largest number it answers is sought by bisection."""
    found, too_many, asked = np.empty(0, np.uint64), k + 1, k
    while len(found) < asked:
        try:
            found = index.knn_query(query, asked, num_threads=1, filter=accepts)[0][0]
        except RuntimeError:
            too_many = asked
        asked = (len(found) + too_many) // 2
    return found

"""HNSW as in faiss, with its own semantics of a filter.

See `fannsbench.algorithms._faiss` for how filters are applied. A filter does not widen the search: it visits
as many items as without one and keeps those that match, about ef * selectivity of them. So a selective
filter needs a large `ef`, and fewer than k may come back although more match. At equal `ef` it is not
comparable with hnsw-infilter, which goes on until `ef` matches are held.

The same seed gives the same graph whatever the number of threads, from faiss 1.15 on.
"""

from __future__ import annotations

import faiss
import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._faiss import FaissAlgorithm


class FaissHnsw(FaissAlgorithm):
    def __init__(self, metric: Metric, seed: int, M: int, ef_construction: int) -> None:  # noqa: N803
        super().__init__(metric, seed)
        self.M = M
        self.ef_construction = ef_construction

    def trained(self, vectors: np.ndarray, metric: int) -> faiss.Index:
        index = faiss.IndexHNSWFlat(vectors.shape[1], self.M, metric)
        index.hnsw.efConstruction = self.ef_construction
        index.hnsw.rng = faiss.RandomGenerator(self.seed)
        return index

    def configure(self, ef: int) -> None:
        self.ef = ef
        faiss.cvar.hnsw_stats.reset()

    def search_parameters(self) -> tuple[faiss.SearchParameters, faiss.SearchParameters]:
        parameters = faiss.SearchParametersHNSW(efSearch=self.ef)
        return parameters, parameters

    def counters(self) -> dict[str, float]:
        return {} if self.threads > 1 else {"distances": float(faiss.cvar.hnsw_stats.ndis)}

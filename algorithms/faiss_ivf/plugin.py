"""Inverted lists of faiss: k-means divides the items into lists, and a query looks into the nearest ones.

The same seed gives the same index whatever the number of threads. See `fannsbench.algorithms._faiss` for
how filters are applied. A filtered query looks into `nprobe` lists however few of their items match, so
fewer than k may come back although more match.

Distances counted: to the centres of all lists, and to the matching items of the lists looked into.
"""

from __future__ import annotations

import faiss
import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._faiss import FaissAlgorithm, ivf_counters, number_of_lists


class FaissIvf(FaissAlgorithm):
    def __init__(self, metric: Metric, seed: int, nlist: int) -> None:
        super().__init__(metric, seed)
        self.nlist = nlist

    def trained(self, vectors: np.ndarray, metric: int) -> faiss.Index:
        n, d = vectors.shape
        centres = faiss.IndexFlat(d, metric)
        index = faiss.IndexIVFFlat(centres, d, number_of_lists(self.nlist, n), metric)
        index.cp.seed = self.seed
        index.cp.min_points_per_centroid = 1  # no warning for small data
        index.train(vectors)
        return index

    def configure(self, nprobe: int) -> None:
        self.nprobe = nprobe
        faiss.cvar.indexIVF_stats.reset()

    def search_parameters(self) -> tuple[faiss.SearchParameters, faiss.SearchParameters]:
        parameters = faiss.SearchParametersIVF(nprobe=self.nprobe)
        return parameters, parameters

    def counters(self) -> dict[str, float]:
        return ivf_counters(self.index, self.threads)

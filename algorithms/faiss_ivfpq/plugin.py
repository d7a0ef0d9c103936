"""Inverted lists of faiss with product quantisation, and re-ranking by the vectors.

The lists hold codes of `m` bytes: of each part of a vector's difference from its list's centre, the nearest
of 256 centroids. A search ranks the items of `nprobe` lists by their codes; with `refine`, the index keeps
the vectors too, and the best `rerank` * k items are ranked anew by them.

The same seed gives the same index whatever the number of threads. Parts must be equally long: m becomes
the next smaller divisor of the dimension. See `fannsbench.algorithms._faiss` for how filters are applied. A
filtered query looks into `nprobe` lists however few of their items match, so fewer than k may come back
although more match.

Distances counted: to the centres of all lists, and to the codes of the matching items of the lists looked
into; those of re-ranking are not.
"""

from __future__ import annotations

import faiss
import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._faiss import FaissAlgorithm, ivf_counters, number_of_lists

BITS = 8


class FaissIvfPq(FaissAlgorithm):
    def __init__(self, metric: Metric, seed: int, nlist: int, m: int, refine: bool) -> None:
        super().__init__(metric, seed)
        self.nlist = nlist
        self.m = m
        self.refine = refine

    def trained(self, vectors: np.ndarray, metric: int) -> faiss.Index:
        n, d = vectors.shape
        m = max(divisor for divisor in range(1, min(self.m, d) + 1) if d % divisor == 0)
        centres = faiss.IndexFlat(d, metric)
        codes = faiss.IndexIVFPQ(centres, d, number_of_lists(self.nlist, n), m, BITS, metric)
        for clustering in (codes.cp, codes.pq.cp):
            clustering.seed = self.seed
            clustering.min_points_per_centroid = 1  # no warning for small data
        index = faiss.IndexRefineFlat(codes) if self.refine else codes
        index.train(vectors if n >= 2**BITS else np.resize(vectors, (2**BITS, d)))  # repeats too few vectors
        return index

    def configure(self, nprobe: int, rerank: int) -> None:
        self.nprobe = nprobe
        self.rerank = rerank
        faiss.cvar.indexIVF_stats.reset()

    def search_parameters(self) -> tuple[faiss.SearchParameters, faiss.SearchParameters]:
        codes = faiss.IVFPQSearchParameters(nprobe=self.nprobe)
        if not self.refine:
            return codes, codes
        return faiss.IndexRefineSearchParameters(k_factor=self.rerank, base_index_params=codes), codes

    def counters(self) -> dict[str, float]:
        return ivf_counters(self.index, self.threads)

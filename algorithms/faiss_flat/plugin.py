"""Exact search by faiss' flat index.

Unfiltered batches of 20 queries or more go through BLAS; single and filtered queries compute distances one
by one, filtered ones of the matches only. See `fannsbench.algorithms._faiss` for how filters are applied.
"""

from __future__ import annotations

import faiss
import numpy as np

from fannsbench.algorithms._faiss import FaissAlgorithm


class FaissFlat(FaissAlgorithm):
    def trained(self, vectors: np.ndarray, metric: int) -> faiss.Index:
        return faiss.IndexFlat(vectors.shape[1], metric)

    def search_parameters(self) -> tuple[faiss.SearchParameters, faiss.SearchParameters]:
        parameters = faiss.SearchParameters()
        return parameters, parameters

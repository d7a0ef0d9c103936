"""Post-filtering: what is left of candidates that were fetched without a filter."""

from __future__ import annotations

import numpy as np

from fannsbench.kernels import jit
from fannsbench.kernels.distance import distance
from fannsbench.kernels.match import Predicate, matches


@jit
def keep_matches(
    predicate: Predicate,
    queries: np.ndarray,
    candidates: np.ndarray,
    neighbors: np.ndarray,
    found: np.ndarray,
) -> None:
    """Of each of `queries` (m,), the first matches among its candidates (m, count) become its row of
    neighbors (q, k), padded with -1, and their number its entry of found (q,)."""
    for row in range(len(queries)):
        query, count = queries[row], 0
        for item in candidates[row]:
            if count == neighbors.shape[1]:
                break
            if item >= 0 and matches(predicate, query, item):
                neighbors[query, count] = item
                count += 1
        neighbors[query, count:] = -1
        found[query] = count


@jit
def distances_to(metric: int, query: np.ndarray, vectors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(m,) float64: of vectors[ids], ids (m,)."""
    distances = np.empty(len(ids))
    for i in range(len(ids)):
        distances[i] = distance(metric, query, vectors[ids[i]])
    return distances

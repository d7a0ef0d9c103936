"""The distances that statistics are about.

Euclidean: as it is. Cosine: the Euclidean distance of the vectors scaled to length 1, which is
sqrt(2 (1 - cosine)); it orders as 1 - cosine does and, other than that, is a metric, as intrinsic
dimensionality and contrast presume. Inner product: the negated product, which orders, but is no distance.
"""

from __future__ import annotations

import numpy as np

from fannsbench.kernels.exact import lengths_of
from fannsbench.metric import Metric
from fannsbench.vectors import BLOCK_BYTES, as_float32, rows_within, slices

NAMES = {
    Metric.EUCLIDEAN: "Euclidean",
    Metric.COSINE: "Euclidean of the vectors scaled to length 1",
    Metric.INNER_PRODUCT: "negated inner product",
}


def is_distance(metric: Metric) -> bool:
    return metric is not Metric.INNER_PRODUCT


def of_truth(stored: np.ndarray, metric: Metric) -> np.ndarray:
    """Distances as data set files and `exact_knn` give them, as float64 distances of this module."""
    distances = stored.astype(np.float64)
    return np.sqrt(2 * np.maximum(distances, 0)) if metric is Metric.COSINE else distances


def between(queries: np.ndarray, items: np.ndarray, metric: Metric) -> np.ndarray:
    """(q, b) float32 for queries (q, d) and items (b, d) float32, by BLAS: near zero, Euclidean ones are good
    to about a thousandth of the vectors' spread only."""
    if metric is Metric.INNER_PRODUCT:
        products: np.ndarray = queries @ items.T
        return -products
    if metric is Metric.COSINE:
        queries, items = _unit(queries), _unit(items)
        squares: np.ndarray = 2 - 2 * (queries @ items.T)
    else:
        centre = items.mean(axis=0, dtype=np.float64).astype(np.float32)
        queries, items = queries - centre, items - centre  # else a common offset would cost digits
        squares = _squares(queries)[:, None] + _squares(items) - 2 * (queries @ items.T)
    np.maximum(squares, 0, out=squares)  # rounding may go below
    np.sqrt(squares, out=squares)
    return squares


def of_pairs(vectors: np.ndarray, one: np.ndarray, other: np.ndarray, metric: Metric) -> np.ndarray:
    """(p,) float64: the distances of vectors[one] (p,) and vectors[other] (p,)."""
    distances = np.empty(len(one))
    for part in slices(len(one), rows_within(BLOCK_BYTES, vectors)):
        a, b = vectors[one[part]], vectors[other[part]]
        if metric is Metric.INNER_PRODUCT:
            distances[part] = -np.einsum("ij,ij->i", a, b, dtype=np.float64)
        else:
            gap = _unit(a) - _unit(b) if metric is Metric.COSINE else a - b
            distances[part] = lengths_of(gap)
    return distances


def _squares(vectors: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.einsum("ij,ij->i", vectors, vectors)
    return squares


def _unit(vectors: np.ndarray) -> np.ndarray:
    """A vector of length zero stays as it is: its cosine counts as 0, but with itself."""
    length = lengths_of(vectors)
    return as_float32(vectors / np.where(length > 0, length, 1)[:, None])

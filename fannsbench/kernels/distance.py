"""Distances in float64 by the metrics' definitions."""

from __future__ import annotations

import math

import numpy as np

from fannsbench.kernels import jit, jit_reordering
from fannsbench.metric import Metric

EUCLIDEAN, COSINE, INNER_PRODUCT = range(3)
METRIC_CODES = {
    Metric.EUCLIDEAN: EUCLIDEAN,
    Metric.COSINE: COSINE,
    Metric.INNER_PRODUCT: INNER_PRODUCT,
}


@jit_reordering
def _half_square_of_difference(
    query: np.ndarray, query_scale: float, item: np.ndarray, item_scale: float
) -> float:
    total = 0.0
    for i in range(len(query)):
        difference = np.float64(query[i]) * query_scale - np.float64(item[i]) * item_scale
        total += difference * difference
    return total / 2.0


@jit_reordering
def distance(metric: int, query: np.ndarray, item: np.ndarray) -> float:
    """In float64 from float32 vectors, by the metric's definition, but squared for EUCLIDEAN. A vector of
    length zero is at cosine distance 1."""
    if metric == EUCLIDEAN:
        return _half_square_of_difference(query, 1.0, item, 1.0) * 2.0
    dot, query_square, item_square = 0.0, 0.0, 0.0
    for i in range(len(query)):
        q, x = np.float64(query[i]), np.float64(item[i])
        dot += q * x
        query_square += q * q
        item_square += x * x
    if metric == INNER_PRODUCT:
        return -dot
    if query_square == 0.0 or item_square == 0.0:
        return 1.0
    # Equal to 1 - cosine, without the loss of digits where that is small.
    return _half_square_of_difference(
        query, 1.0 / math.sqrt(query_square), item, 1.0 / math.sqrt(item_square)
    )


@jit
def distances_of_pairs(
    metric: int,
    queries: np.ndarray,
    items: np.ndarray,
    query_of: np.ndarray,
    item_of: np.ndarray,
    place_of: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the distance of queries[query_of[i]] and items[item_of[i]] to out[place_of[i]], for each i."""
    for i in range(len(query_of)):
        out[place_of[i]] = distance(metric, queries[query_of[i]], items[item_of[i]])

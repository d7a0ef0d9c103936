"""Distances in float64 by plain numpy, and how far apart two of them may be for reasons of rounding alone.

Squared for EUCLIDEAN, here and in all of `verify`: that is where rounding errors add up. The error of a sum
of d products in float32 is about sqrt(d) * 2**-24 times the lengths of both vectors (Higham and Mary, A New
Approach to Probabilistic Rounding Error Analysis, 2019); engines that expand |q|^2 + |x|^2 - 2 q.x, or that
normalise first, stay within small multiples of it.
"""

from __future__ import annotations

import math

import numpy as np

from fannsbench.metric import Metric

SINGLE_ERRORS = 2.0
"""How many of the typical errors above a distance that was computed in float32 may be off."""
DOUBLE_ERROR = 1e-12
"""What float64 may be off, as a share of `sizes`; beyond the worst case d * 2**-53 up to d = 9,000."""


_STORING_ERROR = 2.0**-22
"""What storing as float32 takes from a distance or its square, as a share of it, with a margin of two."""
_SMALLEST = 2.0**-149
"""Of float32: what storing takes at least from numbers near 0."""


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """(n,) float64."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def distances(metric: Metric, query: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(m,) of one query (d,) and items (m, d), float64 each, by the metric's definition; equal items have
    equal ones, whatever else is in `items`."""
    if metric is Metric.EUCLIDEAN:
        return np.asarray(np.square(items - query).sum(axis=1))
    dots = (items * query).sum(axis=1)
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(-dots)
    lengths = np.sqrt(np.square(items).sum(axis=1)) * math.sqrt(np.square(query).sum())
    return np.asarray(1 - np.divide(dots, lengths, out=np.zeros(len(dots)), where=lengths > 0))


def rough_distances(
    metric: Metric,
    queries: np.ndarray,
    items: np.ndarray,
    query_lengths: np.ndarray,
    item_lengths: np.ndarray,
) -> np.ndarray:
    """(q, m) of queries (q, d) and items (m, d), float64 each, by one matrix product: off by less than
    DOUBLE_ERROR."""
    dots = queries @ items.T
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(-dots)
    if metric is Metric.EUCLIDEAN:
        return np.asarray(np.square(query_lengths)[:, None] + np.square(item_lengths) - 2 * dots)
    lengths = query_lengths[:, None] * item_lengths
    return np.asarray(1 - np.divide(dots, lengths, out=np.zeros(dots.shape), where=lengths > 0))


def as_stored(metric: Metric, stored: np.ndarray) -> np.ndarray:
    """Distances of a file, comparable with those above."""
    wide = stored.astype(np.float64)
    return wide * np.abs(wide) if metric is Metric.EUCLIDEAN else wide


def in_file(metric: Metric, distance: float) -> float:
    """The reverse, to be shown."""
    return math.sqrt(max(distance, 0)) if metric is Metric.EUCLIDEAN else distance


def storing_error(metric: Metric, distance: np.ndarray) -> np.ndarray:
    """What storing as float32 may take from distances, comparable with those of `as_stored`."""
    near_zero = _SMALLEST
    if metric is Metric.EUCLIDEAN:  # of (x + e)^2 - x^2
        near_zero *= 2 * np.sqrt(distance) + _SMALLEST
    return np.asarray(_STORING_ERROR * np.abs(distance) + near_zero)


def sizes(metric: Metric, query_lengths: np.ndarray, item_lengths: np.ndarray) -> np.ndarray:
    """What rounding errors are a share of, for pairs of a query and an item."""
    if metric is Metric.COSINE:
        return np.ones(np.broadcast_shapes(query_lengths.shape, item_lengths.shape))
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(query_lengths * item_lengths)
    return np.asarray(np.square(query_lengths + item_lengths))


def single_error(dimension: int) -> float:
    """What a distance computed in float32 may be off, as a share of `sizes`."""
    return SINGLE_ERRORS * math.sqrt(dimension) * 2.0**-24

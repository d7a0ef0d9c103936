"""How far apart vectors are, and the distances that judge answers: plain float64, computed directly."""

from __future__ import annotations

import re
from enum import StrEnum

import numpy as np

_SPELLINGS = {
    "euclidean": ("euclidean", "l2", "squaredeuclidean", "euclideansquared", "sqeuclidean", "l2squared"),
    "cosine": ("cosine", "cosinesimilarity", "cosinedistance", "angular", "normalized", "normalised"),
    "inner_product": ("innerproduct", "ip", "dot", "dotproduct", "mips", "maxinnerproduct"),
}
"""What files of others call a metric, without capitals and what is no letter or digit. Squared distances rank
as those that are not; VIBE's `normalized` are vectors of length one."""


class Metric(StrEnum):
    """How far apart two vectors are; nearest means smallest."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"


def metric_of(spelling: str) -> Metric | None:
    """The metric that is called so, in whatever spelling; None if none is."""
    plain = re.sub(r"[^a-z0-9]", "", spelling.lower())
    return next((Metric(name) for name, known in _SPELLINGS.items() if plain in known), None)


def distances(metric: Metric, queries: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(m,) float64 distances between rows of queries and items (m, d), computed directly."""
    a, b = queries.astype(np.float64), items.astype(np.float64)
    if metric is Metric.EUCLIDEAN:
        return np.asarray(np.linalg.norm(a - b, axis=1))
    product = (a * b).sum(axis=1)
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(-product)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(1.0 - product / np.where(norms > 0, norms, 1.0))

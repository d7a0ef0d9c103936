"""How far apart vectors are, and the distances that judge answers: plain float64, computed directly."""

from __future__ import annotations

from enum import StrEnum

import numpy as np


class Metric(StrEnum):
    """How far apart two vectors are; nearest means smallest."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"


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

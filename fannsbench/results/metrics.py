"""From neighbours and truth to figures. Computed when results are read, never stored in them.

recall@k of a query = correct / min(k, matches), where correct counts the distinct returned items that match
the filter and are no farther than the k-th true neighbour, so that ties are decided by distance. Queries
that no item matches are left out (arXiv 2507.21989, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fannsbench.dataset import Dataset, Items, Workload
from fannsbench.errors import DatasetError
from fannsbench.filters import BoundFilters
from fannsbench.metric import Metric, distances

TIE_TOLERANCE = 1e-6
"""Relative; distances of the truth are float32."""
_CANCELLED = 0.1
"""A distance that is small because large terms cancel is as inexact as this share of the terms."""


@dataclass(frozen=True)
class Judged:
    """recall (q,) float64, NaN where no item matches; repeated and not matching items, in all."""

    recall: np.ndarray
    duplicates: int
    violations: int

    @property
    def mean_recall(self) -> float:
        return float(np.nanmean(self.recall)) if np.isfinite(self.recall).any() else float("nan")


class Judge:
    """Judges answers to the workloads of one data set, which stays open for reading."""

    def __init__(self, path: Path) -> None:
        with Dataset.open(path) as dataset:
            self.metric = dataset.metric
            self._workloads: dict[str, tuple[Workload, BoundFilters | None]] = {}
            self.path = path

    @cached_property
    def items(self) -> Items:
        with Dataset.open(self.path) as dataset:
            return dataset.items()

    @cached_property
    def queries(self) -> np.ndarray:
        with Dataset.open(self.path) as dataset:
            return dataset.queries()

    def workload(self, name: str) -> tuple[Workload, BoundFilters | None]:
        """The workload and its filters. Raises UnknownNameError."""
        if name not in self._workloads:
            with Dataset.open(self.path) as dataset:
                workload = dataset.workload(name)
            self._workloads[name] = workload, workload.bind(self.items.attributes)
        return self._workloads[name]

    def judge(self, workload_name: str, neighbors: np.ndarray) -> Judged:
        """neighbors (q, k) int32, the answers to the workload's first q queries. Raises DatasetError if the
        truth cannot judge them."""
        workload, filters = self.workload(workload_name)
        q, k = neighbors.shape
        n = len(self.items.vectors)
        if q > len(workload.matches) or k > workload.depth or neighbors.min() < -1 or neighbors.max() >= n:
            raise DatasetError(
                f"answers of shape ({q}, {k}) with ids {neighbors.min()} to {neighbors.max()} are none to "
                f"workload {workload_name} of {self.path}"
            )
        wrong = filters[:q].violations(neighbors) if filters else np.zeros(neighbors.shape, bool)
        repeated = _repeated(neighbors)
        wanted = np.minimum(workload.matches[:q], k)
        true = np.where(np.arange(k) < wanted[:, None], workload.neighbors[:q, :k], -1)
        correct = _is_among(neighbors, true) & (neighbors >= 0)
        doubtful = (neighbors >= 0) & ~correct & ~wrong & ~repeated & (wanted > 0)[:, None]
        farthest = workload.distances[np.arange(q), np.maximum(wanted - 1, 0)].astype(np.float64)
        correct[doubtful] = self._ties(neighbors, doubtful, farthest)
        correct &= ~wrong & ~repeated
        with np.errstate(invalid="ignore"):
            recall = np.where(wanted > 0, np.minimum(correct.sum(axis=1), wanted) / wanted, np.nan)
        return Judged(recall, int(repeated.sum()), int(wrong.sum()))

    def _ties(self, neighbors: np.ndarray, doubtful: np.ndarray, farthest: np.ndarray) -> np.ndarray:
        """For each doubtful place: is that item no farther than its query's k-th true neighbour?"""
        rows = np.nonzero(doubtful)[0]
        ids = neighbors[doubtful]
        near = np.empty(len(ids), bool)
        for first in range(0, len(ids), 10_000):
            part = slice(first, first + 10_000)
            queries, items = self.queries[rows[part]], self.items.vectors[ids[part]]
            limit = farthest[rows[part]]
            size = np.maximum(np.abs(limit), _CANCELLED * _terms(self.metric, queries, items))
            near[part] = distances(self.metric, queries, items) <= limit + TIE_TOLERANCE * size
        return near


def _terms(metric: Metric, queries: np.ndarray, items: np.ndarray) -> np.ndarray | float:
    """The size of the numbers that cancel where a distance is near 0; a Euclidean one has none."""
    if metric is Metric.INNER_PRODUCT:
        return np.asarray(np.linalg.norm(queries, axis=1) * np.linalg.norm(items, axis=1))
    return 1.0 if metric is Metric.COSINE else 0.0


def _repeated(neighbors: np.ndarray) -> np.ndarray:
    """(q, k) bool: places whose id stands in the row before already."""
    order = np.argsort(neighbors, axis=1, kind="stable")
    ranked = np.take_along_axis(neighbors, order, axis=1)
    again = np.zeros(neighbors.shape, bool)
    again[:, 1:] = (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] >= 0)
    repeated = np.zeros(neighbors.shape, bool)
    np.put_along_axis(repeated, order, again, axis=1)
    return repeated


def _is_among(neighbors: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(q, k) bool: is each id in the same row of `true`?"""
    return np.asarray((neighbors[:, :, None] == true[:, None, :]).any(axis=2))

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
from fannsbench.vectors import slices

TIE_TOLERANCE = 1e-6
"""Relative; distances of the truth are float32."""
_CANCELLED = 0.1
"""A distance that is small because large terms cancel is as inexact as this share of the terms."""
_TIES_AT_ONCE = 10_000


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
        return judged(neighbors, workload, filters, self.metric, self.items.vectors, self.queries)


def judged(
    neighbors: np.ndarray,
    workload: Workload,
    filters: BoundFilters | None,
    metric: Metric,
    vectors: np.ndarray,
    queries: np.ndarray,
) -> Judged:
    """neighbors (q, k) int32, -1 or ids of `vectors` (n, d), are the answers to the first q of `queries`,
    with the workload's truth and `filters`, its bound ones."""
    q, k = neighbors.shape
    wrong = filters[:q].violations(neighbors) if filters else np.zeros(neighbors.shape, bool)
    repeated = _repeated(neighbors)
    wanted = np.minimum(workload.matches[:q], k)
    true = np.where(np.arange(k) < wanted[:, None], workload.neighbors[:q, :k], -1)
    correct = _is_among(neighbors, true) & (neighbors >= 0)
    doubtful = (neighbors >= 0) & ~correct & ~wrong & ~repeated & (wanted > 0)[:, None]
    farthest = workload.distances[np.arange(q), np.maximum(wanted - 1, 0)].astype(np.float64)
    rows, ids = np.nonzero(doubtful)[0], neighbors[doubtful]
    correct[doubtful] = _ties(metric, queries, vectors, rows, ids, farthest[rows])
    correct &= ~wrong & ~repeated
    with np.errstate(invalid="ignore"):
        recall = np.where(wanted > 0, np.minimum(correct.sum(axis=1), wanted) / wanted, np.nan)
    return Judged(recall, int(repeated.sum()), int(wrong.sum()))


def _ties(
    metric: Metric,
    queries: np.ndarray,
    vectors: np.ndarray,
    rows: np.ndarray,
    ids: np.ndarray,
    limits: np.ndarray,
) -> np.ndarray:
    """(m,) bool: is each of the items ids (m,) no farther from its query, rows (m,), than limits (m,), the
    distance of that query's k-th true neighbour?"""
    near = np.empty(len(ids), bool)
    for part in slices(len(ids), _TIES_AT_ONCE):
        asked, items, limit = queries[rows[part]], vectors[ids[part]], limits[part]
        size = np.maximum(np.abs(limit), _CANCELLED * _terms(metric, asked, items))
        near[part] = distances(metric, asked, items) <= limit + TIE_TOLERANCE * size
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

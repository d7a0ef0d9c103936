"""Pareto fronts, and the QPS that a front gives at a recall."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Better = Literal["high", "low"]


def front(x: ArrayLike, y: ArrayLike, x_better: Better = "high", y_better: Better = "high") -> np.ndarray:
    """Indices (m,) int64 of the points that no other point beats, by ascending x.

    x, y: (n,) numbers. A point is beaten by another that is at least as good in both and better in one;
    of equal points the first stays. Points with a value that is not finite are on no front.
    """
    x, y = _columns(x, y)
    gain_x = x if x_better == "high" else -x
    gain_y = y if y_better == "high" else -y
    points = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    points = points[np.lexsort((-gain_y[points], -gain_x[points]))]
    if not points.size:
        return points
    best_so_far = np.maximum.accumulate(gain_y[points])
    kept = np.r_[True, gain_y[points][1:] > best_so_far[:-1]]
    points = points[kept]
    return points[np.argsort(x[points])]


def at_recall(recall: ArrayLike, qps: ArrayLike, target: float) -> float:
    """The best QPS at recall `target`, interpolated along the Pareto front of the points (n,).

    Between two neighbours on the front, log(QPS) runs linearly with recall. Below the front's first point
    it is that point's QPS: a higher recall at no lower QPS is at hand. NaN above the front's last point.
    Points with a value that is not finite, or whose QPS is not positive, do not count.
    """
    recall, qps = _columns(recall, qps)
    points = front(recall, np.where(qps > 0, qps, np.nan))
    if not points.size or target > recall[points[-1]]:
        return float("nan")
    reached = int(np.searchsorted(recall[points], target))
    above = points[reached]
    if reached == 0 or recall[above] == target:
        return float(qps[above])
    below = points[reached - 1]
    step = (target - recall[below]) / (recall[above] - recall[below])
    return float(qps[below] * (qps[above] / qps[below]) ** step)


def _columns(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be columns of one length, not of shapes {x.shape} and {y.shape}")
    return x, y

"""What many numbers come to: their moments, quartiles and histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

_FEWEST, _MOST = 5, 50
"""Bins; between these, as many as the root of the number of values."""
_EXACT = 2.0**53
"""Up to here floats tell integers apart."""
_SKEWED = 30.0
"""From this ratio of largest to median, bins of positive numbers have equal ratios instead of widths."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """counts (b,) int64 of the values in [edges[i], edges[i + 1]), the last bin closed; edges (b + 1,)."""

    edges: np.ndarray
    counts: np.ndarray
    log: bool = False
    """Bins of equal ratio."""

    @classmethod
    def of(cls, values: np.ndarray) -> Histogram:
        """Of finite values, at least one, over bins that suit them."""
        edges, log = _bins(values)
        return cls(edges, np.histogram(values.astype(np.float64), edges)[0], log)

    @property
    def density(self) -> np.ndarray:
        """(b,) such that the area is 1, as of a probability density."""
        density: np.ndarray = self.counts / (self.counts.sum() * np.diff(self.edges))
        return density


def _bins(values: np.ndarray) -> tuple[np.ndarray, bool]:
    low, high = float(values.min()), float(values.max())
    bins = int(np.clip(np.sqrt(len(values)), _FEWEST, _MOST))
    if low > 0 and high > _SKEWED * float(np.median(values)):
        return _from_to(low, high, np.geomspace(low, high, bins + 1)), True
    if values.dtype.kind in "iu" and max(-low, high) < _EXACT:
        width = np.ceil((high - low + 1) / bins)  # as many integers in each bin
        return np.arange(low - 0.5, high + width, width), False
    if low == high:
        margin = abs(low) / 2 or 0.5
        return np.array([low - margin, high + margin]), False
    return _from_to(low, high, 2 * np.linspace(low / 2, high / 2, bins + 1)), False  # cannot overflow


def _from_to(low: float, high: float, edges: np.ndarray) -> np.ndarray:
    """Edges that rise from `low` to `high`, whatever rounding did to them."""
    edges[0], edges[-1] = low, high
    return np.unique(np.clip(edges, low, high))


@dataclass(frozen=True, eq=False)
class Summary:
    """count finite values, their mean, standard deviation (of a population), extremes and quartiles."""

    count: int
    mean: float
    std: float
    min: float
    quartiles: list[float]
    max: float
    histogram: Histogram

    @classmethod
    def of(cls, values: np.ndarray, histogram: Histogram | None = None) -> Self | None:
        """Of the finite ones among the values; None if there are none."""
        finite = values[np.isfinite(values)]
        if not len(finite):
            return None
        values = finite.astype(np.float64)
        exponent = int(np.frexp(np.abs(values).max())[1])
        scaled = np.ldexp(values, -exponent)  # sums and squares of the largest doubles would overflow
        figures = [scaled.mean(), scaled.std(), *np.quantile(scaled, [0, 0.25, 0.5, 0.75, 1])]
        mean, std, low, *quartiles, high = np.ldexp(figures, exponent).tolist()
        return cls(len(values), mean, std, low, quartiles, high, histogram or Histogram.of(finite))

    @property
    def median(self) -> float:
        return self.quartiles[1]

"""Norms, distances and correlations of the items' vectors: section 4 of arXiv 2507.21989 for any data set."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fannsbench.data.stats.distances import of_pairs
from fannsbench.data.stats.fits import Fits, fit, is_constant
from fannsbench.data.stats.summary import Histogram, Summary
from fannsbench.metric import Metric

PAIRS = 100_000
_DIMENSIONS = 4096
"""At most so many dimensions are correlated with each other."""
_CORRELATION_EDGES = np.linspace(-1, 1, 101)


@dataclass(frozen=True)
class Distribution:
    summary: Summary | None
    fits: Fits

    @classmethod
    def of(cls, values: np.ndarray, rng: np.random.Generator) -> Distribution:
        return cls(Summary.of(values), fit(values, rng))

    @property
    def constant(self) -> bool:
        return self.summary is not None and is_constant(self.summary.mean, self.summary.std)


@dataclass(frozen=True, eq=False)
class Correlation:
    """Pearson's correlation between dimensions. Those that do not vary have none and are left out; of
    more than 4,096, so many are drawn."""

    items: int
    """In the sample. Independent dimensions come to sqrt(2 / (pi * items)) by chance."""
    constant_dimensions: int
    mean_absolute: float | None
    """Over all pairs of two dimensions; None where there is no pair."""
    histogram: Histogram | None
    """Of the pairs' correlations."""
    matrix: np.ndarray = field(metadata={"json": False})
    """(v, v) float32, of the dimensions that vary, in their order."""


@dataclass(frozen=True)
class VectorFigures:
    norms: Distribution
    """Of all items."""
    distances: Distribution
    """Of pairs of different items, all or 100,000 drawn ones, of the sample; see `stats.distances`."""
    correlation: Correlation


def figures(norms: np.ndarray, sample: np.ndarray, metric: Metric, rng: np.random.Generator) -> VectorFigures:
    """norms: of all items; sample (s, d) float32."""
    return VectorFigures(
        norms=Distribution.of(norms, rng),
        distances=Distribution.of(of_pairs(sample, *_pairs(len(sample), rng), metric), rng),
        correlation=correlation(sample, rng),
    )


def _pairs(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two different ones of `count` items, in each of at most PAIRS pairs."""
    if count * (count - 1) // 2 <= PAIRS:
        return np.triu_indices(count, 1)
    one = rng.integers(0, count, PAIRS)
    return one, (one + rng.integers(1, count, PAIRS)) % count


def correlation(sample: np.ndarray, rng: np.random.Generator) -> Correlation:
    """Of the dimensions of a sample (s, d) float32."""
    d = sample.shape[1]
    if d > _DIMENSIONS:
        sample = sample[:, np.sort(rng.choice(d, _DIMENSIONS, replace=False))]
    varying = sample.max(axis=0) > sample.min(axis=0)
    values = sample[:, varying]
    values -= values.mean(axis=0, dtype=np.float64).astype(np.float32)
    values /= np.sqrt(np.einsum("ij,ij->j", values, values, dtype=np.float64)).astype(np.float32)
    matrix = np.clip(values.T @ values, -1, 1)
    np.fill_diagonal(matrix, 1)
    size = len(matrix)
    mean_absolute = histogram = None
    if size > 1:
        mean_absolute = (float(np.abs(matrix).sum(dtype=np.float64)) - size) / (size * (size - 1))
        counts = np.histogram(matrix, _CORRELATION_EDGES)[0]
        counts[-1] -= size  # the diagonal
        histogram = Histogram(_CORRELATION_EDGES, counts // 2)
    return Correlation(len(sample), int((~varying).sum()), mean_absolute, histogram, matrix)

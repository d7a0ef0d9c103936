"""Selectivity of every workload, and whether matching items are nearer to the queries than others.

Filter-vector correlation follows ACORN (Patel et al., arXiv 2403.04871), which defines for a query x with m
matching items X the difference E[g(x, R)] - g(x, X), g being the distance to the nearest item of a set and
R a uniformly random set of m items. Here each query has one random set of its own, and the difference is
divided by what the query's distances have to offer, their mean less the nearest. That makes it 0 for a
filter that knows nothing of the vectors, positive where matches are nearer, 1 where a lone match is the
nearest item; negative where they are farther, which may go below -1. Adding to all distances or scaling them
changes nothing, so inner products serve as well. Queries without a match take no part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.data.stats.distances import between, of_truth
from fannsbench.data.stats.summary import Histogram, Summary
from fannsbench.dataset import Workload
from fannsbench.metric import Metric
from fannsbench.vectors import BLOCK_BYTES, Vectors, as_float32, blocks, slices


@dataclass(frozen=True)
class FilterCorrelation:
    queries: int
    """Sampled ones that have a match."""
    mean: float
    """Of E[g(x, R)] - g(x, X) over the mean distance less the nearest: positive if matches are nearer."""
    error: float | None
    """Standard error of the mean; None for a single query."""
    unscaled: float
    """The mean of E[g(x, R)] - g(x, X) itself, as ACORN has it."""
    near: float
    """Share of matches among the 100 nearest items."""
    overall: float
    """Share of matches among all items, for the same queries."""
    lift: float
    """near / overall."""


@dataclass(frozen=True)
class WorkloadFigures:
    filter: str
    kind: str
    selectivity: Summary
    """Fraction of items kept, over all queries; the histogram, of those with a match, has ten bins for each
    power of ten from 1 / n or below up to 1."""
    without_match: int
    """Queries that no item matches."""
    correlation: FilterCorrelation | None
    no_correlation: str | None
    """Why it is left out."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """What is known of s sampled queries, whatever the workload."""

    numbers: np.ndarray
    """(s,) int64, among all queries."""
    neighbors: np.ndarray
    """(s, K) int32: the nearest items, -1 padded."""
    nearest: np.ndarray
    """(s,) float64: the distance to the nearest item."""
    mean: np.ndarray
    """(s,) float64: the mean distance to items."""


def figures(
    workload: Workload, attributes: Attributes, sampled: Sampled, random_nearest: np.ndarray, metric: Metric
) -> WorkloadFigures:
    """random_nearest (s,): distances of the sampled queries to the nearest of as many random items as match.

    Raises FilterError where the workload's filter does not fit the attributes."""
    assert workload.filter is not None
    kept = workload.matches / attributes.n
    decades = int(np.ceil(np.log10(attributes.n)))
    edges = 10 ** np.linspace(-decades, 0, 10 * decades + 1) if decades else np.array([0.1, 1])
    selectivity = Summary.of(kept, Histogram(edges, np.histogram(kept[kept > 0], edges)[0], log=True))
    assert selectivity is not None
    correlation = _correlation(workload, attributes, sampled, random_nearest, metric)
    return WorkloadFigures(
        filter=workload.filter.text,
        kind=str(workload.filter.kind),
        selectivity=selectivity,
        without_match=int((workload.matches == 0).sum()),
        correlation=None if isinstance(correlation, str) else correlation,
        no_correlation=correlation if isinstance(correlation, str) else None,
    )


def _correlation(
    workload: Workload, attributes: Attributes, sampled: Sampled, random_nearest: np.ndarray, metric: Metric
) -> FilterCorrelation | str:
    used = workload.matches[sampled.numbers] > 0
    if not used.any():
        return "no sampled query has a match"
    numbers = sampled.numbers[used]
    offered = (sampled.mean - sampled.nearest)[used]
    if not (offered > 0).all():
        return "all items are equally far from some query"
    matching_nearest = of_truth(workload.distances[numbers, 0], metric)
    gains = random_nearest[used] - matching_nearest
    filters = workload.bind(attributes)
    assert filters is not None
    neighbors = sampled.neighbors[used]
    found = neighbors >= 0
    near = (found & ~filters[numbers].violations(neighbors)).sum(axis=1) / found.sum(axis=1)
    overall = float(workload.matches[numbers].mean() / attributes.n)
    scaled = gains / offered
    return FilterCorrelation(
        queries=len(numbers),
        mean=float(scaled.mean()),
        error=float(scaled.std(ddof=1) / np.sqrt(len(scaled))) if len(scaled) > 1 else None,
        unscaled=float(gains.mean()),
        near=float(near.mean()),
        overall=overall,
        lift=float(near.mean()) / overall,
    )


def nearest_of_random_sets(
    vectors: Vectors,
    queries: np.ndarray,
    sizes: np.ndarray,
    metric: Metric,
    rng: np.random.Generator,
    advance: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """(s, w) float64: the distance of each query (s, d) to the nearest of sizes[query, set] random items
    of `vectors` (n, d), inf for a size of 0; in one pass over the items.

    All items stand in a circle in random order; a query's sets begin at a random place of it, the smaller
    ones being parts of the larger. So a running minimum serves all sets of a query."""
    n, (count, sets) = vectors.shape[0], sizes.shape
    order = rng.permutation(n)
    starts = np.asarray(rng.integers(0, n, count))
    nearest = np.full((count, sets), np.inf)
    for rows, block in blocks(vectors):
        for part in slices(len(block), max(1, BLOCK_BYTES // (4 * count))):
            places = order[rows][part]
            along = np.argsort(places)
            distances = between(queries, as_float32(block[part][along]), metric)
            _update(nearest, distances, places[along], starts, sizes, n)
            advance(len(places))
    return nearest


def _update(
    nearest: np.ndarray,
    distances: np.ndarray,
    places: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    n: int,
) -> None:
    """By some items, whose `places` (b,) in the circle ascend, and their distances (s, b)."""
    before = np.searchsorted(places, starts)
    turned = (before[:, None] + np.arange(len(places))) % len(places)
    running = np.minimum.accumulate(np.take_along_axis(distances, turned, axis=1), axis=1)
    ends = starts[:, None] + sizes
    wrapped = ends > n
    inside = np.searchsorted(places, np.where(wrapped, ends - n, ends)) - before[:, None]
    inside += len(places) * wrapped
    query, which = np.nonzero(inside)
    found = running[query, inside[query, which] - 1]
    nearest[query, which] = np.minimum(nearest[query, which], found)

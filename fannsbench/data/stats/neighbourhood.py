"""How hard the data is for nearest neighbour search, as its near neighbours tell.

Local intrinsic dimensionality: the maximum likelihood estimator (Levina and Bickel, NIPS 2004) in the form
of Amsaleg et al. (KDD 2015), from the 100 nearest. Relative contrast: He, Kumar and Chang (ICML 2012).
Hubness: the skewness of the k-occurrence (Radovanovic, Nanopoulos and Ivanovic, JMLR 2010), k = 10.
Out-of-distribution degree of the queries: after Jaiswal et al. (OOD-DiskANN, arXiv 2211.12850), who compare
how far queries and items are from the items; here by the nearest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fannsbench.data.stats.distances import between, is_distance
from fannsbench.data.stats.summary import Histogram, Summary
from fannsbench.metric import Metric
from fannsbench.vectors import BLOCK_BYTES, slices

Figure = TypeVar("Figure")

NEIGHBORS = 100
HUB_NEIGHBORS = 10
_LEAST = 10
"""Neighbours at a positive distance that an estimate of the dimensionality takes: with fewer it is mostly
chance, and biased by 2 / _LEAST or more."""
FAR = 95
"""The percentile of the items' distances beyond which a query counts as far."""
NO_DISTANCE = "an inner product is no distance"


@dataclass(frozen=True)
class Hubness:
    items: int
    """Distinct vectors of the sample, each of which looks for its neighbours among the others."""
    k: int
    skewness: float
    """Of the k-occurrence: in how many others' k nearest an item is. About 0 without hubs; from 1 or so
    some items are near very many others."""
    never: float
    """Share of items that are in nobody's k nearest."""
    most: int
    """The largest k-occurrence; the mean is k."""
    histogram: Histogram


@dataclass(frozen=True)
class OutOfDistribution:
    ratio: float
    """Median distance of queries to their nearest item, over that of items to their nearest other item:
    about 1 if queries are drawn like the items."""
    far: float
    """Share of queries farther from their nearest item than 95 % of the items are from theirs: about 0.05 if
    queries are drawn like the items."""


@dataclass(frozen=True)
class Neighbourhood:
    """A measure that is None is left out for the reason that `left_out` has under its name."""

    lid_items: Summary | None
    """Of sampled items among all others."""
    lid_queries: Summary | None
    """Of sampled queries among all items."""
    contrast: float | None
    """Mean distance of a query to an item over that to its nearest item; near 1: all items are about as
    far as the nearest."""
    hubness: Hubness | None
    out_of_distribution: OutOfDistribution | None
    nearest_of_items: Summary | None
    """Distances of sampled items to their nearest other item; None where there is none, or no distance."""
    nearest_of_queries: Summary | None
    """Distances of sampled queries to their nearest item."""
    left_out: dict[str, str]


def figures(
    items: np.ndarray, queries: np.ndarray, mean_distances: np.ndarray, k_nearest: np.ndarray, metric: Metric
) -> Neighbourhood:
    """items (t, 100) and queries (s, 100): distances of sampled ones to their nearest (other) items,
    ascending, padded with inf; mean_distances (s,): of the queries to items; k_nearest: `hub_neighbors`."""
    left_out: dict[str, str] = {}

    def kept(name: str, figure: Figure | str) -> Figure | None:
        if isinstance(figure, str):
            left_out[name] = figure
            return None
        return figure

    measurable = is_distance(metric)
    return Neighbourhood(
        lid_items=kept("lid_items", _lid(items) if measurable else NO_DISTANCE),
        lid_queries=kept("lid_queries", _lid(queries) if measurable else NO_DISTANCE),
        contrast=kept("contrast", contrast(mean_distances, queries[:, 0]) if measurable else NO_DISTANCE),
        hubness=kept("hubness", hubness(k_nearest)),
        out_of_distribution=kept(
            "out_of_distribution", drift(items[:, 0], queries[:, 0]) if measurable else NO_DISTANCE
        ),
        nearest_of_items=Summary.of(items[:, 0]),
        nearest_of_queries=Summary.of(queries[:, 0]),
        left_out=left_out,
    )


def without_self(ids: np.ndarray, distances: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ids and distances (m, k + 1) of items' neighbours, less the item itself `own` (m,): (m, k). Where it
    is not among them (many at distance 0), the farthest goes."""
    others = ids != own[:, None]
    others[others.all(axis=1), -1] = False
    shape = (len(ids), ids.shape[1] - 1)
    return ids[others].reshape(shape), distances[others].reshape(shape)


def _lid(distances: np.ndarray) -> Summary | str:
    return Summary.of(lid(distances)) or f"fewer than {_LEAST} neighbours at different positive distances"


def lid(distances: np.ndarray) -> np.ndarray:
    """(m,) float64: the local intrinsic dimensionality by distances (m, k) to the nearest neighbours,
    ascending, padded with inf. Those at distance 0 (duplicates) are left out; NaN where fewer than 10
    remain, or all remaining ones are at one distance."""
    used = np.isfinite(distances) & (distances > 0)
    farthest = np.max(distances, axis=1, where=used, initial=0, keepdims=True)
    ratios = np.divide(distances, farthest, out=np.ones(distances.shape), where=used)
    logarithms, counts = np.log(ratios).sum(axis=1), used.sum(axis=1)
    estimate = np.full(len(distances), np.nan)
    np.divide(-counts, logarithms, out=estimate, where=(counts >= _LEAST) & (logarithms < 0))
    return estimate


def contrast(mean_distances: np.ndarray, nearest: np.ndarray) -> float | str:
    """The relative contrast of queries (s,): both means taken first, then their ratio."""
    if nearest.mean() == 0:
        return "every query is an item"
    return float(mean_distances.mean() / nearest.mean())


def mean_distances(queries: np.ndarray, items: np.ndarray, metric: Metric) -> np.ndarray:
    """(s,) float64: of queries (s, d) to items (t, d)."""
    total = np.zeros(len(queries))
    for part in slices(len(items), max(1, BLOCK_BYTES // (4 * len(queries)))):
        total += between(queries, items[part], metric).sum(axis=1, dtype=np.float64)
    return total / len(items)


def hubness(k_nearest: np.ndarray) -> Hubness | str:
    """k_nearest (t, k): for each of t items its k nearest others, by their places."""
    items, k = k_nearest.shape
    if k == 0:
        return "there is no other item"
    occurrence = np.bincount(k_nearest.ravel(), minlength=items)
    spread = occurrence.std()
    if spread == 0:
        return f"each of {items} items is among the {k} nearest of all equally often"
    return Hubness(
        items=items,
        k=k,
        skewness=float((((occurrence - k) / spread) ** 3).mean()),
        never=float((occurrence == 0).mean()),
        most=int(occurrence.max()),
        histogram=Histogram.of(occurrence),
    )


def drift(items: np.ndarray, queries: np.ndarray) -> OutOfDistribution | str:
    """Of items' (t,) and queries' (s,) distances to their nearest (other) item."""
    items = items[np.isfinite(items)]
    if not len(items):
        return "there is no other item"
    median = float(np.median(items))
    if median == 0:
        return "most items have an exact duplicate"
    far = float((queries > np.percentile(items, FAR)).mean())
    return OutOfDistribution(float(np.median(queries)) / median, far)

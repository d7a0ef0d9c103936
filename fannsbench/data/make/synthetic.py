"""Synthetic vectors of any number and dimension, made a block at a time, and data sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft
from fannsbench.data.make import controlled
from fannsbench.data.make.kinds import KINDS
from fannsbench.data.make.windows import Order
from fannsbench.data.progress import Progress, silent
from fannsbench.data.seeds import stream
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric
from fannsbench.vectors import slices

NUM_CLUSTERS = 100
NUM_VALUES = 100
_MOST_CLUSTERS = 1_000_000
"""Their centres are kept in memory."""
SPREAD = 0.5
"""Of a cluster, as a share of the spread of the clusters' centres."""
_CHUNK_NUMBERS = 1 << 20


@dataclass(frozen=True, eq=False)
class SyntheticVectors:
    """(count, dimension) float32, the same whatever rows are asked for in whatever order; the first rows of
    more are the same too. `purpose` tells apart vectors of one seed, which share their clusters.

    clusters = 0: uniform in the cube from -1 to 1. Else a mixture of that many Gaussians of equal weight:
    centre + SPREAD * deviation, both normal with mean 0 and variance 1/1, 1/2, ... 1/d in the d dimensions,
    taken in a random order. So, as of real embeddings, the intrinsic dimension is far below d; with equal
    variances, all distances within a cluster would be nearly the same.
    """

    count: int
    dimension: int
    clusters: int
    seed: int
    purpose: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.count, self.dimension

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float32)

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        first, last, _ = rows.indices(self.count)
        out = np.empty((max(0, last - first), self.dimension), np.float32)
        place = first
        while place < last:
            chunk, start = divmod(place, self._chunk_rows)
            stop = min(self._chunk_rows, start + last - place)
            out[place - first : place - first + stop - start] = self._chunk(chunk)[start:stop]
            place += stop - start
        return out

    def keys(self, progress: Progress = silent) -> np.ndarray:
        """(count,) float64: cluster by cluster, as their centres lie along a random direction, and along it
        within each. Vectors of near keys are mostly of one cluster; without clusters they are near along that
        direction alone, which counts for less the more dimensions there are."""
        direction = stream(self.seed, "direction").standard_normal(self.dimension, np.float32)
        along = np.argsort(np.argsort(self._centres @ direction, kind="stable")) if self.clusters else None
        keys = np.empty(self.count)
        with progress(f"order of the {self.purpose}", self.count) as advance:
            for rows in slices(self.count, self._chunk_rows):
                chunk = rows.start // self._chunk_rows
                projections = (self._chunk(chunk) @ direction)[: rows.stop - rows.start]  # rounded alike
                keys[rows] = expit(projections / np.linalg.norm(direction))
                if along is not None:
                    keys[rows] += along[self._labels(chunk)[: rows.stop - rows.start]]
                advance(rows.stop - rows.start)
        return keys

    @property
    def _chunk_rows(self) -> int:
        return max(1, _CHUNK_NUMBERS // self.dimension)

    def _chunk(self, number: int) -> np.ndarray:
        shape = self._chunk_rows, self.dimension
        rng = stream(self.seed, self.purpose, number)
        if not self.clusters:
            return 2 * rng.random(shape, np.float32) - 1
        vectors = rng.standard_normal(shape, np.float32)
        vectors *= SPREAD * self._deviations
        vectors += self._centres[self._labels(number)]
        return vectors

    def _labels(self, chunk: int) -> np.ndarray:
        rng = stream(self.seed, f"clusters of {self.purpose}", chunk)
        labels: np.ndarray = rng.integers(self.clusters, size=self._chunk_rows)
        return labels

    @cached_property
    def _deviations(self) -> np.ndarray:
        places = stream(self.seed, "variances").permutation(self.dimension)
        return np.sqrt(1 / (1 + places)).astype(np.float32)

    @cached_property
    def _centres(self) -> np.ndarray:
        centres = stream(self.seed, "centres").standard_normal((self.clusters, self.dimension), np.float32)
        centres *= self._deviations
        return centres


def synthetic(
    num_items: int,
    dimension: int,
    num_queries: int,
    *,
    clusters: int = NUM_CLUSTERS,
    metric: Metric = Metric.EUCLIDEAN,
    selectivities: Sequence[float] = (),
    kinds: Sequence[str] = KINDS,
    distributions: Sequence[str] = (),
    num_values: int = NUM_VALUES,
    correlations: Sequence[float] = (0.0,),
    seed: int = 0,
    progress: Progress = silent,
) -> Draft:
    """A draft with items and queries as of `SyntheticVectors`, and for each correlation a workload of every
    selectivity and kind, and one of every distribution, over `num_values` values; see `controlled`.

    The items are made when they are read. The vectors of all items are passed over once if a correlation is
    not 0. Raises DatasetError for a selectivity that keeps no item, for an em workload that cannot be
    correlated, and for more than a million clusters.
    """
    if clusters > _MOST_CLUSTERS:
        raise DatasetError(f"{clusters:,} clusters; {_MOST_CLUSTERS:,} at most")
    wanted: list[controlled.Wanted] = []
    for correlation in correlations:
        for share in selectivities:
            wanted += controlled.of_selectivity(share, num_items, kinds, correlation)
        for distribution in distributions:
            wanted.append(controlled.of_distribution(distribution, num_values, num_items, correlation))
    items = SyntheticVectors(num_items, dimension, clusters, seed, "items")
    queries = SyntheticVectors(num_queries, dimension, clusters, seed, "queries")
    if any(one.correlation for one in wanted):
        order = Order.by_keys(items.keys(progress), queries.keys(progress))
    else:
        order = Order.drawn(num_items, num_queries, stream(seed, "places"))
    columns, workloads = controlled.make(wanted, order, seed)
    shape = f"{clusters:,} clusters of spread {SPREAD}" if clusters else "uniform"
    return Draft(
        metric,
        items,
        queries[:],
        Attributes(columns, num_items),
        workloads,
        description=f"synthetic: {num_items:,} vectors, {shape}, seed {seed}",
        source="made by fannsbench",
    )

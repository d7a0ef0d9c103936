"""What a data set is like, in figures: `describe` computes them, `as_json` makes them plain.

What would take all pairs is computed of seeded samples: of at most 10,000 items (256 MB of vectors) distances
of pairs, correlations of dimensions and hubness; of 1,000 of these and of 1,000 queries what concerns
nearest neighbours among all items. Norms, duplicates, attribute values and selectivities are of all. The same
file gives the same figures.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fannsbench.data.duplicates import Duplicates, digests_of, duplicates, rows_equal_to
from fannsbench.data.progress import Progress, silent
from fannsbench.data.stats import attributes, neighbourhood, vectors, workloads
from fannsbench.data.stats.attributes import AttributeFigures
from fannsbench.data.stats.distances import NAMES, is_distance, of_truth
from fannsbench.data.stats.neighbourhood import HUB_NEIGHBORS, NEIGHBORS, Neighbourhood
from fannsbench.data.stats.survey import Survey
from fannsbench.data.stats.vectors import VectorFigures
from fannsbench.data.stats.workloads import Sampled, WorkloadFigures, nearest_of_random_sets
from fannsbench.data.truth.exact import exact_knn
from fannsbench.dataset import UNFILTERED, Dataset

SAMPLE_QUERIES = 1000
SAMPLE_SEARCHED = 1000
"""Items of the sample whose neighbours among all items are looked for."""
_SEED = 0


@dataclass(frozen=True)
class Statistics:
    name: str
    items: int
    dimension: int
    queries: int
    metric: str
    distance: str
    """What distances below are."""
    sampled_items: int
    sampled_queries: int
    vectors: VectorFigures
    duplicates: Duplicates
    queries_among_items: int
    """Queries whose vector is that of an item."""
    neighbourhood: Neighbourhood
    attributes: dict[str, AttributeFigures]
    workloads: dict[str, WorkloadFigures]


def describe(dataset: Dataset, progress: Progress = silent) -> Statistics:
    """Passes over the vectors three times at most, in blocks. Raises DatasetError where the file is damaged,
    FilterError where a filter does not fit the attributes."""
    rng = np.random.default_rng(_SEED)
    with progress("items", dataset.n) as advance:
        seen = Survey.take(dataset.vectors, rng, advance)
    queries = dataset.queries()
    chosen = np.sort(rng.choice(len(queries), min(len(queries), SAMPLE_QUERIES), replace=False))
    mean = neighbourhood.mean_distances(queries[chosen], seen.sample, dataset.metric)
    neighbors, distances = _nearest_of_queries(dataset, queries, chosen, progress)
    sampled = Sampled(chosen, neighbors, distances[:, 0], mean)
    of_items = _nearest_of_items(dataset, seen, rng, progress)
    k_nearest = _hub_neighbors(dataset, seen, progress)
    return Statistics(
        name=dataset.name,
        items=dataset.n,
        dimension=dataset.dimension,
        queries=dataset.num_queries,
        metric=str(dataset.metric),
        distance=NAMES[dataset.metric],
        sampled_items=len(seen.sample),
        sampled_queries=len(chosen),
        vectors=vectors.figures(seen.norms, seen.sample, dataset.metric, rng),
        duplicates=duplicates(seen.digests),
        queries_among_items=int((rows_equal_to(seen.digests, digests_of(queries)) >= 0).sum()),
        neighbourhood=neighbourhood.figures(of_items, distances, mean, k_nearest, dataset.metric),
        attributes={name: attributes.figures(column) for name, column in dataset.attributes.items()},
        workloads=_workloads(dataset, queries[chosen], sampled, rng, progress),
    )


def _nearest_of_queries(
    dataset: Dataset, queries: np.ndarray, chosen: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and distances of the nearest items, from the file's truth if that is deep enough."""
    k = min(NEIGHBORS, dataset.n)
    truth = dataset.workload(UNFILTERED)
    if truth.depth >= k:
        ids, distances = truth.neighbors[chosen, :k], truth.distances[chosen, :k]
    else:
        with progress("neighbours of queries", len(chosen) * dataset.n) as advance:
            ids, distances, _ = exact_knn(
                dataset.vectors, queries[chosen], k, dataset.metric, advance=advance
            )
    return ids, of_truth(distances, dataset.metric)


def _nearest_of_items(
    dataset: Dataset, seen: Survey, rng: np.random.Generator, progress: Progress
) -> np.ndarray:
    """(t, 100) distances of items of the sample to their nearest others, padded with inf."""
    if not is_distance(dataset.metric):
        return np.zeros((0, 1))
    some = rng.choice(len(seen.sample), min(len(seen.sample), SAMPLE_SEARCHED), replace=False)
    k = min(NEIGHBORS, max(1, dataset.n - 1))
    with progress("neighbours of items", len(some) * dataset.n) as advance:
        found = exact_knn(dataset.vectors, seen.sample[some], k + 1, dataset.metric, advance=advance)
    _, distances = neighbourhood.without_self(found.neighbors, found.distances, seen.numbers[some])
    return of_truth(distances, dataset.metric)


def _hub_neighbors(dataset: Dataset, seen: Survey, progress: Progress) -> np.ndarray:
    """(t, k): for each distinct vector of the sample its k nearest others."""
    distinct = seen.distinct
    k = min(HUB_NEIGHBORS, len(distinct) - 1)
    with progress("hubs", len(distinct) ** 2) as advance:
        found = exact_knn(distinct, distinct, k + 1, dataset.metric, advance=advance)
    own = np.arange(len(distinct))
    return neighbourhood.without_self(found.neighbors, found.distances, own)[0]


def _workloads(
    dataset: Dataset, queries: np.ndarray, sampled: Sampled, rng: np.random.Generator, progress: Progress
) -> dict[str, WorkloadFigures]:
    opened = [dataset.workload(name) for name in dataset.workload_names if name != UNFILTERED]
    if not opened:
        return {}
    sizes = np.stack([workload.matches[sampled.numbers] for workload in opened], axis=1)
    with progress("random sets", dataset.n) as advance:
        nearest = nearest_of_random_sets(dataset.vectors, queries, sizes, dataset.metric, rng, advance)
    return {
        workload.name: workloads.figures(workload, dataset.attributes, sampled, column, dataset.metric)
        for workload, column in zip(opened, nearest.T, strict=True)
    }


def as_json(figures: Any) -> Any:
    """Dataclasses as dicts, arrays as lists, numbers that are not finite as None; fields that are marked so
    in their metadata are left out."""
    if dataclasses.is_dataclass(figures):
        return {
            field.name: as_json(getattr(figures, field.name))
            for field in dataclasses.fields(figures)
            if field.metadata.get("json", True)
        }
    match figures:
        case dict():
            return {key: as_json(value) for key, value in figures.items()}
        case np.ndarray() | list():
            return [
                as_json(value) for value in (figures.tolist() if isinstance(figures, np.ndarray) else figures)
            ]
        case float():
            return figures if math.isfinite(figures) else None
    return figures

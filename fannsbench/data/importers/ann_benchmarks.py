"""HDF5 files of https://github.com/erikbern/ann-benchmarks, and those of VIBE
(https://github.com/vector-index-bench/vibe), which have the same layout:

    /train (n, d)  /test (q, d)  /neighbors (q, K)  /distances (q, K)        root attribute: distance

Such a file opens as a data set without being imported, if it names its distance, has both parts of the truth,
and its vectors are of a type that data sets store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft
from fannsbench.data.importers.files import as_stored, read_all
from fannsbench.data.importers.plain import note_of_truth
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric, distances
from fannsbench.vectors import Vectors

_SAMPLED = 20
_OUT_OF_ORDER = 1e-4
"""Of the largest distance: what rounding may do to the order of neighbours."""


@contextmanager
def read(source: Path, metric: Metric | None = None) -> Iterator[Draft]:
    """The vectors, float64 as float32, and the truth that comes with them, if any; its distances are not
    read: benchmarks differ in whether they are squared, and in their sign. `metric` overrides what the file
    says.

    Raises DatasetError if the file is damaged, names no metric that is known and none is given, or its
    neighbours are those of another metric."""
    with Dataset.open(source, metric) as opened:
        if opened.about("schema"):
            raise DatasetError(f"{source}: is a data set of fannsbench already; use it as it is")
        items = as_stored(opened.vectors, f"{source}: /train")
        queries = as_stored(opened.stored_queries(), f"{source}: /test")
        if items.dtype != queries.dtype:
            raise DatasetError(
                f"{source}: /train is {items.dtype} and /test {queries.dtype}; they must be of one type"
            )
        neighbors = opened.stored_neighbors()
        if neighbors is not None:
            _check_order(opened, queries, neighbors)
        yield Draft(
            opened.metric,
            items,
            read_all(queries),
            Attributes({}, opened.n),
            neighbors=neighbors,
            truth_source=source,
            description=f"{source.name} of ann-benchmarks' layout",
            notes=() if neighbors is None else (note_of_truth(neighbors, source),),
        )


def _check_order(opened: Dataset, queries: Vectors, neighbors: np.ndarray) -> None:
    """Raises DatasetError where the neighbours of some of the queries do not come nearest first."""
    for query in range(min(_SAMPLED, len(neighbors))):
        ids = neighbors[query][(neighbors[query] >= 0) & (neighbors[query] < opened.n)]
        vectors = np.stack([opened.vectors[item] for item in ids])
        asked = np.broadcast_to(queries[query : query + 1], vectors.shape)
        far = distances(opened.metric, asked, vectors)
        if (np.diff(far) < -_OUT_OF_ORDER * np.abs(far).max()).any():
            raise DatasetError(
                f"{opened.path}: the neighbors of query {query} are not in order of {opened.metric} "
                "distance; name the metric that they were found by with --metric"
            )

"""HDF5 files of https://github.com/erikbern/ann-benchmarks, and those of VIBE
(https://github.com/vector-index-bench/vibe), which have the same layout:

    /train (n, d)  /test (q, d)  /neighbors (q, K)  /distances (q, K)        root attribute: distance

Such a file opens as a data set without being imported, if its vectors are of a type that data sets store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft
from fannsbench.data.importers.files import as_stored, read_all
from fannsbench.data.importers.plain import note_of_truth
from fannsbench.dataset import UNFILTERED, Dataset
from fannsbench.errors import DatasetError


@contextmanager
def read(source: Path) -> Iterator[Draft]:
    """The vectors, float64 as float32, and the truth that comes with them.

    Raises DatasetError if the file is damaged, or its distance is one of sets or bits."""
    with Dataset.open(source) as opened:
        if opened.about("schema"):
            raise DatasetError(f"{source}: is a data set of fannsbench already; use it as it is")
        items = as_stored(opened.vectors, f"{source}: /train")
        queries = as_stored(opened.stored_queries(), f"{source}: /test")
        if items.dtype != queries.dtype:
            raise DatasetError(
                f"{source}: /train is {items.dtype} and /test {queries.dtype}; they must be of one type"
            )
        neighbors = opened.workload(UNFILTERED).neighbors
        yield Draft(
            opened.metric,
            items,
            read_all(queries),
            Attributes({}, opened.n),
            neighbors=neighbors,
            truth_source=source,
            description=f"{source.name} of ann-benchmarks' layout",
            notes=[note_of_truth(neighbors, source)],
        )

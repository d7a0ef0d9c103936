"""Drafts from files of vectors and of truth, given or found in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft
from fannsbench.data.importers.files import open_items_and_queries, read_all
from fannsbench.data.importers.truths import read_truth_of
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric


def draft_of_files(items: Path, queries: Path, truth: Path | None, metric: Metric) -> Draft:
    """Without attributes. Raises DatasetError as the readers do, or if the truth is of other queries."""
    opened, asked = open_items_and_queries(items, queries)
    neighbors = None if truth is None else read_truth_of(truth, asked.shape[0])
    return Draft(
        metric,
        opened,
        read_all(asked),
        Attributes({}, opened.shape[0]),
        neighbors=neighbors,
        truth_source=truth,
        description=f"{items.name}, queries of {queries.name}",
        notes=() if neighbors is None else (note_of_truth(neighbors, truth),),
    )


def note_of_truth(neighbors: np.ndarray, source: object) -> str:
    """Tells that --depth does not apply."""
    return f"the ground truth is that of {source}, {neighbors.shape[1]:,} neighbours a query"


def one_file(folder: Path, pattern: str) -> Path:
    """The only file in the folder or below it whose name matches; raises DatasetError if there is none, or
    more than one."""
    found = optional_file(folder, pattern)
    if found is None:
        raise DatasetError(f"{folder}: there is no {pattern}; name the files themselves")
    return found


def optional_file(folder: Path, pattern: str) -> Path | None:
    """The same, but None if there is none."""
    found = sorted(folder.rglob(pattern))
    if len(found) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in found[:3])
        raise DatasetError(f"{folder}: {names} both match {pattern}; name the files themselves")
    return found[0] if found else None

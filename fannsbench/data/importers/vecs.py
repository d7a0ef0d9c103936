"""Vectors, queries and truth in .fvecs, .bvecs and .ivecs files, as those of http://corpus-texmex.irisa.fr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fannsbench.data.draft import Draft
from fannsbench.data.importers.archives import unpacked
from fannsbench.data.importers.files import SUFFIXES
from fannsbench.data.importers.plain import draft_of_files, one_file, optional_file
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric


@contextmanager
def read(
    source: Path, queries: Path | None = None, truth: Path | None = None, metric: Metric = Metric.EUCLIDEAN
) -> Iterator[Draft]:
    """`source`: the items' file; or, without `queries`, a folder or .tar.gz archive that has one
    *_base.*vecs, one *_query.*vecs and perhaps a *_groundtruth.ivecs.

    Raises DatasetError if a file is missing or damaged, or they do not fit together."""
    if queries is not None:
        yield draft_of_files(source, queries, truth, metric)
        return
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        raise DatasetError(
            f"{source}: name the file of the queries as well, or a folder or .tar.gz with both"
        )
    with unpacked(source) as folder:
        yield draft_of_files(
            one_file(folder, "*_base.[fbi]vecs"),
            one_file(folder, "*_query.[fbi]vecs"),
            truth or optional_file(folder, "*_groundtruth.ivecs"),
            metric,
        )

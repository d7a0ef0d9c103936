"""The files of https://big-ann-benchmarks.com: vectors in .fbin, .u8bin, .i8bin and .ibin, truth in .ibin,
and for the filter track (YFCC-10M) the tags of items and queries as sparse matrices, .spmat:

    int64 rows, columns, nnz    int64 indptr (rows + 1,)    int32 indices (nnz,)    float32 data (nnz,)

A row has the tags whose columns it stores, other than zeros; a query asks for items that have all of its."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from fannsbench.attributes import Attributes, LabelSet
from fannsbench.data.draft import Draft, DraftWorkload
from fannsbench.data.importers.files import require_file
from fannsbench.data.importers.plain import draft_of_files, one_file, optional_file
from fannsbench.errors import DatasetError, one_line
from fannsbench.filters import Filter
from fannsbench.metric import Metric

TAGS = "tags"
"""The attribute and the workload."""


@contextmanager
def read(
    source: Path,
    queries: Path | None = None,
    truth: Path | None = None,
    metadata: Path | None = None,
    query_metadata: Path | None = None,
    metric: Metric = Metric.EUCLIDEAN,
) -> Iterator[Draft]:
    """`source`: the items' file; or a folder that has one base.*bin, query.public*bin and perhaps
    base.metadata*.spmat, query.metadata.public*.spmat and GT.public*.ibin.

    With tags there is a workload `tags`, with as many parameters as the query with the most has tags; others
    repeat theirs. The truth is that of this workload, and without tags the unfiltered one.

    Raises DatasetError if a file is missing or damaged, they do not fit together, or a query has no tag."""
    if source.is_dir():
        folder = source
        source = one_file(folder, "base.*bin")
        queries = queries or one_file(folder, "query.public*bin")
        truth = truth or optional_file(folder, "GT.public*.ibin")
        metadata = metadata or optional_file(folder, "base.metadata*.spmat")
        query_metadata = query_metadata or optional_file(folder, "query.metadata.public*.spmat")
    if queries is None:
        raise DatasetError(f"{source}: name the file of the queries as well, or a folder that has both")
    if (metadata is None) != (query_metadata is None):
        raise DatasetError(
            f"{metadata or query_metadata}: name the metadata of both the items and the queries"
        )
    draft = draft_of_files(source, queries, truth, metric)
    if metadata is not None and query_metadata is not None:
        draft = _with_tags(draft, metadata, query_metadata)
    yield draft


def _with_tags(draft: Draft, metadata: Path, query_metadata: Path) -> Draft:
    (n, _), q = draft.items.shape, len(draft.queries)
    tags, wanted = _read_spmat(metadata), _read_spmat(query_metadata)
    for path, matrix, rows, what in ((metadata, tags, n, "items"), (query_metadata, wanted, q, "queries")):
        if matrix.shape[0] != rows:
            raise DatasetError(f"{path}: tags of {matrix.shape[0]:,} {what}; there are {rows:,}")
    if tags.shape[1] != wanted.shape[1]:
        raise DatasetError(
            f"{metadata} has {tags.shape[1]:,} columns, {query_metadata} {wanted.shape[1]:,}; "
            "a tag must be the same column in both"
        )
    column = LabelSet(tags.indptr.astype(np.int64), tags.indices, [str(tag) for tag in range(tags.shape[1])])
    workload = _all_of(wanted, query_metadata, draft.neighbors)
    return replace(
        draft, attributes=Attributes({TAGS: column}, n), workloads={TAGS: workload}, neighbors=None
    )


def _all_of(wanted: csr_array, path: Path, neighbors: np.ndarray | None) -> DraftWorkload:
    counts = np.diff(wanted.indptr)
    if not counts.all():
        raise DatasetError(
            f"{path}: query {int(np.argmin(counts)):,} has no tag; each must ask for one or more"
        )
    parameters = {}
    for place in range(counts.max()):
        tags = wanted.indices[wanted.indptr[:-1] + np.minimum(place, counts - 1)]
        parameters[f"tag{place + 1}"] = np.array([str(tag) for tag in tags], object)
    filter_ = Filter.parse(" and ".join(f"${name} in {TAGS}" for name in parameters))
    return DraftWorkload(filter_, parameters, neighbors)


def _read_spmat(path: Path) -> csr_array:
    """Of bool, the columns of each row ascending and distinct, zeros left out."""
    require_file(path)
    size, head = path.stat().st_size, np.fromfile(path, "<i8", 3)
    if len(head) < 3 or (head < 0).any():
        raise DatasetError(f"{path}: does not begin with the numbers of rows, columns and entries")
    rows, columns, entries = (int(number) for number in head)
    right = 24 + 8 * (rows + 1) + 8 * entries
    if size != right:
        raise DatasetError(
            f"{path}: {size:,} bytes, but {rows:,} rows of {entries:,} entries in all would be {right:,}"
        )
    with path.open("rb") as file:
        file.seek(24)
        indptr = np.fromfile(file, "<i8", rows + 1)
        indices = np.fromfile(file, "<i4", entries)
        is_set = np.fromfile(file, "<f4", entries) != 0
    try:
        matrix = csr_array((is_set, indices, indptr), shape=(rows, columns))
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise DatasetError(f"{path}: no sound sparse matrix: {one_line(error)}") from None
    matrix.eliminate_zeros()
    matrix.sum_duplicates()
    return matrix

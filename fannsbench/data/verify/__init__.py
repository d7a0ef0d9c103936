"""Checks of a data set: every rule of the schema, a sample of the truth computed once more by another way
than `fannsbench.data.truth.exact` and the kernels take, and what one should know of the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from fannsbench.data.progress import Progress, silent
from fannsbench.data.verify import schema
from fannsbench.data.verify.distances import rough_distances
from fannsbench.data.verify.findings import NOTE, OK, WRONG, Finding
from fannsbench.data.verify.matching import Matching
from fannsbench.data.verify.rows import Rows, check_leaks, check_rows
from fannsbench.data.verify.truth_form import check_form
from fannsbench.data.verify.truth_judge import judge
from fannsbench.data.verify.truth_sample import TruthSample
from fannsbench.dataset import Dataset
from fannsbench.vectors import BLOCK_BYTES

__all__ = ["NOTE", "OK", "SAMPLE", "WRONG", "Finding", "verify"]

SAMPLE = 100
"""Queries of each workload whose truth is computed once more."""


def verify(path: Path, *, sample: int = SAMPLE, seed: int = 0, progress: Progress = silent) -> list[Finding]:
    """All findings on a data set file, which is sound if the outcome of none is WRONG. The truth of `sample`
    queries, drawn from the seed and the same in every workload, is computed once more. Besides the queries
    and attributes, memory is taken for some blocks of BLOCK_BYTES and 24 bytes of each item.

    Raises DatasetError if there is no HDF5 file at the path."""
    if not h5py.is_hdf5(path):
        Dataset.open(path).close()  # raises, and says why
    parts = schema.Parts(path)
    dataset = parts.read("readable", "file", lambda: Dataset.open(path))
    if dataset is None:
        return parts.findings
    with dataset:
        return [*schema.check_about(path), *_check(dataset, parts, sample, seed, progress)]


def _check(
    dataset: Dataset, parts: schema.Parts, sample: int, seed: int, progress: Progress
) -> Iterator[Finding]:
    attributes = schema.read_attributes(dataset, parts)
    workloads = schema.read_workloads(dataset, attributes, parts)
    vectors = parts.read("readable", "queries", dataset.queries)
    if vectors is None:
        yield from parts.findings
        return
    queries = Rows.of(vectors, len(vectors))
    numbers = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:sample])
    drawn = vectors[numbers].astype(np.float64)
    samples = {}
    if queries.not_finite is None:
        for workload in workloads:
            if workload.depth:
                matching = None
                if workload.filter is not None:
                    matching = Matching(workload.filter.tree, attributes, workload.parameters)
                samples[workload.name] = TruthSample(workload, numbers, drawn, dataset.metric, matching)

    def see(rows: slice, block: np.ndarray, lengths: np.ndarray) -> None:
        if samples:
            rough = rough_distances(dataset.metric, drawn, block, queries.lengths[numbers], lengths)
        for part in samples.values():
            part.see(rows, block, rough)
        advance(len(block))

    most_rows = max(1, BLOCK_BYTES // (8 * len(drawn)))
    with progress("items", dataset.n) as advance:
        items = parts.read("readable", "items", lambda: Rows.of(dataset.vectors, most_rows, see))
    if items is None:
        yield from parts.findings
        return
    yield from check_rows("items", items, dataset.metric)
    yield from check_rows("queries", queries, dataset.metric)
    yield check_leaks(items, queries)
    yield from parts.findings
    for workload in workloads:
        subject = f"workload {workload.name}"
        yield from check_form(
            workload, subject, dataset.metric, queries.lengths, items.lengths, dataset.dimension
        )
        if items.not_finite is not None or queries.not_finite is not None:
            yield Finding("sample", subject, NOTE, "not looked at, as there are vectors that are not finite")
        elif workload.depth:
            yield from judge(samples[workload.name], subject, queries.lengths[numbers], items.lengths)

"""A data set to be: everything but the truth that is not known yet. All builders and importers make one,
and one function writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from fannsbench import folders
from fannsbench.attributes import Attributes, check_text, text_of
from fannsbench.data.progress import Progress, silent
from fannsbench.data.truth.exact import DEFAULT_MEMORY, Truth, distances_of, exact_knn
from fannsbench.dataset import Dataset, DatasetWriter
from fannsbench.dataset.write import check_attribute_name, check_workload_name
from fannsbench.errors import DatasetError
from fannsbench.filters import BoundFilters, Filter
from fannsbench.filters.tree import leaves_of
from fannsbench.machine import give_back, usable_cores
from fannsbench.metric import Metric
from fannsbench.vectors import Vectors, not_finite

TRUTH_DEPTH = 100
_MOST = 2**31 - 1
"""Items and dimensions: ids are int32."""


@dataclass(frozen=True, eq=False)
class DraftWorkload:
    """A filter, its values for all queries, and, where the source brings them, the true nearest items:
    neighbors (q, K) int32, nearest first, -1 padded."""

    filter: Filter
    parameters: Mapping[str, np.ndarray]
    neighbors: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Draft:
    """What a data set file is made of. `neighbors`: the unfiltered truth that the source brings, if any;
    `truth_source`: the file or folder that any such truth is from; `notes`: what whoever made it should know
    before it is written, a line each."""

    metric: Metric
    items: Vectors
    queries: np.ndarray
    attributes: Attributes
    workloads: Mapping[str, DraftWorkload] = field(default_factory=dict)
    neighbors: np.ndarray | None = None
    truth_source: Path | None = None
    description: str = ""
    source: str = ""
    license: str = ""
    notes: Sequence[str] = ()

    @cached_property
    def bound(self) -> dict[str, BoundFilters]:
        """The workloads' filters. Raises FilterError where one does not fit the attributes."""
        return {
            name: workload.filter.bind(self.attributes, dict(workload.parameters), len(self.queries))
            for name, workload in self.workloads.items()
        }

    @cached_property
    def matches(self) -> dict[str, np.ndarray]:
        """(q,) int64 for each workload: how many items match."""
        return {name: filters.counts(len(usable_cores())) for name, filters in self.bound.items()}

    @property
    def stored_bytes(self) -> int:
        """Of the items and queries in the file."""
        return sum(int(np.prod(v.shape)) * v.dtype.itemsize for v in (self.items, self.queries))

    def check(self) -> None:
        """Raises DatasetError or FilterError if this cannot become a data set that is of use: all that can
        be told without reading the items' vectors."""
        (n, d), (_, query_d) = self.items.shape, self.queries.shape
        check_counts(n, d, len(self.queries))
        if d != query_d:
            raise DatasetError(f"the items have {d} dimensions and the queries {query_d}; they must agree")
        if self.attributes.n != n:
            raise DatasetError(f"{n:,} vectors, but attributes of {self.attributes.n:,} items")
        if (bad := not_finite(self.queries)) is not None:
            raise DatasetError(f"query {bad:,} holds NaN, or numbers that are infinite as float32")
        for name in self.attributes:
            check_attribute_name(name)
        for name, workload in self.workloads.items():
            check_workload_name(name)
            for values in workload.parameters.values():
                for value in values if values.dtype == object else ():
                    check_text(text_of(value))
        for name, matches in self.matches.items():
            if not matches.any():
                raise DatasetError(f"workload {name!r}: {self._why_no_match(name)}")
        self._check_truth("unfiltered", self.neighbors, np.full(len(self.queries), n))
        for name, workload in self.workloads.items():
            self._check_truth(name, workload.neighbors, self.matches[name])

    def _check_truth(self, name: str, neighbors: np.ndarray | None, matches: np.ndarray) -> None:
        """That of a workload, as far as can be told without distances. matches: (q,)."""
        if neighbors is None:
            return
        what = f"{self.truth_source}: {name} truth" if self.truth_source else f"{name} truth"
        if len(neighbors) != len(matches):
            raise DatasetError(f"{what} of {len(neighbors):,} queries; there are {len(matches):,}")

        def refuse_if(bad: np.ndarray, why: Callable[[int], str]) -> None:
            if bad.any():
                j = int(np.argwhere(bad)[0, 0])
                raise DatasetError(
                    f"{what}, query {j:,}: {why(j)}; leave this truth out, or have it computed by "
                    "`fannsbench datasets truth`"
                )

        n, depth = self.items.shape[0], neighbors.shape[1]
        if not depth:
            raise DatasetError(f"{what} names no items at all; leave it out")
        wrong = (neighbors < -1) | (neighbors >= n)
        refuse_if(wrong, lambda j: f"names item {neighbors[j][wrong[j]][0]:,}; there are {n:,}")
        given: np.ndarray = neighbors >= 0
        refuse_if(given[:, 1:] & ~given[:, :-1], lambda j: "-1, no item, stands before an id")
        wanted, found = np.minimum(depth, matches), given.sum(axis=1)
        refuse_if(
            found != wanted,
            lambda j: f"{found[j]:,} ids, but {matches[j]:,} items match, so {wanted[j]:,} must be",
        )
        ordered = np.sort(neighbors, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
        refuse_if(twice, lambda j: f"item {ordered[j, 1:][twice[j]][0]:,} more than once")

    def _why_no_match(self, name: str) -> str:
        filter_ = self.workloads[name].filter
        for leaf in leaves_of(filter_.tree):
            if not len(self.attributes[leaf.attribute].postings.ids):
                return f"no item has a value of {leaf.attribute!r}, which {filter_.text!r} asks for"
        return f"no item matches {filter_.text!r}, whatever the query; compare its values with the items'"


def check_counts(n: int, dimension: int, q: int) -> None:
    """Raises DatasetError unless n items of so many dimensions and q queries can be a data set."""
    if 0 in (n, dimension, q):
        raise DatasetError(
            f"{n:,} items of {dimension} dimensions and {q:,} queries; there must be some of each"
        )
    for count, what in ((n, "items"), (dimension, "dimensions")):
        if count > _MOST:
            raise DatasetError(f"{count:,} {what}; a data set has {_MOST:,} at most")


def write(
    draft: Draft,
    path: Path,
    *,
    depth: int = TRUTH_DEPTH,
    memory: int = DEFAULT_MEMORY,
    compress: bool = False,
    progress: Progress = silent,
) -> None:
    """Write the data set file, which appears whole or not at all, with the truth to `depth` where the source
    brings none, within about `memory` bytes besides the draft itself.

    Raises DatasetError or FilterError if the draft is unsound, before anything long is begun, or if a
    vector turns out not to be finite."""
    draft.check()
    give_back()
    n, q = draft.items.shape[0], len(draft.queries)
    truth_bytes = (1 + len(draft.workloads)) * q * depth * 8
    folders.require_space(path.parent, draft.stored_bytes + truth_bytes)
    with DatasetWriter(
        path,
        name=path.stem,
        metric=draft.metric,
        description=draft.description,
        source=draft.source,
        license=draft.license,
        compress=compress,
    ) as writer:
        with progress("items", n) as advance:
            stored = writer.items(draft.items, advance)
        writer.queries(draft.queries)
        for name, column in draft.attributes.items():
            writer.attribute(name, column)
        brought = [draft.neighbors, *(workload.neighbors for workload in draft.workloads.values())]
        distances: Iterator[np.ndarray] = iter(())
        if known := [neighbors for neighbors in brought if neighbors is not None]:
            with progress("distances of the truth", n) as advance:
                distances = iter(distances_of(stored, draft.queries, known, draft.metric, advance))

        def truth(what: str, neighbors: np.ndarray | None, workload: str | None = None) -> Truth:
            if neighbors is not None:
                matches = draft.matches[workload] if workload else np.full(q, n, np.int64)
                return Truth(neighbors, next(distances), matches)
            with progress(what, q * n) as advance:
                return exact_knn(
                    stored,
                    draft.queries,
                    depth,
                    draft.metric,
                    draft.bound[workload] if workload else None,
                    memory=memory,
                    advance=advance,
                    checkpoints=folders.cache() / "truth",
                )

        found = truth("truth without filter", draft.neighbors)
        writer.truth(found.neighbors, found.distances)
        for name, workload in draft.workloads.items():
            found = truth(f"truth of workload {name}", workload.neighbors, name)
            writer.workload(name, workload.filter.text, workload.parameters, *found)


def draft_of(dataset: Dataset) -> Draft:
    """An open data set as a draft, with all its truth: the beginning of every variant of it."""
    unfiltered, *filtered = (dataset.workload(name) for name in dataset.workload_names)
    return Draft(
        dataset.metric,
        dataset.vectors,
        dataset.stored_queries(),
        dataset.attributes,
        {w.name: DraftWorkload(w.filter, w.parameters, w.neighbors) for w in filtered if w.filter},
        unfiltered.neighbors,
        dataset.path,
        **{key: dataset.about(key) for key in ("description", "source", "license")},
    )

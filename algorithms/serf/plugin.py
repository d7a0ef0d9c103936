"""SeRF: an HNSW graph for every range of one number, kept in the space of little more than one.

C. Zuo, M. Qiao, W. Zhou, F. Li, D. Deng: SeRF: Segment Graph for Range-Filtering Approximate Nearest Neighbor
Search, Proc. ACM Manag. Data 2(1), SIGMOD 2024.

Serves R, EM on a number, which is a range of one value, and MR: the range of one number is walked, and what
satisfies the whole filter is kept. The index is ordered by the number that the filter compares first; items
without a value are left out. Vectors are kept in that order, so ranges are contiguous. Without a filter, the
range is all items.

The 2D segment graph serves every range. With `one_sided = "1d"`, a range that holds the least or the greatest
value is served by a 1D segment graph instead, of which there then is one for each direction. That takes about
twice the space again, so it is not the default.

As the authors' code: at most index_k links on the layer that is built on; MaxLeap unless told otherwise;
reverse edges have no life time, and the latest 2 index_k in the range are followed; three seeds; ranges
closed on both sides. Not as the authors' code:
- No upper layers. Searches of the build begin at three seeds too, as those of queries always do.
- Items are inserted in batches of consecutive ones, searched for in the graph of all before the batch, and
  compared with those before them in the batch, of which the nearest ef_construction are candidates, near or
  not. So the graph does not depend on the number of threads, and serves short ranges better than that of the
  paper's order, which `batch = 1` inserts in: there a short range sees only what few searches happened on.
- Candidates are the items that the search expanded, not all that were ever in its pool; they are not
  multiplied from segment to segment.
- Seeds can be results: with theirs, three items of a range are never found.
- The pool holds max(ef, k). At most so many matches are scanned, and so is a range whose walk ends with fewer
  than k; the authors return fewer.
- Both bounds of the 1D graph's ranges are those of the filter: the authors lose the last item.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms.serf import index
from fannsbench.algorithms.serf.build import LEAPS, Cut, build_two_sided, starts_of
from fannsbench.algorithms.serf.half_bounded import build_one_sided
from fannsbench.algorithms.serf.index import SegmentGraphs
from fannsbench.attributes import Number
from fannsbench.errors import FilterError
from fannsbench.filters import BoundFilters, FilterKind
from fannsbench.filters.tree import leaves_of
from fannsbench.kernels.insert import part_of
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import items_in_space

if TYPE_CHECKING:
    from fannsbench.dataset import Dataset, Workload

EVERY = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Ranges:
    """The filters of q queries."""

    filters: BoundFilters
    first: np.ndarray
    """(q,) int64: the first position of the range that is walked."""
    last: np.ndarray
    """(q,) int64, in the range too."""
    counts: np.ndarray
    """(q,) int64: how many items match the whole filter."""
    alone: bool
    """Whether the filter asks for no more than to be in the range."""


class Serf(NativeAlgorithm):
    filters = frozenset({FilterKind.R, FilterKind.MR, FilterKind.EM})
    graph_type: ClassVar[type[Any]] = SegmentGraphs

    def __init__(
        self,
        metric: Metric,
        seed: int,
        index_k: int,
        ef_construction: int,
        ef_max: int,
        leap: str,
        exhaustive_leaps: bool,
        one_sided: str,
        batch: int,
    ) -> None:
        super().__init__(metric, seed)
        self.cut = Cut(index_k, ef_construction, LEAPS.index(leap), exhaustive_leaps)
        self.ef_max = ef_max
        self.one_sided = one_sided
        self.batch = batch

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        compared = workload.filter.attributes if workload.filter else ()
        others = [name for name in compared if not isinstance(dataset.attributes[name], Number)]
        return f"{others[0]} is no number; SeRF serves ranges of numbers" if others else None

    def _take(self, items: Items) -> None:
        began = time.perf_counter()
        numbers = {name: column for name, column in items.attributes.items() if isinstance(column, Number)}
        n = len(items.vectors)
        self.attribute = next(iter(numbers), None)
        self.starts, order = np.array([0, n]), np.arange(n, dtype=np.int32)
        if self.attribute is not None:
            postings = numbers[self.attribute].postings
            self.starts = postings.starts
            order = np.r_[postings.ids, np.setdiff1d(order, postings.ids)]
        self.present = int(self.starts[-1])
        self.ids = np.append(order, np.int32(-1))
        self.positions = np.empty(n, np.int32)
        self.positions[order] = np.arange(n, dtype=np.int32)
        self.preprocess_seconds = time.perf_counter() - began
        self.vectors = items_in_space(self.metric, items.vectors, order)

    def build_graph(self, items: Items, threads: int) -> SegmentGraphs:
        m, both = self.present, self.one_sided == "1d"
        vectors, total = self.vectors[:m], 3 * m if both else m
        progress = part_of(self.progress, 0, total)
        graph = build_two_sided(vectors, self.cut, self.ef_max, self.batch, threads, progress)
        ascending = np.arange(m, dtype=np.int32)
        for before, order in ((m, ascending), (2 * m, ascending[::-1].copy())):
            if both:
                how = self.cut.index_k, self.cut.window, self.batch
                progress = part_of(self.progress, before, total)
                graph += build_one_sided(vectors, order, *how, threads, progress)
            else:
                graph += np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
        return SegmentGraphs(*graph)

    def configure(self, ef: int, two_segments: bool) -> None:
        super().configure(ef)
        self.two_segments = two_segments

    def scratch(self, k: int) -> Scratch:
        widest = index.widest(self.graph, self.cut.index_k, self.two_segments)
        return Scratch.of(len(self.vectors), max(self.ef, k), widest, matching=True)

    def scans_up_to(self, k: int) -> int:
        return max(k, self.ef)

    def select(self, filters: BoundFilters) -> Ranges:
        leaves = [leaf.attribute for leaf in leaves_of(filters.filter.tree)]
        bounds = filters.predicate.bounds[:, [name == self.attribute for name in leaves]]
        if not bounds.shape[1]:
            raise FilterError(f"filter {filters.filter.text!r} has no {self.attribute}, by which SeRF orders")
        low, high = bounds[:, :, 0].max(axis=1), bounds[:, :, 1].min(axis=1)
        empty = (bounds[:, :, 0] > bounds[:, :, 1]).any(axis=1) | (low > high)
        first = np.where(empty, 0, self.starts[np.where(empty, 0, low)])
        last = np.where(empty, -1, self.starts[np.where(empty, -1, high) + 1] - 1)
        alone = bounds.shape[1] == len(leaves)
        counts = last - first + 1 if alone else filters.counts(self.threads)
        return Ranges(filters, first, last, counts, alone)

    def search(self, queries: np.ndarray, k: int, selection: Ranges | None) -> np.ndarray:
        found: np.ndarray = self.ids[super().search(queries, k, selection)]
        return found

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        most = EVERY if self.two_segments else 2 * self.cut.index_k
        reach = 1 + self.two_segments, most
        if selection is None:
            first, last = np.zeros(len(queries), np.int64), np.full(len(queries), self.present - 1)
            ranges, beyond = (first, last), self.present
        else:
            ranges, beyond = (selection.first, selection.last), len(self.vectors)
        if selection is None or selection.alone:
            return index.search(
                self.graph, self.vectors, queries, rows, *ranges, *reach, beyond, scratch, neighbors
            )
        predicate = selection.filters.predicate
        return index.search_matching(
            self.graph, self.vectors, queries, rows, *ranges, *reach, predicate, self.ids, scratch, neighbors
        )

    def _matches(self, rows: np.ndarray, selection: Ranges) -> tuple[np.ndarray, np.ndarray]:
        if not selection.alone:
            indptr, ids = super()._matches(rows, selection)
            return indptr, self.positions[ids]
        indptr = starts_of(selection.counts[rows])
        shifts = selection.first[rows] - indptr[:-1]
        return indptr, (np.arange(indptr[-1]) + np.repeat(shifts, selection.counts[rows])).astype(np.int32)

    def warm_up(self) -> None:
        self.rehearse("number >= 1", "number >= 1 and letter == 'a'", ef=1, two_segments=False)

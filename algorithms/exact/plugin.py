"""Exact nearest neighbours among the matching items: pre-filtering with Numba and BLAS.

Unfiltered queries scan: BLAS computes tiles of dot products, and a kernel keeps what may be nearest. So do,
in a batch, the filtered queries that keep much of the items; the scan looks at their bitmaps. All others
gather: they compute the distances of their own matches alone, in a batch tile by tile of the items.

The filter step counts the matches of each query, lists those of the gathering ones and makes bitmaps for the
scanning ones. Nothing is copied from the items: the index is one length for each.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import threadpoolctl

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels import exact
from fannsbench.kernels.exact import Nearest
from fannsbench.kernels.parallel import for_ranges

QUERY_BLOCK = 1024
SCAN_FROM = 8
"""With fewer queries a scan costs as much memory traffic a query as a gather of nearly all items."""
LENGTHS = "lengths.npy"


@dataclass(frozen=True)
class Selection:
    """Queries that gather, with their matches, and queries that scan, with their bitmaps."""

    gathering: np.ndarray
    indptr: np.ndarray
    ids: np.ndarray
    scanning: np.ndarray
    bitmaps: np.ndarray


class Exact(Algorithm):
    filters = ALL_FILTERS
    metrics: ClassVar[frozenset[Metric]] = frozenset(Metric)
    builds_on_attributes = False

    def __init__(self, metric: Metric, seed: int) -> None:
        super().__init__(metric, seed)
        self._blas = threadpoolctl.ThreadpoolController()

    def configure(self, scan_above: float = 0.3) -> None:
        self._scan_above = scan_above
        self._distances = 0

    def build(self, items: Items, threads: int) -> None:
        self._lengths = np.empty(len(items.vectors))

        def measure(first: int, last: int) -> None:
            self._lengths[first:last] = exact.lengths_of(items.vectors[first:last])

        for_ranges(len(self._lengths), threads, measure)
        self._block = exact.block_of(self.metric, items.vectors, self._lengths)

    def save(self, folder: Path) -> None:
        np.save(folder / LENGTHS, self._lengths)

    def load(self, folder: Path, items: Items) -> None:
        self._lengths = np.load(folder / LENGTHS)
        self._block = exact.block_of(self.metric, items.vectors, self._lengths)

    def select(self, filters: BoundFilters) -> Selection:
        counts = filters.counts(self.threads)
        scans = counts > exact.gathers_below(*self._block.vectors.shape, self._scan_above)
        if np.count_nonzero(scans) < SCAN_FROM:
            scans[:] = False
        gathering, scanning = np.flatnonzero(~scans), np.flatnonzero(scans)
        indptr, ids = filters[gathering].postings(self.threads, counts[gathering])
        return Selection(gathering, indptr, ids, scanning, filters[scanning].bitmaps(self.threads))

    def search(self, queries: np.ndarray, k: int, selection: Selection | None) -> np.ndarray:
        if selection is None:
            return self._scan(queries, k, None)
        nearest = np.empty((len(queries), k), np.int32)
        if len(rows := selection.gathering):
            nearest[rows] = self._gather(queries[rows], k, selection.indptr, selection.ids)
        if len(rows := selection.scanning):
            nearest[rows] = self._scan(queries[rows], k, selection.bitmaps)
        return nearest

    def _gather(self, queries: np.ndarray, k: int, indptr: np.ndarray, ids: np.ndarray) -> np.ndarray:
        queries, nearest = exact.frozen(queries), Nearest.none(len(queries), k)

        def gather(first: int, last: int) -> None:
            some, starts = queries[first:last], indptr[first : last + 1]
            exact.search(
                self._block,
                some,
                nearest.of(slice(first, last)),
                lambda found: exact.gather(self._block, some, starts, ids, found),
                lambda j: ids[starts[j] : starts[j + 1]],
            )

        for_ranges(len(queries), self.threads, gather)
        self._distances += len(ids)
        return nearest.ids

    def _scan(self, queries: np.ndarray, k: int, bitmaps: np.ndarray | None) -> np.ndarray:
        queries, nearest = exact.frozen(queries), Nearest.none(len(queries), k)

        def scan(first: int, last: int) -> None:
            for start in range(first, last, QUERY_BLOCK):
                scan_rows(slice(start, min(start + QUERY_BLOCK, last)))

        def scan_rows(rows: slice) -> None:
            some, bits = queries[rows], None if bitmaps is None else bitmaps[rows]
            exact.search(
                self._block,
                some,
                nearest.of(rows),
                lambda found: exact.scan(self._block, some, bits, found),
                lambda j: exact.positions_of(None if bits is None else bits[j], len(self._lengths)),
            )

        # A thread for each part of the queries, and then none of BLAS's own.
        several = min(self.threads, len(queries)) > 1
        with self._blas.limit(limits=1, user_api="blas") if several else nullcontext():
            for_ranges(len(queries), self.threads, scan)
        self._distances += len(queries) * len(self._lengths)
        return nearest.ids

    def warm_up(self) -> None:
        numbers = np.arange(64)
        attributes = Attributes({"number": Number(numbers)}, len(numbers))
        small = Exact(self.metric, self.seed)
        small.build(Items(np.eye(len(numbers), dtype=np.float32), attributes), 1)
        queries = np.ones((SCAN_FROM, len(numbers)), np.float32)
        filters = Filter.parse("number >= 1").bind(attributes, {}, len(queries))
        for scan_above in (0.0, 1.0):
            small.configure(scan_above)
            small.search(queries, 1, small.select(filters))
        small.search(queries, 1, None)

    def counters(self) -> dict[str, float]:
        return {"distances": self._distances}

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
from fannsbench.algorithms.exact import kernels
from fannsbench.algorithms.exact.kernels import Index
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels import distance
from fannsbench.kernels.parallel import for_ranges

QUERY_BLOCK = 1024
TILE_SCORES = 1 << 20
"""Dot products of a scan's tile, 4 MiB: BLAS likes large tiles, the kernel that reads them a cache."""
GATHER_TILE_BYTES = 512 << 10
"""Vectors of a gather's tile: half an L2 cache."""
SHARED_BY = 4
"""A batch gathers tile by tile if an item is wanted by this many queries or more, on average."""
SCAN_FROM = 8
"""With fewer queries a scan costs as much memory traffic a query as a gather of nearly all items."""
FIXED_COST = 60
"""What gathering an item costs besides arithmetic, in dimensions: the shorter vectors are, the sooner scans
pay. From `benchmarks/exact_scan_above.py`, as is the default of `scan_above`."""
NO_BITMAPS = np.empty((0, 0), np.uint8)
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
        for_ranges(
            len(self._lengths),
            threads,
            lambda a, b: np.sqrt(_squares(items.vectors[a:b]), out=self._lengths[a:b]),
        )
        self._index = _index(self.metric, items.vectors, self._lengths)

    def save(self, folder: Path) -> None:
        np.save(folder / LENGTHS, self._lengths)

    def load(self, folder: Path, items: Items) -> None:
        self._lengths = np.load(folder / LENGTHS)
        self._index = _index(self.metric, items.vectors, self._lengths)

    def select(self, filters: BoundFilters) -> Selection:
        n, d = self._index.vectors.shape
        counts = filters.counts(self.threads)
        scans = counts > self._scan_above * d / (d + FIXED_COST) * n
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
        n, d = self._index.vectors.shape
        tile = max(1, GATHER_TILE_BYTES // (4 * d)) if len(ids) >= SHARED_BY * n else n
        queries, nearest = _frozen(queries), np.empty((len(queries), k), np.int32)
        for_ranges(
            len(queries),
            self.threads,
            lambda a, b: kernels.gather(
                self._index, queries[a:b], indptr[a : b + 1], ids, tile, nearest[a:b]
            ),
        )
        self._distances += len(ids)
        return nearest

    def _scan(self, queries: np.ndarray, k: int, bitmaps: np.ndarray | None) -> np.ndarray:
        queries, nearest = _frozen(queries), np.empty((len(queries), k), np.int32)

        def scan_blocks(first: int, last: int) -> None:
            for start in range(first, last, QUERY_BLOCK):
                block = slice(start, min(start + QUERY_BLOCK, last))
                self._scan_block(queries[block], None if bitmaps is None else bitmaps[block], nearest[block])

        # A thread for each part of the queries, and then none of BLAS's own.
        several = min(self.threads, len(queries)) > 1
        with self._blas.limit(limits=1, user_api="blas") if several else nullcontext():
            for_ranges(len(queries), self.threads, scan_blocks)
        self._distances += len(queries) * len(self._index.vectors)
        return nearest

    def _scan_block(self, queries: np.ndarray, bitmaps: np.ndarray | None, nearest: np.ndarray) -> None:
        index, filtered = self._index, bitmaps is not None
        bits = NO_BITMAPS if bitmaps is None else bitmaps
        q, chunk, padded = len(queries), int(kernels.CHUNK), len(index.base)
        tile = min(max(chunk, TILE_SCORES // q // chunk * chunk), padded)
        scores = np.empty(q * tile, np.float32)
        found = kernels.candidates(index, queries, nearest.shape[1])
        for first in range(0, padded, tile):
            vectors = index.vectors[first : first + tile]
            width = min(tile, padded - first)
            dots = scores[: q * width].reshape(q, width)
            with np.errstate(over="ignore", invalid="ignore"):  # as for `_index`
                np.matmul(queries, vectors.T, out=dots[:, : len(vectors)])
            kernels.scan_tile(index, first, dots, bits, filtered, found)
        kernels.finish_scan(index, queries, bits, filtered, found, nearest)

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


def _index(metric: Metric, vectors: np.ndarray, lengths: np.ndarray) -> Index:
    n, chunk = len(lengths), int(kernels.CHUNK)
    base = np.full(-(-n // chunk) * chunk, np.inf, np.float32)
    scale = np.zeros(len(base), np.float32)
    with np.errstate(over="ignore", divide="ignore"):  # the kernels do without scores where there is an inf
        base[:n] = lengths**2 / 2 if metric is Metric.EUCLIDEAN else 0
        scale[:n] = np.where(lengths > 0, 1 / lengths, 0) if metric is Metric.COSINE else 1
    longest = float(lengths.max())
    return Index(
        metric=distance.METRIC_CODES[metric],
        vectors=_frozen(vectors),
        base=base,
        scale=scale,
        longest=longest,
        reach=1.0 if metric is Metric.COSINE else longest,
        highest=float(base[:n].max()),
        widest=float(scale.max()),
    )


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)


def _frozen(vectors: np.ndarray) -> np.ndarray:
    """A plain read-only view: kernels are compiled once, for that, whether items are memory-mapped or not."""
    view = np.ascontiguousarray(vectors, np.float32).view(np.ndarray)
    view.flags.writeable = False
    return view

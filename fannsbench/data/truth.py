"""Ground truth: the exact nearest neighbours of queries among the items that match their filters."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fannsbench.algorithm import Metric
from fannsbench.filters import BoundFilters
from fannsbench.kernels import distance as kernels
from fannsbench.kernels.distance import Slack, Terms
from fannsbench.vectors import Vectors, as_float32, blocks

_ITEM_BLOCK = 16_384  # a multiple of 8, so that blocks begin with a byte of the bitmaps
_QUERY_BLOCK = 256
_BITMAP_BYTES = 1 << 28
# The share of matches in a block above which BLAS, for all of its items, is the faster way.
_SCAN_FROM = 0.03


DEFAULT_MEMORY = 1 << 30


class Truth(NamedTuple):
    """neighbors (q, k) int32, nearest first, of equal distances the lower id first, padded with -1;
    distances (q, k) float32, padded with inf; matches (q,) int64, the number of items that match."""

    neighbors: np.ndarray
    distances: np.ndarray
    matches: np.ndarray


def exact_knn(
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int,
    metric: Metric,
    filters: BoundFilters | None = None,
    threads: int | None = None,
    memory: int = DEFAULT_MEMORY,
    advance: Callable[[int], None] = lambda _: None,
) -> Truth:
    """The k nearest of `vectors` (n, d) for each of `queries` (q, d), exact as float64 tells.

    `vectors` is an array or an h5py dataset of any float type, taken as float32 and read in blocks.
    Distances: Euclidean; 1 - cosine (1 for a vector of length zero); minus the inner product.
    `threads` defaults to all cores that the process may use. `advance` is called with the number of
    (query, item) pairs just done.

    BLAS computes the dot products of a block in float32. Their error is at most gamma * |q| * |x| with
    gamma = d u / (1 - d u), u = 2**-24, in whatever order they are summed (Higham, Accuracy and Stability
    of Numerical Algorithms, 2nd ed., section 3.1). An item is dropped only if even the lower bound that
    follows is above k upper bounds; the distances of all others are computed in float64.
    """
    num_items, num_queries = vectors.shape[0], len(queries)
    queries = np.array(queries, np.float32, order="C")
    threads = threads or len(os.sched_getaffinity(0))
    nearest = np.full((num_queries, k), np.inf)
    ids = np.full((num_queries, k), -1, np.int32)
    matches = np.zeros(num_queries, np.int64)
    bitmap_bytes = (num_items + 7) // 8
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for some in _slices(num_queries, max(1, _BITMAP_BYTES // max(1, bitmap_bytes))):
            if filters is None:
                everything = np.packbits(np.ones(num_items, bool), bitorder="little")
                bitmaps = np.broadcast_to(everything, (some.stop - some.start, bitmap_bytes))
            else:
                bitmaps = filters[some].bitmaps(threads)
            matches[some] = np.bitwise_count(bitmaps).sum(axis=1)
            search = _Search(metric, queries[some], bitmaps, nearest[some], ids[some])
            for block in _slices(num_items, _ITEM_BLOCK):
                for pairs in pool.map(search.part_of_block(vectors, block), search.parts()):
                    advance(pairs)
    distances = np.sqrt(nearest) if metric is Metric.EUCLIDEAN else nearest
    return Truth(ids, distances.astype(np.float32), matches)


def distances_of(
    vectors: Vectors,
    queries: np.ndarray,
    neighbors: Sequence[np.ndarray],
    metric: Metric,
    advance: Callable[[int], None] = lambda _: None,
) -> list[np.ndarray]:
    """The distances (q, K) float32 of known neighbors, each (q, K) int32 and padded with -1, which get inf;
    in one pass over the items, after each block of which `advance` is called with its number of items."""
    queries = as_float32(queries)
    found = [np.full(ids.shape, np.inf) for ids in neighbors]
    places = [np.argsort(ids, axis=None, kind="stable") for ids in neighbors]
    for rows, block in blocks(vectors):
        items = as_float32(block)
        for ids, place, distances in zip(neighbors, places, found, strict=True):
            first, last = np.searchsorted(ids.ravel(), [rows.start, rows.stop], sorter=place)
            here = place[first:last]
            kernels.distances_of_pairs(
                kernels.METRIC_CODES[metric],
                queries,
                items,
                here // ids.shape[1],
                ids.ravel()[here] - rows.start,
                here,
                distances.ravel(),
            )
        advance(rows.stop - rows.start)
    if metric is Metric.EUCLIDEAN:
        found = [np.sqrt(distances) for distances in found]
    return [distances.astype(np.float32) for distances in found]


@dataclass(frozen=True)
class _Search:
    """Some queries, and their nearest items so far."""

    metric: Metric
    queries: np.ndarray
    bitmaps: np.ndarray
    nearest: np.ndarray
    ids: np.ndarray

    @cached_property
    def _terms(self) -> Terms:
        return _terms(self.metric, self.queries, is_query=True)

    def parts(self) -> Iterator[slice]:
        return _slices(len(self.queries), _QUERY_BLOCK)

    def part_of_block(self, vectors: np.ndarray, block: slice) -> Callable[[slice], int]:
        """What updates one part of the queries by one block of items; returns the pairs it looked at."""
        items = np.array(vectors[block], np.float32, order="C")
        item_terms = _terms(self.metric, items, is_query=False)
        bytes_of_block = slice(block.start // 8, (block.stop + 7) // 8)

        def update(part: slice) -> int:
            queries, bitmaps = self.queries[part], np.array(self.bitmaps[part, bytes_of_block], order="C")
            scanned = np.bitwise_count(bitmaps).sum(axis=1) >= _SCAN_FROM * len(items)
            dots_row = np.where(scanned, np.cumsum(scanned) - 1, kernels.UNSCANNED)
            kernels.update_nearest(
                kernels.METRIC_CODES[self.metric],
                queries,
                items,
                block.start,
                bitmaps,
                queries[scanned] @ items.T,
                dots_row,
                Terms(*(term[part] for term in self._terms)),
                item_terms,
                _slack(self.queries.shape[1]),
                self.nearest[part],
                self.ids[part],
            )
            return len(queries) * len(items)

        return update


def _terms(metric: Metric, vectors: np.ndarray, is_query: bool) -> Terms:
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    lengths = np.sqrt(squares)
    zeros, ones = np.zeros(len(vectors)), np.ones(len(vectors))
    match metric:
        case Metric.EUCLIDEAN:
            return Terms(squares, 2 * ones if is_query else ones, lengths)
        case Metric.COSINE:
            inverse = np.divide(1.0, lengths, out=zeros.copy(), where=lengths > 0)
            return Terms(zeros if is_query else ones, inverse, lengths)
        case Metric.INNER_PRODUCT:
            return Terms(zeros, ones, lengths)


def _slack(dimension: int) -> Slack:
    single, double = (dimension * 2.0**-bits / (1 - dimension * 2.0**-bits) for bits in (24, 53))
    # The margins cover the few further float64 operations on lengths, bases and bounds.
    return Slack(dot=1.001 * single, underflow=dimension * 2.0**-125, bases=4 * double + 2.0**-48)


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

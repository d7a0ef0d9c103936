"""Exact search that reads a quarter of the bytes: bounds for all items in question, and distances of the few
that these cannot rule out.

Items are those of `fannsbench.kernels.quantised`, y = scale * c + r. A query is kept as q = step * i + p, i
of 16 bits or so. Then by Cauchy and Schwarz

    | <q, y> - step * scale * <i, c> |  <=  |q| |r| + |p| |scale * c|

where <i, c> is a sum of integers, without rounding. An item whose score is at least larger than the k-th
smallest is at most, is out; of all others the float64 distance is computed, so the answers are those of
`fannsbench.kernels.exact`. This is the filter-and-refine of the VA-file (Weber, Schek, Blott: A
Quantitative Analysis and Performance Study for Similarity-Search Methods in High-Dimensional Spaces, VLDB
1998, section 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.ascending import keep_nearest, keep_smallest
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.distance import COSINE, EUCLIDEAN, distance
from fannsbench.kernels.exact import SHARED_BY, TILE_BYTES, frozen
from fannsbench.kernels.parallel import for_ranges
from fannsbench.kernels.quantised import LARGEST, TAIL, UNIT, Quantised, base, centred, error, scale
from fannsbench.kernels.space import prefetch

AHEAD = 8
"""Rows are asked for so many items before their turn."""
PLACES = 256
"""Candidates that a query keeps before it ranks them."""


class Found(NamedTuple):
    """What q queries have found so far, with C places for candidates each."""

    integers: np.ndarray  # (q, D) int16: a query's i
    step: np.ndarray  # (q,) float64
    reach: np.ndarray  # (q,) float64: |q|, which an item's error is multiplied by
    slack: np.ndarray  # (q,) float64: the part of the bound that is the same for all items
    factor: np.ndarray  # (q,) float64
    offset: np.ndarray  # (q,) float64: distance = factor * score + offset
    highest: np.ndarray  # (q, k) float64, ascending: the smallest upper bounds of scores
    limit: np.ndarray  # (q,) float64: no item with a larger score is among the nearest
    lowest: np.ndarray  # (q, C) float64: lower bounds of the candidates' scores
    candidates: np.ndarray  # (q, C) int32
    sizes: np.ndarray  # (q,) int32
    distances: np.ndarray  # (q, k) float64, ascending, squared for EUCLIDEAN; inf where there is none
    ids: np.ndarray  # (q, k) int32, of equal distances the lower first; -1 where there is none
    ranked: np.ndarray  # (q,) int64: how many distances were computed


def search(
    items: Quantised,
    queries: np.ndarray,
    k: int,
    starts: np.ndarray,
    stops: np.ndarray,
    ids: np.ndarray,
    threads: int,
) -> tuple[np.ndarray, int]:
    """The k nearest of its own items ids[starts[j]:stops[j]] (ascending int32) for each of queries (q, d)
    float32: (q, k) int32 ids, nearest first, of equal distances the lower id, padded with -1; and how many
    float64 distances were computed."""
    nearest, ranked = np.empty((len(queries), k), np.int32), np.empty(len(queries), np.int64)
    n, width = items.codes.shape

    def some(first: int, last: int) -> None:
        rows = slice(first, last)
        asked, begins, ends = frozen(queries[rows]), starts[rows], stops[rows]
        shared = int((ends - begins).sum()) >= SHARED_BY * n
        found = _begin(items, asked, k)
        _scan(items, asked, begins, ends, ids, max(1, TILE_BYTES // width) if shared else n, found)
        nearest[rows], ranked[rows] = found.ids, found.ranked

    for_ranges(len(queries), threads, some)
    return nearest, int(ranked.sum())


@jit
def _begin(items: Quantised, queries: np.ndarray, k: int) -> Found:
    q, d = queries.shape
    width = items.codes.shape[1] - TAIL
    f = Found(
        np.zeros((q, width), np.int16),
        np.empty(q),
        np.empty(q),
        np.empty(q),
        np.empty(q),
        np.empty(q),
        np.full((q, k), np.inf),
        np.full(q, np.inf),
        np.empty((q, PLACES)),
        np.empty((q, PLACES), np.int32),
        np.zeros(q, np.int32),
        np.full((q, k), np.inf),
        np.full((q, k), -1, np.int32),
        np.zeros(q, np.int64),
    )
    # The largest integer with which a sum over all codes stays within 32 bits.
    most = min(2**15 - 1, (2**31 - 1) // (LARGEST * width))
    # What float64 rounds off: a few units of each product, and of the distances that are compared.
    rounding = 16.0 * (d + 8) * UNIT
    middle = 0.0
    for x in items.centre:
        middle += x * x
    vector, zeros = np.empty(d), np.zeros(d)
    euclidean = items.metric == EUCLIDEAN
    for j in range(q):
        square = centred(items.metric, queries[j], items.centre if euclidean else zeros, vector)
        largest, along, lost = 0.0, 0.0, 0.0
        for i in range(d):
            largest = max(largest, abs(vector[i]))
            along += vector[i] * items.centre[i]
        step = largest / most
        for i in range(d):
            integer = np.rint(vector[i] / step) if step > 0.0 else 0.0
            f.integers[j, i] = np.int16(min(max(integer, -most), most))
            lost += (vector[i] - step * f.integers[j, i]) ** 2
        length = math.sqrt(square)
        f.step[j] = step
        f.reach[j] = length
        f.slack[j] = math.sqrt(lost) * items.longest
        f.slack[j] += rounding * (length * (items.longest + math.sqrt(middle)) + items.highest + square)
        f.factor[j] = 2.0 if euclidean else 1.0
        f.offset[j] = square if euclidean else (1.0 if items.metric == COSINE else 0.0) - along
    return f


@jit_inline
def _product(integers: np.ndarray, codes: np.ndarray, item: int) -> np.int32:
    """Products of 16 bits summed in 32: LLVM makes vpmovsxbw and vpmaddwd of it, 64 codes at a time."""
    total = np.int32(0)
    row = codes[item]
    for i in range(integers.size):
        total = np.int32(total + np.int32(np.int32(integers[i]) * np.int32(row[i])))
    return total


@jit
def _scan(
    items: Quantised,
    queries: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    ids: np.ndarray,
    tile: int,
    found: Found,
) -> None:
    items, queries, ids, f = borrowed(items), borrowed(queries), borrowed(ids), borrowed(found)
    place = starts.copy()
    for last in range(tile, len(items.codes) + tile, tile):
        for j in range(len(queries)):
            place[j] = _scan_part(items, queries[j], j, ids, place[j], stops[j], last, f)
    for j in range(len(queries)):
        _rank(items, queries[j], j, f)


@jit
def _scan_part(
    items: Quantised, query: np.ndarray, j: int, ids: np.ndarray, first: int, stop: int, last: int, f: Found
) -> int:
    """From ids[first] on to the first id that is not below `last`, whose place is returned."""
    items, query, ids, f = borrowed(items), borrowed(query), borrowed(ids), borrowed(f)
    integers, codes, ahead = f.integers[j], items.codes, stop - AHEAD
    step, reach, slack, limit = f.step[j], f.reach[j], f.slack[j], f.limit[j]
    for at in range(first, min(first + AHEAD, stop)):
        prefetch(codes, ids[at])
    at = first
    while at < stop:
        item = ids[at]
        if item >= last:
            break
        if at < ahead:
            prefetch(codes, ids[at + AHEAD])
        product = np.float64(_product(integers, codes, item))
        score = base(items, item) - step * np.float64(scale(items, item)) * product
        wrong = reach * np.float64(error(items, item)) + slack
        if score - wrong <= limit:
            limit = _take(items, query, j, item, score - wrong, score + wrong, f)
        at += 1
    return at


@jit
def _take(items: Quantised, query: np.ndarray, j: int, item: int, low: float, high: float, f: Found) -> float:
    """Keep a candidate; returns the new limit."""
    best = f.highest[j]
    if keep_smallest(best, high):
        f.limit[j] = min(f.limit[j], best[best.size - 1])
    if f.sizes[j] == f.lowest.shape[1]:
        _rank(items, query, j, f)
    size = f.sizes[j]
    f.lowest[j, size] = low
    f.candidates[j, size] = item
    f.sizes[j] = size + 1
    return float(f.limit[j])


@jit
def _rank(items: Quantised, query: np.ndarray, j: int, f: Found) -> None:
    """Compute the distances of the candidates, as far as they are still in question, and let go of them."""
    distances, ids, limit = f.distances[j], f.ids[j], f.limit[j]
    kept = 0
    for i in range(f.sizes[j]):
        if f.lowest[j, i] <= limit:
            f.candidates[j, kept] = f.candidates[j, i]
            f.lowest[j, kept] = f.lowest[j, i]
            kept += 1
            prefetch(items.vectors, f.candidates[j, i])
    for i in range(kept):
        if f.lowest[j, i] > limit:
            continue
        item = f.candidates[j, i]
        far = distance(items.metric, query, items.vectors[item])
        f.ranked[j] += 1
        if keep_nearest(distances, ids, far, item):
            last = distances[distances.size - 1]
            limit = min(limit, (last - f.offset[j]) / f.factor[j] + f.slack[j])
    f.sizes[j] = 0
    f.limit[j] = limit

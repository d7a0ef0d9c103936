"""The inner loops of exact search: float32 scores of all items in question, float64 distances of the few
whose order rounding could have changed.

An item's score is base - scale * dot(query, item); it orders items as their distance does. A float32 dot
product is off by at most gamma * |q| * |x|, gamma = d u / (1 - d u), u = 2**-24, in whatever order it is
summed (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). So the scores of the
k nearest items lie within `slack`, twice that error, of the k-th best score, and these are the candidates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_reordering
from fannsbench.kernels.distance import distance

CHUNK = np.uint64(64)
"""Scores that are compared with the limit at once; unsigned, since Numba vectorises no signed offsets."""

OVERFULL = -1
_UNIT = 2.0**-24
_SMALLEST_NORMAL = 2.0**-126
_NO_OVERFLOW = 1e37


class Index(NamedTuple):
    """The items and what scores need besides dot products."""

    metric: int  # EUCLIDEAN, COSINE or INNER_PRODUCT of fannsbench.kernels.distance
    vectors: np.ndarray  # (n, d) float32
    base: np.ndarray  # (n padded to chunks,) float32, inf in the padding
    scale: np.ndarray  # (n padded to chunks,) float32
    longest: float  # largest length of an item
    reach: float  # largest scale times length
    highest: float  # largest base
    widest: float  # largest scale


class Candidates(NamedTuple):
    """What q queries have kept so far, in C places each."""

    best: np.ndarray  # (q, k) float32, ascending: the k best scores
    slack: np.ndarray  # (q,) float32
    scores: np.ndarray  # (q, C) float32
    ids: np.ndarray  # (q, C) int32, ascending
    sizes: np.ndarray  # (q,) int32, or OVERFULL: scores cannot tell the nearest from the rest


@jit
def candidates(index: Index, queries: np.ndarray, k: int) -> Candidates:
    """None yet. A query whose scores could overflow is OVERFULL from the start."""
    q, d, places = len(queries), queries.shape[1], 4 * k + 256
    slack, sizes = np.empty(q, np.float32), np.zeros(q, np.int32)
    gamma = d * _UNIT / (1.0 - d * _UNIT)
    for j in range(q):
        square = 0.0
        for x in queries[j]:
            square += np.float64(x) ** 2
        length = math.sqrt(square)
        # 8 u: rounding of base, of scale, of the score itself and of the limit it is compared with.
        error = (gamma + 8.0 * _UNIT) * length * index.reach + 8.0 * _UNIT * index.highest
        error += 2.0 * d * _SMALLEST_NORMAL * max(index.widest, 1.0)
        slack[j] = 2.0 * error
        if not length * index.longest + index.highest + slack[j] < _NO_OVERFLOW:
            sizes[j] = OVERFULL
    best = np.full((q, k), np.float32(np.inf))
    return Candidates(best, slack, np.empty((q, places), np.float32), np.empty((q, places), np.int32), sizes)


@jit
def _limit(c: Candidates, j: int) -> np.float32:
    """Scores from here on are out of question."""
    return np.float32(-np.inf) if c.sizes[j] == OVERFULL else c.best[j, -1] + c.slack[j]


@jit
def _offer(c: Candidates, j: int, score: np.float32, item: int) -> np.float32:
    """Take in an item whose score is below the limit; returns the new limit."""
    best = c.best[j]
    place = best.size - 1
    if score < best[place]:
        while place > 0 and best[place - 1] > score:
            best[place] = best[place - 1]
            place -= 1
        best[place] = score
    limit = _limit(c, j)
    if c.sizes[j] == c.ids.shape[1]:
        _drop(c, j, limit)
    size = c.sizes[j]
    if size == c.ids.shape[1]:
        c.sizes[j] = OVERFULL
        return _limit(c, j)
    c.scores[j, size] = score
    c.ids[j, size] = item
    c.sizes[j] = size + 1
    return limit


@jit
def _drop(c: Candidates, j: int, limit: np.float32) -> None:
    kept = 0
    for i in range(c.sizes[j]):
        if c.scores[j, i] < limit:
            c.scores[j, kept] = c.scores[j, i]
            c.ids[j, kept] = c.ids[j, i]
            kept += 1
    c.sizes[j] = kept


@jit_reordering
def scan_tile(
    index: Index, first: int, dots: np.ndarray, bitmaps: np.ndarray, filtered: bool, c: Candidates
) -> None:
    """Offer every query the items first..first + t. dots (q, t) float32, t a multiple of CHUNK, of any value
    where there is no item; bitmaps (q, ceil(n / 8)) uint8 are looked at if `filtered`."""
    width = np.uint64(dots.shape[1])
    base, scale = index.base[first : first + width], index.scale[first : first + width]
    for j in range(len(dots)):
        row = dots[j]
        limit = _limit(c, j)
        for start in range(np.uint64(0), width, CHUNK):
            below = np.int32(0)
            for i in range(start, start + CHUNK):
                below += np.int32(base[i] - scale[i] * row[i] < limit)
            if below == 0:
                continue
            for i in range(start, start + CHUNK):
                score = base[i] - scale[i] * row[i]
                if score < limit:
                    item = first + np.int64(i)
                    if not filtered or _is_set(bitmaps[j], item):
                        limit = _offer(c, j, score, item)


@jit
def finish_scan(
    index: Index, queries: np.ndarray, bitmaps: np.ndarray, filtered: bool, c: Candidates, nearest: np.ndarray
) -> None:
    """The nearest after all tiles, into nearest (q, k) int32."""
    for j in range(len(queries)):
        if c.sizes[j] != OVERFULL:
            _rank_candidates(index, queries[j], c, j, nearest[j])
            continue
        ids = np.empty(len(index.vectors), np.int32)
        count = 0
        for item in range(ids.size):
            if not filtered or _is_set(bitmaps[j], item):
                ids[count] = item
                count += 1
        _rank(index, queries[j], ids[:count], nearest[j])


@jit
def _is_set(bitmap: np.ndarray, item: int) -> bool:
    return (bitmap[item >> 3] >> (item & 7)) & 1 == 1


@jit_reordering
def _dot(query: np.ndarray, vectors: np.ndarray, item: int) -> np.float32:
    total = np.float32(0.0)
    for i in range(query.size):
        total += query[i] * vectors[item, i]
    return total


@jit_reordering
def gather(
    index: Index, queries: np.ndarray, indptr: np.ndarray, ids: np.ndarray, tile: int, nearest: np.ndarray
) -> None:
    """The nearest of each query's own items, ids[indptr[j]:indptr[j + 1]] (ascending), into nearest (q, k)
    int32.

    All queries pass over the first `tile` items, then over the next: what several queries want is in the
    cache from the second on.
    """
    c = candidates(index, queries, nearest.shape[1])
    place = indptr[:-1].copy()
    for last in range(tile, len(index.vectors) + tile, tile):
        for j in range(len(queries)):
            query, at, end = queries[j], place[j], indptr[j + 1]
            limit = _limit(c, j)
            while at < end:
                item = ids[at]
                if item >= last:
                    break
                score = index.base[item] - index.scale[item] * _dot(query, index.vectors, item)
                if score < limit:
                    limit = _offer(c, j, score, item)
                at += 1
            place[j] = at
    for j in range(len(queries)):
        if c.sizes[j] == OVERFULL:
            _rank(index, queries[j], ids[indptr[j] : indptr[j + 1]], nearest[j])
        else:
            _rank_candidates(index, queries[j], c, j, nearest[j])


@jit
def _rank_candidates(index: Index, query: np.ndarray, c: Candidates, j: int, nearest: np.ndarray) -> None:
    _drop(c, j, _limit(c, j))
    _rank(index, query, c.ids[j, : c.sizes[j]], nearest)


@jit
def _rank(index: Index, query: np.ndarray, ids: np.ndarray, nearest: np.ndarray) -> None:
    """The nearest of `ids` (ascending) into nearest (k,) int32, -1 padded; of equal distances the lower id
    first."""
    distances = np.full(nearest.size, np.inf)
    nearest[:] = -1
    for item in ids:
        far = distance(index.metric, query, index.vectors[item])
        place = nearest.size - 1
        if far < distances[place]:
            while place > 0 and distances[place - 1] > far:
                distances[place] = distances[place - 1]
                nearest[place] = nearest[place - 1]
                place -= 1
            distances[place] = far
            nearest[place] = item

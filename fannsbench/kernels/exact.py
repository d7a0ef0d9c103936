"""Exact search over a block of items: float32 scores of all items in question, float64 distances of the few
whose order rounding could have changed.

An item's score is base - scale * dot(query, item); it orders items as their distance does. A float32 dot
product is off by at most gamma * |q| * |x|, gamma = d u / (1 - d u), u = 2**-24, in whatever order it is
summed (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). So the scores of the
k nearest items lie within twice that error of the k-th best score, and these are the candidates.

`search` does one block, or one after another in ascending order of ids; how the items are offered to the
queries, it is told: by `scan`, `scan_chosen` or `gather`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_reordering
from fannsbench.kernels.ascending import keep_nearest, keep_smallest
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.distance import METRIC_CODES, distance
from fannsbench.kernels.space import prefetch
from fannsbench.metric import Metric

CHUNK = np.uint64(64)
"""Scores that are compared with the limit at once; unsigned, since Numba vectorises no signed offsets."""
TILE_SCORES = 1 << 20
"""Dot products of a scan's tile, 4 MiB: BLAS likes large tiles, the kernel that reads them a cache."""
BUFFER_BYTES = 8 * TILE_SCORES
"""Of scores, and of copied vectors, in a `scan` or a `scan_chosen`."""
TILE_BYTES = 512 << 10
"""Items that all queries of a batch pass over before the next ones: half an L2 cache."""
SHARED_BY = 4
"""Queries pass tile by tile if an item is wanted by this many of them or more, on average."""
AHEAD = 4
"""A gather asks for rows so many items before their turn."""
FIXED_COST = 60
"""What gathering an item costs besides arithmetic, in dimensions: the shorter vectors are, the sooner scans
pay. From `benchmarks/exact_scan_above.py`, as is SCAN_ABOVE."""
SCAN_ABOVE = 0.3
"""The fraction kept above which long vectors are scanned rather than gathered."""
NO_BITMAPS = np.empty((0, 0), np.uint8)

OVERFULL = -1
_UNIT = 2.0**-24
_SMALLEST_NORMAL = 2.0**-126
_NO_OVERFLOW = 1e37


class Block(NamedTuple):
    """Items and what scores need besides dot products."""

    metric: int  # EUCLIDEAN, COSINE or INNER_PRODUCT of fannsbench.kernels.distance
    vectors: np.ndarray  # (n, d) float32
    base: np.ndarray  # (n padded to chunks,) float32, inf in the padding
    scale: np.ndarray  # (n padded to chunks,) float32
    longest: float  # largest length of an item
    reach: float  # largest scale times length
    highest: float  # largest base
    widest: float  # largest scale


class Nearest(NamedTuple):
    """What q queries have found so far, over all blocks."""

    scores: np.ndarray  # (q, k) float32, ascending: the k best
    error: np.ndarray  # (q,) float64: no score is off by more
    distances: np.ndarray  # (q, k) float64, ascending, squared for EUCLIDEAN; inf where there is none
    ids: np.ndarray  # (q, k) int32, of equal distances the lower first; -1 where there is none

    @classmethod
    def none(cls, q: int, k: int) -> Nearest:
        """Of q queries that have found nothing yet."""
        scores = np.full((q, k), np.inf, np.float32)
        return cls(scores, np.zeros(q), np.full((q, k), np.inf), np.full((q, k), -1, np.int32))

    def of(self, queries: slice) -> Nearest:
        """A view of some queries."""
        return Nearest(*(array[queries] for array in self))


class Candidates(NamedTuple):
    """What q queries have kept of a block, in C places each."""

    best: np.ndarray  # (q, k) float32, ascending: the k best scores so far, of earlier blocks too
    slack: np.ndarray  # (q,) float32
    scores: np.ndarray  # (q, C) float32
    positions: np.ndarray  # (q, C) int32, ascending
    sizes: np.ndarray  # (q,) int32, or OVERFULL: scores cannot tell the nearest from the rest


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """(n,) float64 Euclidean lengths of (n, d)."""
    lengths: np.ndarray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths


def block_of(metric: Metric, vectors: np.ndarray, lengths: np.ndarray) -> Block:
    """Of (n, d) float32 vectors and their `lengths_of`."""
    n, chunk = len(lengths), int(CHUNK)
    base = np.full(-(-n // chunk) * chunk, np.inf, np.float32)
    scale = np.zeros(len(base), np.float32)
    with np.errstate(over="ignore", divide="ignore"):  # the kernels do without scores where there is an inf
        base[:n] = lengths**2 / 2 if metric is Metric.EUCLIDEAN else 0
        scale[:n] = np.where(lengths > 0, 1 / lengths, 0) if metric is Metric.COSINE else 1
    longest = float(lengths.max())
    return Block(
        metric=METRIC_CODES[metric],
        vectors=frozen(vectors),
        base=base,
        scale=scale,
        longest=longest,
        reach=1.0 if metric is Metric.COSINE else longest,
        highest=float(base[:n].max()),
        widest=float(scale.max()),
    )


def frozen(vectors: np.ndarray) -> np.ndarray:
    """A plain read-only view as float32: kernels are compiled once, for that, whether items are memory-mapped
    or not."""
    view: np.ndarray = np.ascontiguousarray(vectors, np.float32).view(np.ndarray)
    view.flags.writeable = False
    return view


def gathers_below(n: int, dimension: int, scan_above: float = SCAN_ABOVE) -> float:
    """The number of matches among n items up to which a query is faster gathering them than scanning all."""
    return scan_above * dimension / (dimension + FIXED_COST) * n


def search(
    block: Block,
    queries: np.ndarray,
    nearest: Nearest,
    offer: Callable[[Candidates], None],
    matches: Callable[[int], np.ndarray],
    first_id: int = 0,
) -> None:
    """Let a block, whose items have ids from first_id on, into the nearest of the queries, in place. `offer`
    offers every query its matches; `matches(j)` lists those of query j, ascending, and is called where
    scores are no help."""
    found = _begin(block, queries, nearest.scores, nearest.error)
    offer(found)
    _admit(block, queries, found, first_id, nearest.distances, nearest.ids)
    for j in np.flatnonzero(found.sizes == OVERFULL):
        _admit_all(block, queries[j], matches(int(j)), first_id, nearest.distances[j], nearest.ids[j])


@jit
def places(k: int) -> int:
    """C of `Candidates`."""
    return 4 * k + 256


@jit
def _begin(block: Block, queries: np.ndarray, best: np.ndarray, error: np.ndarray) -> Candidates:
    """No candidates yet. best (q, k) float32 and error (q,) float64 are those of `Nearest`, and updated. A
    query whose scores could overflow is OVERFULL from the start."""
    q, d, width = len(queries), queries.shape[1], places(best.shape[1])
    slack, sizes = np.empty(q, np.float32), np.zeros(q, np.int32)
    gamma = d * _UNIT / (1.0 - d * _UNIT)
    for j in range(q):
        square = 0.0
        for x in queries[j]:
            square += np.float64(x) ** 2
        length = math.sqrt(square)
        # 8 u: rounding of base, of scale, of the score itself and of the limit it is compared with.
        wrong = (gamma + 8.0 * _UNIT) * length * block.reach + 8.0 * _UNIT * block.highest
        wrong += 2.0 * d * _SMALLEST_NORMAL * max(block.widest, 1.0)
        error[j] = max(error[j], wrong)
        slack[j] = 2.0 * error[j]
        if not length * block.longest + block.highest + slack[j] < _NO_OVERFLOW:
            sizes[j] = OVERFULL
    return Candidates(best, slack, np.empty((q, width), np.float32), np.empty((q, width), np.int32), sizes)


@jit
def _limit(c: Candidates, j: int) -> np.float32:
    """Scores from here on are out of question."""
    return np.float32(-np.inf) if c.sizes[j] == OVERFULL else c.best[j, -1] + c.slack[j]


@jit
def _offer(c: Candidates, j: int, score: np.float32, position: int) -> np.float32:
    """Take in an item whose score is below the limit; returns the new limit."""
    keep_smallest(c.best[j], score)
    limit = _limit(c, j)
    if c.sizes[j] == c.positions.shape[1]:
        _drop(c, j, limit)
    size = c.sizes[j]
    if size == c.positions.shape[1]:
        c.sizes[j] = OVERFULL
        return _limit(c, j)
    c.scores[j, size] = score
    c.positions[j, size] = position
    c.sizes[j] = size + 1
    return limit


@jit
def _drop(c: Candidates, j: int, limit: np.float32) -> None:
    kept = 0
    for i in range(c.sizes[j]):
        if c.scores[j, i] < limit:
            c.scores[j, kept] = c.scores[j, i]
            c.positions[j, kept] = c.positions[j, i]
            kept += 1
    c.sizes[j] = kept


@jit_reordering
def _scan_tile(
    base: np.ndarray,
    scale: np.ndarray,
    first: int,
    dots: np.ndarray,
    bitmaps: np.ndarray,
    filtered: bool,
    c: Candidates,
) -> None:
    """Offer every query the items first..first + t of a block. base, scale (t,) float32; dots (q, t) float32,
    t a multiple of CHUNK, of any value where there is no item; bitmaps (q, ceil(n / 8)) uint8 are looked at
    if `filtered`."""
    width = np.uint64(dots.shape[1])
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
                    position = first + int(i)
                    if not filtered or _is_set(bitmaps[j], position):
                        limit = _offer(c, j, score, position)


@jit
def _is_set(bitmap: np.ndarray, position: int) -> bool:
    return bool((bitmap[position >> 3] >> (position & 7)) & 1)


def scan(block: Block, queries: np.ndarray, bitmaps: np.ndarray | None, c: Candidates) -> None:
    """Offer all items, or those set in bitmaps (q, ceil(n / 8)) uint8, by BLAS, tile after tile."""
    chunk, padded, q = int(CHUNK), len(block.base), len(queries)
    tile = min(max(chunk, TILE_SCORES // q // chunk * chunk), padded)
    scores = np.empty(q * tile, np.float32)
    for first in range(0, padded, tile):
        vectors = block.vectors[first : first + tile]
        width = min(tile, padded - first)
        dots = scores[: q * width].reshape(q, width)
        with np.errstate(over="ignore", invalid="ignore"):  # as for `block_of`
            np.matmul(queries, vectors.T, out=dots[:, : len(vectors)])
        base, scale = block.base[first : first + width], block.scale[first : first + width]
        bits = NO_BITMAPS if bitmaps is None else bitmaps
        _scan_tile(base, scale, first, dots, bits, bitmaps is not None, c)


def scan_chosen(block: Block, queries: np.ndarray, positions: np.ndarray, c: Candidates) -> None:
    """Offer the items at `positions` (ascending) of the block to all queries, by BLAS, tile after tile of
    copies. The candidates' positions are those in the block."""
    chunk, q = int(CHUNK), len(queries)
    tile = max(chunk, TILE_SCORES // max(q, block.vectors.shape[1]) // chunk * chunk)
    vectors = np.empty((tile, block.vectors.shape[1]), np.float32)
    scores = np.empty(q * tile, np.float32)
    for first in range(0, len(positions), tile):
        some = positions[first : first + tile]
        count, width = len(some), -(-len(some) // chunk) * chunk
        base, scale = np.full(width, np.inf, np.float32), np.zeros(width, np.float32)
        base[:count], scale[:count] = block.base[some], block.scale[some]
        np.take(block.vectors, some, axis=0, out=vectors[:count])
        dots = scores[: q * width].reshape(q, width)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(queries, vectors[:count].T, out=dots[:, :count])
        _scan_tile(base, scale, first, dots, NO_BITMAPS, False, c)
    for j in np.flatnonzero(c.sizes > 0):
        found = c.positions[j, : c.sizes[j]]
        found[:] = positions[found]


@jit_reordering
def _dot(query: np.ndarray, vectors: np.ndarray, position: int) -> np.float32:
    total = np.float32(0.0)
    for i in range(query.size):
        total += query[i] * vectors[position, i]
    return total


def gather(
    block: Block, queries: np.ndarray, indptr: np.ndarray, positions: np.ndarray, c: Candidates
) -> None:
    """Offer each query items of its own, positions[indptr[j]:indptr[j + 1]] (ascending), one by one."""
    n, d = block.vectors.shape
    shared = len(positions) >= SHARED_BY * n
    _gather(block, queries, indptr, positions, max(1, TILE_BYTES // (4 * d)) if shared else n, c)


@jit_reordering
def _gather(
    block: Block, queries: np.ndarray, indptr: np.ndarray, positions: np.ndarray, tile: int, c: Candidates
) -> None:
    """All queries pass over the first `tile` items, then over the next: what several queries want is in the
    cache from the second on."""
    block, queries, positions, c = borrowed(block), borrowed(queries), borrowed(positions), borrowed(c)
    place = indptr[:-1].copy()
    for last in range(tile, len(block.vectors) + tile, tile):
        for j in range(len(queries)):
            query, at, end = queries[j], place[j], indptr[j + 1]
            limit, ahead = _limit(c, j), end - AHEAD
            for i in range(at, min(at + AHEAD, end)):
                prefetch(block.vectors, positions[i])
            while at < end:
                position = positions[at]
                if position >= last:
                    break
                if at < ahead:
                    prefetch(block.vectors, positions[at + AHEAD])
                score = block.base[position] - block.scale[position] * _dot(query, block.vectors, position)
                if score < limit:
                    limit = _offer(c, j, score, position)
                at += 1
            place[j] = at


@jit
def _admit(
    block: Block, queries: np.ndarray, c: Candidates, first_id: int, distances: np.ndarray, ids: np.ndarray
) -> None:
    """Let the candidates into the nearest, (q, k) each as in `Nearest`, which are updated. The block's items
    have ids from first_id on. Queries that are OVERFULL are left as they are: see `_admit_all`."""
    for j in range(len(queries)):
        if c.sizes[j] != OVERFULL:
            _drop(c, j, _limit(c, j))
            _admit_all(block, queries[j], c.positions[j, : c.sizes[j]], first_id, distances[j], ids[j])


@jit
def _admit_all(
    block: Block,
    query: np.ndarray,
    positions: np.ndarray,
    first_id: int,
    distances: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Let the items at `positions` into one query's nearest, (k,) each."""
    for position in positions:
        far = distance(block.metric, query, block.vectors[position])
        keep_nearest(distances, ids, far, first_id + position)


def positions_of(bitmap: np.ndarray | None, n: int) -> np.ndarray:
    """int32 positions of the bits that are set, of n, or of all n where there is no bitmap."""
    if bitmap is None:
        return np.arange(n, dtype=np.int32)
    return np.flatnonzero(np.unpackbits(bitmap, count=n, bitorder="little")).astype(np.int32)

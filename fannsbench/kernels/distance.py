"""The inner loop of exact nearest neighbours: bounds from float32 dot products, and float64 distances of
only those items that the bounds cannot rule out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.kernels import jit, jit_reordering

EUCLIDEAN, COSINE, INNER_PRODUCT = range(3)
METRIC_CODES = {
    Metric.EUCLIDEAN: EUCLIDEAN,
    Metric.COSINE: COSINE,
    Metric.INNER_PRODUCT: INNER_PRODUCT,
}
UNSCANNED = -1
_BITS = 8


class Terms(NamedTuple):
    """What a distance needs of each vector besides the dot product: for a query and an item it is
    base + base - scale * scale * dot. All (n,) float64; length is the Euclidean one."""

    base: np.ndarray
    scale: np.ndarray
    length: np.ndarray


class Slack(NamedTuple):
    """Rounding: of a float32 dot product, relative to the product of the lengths and absolute (underflow),
    and of the float64 arithmetic, relative to the bases."""

    dot: float
    underflow: float
    bases: float


@jit_reordering
def _half_square_of_difference(
    query: np.ndarray, query_scale: float, item: np.ndarray, item_scale: float
) -> float:
    total = 0.0
    for i in range(len(query)):
        difference = np.float64(query[i]) * query_scale - np.float64(item[i]) * item_scale
        total += difference * difference
    return total / 2.0


@jit_reordering
def distance(metric: int, query: np.ndarray, item: np.ndarray) -> float:
    """In float64 from float32 vectors, by the metric's definition, but squared for EUCLIDEAN. A vector of
    length zero is at cosine distance 1."""
    if metric == EUCLIDEAN:
        return _half_square_of_difference(query, 1.0, item, 1.0) * 2.0
    dot, query_square, item_square = 0.0, 0.0, 0.0
    for i in range(len(query)):
        q, x = np.float64(query[i]), np.float64(item[i])
        dot += q * x
        query_square += q * q
        item_square += x * x
    if metric == INNER_PRODUCT:
        return -dot
    if query_square == 0.0 or item_square == 0.0:
        return 1.0
    # Equal to 1 - cosine, without the loss of digits where that is small.
    return _half_square_of_difference(
        query, 1.0 / math.sqrt(query_square), item, 1.0 / math.sqrt(item_square)
    )


@jit
def distances_of_pairs(
    metric: int,
    queries: np.ndarray,
    items: np.ndarray,
    query_of: np.ndarray,
    item_of: np.ndarray,
    place_of: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the distance of queries[query_of[i]] and items[item_of[i]] to out[place_of[i]], for each i."""
    for i in range(len(query_of)):
        out[place_of[i]] = distance(metric, queries[query_of[i]], items[item_of[i]])


@jit
def update_nearest(
    metric: int,
    queries: np.ndarray,
    items: np.ndarray,
    first_id: int,
    bitmaps: np.ndarray,
    dots: np.ndarray,
    dots_row: np.ndarray,
    query_terms: Terms,
    item_terms: Terms,
    slack: Slack,
    nearest: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Let the matches in a block of items into the k nearest of each query.

    queries (q, d), items (b, d) float32, of ids from first_id on; bitmaps (q, ceil(b / 8)) uint8.
    dots (rows, b) float32: row dots_row[j] (int64) is query j's, or dots_row[j] is UNSCANNED, and the
    distance of every match is computed. nearest (q, k) float64, ascending, inf where there is none yet,
    and ids (q, k) int32 are updated in place. Blocks come in ascending order of ids: of items equally far
    the first stays.
    """
    k = nearest.shape[1]
    matches = np.empty(len(items), np.int64)
    heap = np.empty(k, np.float64)
    for j in range(len(queries)):
        num_matches = _unpack(bitmaps[j], matches)
        row = dots_row[j]
        limit = math.inf
        if row != UNSCANNED:
            heap[:] = nearest[j, ::-1]  # a descending array is a max-heap
            for i in matches[:num_matches]:
                upper = _bounds(dots[row, i], query_terms, j, item_terms, i, slack)[1]
                if upper < heap[0]:
                    _replace_root(heap, upper)
            limit = heap[0]  # k matches are no farther than this
        for i in matches[:num_matches]:
            if row != UNSCANNED and _bounds(dots[row, i], query_terms, j, item_terms, i, slack)[0] > limit:
                continue
            candidate = distance(metric, queries[j], items[i])
            if candidate < nearest[j, k - 1]:
                _insert(nearest[j], ids[j], candidate, first_id + i)


@jit
def _bounds(
    dot: float, query_terms: Terms, query: int, item_terms: Terms, item: int, slack: Slack
) -> tuple[float, float]:
    """What `distance` gives lies between these two, however `dot` was summed and rounded."""
    if not math.isfinite(dot):  # an overflow
        return -math.inf, math.inf
    scale = query_terms.scale[query] * item_terms.scale[item]
    estimate = query_terms.base[query] + item_terms.base[item] - scale * dot
    error = scale * (slack.dot * query_terms.length[query] * item_terms.length[item] + slack.underflow)
    error += slack.bases * (query_terms.base[query] + item_terms.base[item])
    return estimate - error, estimate + error


@jit
def _unpack(bitmap: np.ndarray, positions: np.ndarray) -> int:
    """Write the positions of the set bits, ascending; returns how many."""
    count = 0
    for place in range(len(bitmap)):
        byte = bitmap[place]
        if byte != 0:
            for bit in range(_BITS):
                if (byte >> bit) & 1:
                    positions[count] = _BITS * place + bit
                    count += 1
    return count


@jit
def _replace_root(heap: np.ndarray, value: float) -> None:
    parent = 0
    while 2 * parent + 1 < len(heap):
        child = 2 * parent + 1
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = value


@jit
def _insert(nearest: np.ndarray, ids: np.ndarray, value: float, item: int) -> None:
    place = len(nearest) - 1
    while place > 0 and nearest[place - 1] > value:
        nearest[place] = nearest[place - 1]
        ids[place] = ids[place - 1]
        place -= 1
    nearest[place] = value
    ids[place] = item

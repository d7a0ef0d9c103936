"""Items as bytes, and what bounds the error of scores that are computed from them.

Items are y, centred and, for the cosine, of length 1; an item's score is base - <q, y>, and a query's
distances are scores times a factor plus an offset. Of y only bytes are kept, c with y = scale * c + r, and
the length of r: scalar quantisation, as in faiss's IndexScalarQuantizer, with a scale for each item.
`fannsbench.kernels.refine` searches them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.distance import COSINE, EUCLIDEAN, METRIC_CODES
from fannsbench.kernels.exact import frozen
from fannsbench.kernels.parallel import for_ranges
from fannsbench.metric import Metric
from fannsbench.vectors import blocks

LARGEST = 127
"""Of a code."""
TAIL = 16
"""Bytes behind the codes of an item: its base as float64, its scale and its error as float32. They lie in its
own cache lines, since items are read in no order that keeps others' in a cache."""
UNIT = 2.0**-53
"""What a float64 is off by at most, relatively."""


class Quantised(NamedTuple):
    """n items of d dimensions as W bytes each: D codes, zero from d on, and a tail."""

    metric: int  # EUCLIDEAN, COSINE or INNER_PRODUCT of fannsbench.kernels.distance
    vectors: np.ndarray  # (n, d) float32, as they came
    centre: np.ndarray  # (d,) float64, subtracted from items
    codes: np.ndarray  # (n, W) int8
    floats: np.ndarray  # (n, W / 4) float32: the same bytes
    doubles: np.ndarray  # (n, W / 8) float64: the same bytes
    longest: float  # the largest length of an item, centred
    highest: float  # the largest base


def quantised(metric: Metric, vectors: np.ndarray, threads: int = 1) -> Quantised:
    """Of (n, d) float32 vectors. The same for any number of threads."""
    n, d = vectors.shape
    # A mean in one pass, block after block, so that it does not depend on the threads.
    centre = np.zeros(d)
    for _, block in blocks(vectors):
        wide = block.astype(np.float64)
        if metric is Metric.COSINE:
            lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
            wide /= np.where(lengths > 0, lengths, 1)
        centre += wide.sum(axis=0)
    items = of_codes(metric, vectors, centre / n, np.zeros((n, width_of(d)), np.int8))
    for_ranges(n, threads, lambda first, last: _quantise(items, first, last))
    return of_codes(metric, vectors, items.centre, items.codes)


def width_of(dimension: int) -> int:
    """W of vectors of `dimension`."""
    return -(-dimension // TAIL) * TAIL + TAIL


def of_codes(metric: Metric, vectors: np.ndarray, centre: np.ndarray, codes: np.ndarray) -> Quantised:
    """From what was kept of `quantised`."""
    items = Quantised(
        METRIC_CODES[metric],
        frozen(vectors),
        centre,
        codes,
        codes.view(np.float32),
        codes.view(np.float64),
        longest=0.0,
        highest=0.0,
    )
    longest, highest = _extent(items)
    return items._replace(longest=longest, highest=highest)


@jit
def _extent(items: Quantised) -> tuple[float, float]:
    """The largest length of an item's codes times its scale, and the largest base."""
    longest, highest = 0.0, 0.0
    width = items.codes.shape[1] - TAIL
    for item in range(len(items.codes)):
        square = 0.0
        for i in range(width):
            square += np.float64(items.codes[item, i]) ** 2
        longest = max(longest, math.sqrt(square) * np.float64(scale(items, item)))
        highest = max(highest, base(items, item))
    return longest, highest


@jit_inline
def base(items: Quantised, item: int) -> Any:
    """|y|^2 / 2 for EUCLIDEAN, else 0; float64."""
    return items.doubles[item, items.doubles.shape[1] - 2]


@jit_inline
def scale(items: Quantised, item: int) -> Any:
    """What codes are multiplied by; float32."""
    return items.floats[item, items.floats.shape[1] - 2]


@jit_inline
def error(items: Quantised, item: int) -> Any:
    """|r| or a little more; float32."""
    return items.floats[item, items.floats.shape[1] - 1]


@jit
def centred(metric: int, vector: np.ndarray, centre: np.ndarray, out: np.ndarray) -> float:
    """Write y, or a query likewise, into out (d,) float64; returns its squared length."""
    by = 1.0
    if metric == COSINE:
        square = 0.0
        for x in vector:
            square += np.float64(x) ** 2
        by = 1.0 / math.sqrt(square) if square > 0.0 else 0.0
    square = 0.0
    for i in range(vector.size):
        out[i] = np.float64(vector[i]) * by - centre[i]
        square += out[i] ** 2
    return square


@jit
def _quantise(items: Quantised, first: int, last: int) -> None:
    y = np.empty(items.vectors.shape[1])
    for item in range(first, last):
        square = centred(items.metric, items.vectors[item], items.centre, y)
        largest = 0.0
        for x in y:
            largest = max(largest, abs(x))
        by = np.float32(largest / LARGEST)
        lost = 0.0
        for i in range(y.size):
            code = min(max(np.rint(y[i] / by), -LARGEST), LARGEST) if by > 0.0 else 0.0
            items.codes[item, i] = np.int8(code)
            lost += (y[i] - np.float64(by) * code) ** 2
        # What float64 rounds off and the next float32: it must be no less than the true length.
        length = math.sqrt(lost) + 8.0 * y.size * UNIT * math.sqrt(square)
        items.doubles[item, -2] = 0.5 * square if items.metric == EUCLIDEAN else 0.0
        items.floats[item, -2] = by
        items.floats[item, -1] = np.nextafter(np.float32(length), np.float32(np.inf))

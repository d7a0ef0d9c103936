"""Maps of vectors to another dimension or number type. Each takes a block of rows, and makes of it what it
would make of its rows alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from fannsbench.data.progress import Progress, silent
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric
from fannsbench.vectors import Chosen, Vectors, as_float32, blocks, not_finite

Transform = Callable[[np.ndarray], np.ndarray]
"""(rows, d) -> (rows, width)"""
SAMPLE = 20_000
"""Items that principal components are found from, at most."""
INT8_LARGEST = 127


@dataclass(frozen=True, eq=False)
class Linear:
    """x -> (x - mean) @ matrix, in float32: mean (d,), matrix (d, width)."""

    mean: np.ndarray
    matrix: np.ndarray

    @property
    def width(self) -> int:
        return int(self.matrix.shape[1])

    def __call__(self, block: np.ndarray) -> np.ndarray:
        mapped: np.ndarray = (as_float32(block) - self.mean) @ self.matrix
        return mapped


def principal_components(
    items: Vectors, width: int, metric: Metric, rng: np.random.Generator, progress: Progress = silent
) -> Linear:
    """Projection to the `width` orthogonal directions that keep most of the items' squared lengths, as told
    from a random SAMPLE of the items, most first.

    For Euclidean distance the mean of the sample is taken away first (the usual principal component
    analysis), which changes no distance. For cosine and inner product it is not: those are not the same after
    a shift, and the directions kept are the ones that dot products are best approximated by.

    Raises DatasetError for more directions than there are dimensions, and for numbers that are not finite.
    """
    n, d = items.shape
    if width > d:
        raise DatasetError(
            f"{width:,} principal components of {d:,} dimensions; there are no more than those"
        )
    sample = Chosen(items, np.sort(rng.permutation(n)[:SAMPLE]))
    count = sample.shape[0]
    total, products = np.zeros(d), np.zeros((d, d))
    with progress("principal components", count) as advance:
        for rows, block in blocks(sample):
            _require_finite(block)
            numbers = block.astype(np.float64)
            total += numbers.sum(axis=0)
            products += numbers.T @ numbers
            advance(rows.stop - rows.start)
    mean = total / count if metric is Metric.EUCLIDEAN else np.zeros(d)
    scatter = products / count - np.outer(mean, mean)
    _, directions = eigh(scatter, subset_by_index=(d - width, d - 1), overwrite_a=True)
    return Linear(as_float32(mean), as_float32(directions[:, ::-1]))


def random_rotation(dimension: int, width: int, rng: np.random.Generator) -> Linear:
    """A random isometry to `width` >= `dimension` dimensions, of uniform (Haar) distribution: what padding
    with zeros and a random rotation give together. Keeps distances and dot products, but for rounding.

    Raises DatasetError for fewer dimensions.
    """
    if width < dimension:
        raise DatasetError(
            f"a rotation of {dimension:,} dimensions to {width:,}; fewer cannot hold them, principal "
            "components can be cut"
        )
    # The columns of Q are uniform only with the signs that make R's diagonal positive (Mezzadri, Notices of
    # the AMS 54, 2007).
    q, r = np.linalg.qr(rng.standard_normal((width, dimension)))
    return Linear(np.zeros(dimension, np.float32), as_float32((q * np.sign(np.diag(r))).T))


def float16(block: np.ndarray) -> np.ndarray:
    """Rounded to float16. Raises DatasetError for numbers that are too large for it."""
    with np.errstate(over="ignore"):
        rounded = block.astype(np.float16)
    if np.isinf(rounded).any():
        largest = float(np.finfo(np.float16).max)
        raise DatasetError(f"float16 holds no number beyond {largest:,.0f}; these vectors have some")
    return rounded


def int8(scale: float) -> Transform:
    """Multiplied by `scale` and rounded to whole numbers, which must lie within an int8."""
    return lambda block: np.rint(block * np.float64(scale)).astype(np.int8)


def int8_scale(items: Vectors, queries: np.ndarray, progress: Progress = silent) -> float:
    """By which the largest absolute number of all items and queries becomes INT8_LARGEST. One scale for all
    numbers keeps the order of distances, under every metric, but for the rounding.

    Raises DatasetError for numbers that are not finite."""
    largest = float(np.abs(queries).max(initial=0))
    with progress("largest number", items.shape[0]) as advance:
        for rows, block in blocks(items):
            _require_finite(block)
            largest = max(largest, float(np.abs(as_float32(block)).max(initial=0)))
            advance(rows.stop - rows.start)
    return INT8_LARGEST / largest if largest else 1.0


def _require_finite(block: np.ndarray) -> None:
    if not_finite(block) is not None:
        raise DatasetError("the items' vectors hold NaN, or numbers that are infinite as float32")

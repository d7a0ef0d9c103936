"""The space that graphs are built and searched in: squared Euclidean distances of float32 rows.

Every metric is brought into it once, when an index is built, so that kernels know one distance:
cosine by scaling to length 1, which keeps the order; the inner product by one more dimension,
sqrt(longest^2 - |x|^2), which makes all items equally long (Bachrach et al., Speeding Up the Xbox Recommender
System Using a Euclidean Transformation for Inner-Product Spaces, RecSys 2014, section 3.2).

Rows are padded with zeros to whole cache lines. Items may be kept in half precision or as bytes; distances
are float32 all the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from fannsbench.kernels import jit, jit_inline, jit_reordering
from fannsbench.metric import Metric
from fannsbench.vectors import blocks

LINE = 64
"""Bytes of a cache line."""
_FLOATS = LINE // 4
_SAMPLE = 1000
_LARGEST_HALF = np.float32(32768.0)


def items_in_space(metric: Metric, vectors: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """(n, D) float32, D a multiple of 16, aligned to cache lines: a copy of (n, d) vectors. order (n,): which
    of them each row is, where they are not kept as they come."""
    n, d = vectors.shape
    space = _aligned(n, width_in_space(metric, d))
    longest = 0.0
    for rows, block in blocks(vectors):
        part = space[rows]
        part[:, :d] = block if order is None else vectors[order[rows]]
        if metric is Metric.COSINE:
            part[:] = _of_length_one(part)
        elif metric is Metric.INNER_PRODUCT:
            longest = max(longest, float(_squares(part).max()))
    if metric is Metric.INNER_PRODUCT:
        for rows, _ in blocks(space):
            space[rows, d] = np.sqrt(np.maximum(longest - _squares(space[rows]), 0))
    space.flags.writeable = False
    return space


def queries_in_space(metric: Metric, queries: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(q, D) float32: queries (q, d) for items (n, D) of `items_in_space`. Their order of the items is the
    metric's; for the inner product that is so for queries of any length, and they are made as long as the
    items, beside which shorter ones would be lost in rounding."""
    q, d = queries.shape
    space = np.zeros((q, width_in_space(metric, d)), np.float32)
    space[:, :d] = queries
    if metric is Metric.EUCLIDEAN:
        return space
    length = np.sqrt(_squares(items[:1])) if metric is Metric.INNER_PRODUCT else 1.0
    return cast(np.ndarray, (_of_length_one(space) * length).astype(np.float32))


def width_in_space(metric: Metric, dimension: int) -> int:
    """D of vectors of `dimension`."""
    needed = dimension + (metric is Metric.INNER_PRODUCT)
    return -(-needed // _FLOATS) * _FLOATS


def _aligned(n: int, width: int, dtype: type[Any] = np.float32) -> np.ndarray:
    """(n, width) zeros whose rows begin with cache lines."""
    size = n * width * np.dtype(dtype).itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return cast(np.ndarray, raw[start : start + size].view(dtype).reshape(n, width))


def _squares(vectors: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(_squares(vectors))[:, None]
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


@intrinsic
def _float_of_half(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


def as_float32(number: Any) -> Any:
    """One number of a stored vector; uint16 stands for the bits of a float16, which Numba does not know."""
    return number.view(np.float16).astype(np.float32) if isinstance(number, np.uint16) else np.float32(number)


@overload(as_float32, strict=False)
def _as_float32(number: Any) -> Any:
    if number == types.uint16:
        return lambda number: _float_of_half(number)  # type: ignore[call-arg]
    return lambda number: np.float32(number)


@jit_reordering
def squared_distance(query: np.ndarray, vectors: np.ndarray, item: int) -> np.float32:
    """Of a query (D,) float32 and row `item` of (n, D) float32, int8, uint8, or uint16 (bits of float16).
    Summed in one fixed order, so the same pair has the same distance everywhere."""
    total = np.float32(0.0)
    vector = vectors[item]
    for i in range(query.size):
        difference = query[i] - as_float32(vector[i])
        total += difference * difference
    return total


class Halves(NamedTuple):
    """Vectors in half precision, about their median and times a power of two that bring them into its range:
    half of what a distance reads from memory, for searches whose result is compared exactly afterwards."""

    vectors: np.ndarray  # (n, D) uint16, the bits of float16
    centre: np.ndarray  # (D,) float32
    scale: np.float32


def halves_of(vectors: np.ndarray) -> Halves:
    """Of (n, D) float32. Values more than some thousand times as far from the median as is usual are cut."""
    n = len(vectors)
    some = vectors[:: max(1, n // _SAMPLE)]
    centre = np.median(some, axis=0).astype(np.float32)
    usual = float(np.median(np.abs(some - centre).max(axis=1)))
    scale = np.float32(2.0 ** -np.frexp(usual)[1])
    halves = _aligned(n, vectors.shape[1], np.float16)
    for rows, block in blocks(vectors):
        halves[rows] = np.clip((block - centre) * scale, -_LARGEST_HALF, _LARGEST_HALF)
    return Halves(halves.view(np.uint16), centre, scale)


@jit
def as_half(halves: Halves, vector: np.ndarray) -> np.ndarray:
    """A vector (D,) float32 as it is compared with `halves.vectors`."""
    half: np.ndarray = (vector - halves.centre) * halves.scale
    return half


@intrinsic
def _prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        read, keep, data_cache = i32(0), i32(3), i32(1)
        builder.call(function, [address, read, keep, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _prefetch_row(vectors: np.ndarray, item: int) -> None:
    """Nothing to do in Python."""


@overload(_prefetch_row, strict=False)
def _compiled_prefetch_row(vectors: Any, item: Any) -> Any:
    step = max(1, LINE // (vectors.dtype.bitwidth // 8))

    def prefetch_lines(vectors: np.ndarray, item: int) -> None:
        width = vectors.shape[1]
        first = np.int64(item) * width
        for offset in range(0, width, step):
            _prefetch(vectors, first + offset)  # type: ignore[call-arg]

    return prefetch_lines


@jit_inline
def prefetch(vectors: np.ndarray, item: int) -> None:
    """Ask the memory for all cache lines of a row that is read soon."""
    _prefetch_row(vectors, item)

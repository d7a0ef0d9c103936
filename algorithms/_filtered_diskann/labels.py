"""The labels of items as kernels read them: of one label each, which an item may lack, or of sets of labels.

A label is a code of the attribute (see `fannsbench.attributes`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.attributes import Column, LabelSet
from fannsbench.kernels import jit_inline
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.search import accepts

_BITS = 64


class OneEach(NamedTuple):
    """At most one label for each item: a test is one comparison."""

    codes: np.ndarray  # (n,) int32, -1 for none


class Sets(NamedTuple):
    """A set of labels for each item, and 64 bits of it, label l at bit l % 64, which settle most tests
    without reading the set."""

    starts: np.ndarray  # (n + 1,) int64
    codes: np.ndarray  # int32, ascending within an item
    bits: np.ndarray  # (n,) uint64


def labels_of(column: Column | None, n: int) -> OneEach | Sets:
    """Of an attribute of n items; without one, no item has a label."""
    if column is None:
        return OneEach(np.full(n, -1, np.int32))
    if not isinstance(column, LabelSet):
        return OneEach(np.array(column.codes, np.int32))
    sizes = np.diff(column.indptr)
    if sizes.max(initial=0) <= 1:
        codes = np.full(n, -1, np.int32)
        codes[sizes == 1] = column.indices
        return OneEach(codes)
    bits = np.zeros(n, np.uint64)
    ones = np.uint64(1) << (column.indices % _BITS).astype(np.uint64)
    filled = np.flatnonzero(sizes)
    bits[filled] = np.bitwise_or.reduceat(ones, column.indptr[filled])
    return Sets(np.array(column.indptr, np.int64), np.array(column.indices, np.int32), bits)


def most_labels(labels: OneEach | Sets) -> int:
    """Of an item."""
    return 1 if isinstance(labels, OneEach) else int(np.diff(labels.starts).max(initial=0))


@by_type
def labels_at(labels: Any, item: int) -> np.ndarray:
    """The labels of an item, ascending: int32; (1,) of -1 may stand for none."""
    raise NotImplementedError(type(labels))


@labels_at.register(OneEach)
def _one_at(labels: OneEach, item: int) -> np.ndarray:
    return labels.codes[item : item + 1]


@labels_at.register(Sets)
def _set_at(labels: Sets, item: int) -> np.ndarray:
    return labels.codes[labels.starts[item] : labels.starts[item + 1]]


class HasCode(NamedTuple):
    """Items of one label each that have this one; or, for -1, none: such an item is alone."""

    codes: np.ndarray
    wanted: int


class HasOneOfCodes(NamedTuple):
    """Items of one label each that have one of several."""

    codes: np.ndarray
    wanted: np.ndarray  # int32


class Holds(NamedTuple):
    """Items of which the set holds a label."""

    labels: Sets
    wanted: int
    bit: np.uint64


class HoldsOneOf(NamedTuple):
    """Items of which the set holds one of several labels."""

    labels: Sets
    wanted: np.ndarray  # int32, ascending
    bits: np.uint64


@accepts.register(HasCode)
def _has_code(test: HasCode, item: int) -> bool:
    return bool(test.codes[item] == test.wanted)


@accepts.register(HasOneOfCodes)
def _has_one_of_codes(test: HasOneOfCodes, item: int) -> bool:
    code = test.codes[item]
    for wanted in test.wanted:  # noqa: SIM110 - a generator is not compiled
        if code == wanted:
            return True
    return False


@accepts.register(Holds)
def _holds(test: Holds, item: int) -> bool:
    return bool(test.labels.bits[item] & test.bit) and _is_in(test.labels, item, test.wanted)


@accepts.register(HoldsOneOf)
def _holds_one_of(test: HoldsOneOf, item: int) -> bool:
    return bool(test.labels.bits[item] & test.bits) and _meet(test.labels, item, test.wanted)


@jit_inline
def _is_in(labels: Sets, item: int, wanted: int) -> bool:
    for place in range(labels.starts[item], labels.starts[item + 1]):
        if labels.codes[place] >= wanted:
            return bool(labels.codes[place] == wanted)
    return False


@jit_inline
def _meet(labels: Sets, item: int, wanted: np.ndarray) -> bool:
    place, last, i = labels.starts[item], labels.starts[item + 1], 0
    while place < last and i < wanted.size:
        if labels.codes[place] == wanted[i]:
            return True
        if labels.codes[place] < wanted[i]:
            place += 1
        else:
            i += 1
    return False


@by_type
def with_label(labels: Any, label: int) -> Any:
    """The test for items that have a label."""
    raise NotImplementedError(type(labels))


@with_label.register(OneEach)
def _with_code(labels: OneEach, label: int) -> HasCode:
    return HasCode(labels.codes, label)


@with_label.register(Sets)
def _with_member(labels: Sets, label: int) -> Holds:
    return Holds(labels, label, _bit(label))


@by_type
def with_one_of(labels: Any, wanted: np.ndarray) -> Any:
    """The test for items that have one of several labels (m,) int32, ascending."""
    raise NotImplementedError(type(labels))


@with_one_of.register(OneEach)
def _with_one_of_codes(labels: OneEach, wanted: np.ndarray) -> HasOneOfCodes:
    return HasOneOfCodes(labels.codes, wanted)


@with_one_of.register(Sets)
def _with_one_of_members(labels: Sets, wanted: np.ndarray) -> HoldsOneOf:
    bits = np.uint64(0)
    for label in wanted:
        if label >= 0:
            bits |= _bit(label)
    return HoldsOneOf(labels, wanted, bits)


@jit_inline
def _bit(label: int) -> np.uint64:
    return np.uint64(1) << np.uint64(label % _BITS)

"""Filters as kernels: does item i match query j, and the masks, counts and posting lists built on it.

A filter arrives as a `Predicate`: a postfix program over leaves, each leaf being "a code of the item lies
in the closed interval bounds[query, leaf]" (see `fannsbench.attributes` for the codes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit

AND, OR, NOT = -1, -2, -3
"""Operators of a program; numbers from 0 up are leaves."""

SCATTER_BELOW = 8
"""A leaf with fewer than n / 8 matches is written from its posting list, else the codes are scanned."""
SORT_BELOW = 64
"""Fewer than n / 64 ids are sorted by comparing them, more by marking them among all items."""


class Predicate(NamedTuple):
    """L leaves of q queries over n items; scalar columns and set columns are numbered apart."""

    program: np.ndarray  # (p,) int32 postfix
    column: np.ndarray  # (L,) int32 row of `codes`, or of `row_starts` for a set
    is_set: np.ndarray  # (L,) bool
    bounds: np.ndarray  # (q, L, 2) int32 closed code interval; (1, 0) is empty
    codes: np.ndarray  # (scalar columns, n) int32, -1 missing
    row_starts: np.ndarray  # (set columns, n + 1) int64 into row_codes
    row_codes: np.ndarray  # int32, ascending within an item
    posting_column: np.ndarray  # (L,) int64 where the leaf's column begins in posting_starts
    posting_starts: np.ndarray  # int64 into posting_ids
    posting_ids: np.ndarray  # int32, ascending within a code
    driver: np.ndarray  # (D,) int32 leaves that every match satisfies


@jit
def _has_code(codes: np.ndarray, first: int, last: int, code: int) -> bool:
    while first < last:
        middle = (first + last) >> 1
        if codes[middle] < code:
            first = middle + 1
        elif codes[middle] > code:
            last = middle
        else:
            return True
    return False


@jit
def matches(p: Predicate, query: int, item: int) -> bool:
    """Does the item satisfy the query's filter?"""
    stack = np.uint64(0)  # the postfix stack, one bit an entry
    one = np.uint64(1)
    for step in range(p.program.size):
        op = p.program[step]
        if op >= 0:
            low, high, column = p.bounds[query, op, 0], p.bounds[query, op, 1], p.column[op]
            if low > high:
                hit = False
            elif p.is_set[op]:
                row = p.row_starts[column]
                hit = _has_code(p.row_codes, row[item], row[item + 1], low)
            else:
                code = p.codes[column, item]
                hit = low <= code <= high
            stack = (stack << one) | np.uint64(hit)
        elif op == NOT:
            stack ^= one
        else:
            top = stack & one
            stack >>= one
            if op == AND:
                stack &= top | ~one
            else:
                stack |= top
    return bool(stack & one)


@jit
def leaf_slice(p: Predicate, query: int, leaf: int) -> tuple[int, int]:
    """The part of posting_ids that holds the leaf's items."""
    low, high = p.bounds[query, leaf, 0], p.bounds[query, leaf, 1]
    if low > high:
        return 0, 0
    begin = p.posting_column[leaf]
    return p.posting_starts[begin + low], p.posting_starts[begin + high + 1]


@jit
def _first_from(ids: np.ndarray, first: int, last: int, item: int) -> int:
    """Where in the ascending ids[first:last] those from `item` on begin."""
    while first < last:
        middle = (first + last) >> 1
        if ids[middle] < item:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def leaf_slice_within(p: Predicate, query: int, leaf: int, start: int, stop: int) -> tuple[int, int]:
    """As `leaf_slice`, without items before start or from stop on where the leaf is a single code, whose
    items ascend; of several codes they remain among the others."""
    first, last = leaf_slice(p, query, leaf)
    if p.bounds[query, leaf, 0] == p.bounds[query, leaf, 1]:
        first = _first_from(p.posting_ids, first, last, start)
        last = _first_from(p.posting_ids, first, last, stop)
    return first, last


@jit
def _leaf_mask(p: Predicate, query: int, leaf: int, start: int, stop: int, mask: np.ndarray) -> None:
    first, last = leaf_slice_within(p, query, leaf, start, stop)
    count = np.uint64(stop - start)
    if p.is_set[leaf] or (last - first) * SCATTER_BELOW < stop - start:
        mask[:] = 0
        for place in range(first, last):
            position = np.uint64(p.posting_ids[place] - start)  # huge where the item comes before
            if position < count:
                mask[position] = 1
    else:
        low, high = p.bounds[query, leaf, 0], p.bounds[query, leaf, 1]
        codes = p.codes[p.column[leaf], start:stop]
        for item in range(stop - start):
            mask[item] = (codes[item] >= low) & (codes[item] <= high)


@jit
def fill_mask(p: Predicate, query: int, start: int, stop: int, masks: np.ndarray) -> None:
    """Write which of the items start..stop match the query into masks[0, : stop - start] as 0 and 1. masks
    (stack depth, >= stop - start) uint8 is scratch."""
    top = -1
    count = stop - start
    for step in range(p.program.size):
        op = p.program[step]
        if op >= 0:
            top += 1
            _leaf_mask(p, query, op, start, stop, masks[top])
        elif op == NOT:
            mask = masks[top]
            for item in range(count):
                mask[item] ^= 1
        else:
            over, under = masks[top], masks[top - 1]
            top -= 1
            if op == AND:
                for item in range(count):
                    under[item] &= over[item]
            else:
                for item in range(count):
                    under[item] |= over[item]


@jit
def fill_bitmaps(
    p: Predicate, first: int, start: int, stop: int, masks: np.ndarray, bitmaps: np.ndarray
) -> None:
    """Packed matches of queries first.. among the items start..stop into bitmaps (q, ceil((stop - start) /
    8)) uint8, item start + i at bit i % 8 of byte i // 8. masks (stack depth, width) uint8 is scratch; its
    width is a multiple of 8, at least stop - start."""
    masks[:] = 0
    words = masks[0].view(np.uint64)
    for row in range(bitmaps.shape[0]):
        fill_mask(p, first + row, start, stop, masks)
        for place in range(bitmaps.shape[1]):
            word = words[place]  # eight bytes of 0 or 1: the shifts bring their bits into the lowest byte
            word |= word >> np.uint64(7)
            word |= word >> np.uint64(14)
            word |= word >> np.uint64(28)
            bitmaps[row, place] = word & np.uint64(0xFF)


@jit
def best_driver(p: Predicate, query: int, start: int, stop: int) -> tuple[int, int]:
    """The leaf with the shortest `leaf_slice_within` among those that every match satisfies, and its length;
    (-1, 0) if the filter has no such leaf."""
    best, fewest = -1, 0
    for leaf in p.driver:
        first, last = leaf_slice_within(p, query, leaf, start, stop)
        if best < 0 or last - first < fewest:
            best, fewest = leaf, last - first
    return best, fewest


@jit
def list_matches(p: Predicate, query: int, start: int, stop: int, masks: np.ndarray, out: np.ndarray) -> int:
    """Write which of the items start..stop match the query into `out` (stop - start,) int32, ascending and
    counted from start; return how many.

    Walks the shortest posting list that covers all matches, or, where that is long, a mask over the items.
    """
    leaf, size = best_driver(p, query, start, stop)
    count = 0
    if leaf >= 0 and size * SCATTER_BELOW < stop - start:
        first, last = leaf_slice_within(p, query, leaf, start, stop)
        single = p.program.size == 1
        for place in range(first, last):
            item = p.posting_ids[place]
            if start <= item < stop and (single or matches(p, query, item)):
                out[count] = item - start
                count += 1
        if p.bounds[query, leaf, 0] < p.bounds[query, leaf, 1]:
            _sort(out[:count], stop - start, masks[0])
        return count
    fill_mask(p, query, start, stop, masks)
    return _list_mask(masks[0], stop - start, out)


@jit
def _sort(ids: np.ndarray, n: int, mask: np.ndarray) -> None:
    if ids.size * SORT_BELOW < n:
        ids.sort()
        return
    mask[:] = 0
    for item in ids:
        mask[item] = 1
    _list_mask(mask, n, ids)


@jit
def _list_mask(mask: np.ndarray, n: int, out: np.ndarray) -> int:
    """Write the positions marked with 1 into `out`, ascending; return how many."""
    count = 0
    for item in range(n):
        if count < out.size:
            out[count] = item
        count += mask[item] != 0
    return count


@jit
def count_matches(p: Predicate, first: int, n: int, masks: np.ndarray, counts: np.ndarray) -> None:
    """How many items match each query first..; counts (q,) int64 is filled."""
    for row in range(counts.size):
        query = first + row
        leaf, size = best_driver(p, query, 0, n)
        if p.program.size == 1:
            counts[row] = size
        elif leaf >= 0 and size * SCATTER_BELOW < n:
            begin, end = leaf_slice(p, query, leaf)
            total = 0
            for place in range(begin, end):
                total += matches(p, query, p.posting_ids[place])
            counts[row] = total
        else:
            fill_mask(p, query, 0, n, masks)
            total = 0
            for item in range(n):
                total += masks[0, item] != 0
            counts[row] = total


@jit
def fill_postings(
    p: Predicate,
    first: int,
    start: int,
    stop: int,
    masks: np.ndarray,
    indptr: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Which of the items start..stop match the queries first.., ascending and counted from start, one after
    another into `positions` from indptr[0] on; the rest of indptr (q + 1,) int64 is filled."""
    scratch = np.empty(stop - start, np.int32)
    for row in range(indptr.size - 1):
        count = list_matches(p, first + row, start, stop, masks, scratch)
        indptr[row + 1] = indptr[row] + count
        for i in range(count):  # assigning a slice takes seconds to compile
            positions[indptr[row] + i] = scratch[i]


@jit
def count_violations(p: Predicate, neighbors: np.ndarray, violations: np.ndarray) -> None:
    """Mark in violations (q, k) bool the returned items (not -1) that do not match their query."""
    for query in range(neighbors.shape[0]):
        for place in range(neighbors.shape[1]):
            item = neighbors[query, place]
            violations[query, place] = item >= 0 and not matches(p, query, item)

"""The segment tree of iRangeGraph, and the graph of a range that is put together while it is walked.

Nodes are halved: the left child takes the odd item. On the last level some nodes may have been single items
on the level before, and have no links there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.levels import row_of
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.pool import Marks, is_marked, mark
from fannsbench.kernels.search import neighbours, prefetch_fresh, prefetch_links, prefetch_neighbours
from fannsbench.kernels.space import prefetch


class SegmentTree(NamedTuple):
    """The graphs of all nodes with two items and more."""

    links: np.ndarray  # (m * levels, M) int32, nearest first, -1 padded: as in `Level`
    shape: np.ndarray  # (2,) int64: positions m and levels


class Improvised(NamedTuple):
    """The graph of the range first..last."""

    links: np.ndarray
    levels: int
    first: int
    last: int
    left: int  # left..right: the smallest node that holds the range, and its level
    right: int
    level: int
    most: int  # links of an item that are followed
    passing: Any  # for `lets_pass`


class All(NamedTuple):
    """Every item of the range is walked."""


@by_type
def lets_pass(passing: Any, node: int, item: int) -> bool:
    """Whether a link of a node to an item in the range is followed."""
    raise NotImplementedError(type(passing))


@lets_pass.register(All)
def _always(passing: All, node: int, item: int) -> bool:
    return True


def levels_of(m: int) -> int:
    """How many levels have nodes of two items and more."""
    return max(m - 1, 0).bit_length()


@jit_inline
def middle_of(left: int, right: int) -> int:
    """The last position of the left child of left..right."""
    return (left + right) >> 1


@jit
def node_at(m: int, item: int, level: int) -> tuple[int, int]:
    """Of m positions the node of an item on a level, or the item where it is alone before."""
    left, right = 0, m - 1
    for _ in range(level):
        middle = middle_of(left, right)
        if item <= middle:
            right = middle
        else:
            left = min(middle + 1, right)
    return left, right


@jit_inline
def improvised(graph: SegmentTree, first: int, last: int, most: int, passing: Any) -> Improvised:
    """The graph of a range of at least one position."""
    left, right, level = 0, graph.shape[0] - 1, 0
    while left < right:
        middle = middle_of(left, right)
        if last <= middle:
            right = middle
        elif first > middle:
            left = middle + 1
        else:
            break
        level += 1
    return Improvised(graph.links, graph.shape[1], first, last, left, right, level, most, passing)


@neighbours.register(Improvised)
def _in_range(graph: Improvised, node: int, marks: Marks, fresh: np.ndarray) -> int:
    """Those of its links in the range, from the largest node down to one that lies within the range. Levels
    are left out on which the child holds as much of the range."""
    links, first, last = graph.links, graph.first, graph.last
    left, right, level = graph.left, graph.right, graph.level
    count = 0
    while left < right:
        middle = middle_of(left, right)
        on_left = node <= middle
        if (last > middle) if on_left else (first <= middle):
            row = row_of(graph.levels, node, level)
            for place in range(links.shape[1]):
                item = links[row, place]
                if item < 0:
                    break
                if (
                    first <= item <= last
                    and not is_marked(marks, item)
                    and lets_pass(graph.passing, node, item)
                ):
                    mark(marks, item)
                    fresh[count] = item
                    count += 1
                    if count == graph.most:
                        return count
            if first <= left and right <= last:
                break
        if on_left:
            right = middle
        else:
            left = middle + 1
        level += 1
    return count


@prefetch_links.register(Improvised)
def _first_row(graph: Improvised, node: int) -> None:
    prefetch(graph.links, row_of(graph.levels, node, graph.level))


@prefetch_neighbours.register(Improvised)
def _of_first_row(graph: Improvised, node: int, vectors: np.ndarray, marks: Marks) -> None:
    if graph.left < graph.right:
        prefetch_fresh(graph.links[row_of(graph.levels, node, graph.level)], vectors, marks)


@jit
def canonical_nodes(graph: Improvised, out: np.ndarray) -> int:
    """Write the largest nodes inside the range as rows of out (c, 2), their first and last positions, and
    return how many: at most two on each level."""
    first, last, left, right = graph.first, graph.last, graph.left, graph.right
    if first == left and last == right:
        out[0] = first, last
        return 1
    count = 0
    middle = middle_of(left, right)
    low, high = left, middle
    while first > low:
        between = middle_of(low, high)
        if first > between:
            low = between + 1
        else:
            out[count] = between + 1, high
            count += 1
            high = between
    out[count] = low, high
    count += 1
    low, high = middle + 1, right
    while last < high:
        between = middle_of(low, high)
        if last <= between:
            high = between
        else:
            out[count] = low, between
            count += 1
            low = between + 1
    out[count] = low, high
    return count + 1

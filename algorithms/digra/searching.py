"""How a range is walked: in one node that holds it, or in two that hold its parts on either side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.levels import node_of, row_of
from fannsbench.algorithms._ranges.searching import InRange, NoChoice, search_range
from fannsbench.algorithms.digra.tree import Digra
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Marks, mark
from fannsbench.kernels.search import (
    Scratch,
    best_first_matching,
    enter_matching,
    neighbours,
    prefetch_fresh,
    prefetch_links,
    prefetch_neighbours,
    scan_range,
)
from fannsbench.kernels.space import prefetch, squared_distance

NONE = -1


class Cover(NamedTuple):
    """The graph that the range first..last is walked in. Items before `split` are in the left node, the
    others in the right one, each with its level; the links of level `across`, unless it is NONE, lead from
    one to the other."""

    links: np.ndarray
    levels: int
    first: int
    last: int
    split: int
    left: int
    right: int
    across: int


@jit_inline
def _level_of(graph: Cover, item: int) -> int:
    return graph.left if item < graph.split else graph.right


@neighbours.register(Cover)
def _of_cover(graph: Cover, node: int, marks: Marks, fresh: np.ndarray) -> int:
    """In its node and in the child of that, whatever the range; across, in the range alone."""
    links, count = graph.links, 0
    level = _level_of(graph, node)
    for below in range(level, min(level + 2, graph.levels)):
        row = row_of(graph.levels, node, below)
        for place in range(links.shape[1]):
            item = links[row, place]
            if item < 0:
                break
            if mark(marks, item):
                fresh[count] = item
                count += 1
    if graph.across != NONE:
        row = row_of(graph.levels, node, graph.across)
        for place in range(links.shape[1]):
            item = links[row, place]
            if item < 0:
                break
            if graph.first <= item <= graph.last and mark(marks, item):
                fresh[count] = item
                count += 1
    return count


@prefetch_links.register(Cover)
def _rows(graph: Cover, node: int) -> None:
    level = _level_of(graph, node)
    for below in range(level, min(level + 2, graph.levels)):
        prefetch(graph.links, row_of(graph.levels, node, below))
    if graph.across != NONE:
        prefetch(graph.links, row_of(graph.levels, node, graph.across))


@prefetch_neighbours.register(Cover)
def _of_first_row(graph: Cover, node: int, vectors: np.ndarray, marks: Marks) -> None:
    level = _level_of(graph, node)
    if level < graph.levels:
        prefetch_fresh(graph.links[row_of(graph.levels, node, level)], vectors, marks)


@jit
def descend(graph: Digra, vectors: np.ndarray, query: np.ndarray, start: int, level: int) -> tuple[int, int]:
    """Come greedily nearer to the query from an item, in nodes that grow up to a level above which it does
    not look, by log2 M levels at a time: they are to one another as the layers of HNSW. Returns the item that
    is reached and how many distances were computed."""
    graph, vectors, query = borrowed(graph), borrowed(vectors), borrowed(query)
    links, levels = graph.links, graph.levels[0]
    step = 1
    while 2 ** (step + 1) <= links.shape[1]:
        step += 1
    nearest, distance = start, squared_distance(query, vectors, start)
    computed = 1
    height = levels - level
    layer = height % step
    while layer < height:
        moved = layer > 0
        while moved:
            moved = False
            row = row_of(levels, nearest, levels - layer)
            for place in range(links.shape[1]):
                item = links[row, place]
                if item < 0:
                    break
                other = squared_distance(query, vectors, item)
                computed += 1
                if other < distance:
                    nearest, distance, moved = item, other, True
        layer += step
    return nearest, computed


@search_range.register(Digra)
def _search(
    graph: Digra, how: NoChoice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Scratch
) -> int:
    if first == last:
        return scan_range(vectors, query, first, last, s.pool)
    levels, bounds = graph.levels[0], graph.bounds
    within = InRange(first, last)
    level = 0  # of the smallest node that holds the range
    left, right = node_of(graph, level + 1, first), node_of(graph, level + 1, last)
    while left == right and level + 1 < levels:
        level += 1
        left, right = node_of(graph, level + 1, first), node_of(graph, level + 1, last)
    if right - left > 1:
        near, computed = descend(graph, vectors, query, graph.entries[left + 1], level)
        computed += enter_matching(within, vectors, query, near, s)
        cover = Cover(graph.links, levels, first, last, 0, level, level, NONE)
        return computed + best_first_matching(cover, within, vectors, query, s)
    split, left_level, right_level = bounds[right], level + 1, level + 1
    entry = graph.entries[left]
    while left_level < levels:
        child = node_of(graph, left_level + 1, bounds[left + 1] - 1)
        entry = graph.entries[child]
        if bounds[child] > first:
            break
        left, left_level = child, left_level + 1
    near, computed = descend(graph, vectors, query, entry, left_level)
    computed += enter_matching(within, vectors, query, near, s)
    entry = graph.entries[right]
    while right_level < levels:
        child = node_of(graph, right_level + 1, bounds[right])
        entry = graph.entries[child]
        if bounds[child + 1] <= last:
            break
        right, right_level = child, right_level + 1
    near, more = descend(graph, vectors, query, entry, right_level)
    computed += more + enter_matching(within, vectors, query, near, s)
    cover = Cover(graph.links, levels, first, last, split, left_level, right_level, level)
    return computed + best_first_matching(cover, within, vectors, query, s)

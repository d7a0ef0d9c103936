"""The walk of an improvised graph, for the items of a range or for those of them that satisfy more."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.searching import Conjunction, search_range, search_range_matching
from fannsbench.algorithms.irangegraph.index import (
    All,
    SegmentTree,
    canonical_nodes,
    improvised,
    lets_pass,
    middle_of,
)
from fannsbench.kernels import jit_inline
from fannsbench.kernels.frontier import Frontier
from fannsbench.kernels.pool import Marks, Pool
from fannsbench.kernels.search import Scratch, accepts, best_first, best_first_matching, enter, enter_matching

POST, IN, LOGISTIC, EXPONENTIAL = range(4)
PASSING = ("post", "in", "logistic", "exp")
LONGEST = 20
"""So many items in a row that do not satisfy the filter are never walked (the authors' code)."""


class Choice(NamedTuple):
    """How a range is searched."""

    most: int  # links of an item that are followed
    passing: int  # of PASSING


class Work(NamedTuple):
    """A `Scratch`, and how many items in a row, with each one the last, did not satisfy the filter."""

    marks: Marks
    pool: Pool
    trail: Pool
    fresh: np.ndarray
    frontier: Frontier
    streaks: np.ndarray  # (n,) uint8
    nodes: np.ndarray  # (c, 2) int64: the canonical nodes of a range

    @classmethod
    def of(cls, n: int, ef: int, widest: int, levels: int) -> Work:
        """For searches of n items with a pool of ef."""
        scratch = Scratch.of(n, ef, widest, matching=True)
        return cls(*scratch, np.empty(n, np.uint8), np.empty((2 * levels + 2, 2), np.int64))


class Drawn(NamedTuple):
    """Items of the range that do not satisfy the filter are walked if so is drawn, the less often the more of
    them are in a row. What is drawn depends on the two items alone, so results depend on no batch or seed."""

    matching: Conjunction
    streaks: np.ndarray
    how: Choice


@lets_pass.register(Drawn)
def _if_drawn(passing: Drawn, node: int, item: int) -> bool:
    if accepts(passing.matching, item):
        passing.streaks[item] = 0
        return True
    before = passing.streaks[node]
    if _uniform(node, item) < odds(passing.how.passing, before):
        passing.streaks[item] = before + 1
        return True
    return False


@accepts.register(Drawn)
def _satisfied(filter_: Drawn, item: int) -> bool:
    return bool(filter_.streaks[item] == 0)


@jit_inline
def odds(passing: int, before: int) -> float:
    """Of an item that does not satisfy the filter to be walked, after so many in a row that did not."""
    if passing == IN or before >= LONGEST:
        return 0.0
    return 1 / (1 + math.exp(before)) if passing == LOGISTIC else math.exp(-before)


@jit_inline
def _uniform(node: int, item: int) -> float:
    """In [0, 1): splitmix64 (Steele et al., OOPSLA 2014) of the two numbers."""
    z = ((np.uint64(node) << np.uint64(32)) ^ np.uint64(item)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@search_range.register(SegmentTree)
def _search(
    graph: SegmentTree, how: Choice, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Work
) -> int:
    seen = improvised(graph, first, last, how.most, All())
    computed = 0
    for i in range(canonical_nodes(seen, s.nodes)):
        computed += enter(vectors, query, middle_of(s.nodes[i, 0], s.nodes[i, 1]), s)
    return computed + best_first(seen, vectors, query, s)


@search_range_matching.register(SegmentTree)
def _search_matching(
    graph: SegmentTree,
    how: Choice,
    matching: Conjunction,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    s: Work,
) -> int:
    everything = improvised(graph, first, last, how.most, All())
    computed = 0
    for i in range(canonical_nodes(everything, s.nodes)):
        item = middle_of(s.nodes[i, 0], s.nodes[i, 1])
        s.streaks[item] = not accepts(matching, item)
        computed += enter_matching(matching, vectors, query, item, s)
    if how.passing == POST:
        return computed + best_first_matching(everything, matching, vectors, query, s)
    drawn = Drawn(matching, s.streaks, how)
    some = improvised(graph, first, last, how.most, drawn)
    return computed + best_first_matching(some, drawn, vectors, query, s)

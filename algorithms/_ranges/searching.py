"""The search for the nearest items of a range, which a method completes for its graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.match import Predicate, matches
from fannsbench.kernels.pool import offer, write_ids
from fannsbench.kernels.search import accepts, begin
from fannsbench.kernels.space import squared_distance


class NoChoice(NamedTuple):
    """Of a method that can be searched in one way."""


class InRange(NamedTuple):
    """The filter of one query, where positions outside its range are walked too."""

    first: int
    last: int


class Conjunction(NamedTuple):
    """A query's whole filter, for positions."""

    predicate: Predicate
    query: int
    ids: np.ndarray  # (n + 1,) int32: of the items at the positions


@accepts.register(InRange)
def _lies_in_range(filter_: InRange, item: int) -> bool:
    return bool(filter_.first <= item <= filter_.last)


@accepts.register(Conjunction)
def _satisfies(filter_: Conjunction, item: int) -> bool:
    return matches(filter_.predicate, filter_.query, filter_.ids[item])


@by_type
def search_range(
    graph: Any, how: Any, vectors: np.ndarray, query: np.ndarray, first: int, last: int, s: Any
) -> int:
    """Fill s.pool, which is empty, with the nearest of first..last, a range of at least one. Returns the
    number of distances."""
    raise NotImplementedError(type(graph))


@by_type
def search_range_matching(
    graph: Any,
    how: Any,
    matching: Conjunction,
    vectors: np.ndarray,
    query: np.ndarray,
    first: int,
    last: int,
    s: Any,
) -> int:
    """As `search_range`, of those that satisfy the whole filter."""
    raise NotImplementedError(type(graph))


@jit_inline
def spread(first: int, last: int, i: int, count: int) -> int:
    """The i-th of `count` positions spread evenly over a range of at least as many."""
    return first + i * ((last - first + 1) // count)


@jit
def search(
    graph: Any,
    how: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    firsts: np.ndarray,
    lasts: np.ndarray,
    beyond: int,
    s: Any,
    neighbors: np.ndarray,
) -> int:
    """For queries[rows] (q, D) in the positions firsts[row]..lasts[row], into neighbors[rows] (q, k) int32.
    Items from position `beyond` on, which are in no graph, are found too. Returns the number of distances."""
    graph, vectors, s = borrowed(graph), borrowed(vectors), borrowed(s)
    computed = 0
    for row in rows:
        query = queries[row]
        begin(s)
        if firsts[row] <= lasts[row]:
            computed += search_range(graph, how, vectors, query, firsts[row], lasts[row], s)
        for item in range(beyond, len(vectors)):
            offer(s.pool, squared_distance(query, vectors, item), item)
            computed += 1
        write_ids(s.pool, neighbors[row])
    return computed


@jit
def search_matching(
    graph: Any,
    how: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    firsts: np.ndarray,
    lasts: np.ndarray,
    predicate: Predicate,
    ids: np.ndarray,
    s: Any,
    neighbors: np.ndarray,
) -> int:
    """As `search`, of what satisfies the whole filter too."""
    graph, vectors, s = borrowed(graph), borrowed(vectors), borrowed(s)
    predicate, ids = borrowed(predicate), borrowed(ids)
    computed = 0
    for row in rows:
        begin(s)
        matching = Conjunction(predicate, row, ids)
        computed += search_range_matching(
            graph, how, matching, vectors, queries[row], firsts[row], lasts[row], s
        )
        write_ids(s.pool, neighbors[row])
    return computed

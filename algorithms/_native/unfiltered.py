"""Graphs that know no filters: a search walks all items and keeps the matches, or filters what it found."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Items
from fannsbench.algorithms import _postfilter
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms._postfilter import PostFilter
from fannsbench.filters import BoundFilters
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.pool import clear, write_ids
from fannsbench.kernels.search import (
    NO_END,
    Bitmap,
    Scratch,
    Table,
    begin,
    best_first,
    best_first_matching,
    enter,
    enter_matching,
)


@by_type
def entry(graph: Any, vectors: np.ndarray, query: np.ndarray) -> tuple[int, int]:
    """Where a search of the graph's `links` begins, and how many distances were computed to know."""
    raise NotImplementedError(type(graph))


class UnfilteredGraph(NativeAlgorithm):
    """A graph whose type has `links` (n, degree) and an `entry`."""

    filters = ALL_FILTERS
    builds_on_attributes = False

    def _take(self, items: Items) -> None:
        super()._take(items)
        self._items = items.vectors

    def configure(self, ef: int, filtering: str) -> None:
        super().configure(ef)
        self.filtering = filtering

    def scratch(self, k: int) -> Scratch:
        return Scratch.of(len(self.vectors), max(self.ef, k), self.graph.links.shape[1], matching=True)

    def select(self, filters: BoundFilters) -> Any:
        if self.filtering == "post":
            return PostFilter(filters, self._items, self.metric, self.threads)
        return super().select(filters)

    def search(self, queries: np.ndarray, k: int, selection: Any) -> np.ndarray:
        if not isinstance(selection, PostFilter):
            return super().search(queries, k, selection)
        unfiltered, before = super().search, selection.scanned
        neighbors = selection.search(
            lambda some, count: unfiltered(some, count, None),
            queries,
            k,
            max(self.ef, 2 * k),
            scan_matches=True,
        )
        self._computed.append(selection.scanned - before)
        return neighbors

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        if selection is None:
            return search(self.graph, self.vectors, queries, rows, scratch, neighbors)
        return search_matching(
            self.graph,
            self.vectors,
            queries,
            rows,
            selection.bitmaps,
            without_end(queries),
            scratch,
            neighbors,
        )

    def warm_up(self) -> None:
        _postfilter.warm_up()
        self.rehearse("number >= 1", ef=1, filtering="in")


def without_end(queries: np.ndarray) -> np.ndarray:
    """`most` of `search_matching` where no walk is given up."""
    return np.full(len(queries), NO_END)


@jit
def search(
    graph: Any, vectors: np.ndarray, queries: np.ndarray, rows: np.ndarray, s: Scratch, neighbors: np.ndarray
) -> int:
    """Without a filter, for queries[rows] into neighbors[rows] (q, k) int32. Returns the number of
    distances."""
    graph, vectors, s = borrowed(graph), borrowed(vectors), borrowed(s)
    computed = 0
    for row in rows:
        first, steps = entry(graph, vectors, queries[row])
        begin(s)
        enter(vectors, queries[row], first, s)
        computed += steps + best_first(Table(graph.links), vectors, queries[row], s)
        write_ids(s.pool, neighbors[row])
    return computed


@jit
def search_matching(
    graph: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    bitmaps: np.ndarray,
    most: np.ndarray,
    s: Scratch,
    neighbors: np.ndarray,
) -> int:
    """As `search`, walking all items and keeping those in bitmaps (q, ceil(n / 8)) uint8. A walk that
    computes more distances than most (q,) int64 is given up and finds nothing."""
    graph, vectors, s = borrowed(graph), borrowed(vectors), borrowed(s)
    computed = 0
    for row in rows:
        first, steps = entry(graph, vectors, queries[row])
        begin(s)
        matching = Bitmap(bitmaps[row])
        enter_matching(matching, vectors, queries[row], first, s)
        walked = best_first_matching(Table(graph.links), matching, vectors, queries[row], s, most[row])
        if walked > most[row]:
            clear(s.pool)
        computed += steps + walked
        write_ids(s.pool, neighbors[row])
    return computed

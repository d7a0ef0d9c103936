"""Post-filtering: any filter on top of an index that knows none, by fetching more than is asked for.

A plugin brings a function that fetches the nearest items without a filter; `PostFilter.search` asks it for
more and more candidates, twice as many in each round, until enough of them match.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels.distance import METRIC_CODES
from fannsbench.kernels.postfilter import distances_to, keep_matches
from fannsbench.vectors import slices

Fetch = Callable[[np.ndarray, int], np.ndarray]
"""fetch(queries (m, d), count) -> (m, count) int32 distinct ids of about the nearest items, nearest first,
padded with -1 where fewer are found."""

_CANDIDATES_AT_ONCE = 1 << 22
"""Ids that one fetch is asked for, all queries together, unless a single query wants more."""
_ADDED_AT_ONCE = 2000
"""Items between two reports of a build's progress."""


class PostFilter:
    """The filters of q queries over `vectors` (n, d) float32. `scanned` is how many distances were computed
    beside those of fetches."""

    def __init__(self, filters: BoundFilters, vectors: np.ndarray, metric: Metric, threads: int = 1) -> None:
        self._filters = filters
        self._vectors = np.asarray(vectors).view()
        self._vectors.flags.writeable = False  # as mapped ones are: kernels are compiled once
        self._metric = METRIC_CODES[metric]
        self._counts = filters.counts(threads)
        self.scanned = 0

    def search(self, fetch: Fetch, queries: np.ndarray, k: int, first: int, scan_matches: bool) -> np.ndarray:
        """The k nearest matches of each of `queries` (q, d): (q, k) int32 ids, padded with -1.

        The first round fetches `first` candidates. A query is in the next round only while it has found
        fewer than min(k, matches). Where a round would fetch all n items or, with `scan_matches`, more
        candidates than there are matches, the distances of all matches are computed instead. So never fewer
        are returned than exist, and a query without matches costs nothing.
        """
        most = np.full(len(queries), len(self._vectors) - 1)
        if scan_matches:
            most = np.minimum(most, self._counts)
        wanted = np.minimum(k, self._counts)
        found = np.zeros(len(queries), np.int64)
        neighbors = np.full((len(queries), k), -1, np.int32)
        pending = np.flatnonzero(wanted)
        count = first
        while len(pending):
            for query in pending[count > most[pending]]:
                nearest = self._scan(queries[query], query)[:k]
                neighbors[query, : len(nearest)] = nearest
            pending = pending[count <= most[pending]]
            rows = max(1, _CANDIDATES_AT_ONCE // count)
            for some in (pending[at : at + rows] for at in range(0, len(pending), rows)):
                candidates = fetch(queries[some], count)
                keep_matches(self._filters.predicate, some, candidates, neighbors, found)
            pending = pending[found[pending] < wanted[pending]]
            count *= 2
        return neighbors

    def _scan(self, vector: np.ndarray, query: int) -> np.ndarray:
        """All matches of a query, nearest first, of equal distances the lower first."""
        one = slice(query, query + 1)
        ids = self._filters[one].postings(counts=self._counts[one])[1]
        self.scanned += len(ids)
        distances = distances_to(self._metric, vector, self._vectors, ids)
        return ids[np.argsort(distances, kind="stable")]  # compiled, a sort takes seconds to be made


def warm_up() -> None:
    """Compile what a `PostFilter` runs."""
    filters = Filter.parse("a == 0").bind(Attributes({"a": Number.from_values([0, 0])}, 2), {}, 1)
    vectors = np.zeros((2, 1), np.float32)
    for first in (1, 2):  # a fetch and a scan
        PostFilter(filters, vectors, Metric.EUCLIDEAN).search(
            lambda queries, count: np.zeros((len(queries), count), np.int32), vectors[:1], 1, first, False
        )


class PostFiltering(Algorithm):
    """A library's index that knows no filters."""

    filters = ALL_FILTERS
    builds_on_attributes = False

    vectors: np.ndarray
    """Those of the items, which `build` and `load` keep."""

    @abstractmethod
    def nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        """The k nearest items whatever their attributes: (q, k) int32 ids, padded with -1."""

    def in_parts(self, vectors: np.ndarray) -> Iterator[np.ndarray]:
        """The vectors (n, d) in parts to add one after another; progress is reported when one was."""
        for part in slices(len(vectors), _ADDED_AT_ONCE):
            yield vectors[part]
            self.progress(part.stop, len(vectors))

    def configure(self, oversample: int, scan_matches: bool) -> None:
        self.oversample = oversample
        self.scan_matches = scan_matches

    def select(self, filters: BoundFilters) -> PostFilter:
        return PostFilter(filters, self.vectors, self.metric, self.threads)

    def search(self, queries: np.ndarray, k: int, selection: PostFilter | None) -> np.ndarray:
        if selection is None:
            return self.nearest(queries, k)
        return selection.search(self.nearest, queries, k, self.fetched_first(k), self.scan_matches)

    def fetched_first(self, k: int) -> int:
        """The number of candidates of the first round."""
        return self.oversample * k

    def warm_up(self) -> None:
        warm_up()

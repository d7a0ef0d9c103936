"""What the graph methods written for fannsbench share: vectors in one space, threads, exact answers where a
walk finds too few, counting, saving.

A method says how its graph is built and how queries walk it. Queries with at most k matches, or
with no more than the method sets, are answered by computing the distances of all matches; so are those whose
walk ends with fewer than min(k, matches). Hence never fewer are returned than exist.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, clear, write_ids
from fannsbench.kernels.search import scan
from fannsbench.kernels.space import items_in_space, queries_in_space


@dataclass(frozen=True, eq=False)
class Selection:
    """The filters of q queries, and how many items match each: counts (q,) int64."""

    filters: BoundFilters
    counts: np.ndarray
    bitmaps: np.ndarray
    """(q, ceil(n / 8)) uint8, for methods that test items one by one."""


class NativeAlgorithm(Algorithm):
    """One graph, a NamedTuple of arrays."""

    metrics: ClassVar[frozenset[Metric]] = frozenset(Metric)
    graph_type: ClassVar[type[Any]]
    """A NamedTuple of arrays, which is all that is saved: vectors are the items', brought into the space
    of `fannsbench.kernels.space`."""

    graph: Any
    vectors: np.ndarray

    @abstractmethod
    def build_graph(self, items: Items, threads: int) -> Any:
        """The graph of `self.vectors`, an instance of `graph_type`."""

    @abstractmethod
    def scratch(self, k: int) -> Any:
        """What one thread works on."""

    @abstractmethod
    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        """Search for queries[rows], in the space, and write neighbors[rows] (q, k) int32, nearest first and
        padded with -1. Returns how many distances were computed."""

    def scans_up_to(self, k: int) -> int:
        """The number of matches up to which the distances of all are computed."""
        return k

    def build(self, items: Items, threads: int) -> None:
        self._take(items)
        self.graph = self.build_graph(items, threads)

    def _take(self, items: Items) -> None:
        self.vectors = items_in_space(self.metric, items.vectors)
        self._scratch: tuple[Any, Workspaces] | None = None

    def save(self, folder: Path) -> None:
        for name, array in self.graph._asdict().items():
            np.save(folder / f"{name}.npy", array)

    def load(self, folder: Path, items: Items) -> None:
        self._take(items)
        self.graph = self.graph_type(*(np.load(folder / f"{name}.npy") for name in self.graph_type._fields))

    def configure(self, ef: int) -> None:
        """Of all search parameters, the one that every method has: how many candidates a walk keeps."""
        self.ef = ef
        self._scratch = None
        self._computed = [0]
        self._scanned = self._fallbacks = 0

    def select(self, filters: BoundFilters) -> Any:
        bitmaps = filters.bitmaps(self.threads)
        return Selection(filters, np.bitwise_count(bitmaps).sum(axis=1, dtype=np.int64), bitmaps)

    def search(self, queries: np.ndarray, k: int, selection: Any) -> np.ndarray:
        queries = queries_in_space(self.metric, queries, self.vectors)
        neighbors = np.full((len(queries), k), -1, np.int32)
        rows = np.arange(len(queries))
        if selection is not None:
            few = selection.counts <= max(k, self.scans_up_to(k))
            self._scan(queries, rows[few], selection, neighbors)
            rows = rows[~few]
            self._scanned += int(few.sum())

        def walk(first: int, last: int, scratch: Any) -> None:
            self._computed.append(self.walk(queries, rows[first:last], selection, scratch, neighbors))

        self._workspaces(k).for_ranges(len(rows), self.threads, walk)
        short = rows[neighbors[rows, -1] < 0]
        if len(short):
            matches = np.full(len(queries), len(self.vectors)) if selection is None else selection.counts
            found = np.count_nonzero(neighbors[short] >= 0, axis=1)
            short = short[found < np.minimum(k, matches[short])]
            self._scan(queries, short, selection, neighbors)
            self._fallbacks += len(short)
        return neighbors

    def _workspaces(self, k: int) -> Workspaces:
        if self._scratch is None or self._scratch[0] != k:
            self._scratch = k, Workspaces(lambda: self.scratch(k))
        return self._scratch[1]

    def _scan(self, queries: np.ndarray, rows: np.ndarray, selection: Any, neighbors: np.ndarray) -> None:
        """Exact answers."""
        if selection is None:
            ids = np.arange(len(self.vectors), dtype=np.int32)
            starts, stops = np.zeros(len(rows), np.int64), np.full(len(rows), len(ids))
        else:
            indptr, ids = self._matches(rows, selection)
            starts, stops = indptr[:-1], indptr[1:]

        def scan_some(first: int, last: int) -> None:
            pool = Pool.of(neighbors.shape[1])
            _scan_lists(self.vectors, queries, rows, starts, stops, ids, first, last, pool, neighbors)

        for_ranges(len(rows), self.threads, scan_some)
        self._computed.append(int((stops - starts).sum()))

    def _matches(self, rows: np.ndarray, selection: Any) -> tuple[np.ndarray, np.ndarray]:
        """indptr (r + 1,) int64 and the rows of `self.vectors` that match each of these queries (r,)."""
        postings: tuple[np.ndarray, np.ndarray] = selection.filters[rows].postings(
            self.threads, selection.counts[rows]
        )
        return postings

    def counters(self) -> dict[str, float]:
        return {
            "distances": float(sum(self._computed)),
            "scanned queries": self._scanned,
            "fallbacks": self._fallbacks,
        }

    def copy_to_rehearse(self) -> Self:
        """With the same parameters; nobody follows how its build progresses."""
        small = copy(self)
        small.progress = Algorithm.progress
        return small

    def rehearse(self, *filters: str, built_on: Sequence[str] | None = None, **settings: Any) -> None:
        """Compile by building and searching something small, for `warm_up`: without a filter, and with each
        of these on `number`, 0 to 63, `letter`, a or b, and the set `letters`, which holds that letter and c,
        or on some of these attributes alone; with these search parameters."""
        n = 64
        letters = ["ab"[i % 2] for i in range(n)]
        columns = {
            "number": Number(np.arange(n)),
            "letter": Category.from_values(letters),
            "letters": LabelSet.from_values([{letter, "c"} for letter in letters]),
        }
        attributes = Attributes({a: columns[a] for a in (columns if built_on is None else built_on)}, n)
        vectors = np.random.default_rng(0).standard_normal((n, 16), np.float32)
        small = self.copy_to_rehearse()
        small.build(Items(vectors, attributes), 1)
        small.configure(**settings)
        queries = vectors[:2].copy()
        small.search(queries, 1, None)
        for text in filters:
            small.search(queries, 1, small.select(Filter.parse(text).bind(attributes, {}, len(queries))))


@jit
def _scan_lists(
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    ids: np.ndarray,
    first: int,
    last: int,
    pool: Pool,
    neighbors: np.ndarray,
) -> None:
    vectors, pool = borrowed(vectors), borrowed(pool)
    for i in range(first, last):
        clear(pool)
        scan(vectors, queries[rows[i]], ids[starts[i] : stops[i]], pool)
        write_ids(pool, neighbors[rows[i]])

"""What the range methods share: items lie in the order of one number, so a range of values is a range of
positions.

The words are the same in all of them. Items are sorted by (value, id), and a *position* is an item's place in
that order; equal values lie side by side, so ties need no rule of their own. A *range* is the positions
first..last, both of them in it. A *node* is a range that has a graph of its own; where nodes form a tree,
*level* 0 is the root. Items without a value come after all others and are in no graph and no range; a query
without a filter walks all positions and is compared with these items one by one.

The number is that which the filter compares first. A range of at most max(k, ef) items is scanned: a walk
whose pool holds them all would compute as many distances.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fannsbench.algorithm import Items
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms._ranges import searching
from fannsbench.algorithms._ranges.lists import starts_of
from fannsbench.attributes import Number
from fannsbench.errors import FilterError
from fannsbench.filters import BoundFilters, FilterKind
from fannsbench.filters.tree import And, leaves_of
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import items_in_space

if TYPE_CHECKING:
    from fannsbench.dataset import Dataset, Workload


@dataclass(frozen=True, eq=False)
class Ranges:
    """The filters of q queries."""

    filters: BoundFilters
    first: np.ndarray
    """(q,) int64: the first position of the range that is walked."""
    last: np.ndarray
    """(q,) int64, in the range too."""
    counts: np.ndarray
    """(q,) int64: how many items match the whole filter."""
    alone: bool
    """Whether the filter asks for no more than to be in the range."""


class RangeAlgorithm(NativeAlgorithm):
    """A graph of the positions; how it is searched is registered with `searching.search_range`, and for what
    serves more than a range, with `searching.search_range_matching`."""

    filters = frozenset({FilterKind.R, FilterKind.EM})

    @abstractmethod
    def link(self, vectors: np.ndarray, threads: int) -> Any:
        """The graph of vectors (m, D), those of all positions, in the space of `kernels.space`."""

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        if workload.filter is None:
            return None
        compared, tree = workload.filter.attributes, workload.filter.tree
        numbers = [name for name in compared if isinstance(dataset.attributes[name], Number)]
        if not numbers:
            return f"{compared[0]} is no number; {cls.__name__} serves ranges of numbers"
        required = tree.children if isinstance(tree, And) else (tree,)
        if numbers[0] not in (getattr(part, "attribute", None) for part in required):
            return f"not all that matches is in one range of {numbers[0]}; {cls.__name__} walks one"
        return None

    def _take(self, items: Items) -> None:
        began = time.perf_counter()
        numbers = {name: column for name, column in items.attributes.items() if isinstance(column, Number)}
        n = len(items.vectors)
        self.attribute = next(iter(numbers), None)
        self.starts, order = np.array([0, n]), np.arange(n, dtype=np.int32)
        if self.attribute is not None:
            postings = numbers[self.attribute].postings
            self.starts = postings.starts
            order = np.r_[postings.ids, np.setdiff1d(order, postings.ids)]
        self.present = int(self.starts[-1])
        self.ids = np.append(order, np.int32(-1))
        self.positions = np.empty(n, np.int32)
        self.positions[order] = np.arange(n, dtype=np.int32)
        self.preprocess_seconds = time.perf_counter() - began
        self.vectors = items_in_space(self.metric, items.vectors, order)
        self._scratch = None

    def build_graph(self, items: Items, threads: int) -> Any:
        return self.link(self.vectors[: max(self.present, 1)], threads)  # of no position there is no graph

    def how(self, k: int) -> Any:
        """What the search parameters say, a NamedTuple that is handed on to a search for k."""
        return searching.NoChoice()

    def widest(self) -> int:
        """The most items that one leads to."""
        return int(self.graph.links.shape[1])

    def scratch(self, k: int) -> Any:
        return Scratch.of(len(self.vectors), max(self.ef, k), self.widest(), matching=True)

    def scans_up_to(self, k: int) -> int:
        return max(k, self.ef)

    def select(self, filters: BoundFilters) -> Ranges:
        leaves = [leaf.attribute for leaf in leaves_of(filters.filter.tree)]
        ordering = [leaf for leaf in filters.predicate.driver.tolist() if leaves[leaf] == self.attribute]
        if not ordering:
            raise FilterError(
                f"filter {filters.filter.text!r} has no range of {self.attribute}, by which "
                f"{type(self).__name__} orders the items"
            )
        bounds = filters.predicate.bounds[:, ordering]
        low, high = bounds[:, :, 0].max(axis=1), bounds[:, :, 1].min(axis=1)
        empty = (bounds[:, :, 0] > bounds[:, :, 1]).any(axis=1) | (low > high)
        first = np.where(empty, 0, self.starts[np.where(empty, 0, low)])
        last = np.where(empty, -1, self.starts[np.where(empty, -1, high) + 1] - 1)
        alone = len(ordering) == len(leaves)
        counts = last - first + 1 if alone else filters.counts(self.threads)
        return Ranges(filters, first, last, counts, alone)

    def search(self, queries: np.ndarray, k: int, selection: Ranges | None) -> np.ndarray:
        found: np.ndarray = self.ids[super().search(queries, k, selection)]
        return found

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        if selection is None:
            first, last = np.zeros(len(queries), np.int64), np.full(len(queries), self.present - 1)
            ranges, beyond = (first, last), self.present
        else:
            ranges, beyond = (selection.first, selection.last), len(self.vectors)
        graph, vectors, how = self.graph, self.vectors, self.how(neighbors.shape[1])
        if selection is None or selection.alone:
            return searching.search(graph, how, vectors, queries, rows, *ranges, beyond, scratch, neighbors)
        predicate = selection.filters.predicate
        return searching.search_matching(
            graph, how, vectors, queries, rows, *ranges, predicate, self.ids, scratch, neighbors
        )

    def _matches(self, rows: np.ndarray, selection: Ranges) -> tuple[np.ndarray, np.ndarray]:
        if not selection.alone:
            indptr, ids = super()._matches(rows, selection)
            return indptr, self.positions[ids]
        indptr = starts_of(selection.counts[rows])
        shifts = selection.first[rows] - indptr[:-1]
        return indptr, (np.arange(indptr[-1]) + np.repeat(shifts, selection.counts[rows])).astype(np.int32)

    def warm_up(self) -> None:
        texts = ["number >= 1"]
        if FilterKind.MR in self.filters:
            texts.append("number >= 1 and letter == 'a'")
        self.rehearse(*texts, ef=1, **self.rehearsed())

    def rehearsed(self) -> dict[str, Any]:
        """The search parameters of the rehearsal, without ef."""
        return {}

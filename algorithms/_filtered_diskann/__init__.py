"""What FilteredVamana and StitchedVamana share: a graph whose search follows only items that have one of
the query's labels.

S. Gollapudi, N. Karia, V. Sivashankar, R. Krishnaswamy, N. Begwani, S. Raz, Y. Lin, Y. Zhang, N. Mahapatro,
P. Srinivasan, A. Singh, H. V. Simhadri: Filtered-DiskANN: Graph Algorithms for Approximate Nearest Neighbor
Search with Filters, WWW 2023. "DiskANN's code" is the branch cpp_main of microsoft/DiskANN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fannsbench.algorithm import Items
from fannsbench.algorithms._filtered_diskann import graph
from fannsbench.algorithms._filtered_diskann.graph import Labelled
from fannsbench.algorithms._filtered_diskann.labels import OneEach, labels_of
from fannsbench.algorithms._native import NativeAlgorithm, unfiltered
from fannsbench.attributes import Column, Postings
from fannsbench.errors import UserError
from fannsbench.filters import BoundFilters, FilterKind
from fannsbench.filters.tree import Contains, Equals, Node, Or, leaves_of
from fannsbench.kernels.search import Scratch

if TYPE_CHECKING:
    from fannsbench.dataset import Dataset, Workload


@dataclass(frozen=True, eq=False)
class Selection:
    """Of q queries: the labels of which items must have one, (q, m) int32, ascending, some perhaps twice; how
    many items do, (q,) int64."""

    filters: BoundFilters
    wanted: np.ndarray
    counts: np.ndarray


class FilteredDiskANN(NativeAlgorithm):
    """Built on one attribute, whose values are the labels."""

    filters = frozenset({FilterKind.EM, FilterKind.EMIS, FilterKind.C})
    graph_type: ClassVar[type[Any]] = Labelled

    @classmethod
    def skip(cls, dataset: Dataset, workload: Workload) -> str | None:
        tree = workload.filter.tree if workload.filter else None
        if tree is None or _wants_one_of_several(tree):
            return None
        return "it serves one value of an attribute, or one of several of the same attribute (or)"

    def _take(self, items: Items) -> None:
        super()._take(items)
        if len(items.attributes) > 1:
            raise UserError(f"an index is built on one attribute, not on {', '.join(items.attributes)}")
        column: Column | None = next(iter(items.attributes.values()), None)
        self.labels = labels_of(column, items.attributes.n)
        self.postings = column.postings if column else Postings(np.zeros(1, np.int64), np.zeros(0, np.int32))

    def configure(self, ef: int, exact_below: int) -> None:
        super().configure(ef)
        self.exact_below = exact_below

    def scans_up_to(self, k: int) -> int:
        return self.exact_below

    def scratch(self, k: int) -> Scratch:
        return Scratch.of(len(self.vectors), max(self.ef, k), self.graph.links.shape[1])

    def select(self, filters: BoundFilters) -> Selection:
        low, high = filters.predicate.bounds[..., 0], filters.predicate.bounds[..., 1]
        known = np.where(low <= high, low, -1)
        wanted = np.where(known >= 0, known, known.max(axis=1, keepdims=True))  # values that no item has
        wanted = np.sort(wanted, axis=1).astype(np.int32)
        if wanted.shape[1] == 1 or not isinstance(self.labels, OneEach):
            return Selection(filters, wanted, filters.counts(self.threads))
        sizes = np.append(np.diff(self.postings.starts), 0)
        again = np.diff(wanted, axis=1, prepend=-1) == 0
        return Selection(filters, wanted, np.where(again, 0, sizes[wanted]).sum(axis=1))

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        if selection is None:
            return unfiltered.search(self.graph, self.vectors, queries, rows, scratch, neighbors)
        wanted = selection.wanted
        search = graph.search_label if wanted.shape[1] == 1 else graph.search_any
        return search(self.graph, self.labels, self.vectors, queries, rows, wanted, scratch, neighbors)

    def warm_up(self) -> None:
        self.rehearse(built_on=[], ef=1, exact_below=0)
        self.rehearse("letter == 'a'", "letter in ['a', 'b']", built_on=["letter"], ef=1, exact_below=0)
        several = "'a' in letters or 'b' in letters"
        self.rehearse("'a' in letters", several, built_on=["letters"], ef=1, exact_below=0)


def _wants_one_of_several(tree: Node) -> bool:
    return _is_disjunction(tree) and len({leaf.attribute for leaf in leaves_of(tree)}) == 1


def _is_disjunction(node: Node) -> bool:
    if isinstance(node, Or):
        return all(map(_is_disjunction, node.children))
    return isinstance(node, Equals | Contains)

"""DIGRA: a tree of small-world graphs, of which a query walks one or two that hold its range.

M. Jiang, Z. Yang, F. Zhang, G. Hou, J. Shi, W. Zhou, F. Li, S. Wang: DIGRA: A Dynamic Graph Indexing for
Approximate Nearest Neighbor Search with Range Filter, Proc. ACM Manag. Data 3(3), SIGMOD 2025.

Every node of a tree over the positions has two or three children and a graph of its items. An item's links in
a node are chosen among those in its own child and what it finds by a search of each other child; there are no
links back. If a child of the smallest node that holds the range lies within the range, that node is walked.
Otherwise the range is in two parts, left and right of the boundary between two children: in each of these the
smallest node that holds the part is walked, and links in the node above lead from one to the other. Both
nodes may reach beyond the range; what lies there is walked, and not returned. Where a walk begins is come to
greedily through ever larger nodes, which are as layers of HNSW to one another.

Serves R and EM on a number. `strict = false` is the method as published: where no item lies between the
bounds of a query, the last before them is returned, though it does not match.

Not as the authors' code:
- Queries are routed by positions, not values, so the two nodes are as small as the parts of the range allow.
- An item is walked in the node on whose side it lies; the authors take the other node's level for whatever
  the node above leads to. An item outside the range that a walk begins at is expanded in its turn, not last.
- Copies of a vector do not crowd out other links: one stands in for the others.
- Children of at most ef_construction items are scanned for links, and items of a level are linked in
  parallel. The same for any number of threads.
- The pool holds max(ef, k). A range whose walk ends with fewer than k is scanned; the authors return fewer.
- No insertion and deletion. The links of an item in all its nodes lie side by side, so nodes can be split and
  merged without moving any other item's.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._ranges import RangeAlgorithm, Ranges
from fannsbench.algorithms.digra import build
from fannsbench.algorithms.digra.build import Design
from fannsbench.algorithms.digra.tree import Digra
from fannsbench.attributes import Number
from fannsbench.filters.tree import Between, Equals


class DigraAlgorithm(RangeAlgorithm):
    graph_type: ClassVar[type[Any]] = Digra

    def __init__(
        self,
        metric: Metric,
        seed: int,
        M: int,  # noqa: N803
        ef_construction: int,
        strict: bool,
    ) -> None:
        super().__init__(metric, seed)
        self.design = Design(M, ef_construction, seed)
        self.exact_filter = strict

    def link(self, vectors: np.ndarray, threads: int) -> Digra:
        return build.build(vectors, self.design, threads, self.progress)

    def _take(self, items: Items) -> None:
        super()._take(items)
        column = None if self.attribute is None else items.attributes[self.attribute]
        self.values = column.distinct if isinstance(column, Number) else np.empty(0)

    def search(self, queries: np.ndarray, k: int, selection: Ranges | None) -> np.ndarray:
        neighbors = super().search(queries, k, selection)
        if selection is not None and not self.exact_filter:
            for row in np.flatnonzero(selection.counts == 0):
                neighbors[row, 0] = self._last_before(selection, int(row))
        return neighbors

    def _last_before(self, selection: Ranges, query: int) -> int:
        """The item with the largest value up to the range of a query, or with the least value of all; -1 if
        none has a value."""
        leaf = selection.filters.expression(query)
        assert isinstance(leaf, Equals | Between)
        low = leaf.value if isinstance(leaf, Equals) else leaf.low
        code = -1 if low is None else int(np.searchsorted(self.values, low, side="right")) - 1
        return int(self.ids[self.starts[max(code, 0) + 1] - 1]) if self.present else -1

    def widest(self) -> int:
        return 3 * self.design.M

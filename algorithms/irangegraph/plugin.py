"""iRangeGraph: a graph for any range, put together while it is walked from those of a segment tree.

Y. Xu, J. Gao, Y. Gou, C. Long, C. S. Jensen: iRangeGraph: Improvising Range-dedicated Graphs for
Range-filtering Nearest Neighbor Search, Proc. ACM Manag. Data 2(6), SIGMOD 2024.

A tree halves the positions again and again, and every node has a graph of its items. An item of the range
follows its links in the nodes that it lies in, from the largest down to one that lies within the range; these
are about as good as those of a graph of the range alone. The walk begins in each of the largest nodes inside
the range. Items of a node's right child search the left one for links, and what they choose links back.

Serves R, EM on a number, MR, and C where all matches lie in one range. What else the filter asks for is
tested on the walk (`passing`): items of the range that do not satisfy it are walked through all the same
(post, the authors' default), not at all (in), or if so is drawn, with odds that fall as more of them follow
one another (logistic, of the authors' code; exp, of the paper).

As the authors' code: asymmetric merging, pruning, the order in which links are read. Not as theirs:
- The items of a level are linked at once, whatever node they are in, so the build is parallel from the root
  down to the leaves and the same for any number of threads.
- Searches of the build begin at three items spread over the left child, those of a query in the middle of a
  node, not at drawn ones. Children of at most `exact_merge_below` items are scanned.
- Copies of a vector do not crowd out other links: one stands in for the others.
- The pool holds max(ef, k). A link that is in two lists of an item counts once.
- With further predicates a walk goes on until the pool is full; the authors' may end before. A range whose
  walk ends with fewer than k is scanned; the authors return fewer.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms.irangegraph import build
from fannsbench.algorithms.irangegraph.build import Design
from fannsbench.algorithms.irangegraph.index import SegmentTree
from fannsbench.algorithms.irangegraph.searching import PASSING, Choice, Work
from fannsbench.filters import FilterKind


class IRangeGraph(RangeAlgorithm):
    filters = frozenset({FilterKind.R, FilterKind.EM, FilterKind.MR, FilterKind.C})
    graph_type: ClassVar[type[Any]] = SegmentTree

    def __init__(
        self,
        metric: Metric,
        seed: int,
        M: int,  # noqa: N803
        ef_construction: int,
        exact_merge_below: int,
    ) -> None:
        super().__init__(metric, seed)
        self.design = Design(M, ef_construction, exact_merge_below)

    def link(self, vectors: np.ndarray, threads: int) -> SegmentTree:
        return build.build(vectors, self.design, threads, self.progress)

    def configure(self, ef: int, edge_limit: int, passing: str) -> None:
        super().configure(ef)
        self.choice = Choice(edge_limit or self.design.M, PASSING.index(passing))

    def how(self, k: int) -> Choice:
        return self.choice

    def scratch(self, k: int) -> Work:
        return Work.of(len(self.vectors), max(self.ef, k), self.choice.most, int(self.graph.shape[1]))

    def rehearsed(self) -> dict[str, Any]:
        return {"edge_limit": 0, "passing": "in"}

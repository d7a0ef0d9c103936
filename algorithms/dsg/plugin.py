"""DSG: the edges that greedy selection chooses around every item, for all ranges at once.

Z. Peng, M. Qiao, W. Zhou, F. Li, D. Deng: Dynamic Range-Filtering Approximate Nearest Neighbor Search, PVLDB
18(10), 2025.

An edge carries the ranges for which it is chosen when only items of the range compete: from so many first
positions to so many last ones. A query follows the edges that hold for its range. Unlike SeRF's, edges do not
depend on the order of insertion, and both bounds of a range count. The ranges of an edge are stored as one
box that may hold more of them (`exact_rectangles` stores no others, in several boxes); every edge is followed
in both directions.

Serves R and EM on a number. Of the authors' two programs the default is the later, `static`: an HNSW graph of
all items, which is given up afterwards, supplies the candidates of an item's edges, and a query whose range
holds less than a share 10 / ef_max of the items follows every edge inside it. In `incremental` the candidates
are what was inserted before, in random order, as where items keep coming; there alpha is 1, and no edge is
pruned.

Not as the authors' code:
- Parallel, and the same for any number of threads: the HNSW graph is built in batches; in `incremental` the
  items of a batch, at most 2 % of all, are no candidates of one another.
- Candidates are in the order of (distance, id), the nearest 4 ef_max at most.
- Where a walk begins can be a result: with theirs, up to four items of a range are never found.
- No edge is pruned that holds for the range of all items. Which ranges follow every edge depends on ef_max;
  the authors' constant of 2 % fits their 500.
- Copies of a vector do not crowd out other edges: one stands in for the others.
- The pool holds max(ef, k). A range whose walk ends with fewer than k is scanned; the authors return fewer.
- The edges of an item lie in stretches of one field each, so that all are tested at once.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms.dsg.build import Design, build, build_inserting
from fannsbench.algorithms.dsg.index import LOOSE, Choice, SegmentGraph, Work


class Dsg(RangeAlgorithm):
    graph_type: ClassVar[type[Any]] = SegmentGraph

    def __init__(
        self,
        metric: Metric,
        seed: int,
        M: int,  # noqa: N803
        ef_construction: int,
        ef_max: int,
        alpha: float,
        variant: str,
        exact_rectangles: bool,
        prune_fraction: float,
    ) -> None:
        super().__init__(metric, seed)
        self.static = variant == "static"
        if not self.static:
            alpha, prune_fraction = 1.0, 0.0
        self.design = Design(M, ef_construction, ef_max, alpha, exact_rectangles, prune_fraction, seed)

    def link(self, vectors: np.ndarray, threads: int) -> SegmentGraph:
        how = build if self.static else build_inserting
        return how(vectors, self.design, threads, self.progress)

    def how(self, k: int) -> Choice:
        return Choice(LOOSE * self.present // self.design.ef_max if self.static else 0)

    def scratch(self, k: int) -> Work:
        widest = int(np.diff(self.graph.starts).max(initial=0))
        return Work.of(len(self.vectors), max(self.ef, k), widest)

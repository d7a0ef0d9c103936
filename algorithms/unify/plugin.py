"""UNIFY: one graph for scanning, post-filtering and in-filtering, which is chosen by the number of matches.

A. Liang, P. Zhang, B. Yao, Z. Chen, Y. Song, G. Cheng: UNIFY: Unified Index for Range Filtered Approximate
Nearest Neighbors Search, PVLDB 18(4), 2024.

The positions are cut into segments, and an item's links are kept apart by the segment that they lead to, in
all layers of an HNSW graph. So the graph of any segments is contained in that of all. Strategies:
- pre: the range is scanned;
- hybrid: the segments that the range meets are walked, by the first few links to each, and what is in the
  range is kept;
- post: all items are searched, by what selection keeps of an item's links, and those of the range are kept.
  If that leaves fewer than k, the hybrid follows;
- auto: the first up to a number of matches, the last from another on, the hybrid in between. The two numbers
  are measured when the index is built: where the strategies cost the same at recall 0.95.

Serves R and EM on a number.

Not as the authors' code:
- Segments are of equal size; theirs are cut at whole percents, and at no equal values.
- The graphs of the segments come first, then every item is sought in the finished graph of every other
  segment, and is linked back to. So the build is parallel, the same for any number of threads, and no item's
  links depend on what was inserted after it.
- What post-filtering walks is what selection keeps, as the paper says; the code walks all links.
- A search of a layer begins at the nearest item found above it, as in the paper; the code's at the farthest.
- The number of matches is counted, not estimated from values; no range that ends with the greatest is empty.
- Copies of a vector do not crowd out other links: one stands in for the others.
- The pool holds max(ef, k). A range whose search ends with fewer than k is scanned; the authors return fewer.
- No insertion.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms.unify import build
from fannsbench.algorithms.unify.build import Design
from fannsbench.algorithms.unify.calibrate import calibrate, widest
from fannsbench.algorithms.unify.index import Hsig
from fannsbench.algorithms.unify.searching import STRATEGIES, Choice


class UnifyAlgorithm(RangeAlgorithm):
    graph_type: ClassVar[type[Any]] = Hsig

    def __init__(
        self,
        metric: Metric,
        seed: int,
        segments: int,
        M: int,  # noqa: N803
        ef_construction: int,
    ) -> None:
        super().__init__(metric, seed)
        self.design = Design(segments, M, ef_construction, seed)

    def link(self, vectors: np.ndarray, threads: int) -> Hsig:
        graph = build.build(vectors, self.design, threads, self.progress)
        return graph._replace(thresholds=calibrate(graph, vectors, self.seed, threads))

    def configure(self, ef: int, strategy: str, m: int) -> None:
        super().configure(ef)
        self.strategy = strategy
        self.m = m

    def how(self, k: int) -> Choice:
        return Choice(STRATEGIES.index(self.strategy), self.m, k)

    def widest(self) -> int:
        return widest(self.graph, self.m)

    def rehearsed(self) -> dict[str, Any]:
        return {"strategy": "auto", "m": 16}

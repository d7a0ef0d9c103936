"""The window search tree (beta-WST): Vamana graphs of many windows, of which a query searches one or some.

J. Engels, B. Landrum, S. Yu, L. Dhulipala, J. Shun: Approximate Nearest Neighbor Search with Window Filters,
ICML 2024.

A tree splits the positions into beta windows, these into beta again, down to windows of at most `cutoff`
items; every window has a Vamana graph. With `overlapping`, so have the windows that lie half on one window of
a level and half on the next (the paper's super windows): then a window of at most about four times its length
holds any range longer than the smallest window, if beta is 2. A range is searched by one of these strategies:
- tree: in the largest windows inside it, which tile it, what is left at its ends being scanned;
- post: in the smallest window that holds it, with a pool that doubles until k of the range are found, and at
  last with one `mult` times as large. This is the paper's optimized post-filtering, and if windows overlap,
  its super post-filtering. Ranges shorter than a quarter of the cutoff are searched by the tree;
- three-split: the largest windows inside it that are on one level, and what they leave on each side by post,
  or by tree if no window that holds it is at most 20 times as large.

Serves R and EM on a number. alpha is the authors' 1: it multiplies squared distances.

Not as the authors' code:
- The graphs are those of `vamana`: entered at the medoid, not at the first position, and connected.
- Windows inside the range share the pool of the query. The search of one goes on beyond its 10 nearest only
  while something is near enough to enter the pool; the authors search each as if it were alone.
- Overlapping windows begin and end in the middle of two of the tree's, so each row tiles the positions; for
  beta = 2 these are the authors' but for rounding.
- No bound of a range is lost, nor any item: theirs lose those equal to the upper bound, and one item a query.
- Pools start at max(ef, k) and grow up to the window or 10,000. A range whose search ends with fewer than k
  is scanned; the authors return fewer.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import Metric
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms.vamana.index import Parameters
from fannsbench.algorithms.window_tree import index
from fannsbench.algorithms.window_tree.index import WindowTree
from fannsbench.algorithms.window_tree.searching import STRATEGIES, Choice, Work


class WindowTreeAlgorithm(RangeAlgorithm):
    graph_type: ClassVar[type[Any]] = WindowTree

    def __init__(
        self,
        metric: Metric,
        seed: int,
        R: int,  # noqa: N803
        L: int,  # noqa: N803
        alpha: float,
        beta: int,
        cutoff: int,
        overlapping: bool,
    ) -> None:
        super().__init__(metric, seed)
        self.within = Parameters(R, L, alpha, seed)
        self.beta = beta
        self.cutoff = cutoff
        self.overlapping = overlapping

    def link(self, vectors: np.ndarray, threads: int) -> WindowTree:
        tree = self.beta, self.cutoff, self.overlapping
        return index.build(vectors, self.within, *tree, threads, self.progress)

    def configure(self, ef: int, strategy: str, mult: int) -> None:
        super().configure(ef)
        self.strategy = strategy
        self.mult = mult

    def how(self, k: int) -> Choice:
        return Choice(STRATEGIES.index(self.strategy), self.mult, self.cutoff // 4, k)

    def scratch(self, k: int) -> Work:
        tiles = 2 * self.beta * int(self.graph.levels[0])
        return Work.of(len(self.vectors), max(self.ef, k), self.widest(), tiles)

    def warm_up(self) -> None:
        small = self.copy_to_rehearse()
        small.within = self.within._replace(R=2, L=4)
        small.cutoff = 16
        small.rehearse("number >= 1", ef=1, strategy="tree", mult=1)

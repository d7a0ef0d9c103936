"""Vamana, DiskANN's graph in memory, on fannsbench's own kernels: the substrate of Filtered-DiskANN and UNG.

S. J. Subramanya, Devvrit, R. Kadekodi, R. Krishnaswamy, H. V. Simhadri: DiskANN: Fast Accurate Billion-point
Nearest Neighbor Search on a Single Node, NeurIPS 2019.

As DiskANN's code: one pass from an empty graph; candidates are the items that a search expands, at most 750;
the threshold of pruning rises from 1 to alpha, which multiplies squared distances. So alpha acts as the
largest of 1, 1.2, 1.44, ... that it reaches. Not as DiskANN's code:
- Items are inserted in batches, in an order drawn from the seed, the medoid first. So the graph depends
  neither on the number of threads nor on the order of the data.
- The searches of a build compare in half precision; what they find is compared exactly.
- Items that pruning has cut off are linked in again at the end.
- A list never holds more than R links, and is pruned when it would; DiskANN lets it grow by 30 % meanwhile.

Filtered search as in `hnsw-native`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._native.unfiltered import UnfilteredGraph
from fannsbench.algorithms.vamana import index
from fannsbench.algorithms.vamana.index import Parameters, Vamana


class VamanaAlgorithm(UnfilteredGraph):
    graph_type: ClassVar[type[Any]] = Vamana

    def __init__(self, metric: Metric, seed: int, R: int, L: int, alpha: float) -> None:  # noqa: N803
        super().__init__(metric, seed)
        self.how = Parameters(R, L, alpha, seed)

    def build_graph(self, items: Items, threads: int) -> Vamana:
        return index.build(self.vectors, self.how, threads, self.progress)

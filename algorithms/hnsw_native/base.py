"""What methods on the plain graph of HNSW share, however they search it."""

from __future__ import annotations

from typing import Any, ClassVar

from fannsbench.algorithm import ALL_FILTERS, Items, Metric
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms.hnsw_native import index
from fannsbench.algorithms.hnsw_native.index import Layers


class HnswGraph(NativeAlgorithm):
    """Built by M and ef_construction alone."""

    filters = ALL_FILTERS
    builds_on_attributes = False
    graph_type: ClassVar[type[Any]] = Layers

    def __init__(self, metric: Metric, seed: int, M: int, ef_construction: int) -> None:  # noqa: N803
        super().__init__(metric, seed)
        self.M = M
        self.ef_construction = ef_construction

    def build_graph(self, items: Items, threads: int) -> Layers:
        return index.build(self.vectors, self.M, self.ef_construction, self.seed, threads, self.progress)

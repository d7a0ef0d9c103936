"""ACORN-gamma: an HNSW with lists gamma times as long, of which a query sees the items that match.

L. Patel, P. Kraft, C. Guestrin, M. Zaharia: ACORN: Performant and Predicate-Agnostic Search Over Vector
Embeddings and Structured Data, SIGMOD 2024. The graph knows nothing of attributes, so every kind of filter is
served; items are tested against a bitmap of the query, made in the filter step.

Where paper and authors' code (TAG-Research/ACORN) differ, this is as the code in:
- Room for M_beta + 1.5 M links in the lowest layer, but for M gamma in the others; a node leads to matches
  until it has come upon 2 M of them.
- With gamma = 1 there is no second step in the upper layers, and `gather_stop` is always "distance".

and as the paper in:
- Lists of the lowest layer are cut once what is two links away fills M gamma (`Compression`); in the code
  once it fills a list, which is at the first item beyond M_beta.
- Links are ordered nearest first, those after the last cut as they came. The code has the farthest first.
- Of each item that is expanded in the build, M links are looked at; a slip in the code halves that.
- `gather_stop = "distance"`: candidates are sought by the usual search. `"code"` expands all that was ever
  let in.
- `fallback`: queries with at most that share of matches are answered by computing all distances. The paper
  says 1 / gamma; the code has no such rule, nor is it the default, to show what the graph does.

Mended: full lists of upper layers lost their nearest link and wrote over other lists; an item that does not
match could be returned; a search could end too early; links were marked as seen and not looked at.

Ours:
- Items are inserted in batches, and those that no walk comes to are linked in (`fannsbench.kernels.reach`).
- The search for an item's links begins on each layer at the nearest that it found on the one above, and the M
  links that are looked at are such as have not been seen.
- Of a node's neighbours all those that match come before any that are two links away.
- A search begins at `seeds` matching items as well, spread over all. Where matches lie in parts with no links
  between them, as those of a rare label, it found only the part that it came down in.
- Links of matching items are not looked at in the second step: these items are in the search by themselves.
  Lists of others are read once in a search.
- Queries with no more than ef matches are answered by computing all distances: a walk would as well.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Items, Metric
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms.acorn import index
from fannsbench.algorithms.acorn.search import search
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.kernels.search import Scratch


class Acorn(NativeAlgorithm):
    filters = ALL_FILTERS
    builds_on_attributes = False
    graph_type: ClassVar[type[Any]] = Layers

    def __init__(
        self,
        metric: Metric,
        seed: int,
        M: int,  # noqa: N803
        M_beta: int,  # noqa: N803
        gamma: int,
        gather_stop: str,
    ) -> None:
        super().__init__(metric, seed)
        self.M = M
        self.M_beta = M_beta
        self.gamma = gamma
        self.gather_stop = gather_stop

    def build_graph(self, items: Items, threads: int) -> Layers:
        return index.build(
            self.vectors,
            self.M,
            self.M_beta,
            self.gamma,
            self.gather_stop,
            self.seed,
            threads,
            self.progress,
        )

    def configure(self, ef: int, seeds: int, fallback: float) -> None:
        super().configure(ef)
        self.seeds = seeds
        self.fallback = fallback

    def scans_up_to(self, k: int) -> int:
        return max(k, self.ef, int(self.fallback * len(self.vectors)))

    def scratch(self, k: int) -> Scratch:
        widest = 2 * self.M + 2 * self.graph.links.shape[1]
        return Scratch.of(len(self.vectors), max(self.ef, k), widest)

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        if selection is None:
            bitmaps = np.full((1, (len(self.vectors) + 7) // 8), 255, np.uint8)
        else:
            bitmaps = selection.bitmaps
        direct = self.M_beta if self.gamma > 1 else 0
        seeds = np.empty(self.seeds, np.int32)
        return search(
            self.graph, self.M, direct, self.vectors, queries, rows, bitmaps, seeds, scratch, neighbors
        )

    def warm_up(self) -> None:
        self.rehearse("number >= 1", ef=1, seeds=1, fallback=0.0)

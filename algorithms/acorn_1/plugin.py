"""ACORN-1 as today's engines ship it: a plain HNSW, of which a query walks the items that match, and, where
too few of an item's links do, those that lie two links away.

The idea is that of L. Patel, P. Kraft, C. Guestrin, M. Zaharia: ACORN: Performant and Predicate-Agnostic
Search Over Vector Embeddings and Structured Data, SIGMOD 2024, whose ACORN-1 has a graph of its own, not
pruned by distances (`acorn` with gamma = 1). Here the graph is that of `hnsw-native`; how far to look is
Lucene's rule (FilteredHnswGraphSearcher of Lucene 10.2): it depends on the share of all items that match, and
on that among an item's links. Where 60 % of all items match, a query walks the others too, as in later
versions of it. Every kind of filter is served; items are tested against a bitmap of the query, made in the
filter step.

Not as Lucene:
- A pool of ef >= k matches.
- Where the item that a search comes down to does not match, it begins at up to `seeds` matching items as
  well, spread over all; Weaviate does so too.
- Queries with at most ln(n) k matches are answered by computing all distances, as in Lucene, but also those
  with at most ef: a walk would as well. Lucene turns to that in the course of a walk too, once it has
  computed more distances than there are matches, but counts those of the way down; a walk over matches alone
  computes no more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fannsbench.algorithms._native import unfiltered
from fannsbench.algorithms.acorn_1.search import search, widest
from fannsbench.algorithms.hnsw_native.base import HnswGraph
from fannsbench.kernels.search import Scratch

MOSTLY = 0.6
"""Where such a share of all items matches, the others are walked too (Lucene after 10.2)."""


class Acorn1(HnswGraph):
    def configure(self, ef: int, seeds: int) -> None:
        super().configure(ef)
        self.seeds = seeds

    def scans_up_to(self, k: int) -> int:
        return max(int(k * math.log(len(self.vectors))), self.ef)

    def scratch(self, k: int) -> Scratch:
        return Scratch.of(len(self.vectors), max(self.ef, k), widest(self.M), matching=True)

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        if selection is None:
            return unfiltered.search(self.graph, self.vectors, queries, rows, scratch, neighbors)
        mostly = selection.counts[rows] >= MOSTLY * len(self.vectors)
        computed = unfiltered.search_matching(
            self.graph,
            self.vectors,
            queries,
            rows[mostly],
            selection.bitmaps,
            unfiltered.without_end(queries),
            scratch,
            neighbors,
        )
        return computed + search(
            self.graph,
            self.vectors,
            queries,
            rows[~mostly],
            selection.bitmaps,
            selection.counts,
            np.empty(self.seeds, np.int32),
            np.empty(widest(self.M), np.int32),
            scratch,
            neighbors,
        )

    def warm_up(self) -> None:
        self.rehearse("number >= 1", ef=1, seeds=1)

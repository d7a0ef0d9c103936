"""UNG, the unified navigating graph: a graph for each label set, and edges from sets to larger ones.

Y. Cai, J. Shi, Y. Chen, W. Zheng: Navigating Labels and Vectors: A Unified Approach to Filtered Approximate
Nearest Neighbor Search, SIGMOD 2025 (Proc. ACM Manag. Data 2(6), article 246).

Serves EM, MEM, EMIS and MEMIS: a label is a value of an attribute, an item's label set is all of its
values, and what matches are the items whose set contains the query's labels. A search begins in the groups
with the smallest such sets; all that it can reach matches, and no filter is evaluated on the way. Without set
attributes no set that a filter asks for lies within another, so there are no cross edges, and UNG is one
Vamana graph for each combination of values.

As the authors' code: trie of sets with the most frequent labels first; minimal supersets; complete graphs
for groups of at most R; a robust prune whose threshold rises to alpha; delta cross edges of an item for all
groups that its own leads to. Not as the authors' code:
- Groups are built in batches, all at the same time (see `vamana`), so large groups use all threads too. What
  a walk from a group's entry does not come to is linked in afterwards.
- Cross edges into groups of up to 1000 items are the exact nearest. Besides them every item gets an edge from
  the nearest in each group that leads to its own (`rule2 = "nearest"`), so all that matches can be reached.
  The authors give the first items of a group edges to groups that got none (`"code"`, which for delta = 1
  adds 1, not 0), the paper to all that got fewer than delta (`"paper"`).
- Items without labels are a group, without cross edges: matches of no filter begin there.
- A search begins at the entry and sigma - 1 items spread over each of the groups with the smallest sets; the
  paper's at random ones, the authors' code at the first.
- Queries with at most k or scan * ef matches, and those whose walk finds fewer than min(k, matches), are
  answered exactly; matches are a few ranges of rows. With many small sets more pays: a walk of them finds
  little.
- Items lie in memory in order of their groups.

Where sets are many and small (ancestors in WordNet: 21,627 sets of 117,659 items), edges to larger sets
alone lead nowhere near most matches, and recall needs scans. `branch` (our own; 0 is the paper) then gives
each node of the trie with so many items below it one Vamana graph of them all, in place of groups' graphs and
cross edges. A query walks the graphs of the topmost nodes that contain its labels, and scans below those that
have none; without a filter it scans all. Still all that is walked matches. An item is in as many graphs as
large nodes lie above it.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms.ung import index, searching
from fannsbench.algorithms.ung.index import Design, Ung
from fannsbench.algorithms.ung.labels import first_labels, group, wanted_sets
from fannsbench.algorithms.ung.searching import Approach, Work
from fannsbench.algorithms.vamana.index import Parameters
from fannsbench.attributes import Attributes, LabelSet
from fannsbench.filters import BoundFilters, FilterKind
from fannsbench.kernels.parallel import for_ranges
from fannsbench.kernels.pool import Pool
from fannsbench.kernels.space import items_in_space


class Wanted(NamedTuple):
    """Of q queries: the ranks (q, w) int32 that matches have, and how many match, (q,) int64."""

    sets: np.ndarray
    counts: np.ndarray


class UngAlgorithm(NativeAlgorithm):
    filters = frozenset({FilterKind.EM, FilterKind.MEM, FilterKind.EMIS, FilterKind.MEMIS})
    graph_type: ClassVar[type[Any]] = Ung

    def __init__(
        self,
        metric: Metric,
        seed: int,
        R: int,  # noqa: N803
        L: int,  # noqa: N803
        alpha: float,
        delta: int,
        rule2: str,
        branch: int,
    ) -> None:
        super().__init__(metric, seed)
        self.design = Design(Parameters(R, L, alpha, seed), delta, rule2, branch)

    def build(self, items: Items, threads: int) -> None:
        started = perf_counter()
        self._groups = group(items.attributes)
        self.preprocess_seconds = perf_counter() - started
        self._take_in_order(items, self._groups.items)
        self.graph = self.build_graph(items, threads)

    def build_graph(self, items: Items, threads: int) -> Ung:
        has_sets = any(isinstance(column, LabelSet) for column in items.attributes.values())
        design = self.design if has_sets else self.design._replace(delta=0, branch=0)
        return index.build(self.vectors, self._groups, design, threads, self.progress)

    def load(self, folder: Path, items: Items) -> None:
        self.graph = Ung(*(np.load(folder / f"{name}.npy") for name in Ung._fields))
        self._take_in_order(items, self.graph.items)

    def _take_in_order(self, items: Items, order: np.ndarray) -> None:
        self.vectors = items_in_space(self.metric, items.vectors, order)
        self._first_labels = first_labels(items.attributes)

    def configure(self, ef: int, sigma: int, scan: int) -> None:
        super().configure(ef)
        self.scan = scan
        self.approach = Approach(sigma, scan * ef)

    def scans_up_to(self, k: int) -> int:
        return self.scan * self.ef

    def scratch(self, k: int) -> Work:
        return Work.of(self.graph, self.ef, k, self.approach.sigma)

    def select(self, filters: BoundFilters) -> Wanted:
        graph = self.graph
        sets = wanted_sets(filters, self._first_labels, graph.ranks)
        counts = np.empty(len(sets), np.int64)
        for_ranges(
            len(sets),
            self.threads,
            lambda a, b: searching.count_matches(graph.groups, graph.trie, sets[a:b], counts[a:b]),
        )
        return Wanted(sets, counts)

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Work, neighbors: np.ndarray
    ) -> int:
        graph = self.graph
        return searching.search(
            graph,
            graph.groups,
            graph.trie,
            self.vectors,
            queries,
            _sets(selection, len(queries)),
            rows,
            self.approach,
            scratch,
            neighbors,
        )

    def _scan(self, queries: np.ndarray, rows: np.ndarray, selection: Any, neighbors: np.ndarray) -> None:
        graph, sets = self.graph, _sets(selection, len(queries))

        def scan_some(first: int, last: int) -> None:
            computed = searching.scan(
                graph.items,
                graph.groups,
                graph.trie,
                self.vectors,
                queries,
                sets,
                rows[first:last],
                Pool.of(neighbors.shape[1]),
                neighbors,
            )
            self._computed.append(computed)

        for_ranges(len(rows), self.threads, scan_some)

    def warm_up(self) -> None:
        letters = LabelSet.from_values(["ab"[i % 2 :] for i in range(64)])
        items = Items(
            np.random.default_rng(0).standard_normal((64, 16), np.float32),
            Attributes({"letters": letters}, 64),
        )
        for branch in {0, min(self.design.branch, 8)}:
            small = self.copy_to_rehearse()
            tight = self.design.within._replace(R=2, L=4)
            small.design = self.design._replace(within=tight, branch=branch)
            small.build(items, 1)
        self.rehearse("'a' in letters", ef=2, sigma=2, scan=0)


def _sets(selection: Wanted | None, queries: int) -> np.ndarray:
    """No labels are wanted without a filter."""
    return np.full((queries, 1), -1, np.int32) if selection is None else selection.sets

"""A strong baseline without an index of its own: for each query the cheapest of the generic strategies.

- exact: the matches are scanned as bytes and the few that may be nearest ranked (`exact-int8`).
- in: a walk of an HNSW graph over all items that keeps matches alone, until its pool is full of them. One
  that has cost half of what the scan costs is given up.
- post: a walk that looks at no filter, of whose pool the matches are kept.

A query that is left with fewer than min(k, matches) is answered by a scan. The two-hop walk of `acorn-1` is
not among the plans: wherever it was faster than those two at the same recall, the scan was faster still.

The choice is that of the accuracy-aware optimiser of AnalyticDB-V (Wei et al.: AnalyticDB-V: A Hybrid
Analytical Engine Towards Query Fusion for Structured and Unstructured Data, PVLDB 13(12), 2020, section 5),
with the exact number of matches in place of an estimate: when the index is built, held-out items are sought
under filters of falling selectivity, half of them independent of the vectors and half not, and the recall and
cost of each plan is kept for pools of growing size. A query takes the plan that is the cheapest at the recall
which an unfiltered search by `ef` has. So `ef` means a recall, and a query whose scan is cheaper than a
walk of that recall is answered exactly.

Costs are counts, not seconds, so two builds with the same seed choose alike: see `costs`. All filter kinds;
the build does not look at attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Items, Metric
from fannsbench.algorithms._native import NativeAlgorithm
from fannsbench.algorithms.hnsw_native import index
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.algorithms.planner import calibrate, costs
from fannsbench.algorithms.planner.costs import EXACT, PLANS, POST, Calibration
from fannsbench.algorithms.planner.walks import walk
from fannsbench.filters import BoundFilters
from fannsbench.kernels import refine
from fannsbench.kernels.parallel import for_ranges
from fannsbench.kernels.quantised import of_codes, quantised
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import queries_in_space


@dataclass(frozen=True, eq=False)
class Planned:
    """The filters of q queries, how many items match each, and what is made of those whose plan is known."""

    filters: BoundFilters
    counts: np.ndarray
    plans: np.ndarray
    pools: np.ndarray
    scanned: np.ndarray
    """Rows of the queries to scan for; the matches of the i-th are ids[indptr[i]:indptr[i + 1]]."""
    indptr: np.ndarray
    ids: np.ndarray
    walked: np.ndarray
    """Rows of the others; bitmaps[i] is that of the i-th."""
    bitmaps: np.ndarray


class Planner(NativeAlgorithm):
    filters = ALL_FILTERS
    builds_on_attributes = False
    graph_type: ClassVar[type[Any]] = Layers

    def __init__(self, metric: Metric, seed: int, M: int, ef_construction: int) -> None:  # noqa: N803
        super().__init__(metric, seed)
        self.M = M
        self.ef_construction = ef_construction

    def build_graph(self, items: Items, threads: int) -> Layers:
        return index.build(self.vectors, self.M, self.ef_construction, self.seed, threads)

    def build(self, items: Items, threads: int) -> None:
        super().build(items, threads)
        self._codes = quantised(self.metric, items.vectors, threads)
        self._units = costs.units(items.vectors.shape[1])
        self.calibration = calibrate.calibrate(
            self.graph, self.vectors, self._codes, self._units, self.seed, threads
        )

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "codes.npy", self._codes.codes)
        np.save(folder / "centre.npy", self._codes.centre)
        for name, array in self.calibration._asdict().items():
            np.save(folder / f"calibration_{name}.npy", array)

    def load(self, folder: Path, items: Items) -> None:
        super().load(folder, items)
        centre, codes = np.load(folder / "centre.npy"), np.load(folder / "codes.npy")
        self._codes = of_codes(self.metric, items.vectors, centre, codes)
        self._units = costs.units(items.vectors.shape[1])
        self.calibration = Calibration(
            *(np.load(folder / f"calibration_{name}.npy") for name in Calibration._fields)
        )

    def configure(self, ef: int) -> None:
        super().configure()
        self.ef = ef
        self._k = costs.K
        self._taken = np.zeros(len(PLANS), np.int64)
        self._fallbacks = self._estimates = 0

    def select(self, filters: BoundFilters) -> Planned:
        return self._planned(filters, filters.counts(self.threads), self._k)

    def _planned(self, filters: BoundFilters, counts: np.ndarray, k: int) -> Planned:
        n = len(self.vectors)
        plans, pools = costs.choose(self.calibration, self.ef, k, counts, n, self._units)
        plans[counts <= k] = EXACT
        scanned, walked = np.flatnonzero(plans == EXACT), np.flatnonzero(plans != EXACT)
        indptr, ids = filters[scanned].postings(self.threads, counts[scanned])
        bitmaps = filters[walked].bitmaps(self.threads)
        return Planned(filters, counts, plans, pools, scanned, indptr, ids, walked, bitmaps)

    def search(self, queries: np.ndarray, k: int, selection: Planned | None) -> np.ndarray:
        if selection is None:
            return super().search(queries, k, None)
        if k != self._k:  # the plans were made for another number
            self._k = k
            selection = self._planned(selection.filters, selection.counts, k)
        self._taken += np.bincount(selection.plans, minlength=len(PLANS))
        neighbors = np.full((len(queries), k), -1, np.int32)
        self._scan_lists(queries, selection.scanned, selection.indptr, selection.ids, neighbors)
        self._walk_all(queries, k, selection, neighbors)
        found = np.count_nonzero(neighbors >= 0, axis=1)
        short = np.flatnonzero(found < np.minimum(k, selection.counts))
        if len(short):
            self._fallbacks += len(short)
            lists = selection.filters[short].postings(self.threads, selection.counts[short])
            self._scan_lists(queries, short, *lists, neighbors)
        return neighbors

    def _walk_all(self, queries: np.ndarray, k: int, selection: Planned, neighbors: np.ndarray) -> None:
        rows = selection.walked
        if not len(rows):
            return
        space = queries_in_space(self.metric, queries[rows])
        found = np.full((len(rows), k), -1, np.int32)
        plans, pools = selection.plans[rows], selection.pools[rows]
        most = costs.patience(selection.counts[rows], len(self.vectors), self._units)
        workspaces = self._workspaces(int(pools.max()))
        for plan, pool in np.unique(np.stack([plans, pools], axis=1), axis=0).tolist():
            same = np.flatnonzero((plans == plan) & (pools == pool))

            def some(first: int, last: int, plan: int = plan, pool: int = pool, same: Any = same) -> None:
                with workspaces.one() as scratch:
                    part = same[first:last]
                    self._computed.append(
                        walk(
                            plan,
                            pool,
                            self.graph,
                            self.vectors,
                            space,
                            part,
                            selection.bitmaps,
                            most,
                            scratch,
                            found,
                        )
                    )

            for_ranges(len(same), self.threads, some)
        neighbors[rows] = found

    def _workspaces(self, k: int) -> Any:
        if self._scratch is not None:
            k = max(k, self._scratch[0])
        return super()._workspaces(k)

    def scratch(self, k: int) -> Scratch:
        return Scratch.of(len(self.vectors), max(self.ef, k), self.graph.links.shape[1], matching=True)

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        pool = max(self.ef, neighbors.shape[1])
        return walk(POST, pool, self.graph, self.vectors, queries, rows, None, None, scratch, neighbors)

    def _scan_lists(
        self,
        queries: np.ndarray,
        rows: np.ndarray,
        indptr: np.ndarray,
        ids: np.ndarray,
        neighbors: np.ndarray,
    ) -> None:
        def scan(first: int, last: int) -> None:
            some = rows[first:last]
            starts, stops = indptr[first:last], indptr[first + 1 : last + 1]
            neighbors[some], ranked = refine.search(
                self._codes, queries[some], neighbors.shape[1], starts, stops, ids
            )
            self._computed.append(ranked)

        for_ranges(len(rows), self.threads, scan)
        self._estimates += len(ids)

    def warm_up(self) -> None:
        calibrate.warm_up()
        self.rehearse("number >= 1", ef=1)

    def counters(self) -> dict[str, float]:
        taken = {f"queries by {plan}": float(count) for plan, count in zip(PLANS, self._taken, strict=True)}
        return super().counters() | taken | {"fallbacks": self._fallbacks, "estimates": self._estimates}

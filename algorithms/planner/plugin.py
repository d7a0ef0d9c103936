"""A strong baseline without an index of its own: for each query the cheapest of the generic strategies.

- exact: the matches are scanned as bytes and the few that may be nearest ranked (`exact-int8`).
- in: a walk of an HNSW graph over all items that keeps matches alone, until its pool is full of them. One
  that has cost half of what the scan costs is given up.
- post: a walk that looks at no filter, of whose pool the matches are kept; if they are too few, another by a
  pool of twice the size, while that is cheaper than the scan.

A query that is left with fewer than min(k, matches) is answered by a scan. The two-hop walk of `acorn-1` is
not among the plans; `benchmarks/native.py` shows it beside this.

The choice is that of the accuracy-aware optimiser of AnalyticDB-V (Wei et al.: AnalyticDB-V: A Hybrid
Analytical Engine Towards Query Fusion for Structured and Unstructured Data, PVLDB 13(12), 2020, section 5),
with the exact number of matches in place of an estimate: when the index is built, held-out items are sought
under filters of falling selectivity, some independent of the vectors and some not, and the recall and cost of
each plan is kept for pools of growing size. A query takes the plan that is the cheapest at the recall
which an unfiltered search by `ef` has. So `ef` means a recall, and a query whose scan is cheaper than a
walk of that recall is answered exactly.

Costs are counts, not seconds, so two builds with the same seed choose alike: see `costs`. All filter kinds;
the build does not look at attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fannsbench.algorithm import Items
from fannsbench.algorithms import _postfilter
from fannsbench.algorithms._native import unfiltered
from fannsbench.algorithms.hnsw_native.base import HnswGraph
from fannsbench.algorithms.planner import calibrate, costs
from fannsbench.algorithms.planner.costs import EXACT, IN, PLANS, POST, Calibration
from fannsbench.filters import BoundFilters
from fannsbench.kernels import refine
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.postfilter import keep_matches
from fannsbench.kernels.quantised import of_codes, quantised
from fannsbench.kernels.search import Scratch, with_places
from fannsbench.kernels.space import queries_in_space

NO_BITMAPS = np.empty((0, 0), np.uint8)


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
    """Rows of those whose walk looks at the filter; bitmaps[i] is that of the i-th."""
    bitmaps: np.ndarray


class Planner(HnswGraph):
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
        super().configure(ef)
        self._choose_for(costs.K)
        self._taken = np.zeros(len(PLANS), np.int64)
        self._estimates = 0

    def _choose_for(self, k: int) -> None:
        self._choice = costs.choice(self.calibration, self.ef, k, len(self.vectors), self._units)

    def select(self, filters: BoundFilters) -> Planned:
        return self._planned(filters, filters.counts(self.threads))

    def _planned(self, filters: BoundFilters, counts: np.ndarray) -> Planned:
        plans, pools = costs.choose(self._choice, counts)
        scanned, walked = np.flatnonzero(plans == EXACT), np.flatnonzero(plans == IN)
        indptr, ids = self._lists(filters, counts, scanned)
        bitmaps = filters[walked].bitmaps(self.threads) if len(walked) else NO_BITMAPS
        return Planned(filters, counts, plans, pools, scanned, indptr, ids, walked, bitmaps)

    def _lists(
        self, filters: BoundFilters, counts: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if not len(rows):
            return np.zeros(1, np.int64), np.empty(0, np.int32)
        return filters[rows].postings(self.threads, counts[rows])

    def search(self, queries: np.ndarray, k: int, selection: Planned | None) -> np.ndarray:
        if selection is None:
            return super().search(queries, k, None)
        if k != self._choice.k:  # the plans were made for another number, which the next will not be
            self._choose_for(k)
            selection = self._planned(selection.filters, selection.counts)
        self._taken += np.bincount(selection.plans, minlength=len(PLANS))
        self._scanned += len(selection.scanned)
        neighbors = np.full((len(queries), k), -1, np.int32)
        self._scan_lists(queries, selection.scanned, selection.indptr, selection.ids, neighbors)
        if len(selection.scanned) < len(queries):
            self._walk_all(queries, selection, neighbors)
            short = np.flatnonzero(_are_short(neighbors, selection.counts))
            self._fallbacks += len(short)
            lists = self._lists(selection.filters, selection.counts, short)
            self._scan_lists(queries, short, *lists, neighbors)
        return neighbors

    def _walk_all(self, queries: np.ndarray, selection: Planned, neighbors: np.ndarray) -> None:
        """Plan after plan. What POST leaves with too few matches walks again by a pool of twice the size,
        while that is cheaper than a scan."""
        space = queries_in_space(self.metric, queries, self.vectors)
        pools = selection.pools.copy()
        self._walk_by_pool(
            self._search_in, np.flatnonzero(selection.plans == IN), pools, space, selection, neighbors
        )
        rows = np.flatnonzero(selection.plans == POST)
        while len(rows):
            self._walk_by_pool(self._search_post, rows, pools, space, selection, neighbors)
            rows = rows[_are_short(neighbors[rows], selection.counts[rows])]
            pools[rows] *= 2
            rows = rows[costs.walks_again(self._choice, selection.counts[rows], pools[rows])]

    def _walk_by_pool(
        self,
        search: Callable[..., int],
        rows: np.ndarray,
        pools: np.ndarray,
        queries: np.ndarray,
        selection: Planned,
        neighbors: np.ndarray,
    ) -> None:
        """For these rows, those with equal pools together."""
        workspaces = self._workspaces(int(pools.max()))
        for pool in np.unique(pools[rows]).tolist():
            some = rows[pools[rows] == pool]

            def walk(
                first: int, last: int, scratch: Scratch, pool: int = pool, some: np.ndarray = some
            ) -> None:
                smaller = with_places(scratch, pool)
                self._computed.append(search(queries, some[first:last], selection, smaller, neighbors))

            workspaces.for_ranges(len(some), self.threads, walk)

    def _search_in(
        self, queries: np.ndarray, rows: np.ndarray, selection: Planned, s: Scratch, neighbors: np.ndarray
    ) -> int:
        places = np.searchsorted(selection.walked, rows)
        found = np.empty((len(rows), neighbors.shape[1]), np.int32)
        most = costs.patience(selection.counts[rows], len(self.vectors), self._units)
        computed = unfiltered.search_matching(
            self.graph,
            self.vectors,
            queries[rows],
            np.arange(len(rows)),
            selection.bitmaps[places],
            most,
            s,
            found,
        )
        neighbors[rows] = found
        return computed

    def _search_post(
        self, queries: np.ndarray, rows: np.ndarray, selection: Planned, s: Scratch, neighbors: np.ndarray
    ) -> int:
        found = np.empty((len(rows), len(s.pool.ids)), np.int32)
        places = np.arange(len(rows))
        computed = unfiltered.search(self.graph, self.vectors, queries[rows], places, s, found)
        keep_matches(selection.filters.predicate, rows, found, neighbors, np.empty(len(neighbors), np.int64))
        return computed

    def _workspaces(self, k: int) -> Workspaces:
        return super()._workspaces(max(k, self._scratch[0]) if self._scratch else k)

    def scratch(self, k: int) -> Scratch:
        return Scratch.of(len(self.vectors), max(self.ef, k), self.graph.links.shape[1], matching=True)

    def walk(
        self, queries: np.ndarray, rows: np.ndarray, selection: Any, scratch: Any, neighbors: np.ndarray
    ) -> int:
        smaller = with_places(scratch, max(self.ef, neighbors.shape[1]))
        return unfiltered.search(self.graph, self.vectors, queries, rows, smaller, neighbors)

    def _scan_lists(
        self,
        queries: np.ndarray,
        rows: np.ndarray,
        indptr: np.ndarray,
        ids: np.ndarray,
        neighbors: np.ndarray,
    ) -> None:
        neighbors[rows], ranked = refine.search(
            self._codes, queries[rows], neighbors.shape[1], indptr[:-1], indptr[1:], ids, self.threads
        )
        self._computed.append(ranked)
        self._estimates += len(ids)

    def warm_up(self) -> None:
        _postfilter.warm_up()
        self.rehearse("number >= 1", ef=1)

    def counters(self) -> dict[str, float]:
        taken = {f"queries by {plan}": float(count) for plan, count in zip(PLANS, self._taken, strict=True)}
        return super().counters() | taken | {"estimates": self._estimates}


def _are_short(neighbors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(q,) bool: queries that have fewer than min(k, matches) neighbors (q, k)."""
    short: np.ndarray = np.count_nonzero(neighbors >= 0, axis=1) < np.minimum(neighbors.shape[1], counts)
    return short

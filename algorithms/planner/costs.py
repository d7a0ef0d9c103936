"""What the plans for a filtered query cost, and which is the cheapest that has the recall asked for.

Costs are in distances of a graph walk. Counts of them are measured when an index is built; what a step of
another kind costs beside one is a constant of `units`, from `benchmarks/planner.py --units`. Seconds measured
at build would make two builds of the same seed answer differently.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit

IN, POST = range(2)
"""Plans on the graph: a walk that goes on until its pool is full of matches; one without a filter, of whose
pool the matches are kept."""
EXACT = 2
"""The plan of scanning all matches."""
PLANS = ("in", "post", "exact")
K = 10
"""Neighbours that recall is measured for."""
GIVEN_UP = 0.5
"""The share of the cost of a scan at which a walk of IN is given up. Filters that keep a query's surroundings
and filters that keep none of them can have the same number of matches."""
STEP = 5
"""Pools are multiples of it, so that a batch has few sizes."""


class Units(NamedTuple):
    """Costs of steps beside that of a distance of a graph walk, which reads a row that no cache holds."""

    scanned: float  # bounding a match from its bytes
    listed: float  # looking at an item while the matches are listed
    marked: float  # looking at an item while a bitmap is made
    looked: float  # looking at an item whose distance is not computed
    ranked: float  # a scan's first and last steps


def units(dimension: int) -> Units:
    """A distance takes about 70 + 0.12 d nanoseconds, the bound of a match 3 + 0.024 d: rows of 4 d bytes
    here and there, and rows of d bytes in ascending order. The rest depends little on d."""
    distance = 70 + 0.12 * dimension
    return Units(
        scanned=(3 + 0.024 * dimension) / distance,
        listed=0.5 / distance,
        marked=0.15 / distance,
        looked=5 / distance,
        ranked=8000 / distance,
    )


class Calibration(NamedTuple):
    """Recall and cost of the graph's plans, measured at m selectivities with e sizes of the pool."""

    selectivities: np.ndarray  # (m,) float64, descending
    pools: np.ndarray  # (e,) int64, ascending
    unfiltered: np.ndarray  # (e,) float64: recall without a filter
    walks: np.ndarray  # (e,) float64: cost without a filter, NaN where it was not measured
    recall: np.ndarray  # (2, m, e) float64, NaN where it was not measured: it costs more than a scan
    cost: np.ndarray  # (2, m, e) float64, likewise


def scan_cost(counts: np.ndarray, n: int, unit: Units) -> np.ndarray:
    """(q,) float64 for queries with counts (q,) matches of n items."""
    cost: np.ndarray = counts * unit.scanned + n * unit.listed + unit.ranked
    return cost


def patience(counts: np.ndarray, n: int, unit: Units) -> np.ndarray:
    """(q,) int64: the number of distances after which a walk of IN is given up for a scan."""
    most: np.ndarray = (GIVEN_UP * scan_cost(counts, n, unit)).astype(np.int64)
    return most


class Choice(NamedTuple):
    """What it takes to choose, for one `ef` and k, by the number of matches among n items."""

    n: int
    k: int
    kept: np.ndarray  # (m,) float64, descending: selectivities
    pools: np.ndarray  # (2, m) float64: with which a plan has the recall
    costs: np.ndarray  # (2, m) float64: what it costs then; inf if it has not
    scanned: float  # cost of a scan, for each match
    begun: float  # and for any number of them
    walked: float  # cost of a walk without a filter, for each place of its pool


def choice(c: Calibration, ef: int, k: int, n: int, unit: Units) -> Choice:
    """Between plans with the recall that an unfiltered search of n items by `ef` has.

    What was measured for K neighbours is taken to hold for k with pools larger by k / K, and what was
    measured for the largest pool, for larger ones."""
    m = len(c.selectivities)
    pools, costs = np.full((2, m), np.inf), np.full((2, m), np.inf)
    begun = float(scan_cost(np.zeros(1), n, unit)[0])
    wider, walked = max(1.0, k / K), np.inf
    if m:
        target = float(np.interp(np.log(ef / wider), np.log(c.pools), c.unfiltered))
        for plan in (IN, POST):
            for i in range(m):
                pools[plan, i], costs[plan, i] = _cheapest(
                    c.pools, c.recall[plan, i], c.cost[plan, i], target
                )
        wider *= max(1.0, ef / wider / c.pools[-1])
        walked = float(np.nanmin(c.walks / c.pools))
    costs[IN] += n * unit.marked
    return Choice(n, k, c.selectivities, wider * pools, wider * costs, unit.scanned, begun, walked)


@jit
def choose(c: Choice, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For queries with counts (q,) matches: the cheapest plan and the size of its pool, (q,) int64 each.
    Queries with at most k matches are scanned for."""
    plans, chosen = np.full(counts.size, EXACT), np.zeros(counts.size, np.int64)
    last = c.kept.size - 1
    for j in range(counts.size):
        kept = counts[j] / c.n
        if counts[j] <= c.k or last < 0 or kept < c.kept[last]:
            continue
        after = 0
        while after < last and c.kept[after] > kept:
            after += 1
        before, share = max(0, after - 1), 1.0
        if after and kept < c.kept[before]:
            share = math.log(c.kept[before] / kept) / math.log(c.kept[before] / c.kept[after])
        least = c.begun + c.scanned * counts[j]
        for plan in range(2):
            cost = _between(c.costs[plan, before], c.costs[plan, after], share)
            if cost < least:
                least = cost
                pool = _between(c.pools[plan, before], c.pools[plan, after], share)
                plans[j] = plan
                chosen[j] = max(np.int64(math.ceil(pool / STEP)) * STEP, c.k)
    return plans, chosen


def walks_again(c: Choice, counts: np.ndarray, pools: np.ndarray) -> np.ndarray:
    """(q,) bool: whether queries with counts (q,) matches that POST left with too few of them walk again by
    pools (q,), which is cheaper than a scan."""
    again: np.ndarray = (pools <= c.n) & (c.walked * pools < c.begun + c.scanned * counts)
    return again


@jit
def _between(one: float, other: float, share: float) -> float:
    """No inf times 0."""
    return other if share == 1.0 else one * (1.0 - share) + other * share


def _cheapest(pools: np.ndarray, recall: np.ndarray, cost: np.ndarray, target: float) -> tuple[float, float]:
    """The pool with the recall that costs the least, and its cost; both inf if there is none. Between a pool
    that has it and the one before that has not, recall is taken to grow evenly. Costs may fall with the pool:
    fewer queries are left with too few matches."""
    best = np.inf, np.inf
    for i in np.flatnonzero(recall >= target):  # not where it is NaN
        pool, needed = float(pools[i]), float(cost[i])
        if i and recall[i - 1] < target:
            share = (target - recall[i - 1]) / (recall[i] - recall[i - 1])
            pool = float(pools[i - 1] * (pools[i] / pools[i - 1]) ** share)
            needed = float(cost[i - 1] + share * (cost[i] - cost[i - 1]))
        if needed < best[1]:
            best = pool, needed
    return best

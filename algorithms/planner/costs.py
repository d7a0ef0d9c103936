"""What the plans for a filtered query cost, and which is the cheapest that has the recall asked for.

Costs are in distances of a graph walk. Counts of them are measured when an index is built; what a step of
another kind costs beside one is a constant of `UNITS`, from `benchmarks/planner.py --units`. Seconds measured
at build would make two builds of the same seed answer differently.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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


class Units(NamedTuple):
    """Costs of steps beside that of a distance of a graph walk, which reads a row that no cache holds."""

    scanned: float  # bounding a match from its bytes
    listed: float  # looking at an item while the matches are listed
    looked: float  # looking at an item whose distance is not computed
    ranked: float  # a scan's first and last steps


def units(dimension: int) -> Units:
    """A distance takes about 70 + 0.12 d nanoseconds, the bound of a match 3 + 0.024 d: rows of 4 d bytes
    here and there, and rows of d bytes in ascending order."""
    distance = 70 + 0.12 * dimension
    return Units((3 + 0.024 * dimension) / distance, 0.5 / distance, 5 / distance, 8000 / distance)


class Calibration(NamedTuple):
    """Recall and cost of the graph's plans, measured at m selectivities with e sizes of the pool."""

    selectivities: np.ndarray  # (m,) float64, descending
    pools: np.ndarray  # (e,) int64, ascending
    unfiltered: np.ndarray  # (e,) float64: recall without a filter
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


def choose(
    calibration: Calibration, ef: int, k: int, counts: np.ndarray, n: int, unit: Units
) -> tuple[np.ndarray, np.ndarray]:
    """For queries with counts (q,) matches of n items: plans (q,) and sizes of the pool (q,), int64. Each is
    the cheapest plan with the recall of an unfiltered search by `ef`.

    What was measured for K neighbours is taken to hold for k with pools larger by k / K."""
    wider = max(1.0, k / K)
    target, pools, costs = _at_recall_of(calibration, ef / wider)
    scan = scan_cost(counts, n, unit)
    plans, chosen, least = np.full(len(counts), EXACT), np.zeros(len(counts), np.int64), scan
    if target is None:
        return plans, chosen
    place = _places(calibration.selectivities, counts / n)
    for plan in (IN, POST):
        cost = _between(costs[plan], place) * wider
        better = cost < least
        plans[better], least = plan, np.where(better, cost, least)
        size = np.ceil(_between(pools[plan], place)[better] * wider / _STEP) * _STEP
        chosen[better] = np.maximum(size, k)
    return plans, chosen


_STEP = 5
"""Pools are multiples of it, so that a batch has few sizes."""


def _at_recall_of(c: Calibration, ef: float) -> tuple[float | None, np.ndarray, np.ndarray]:
    """The recall, and the pool and the cost (2, m) float64 by which each plan has it, inf where none has."""
    m = len(c.selectivities)
    pools, costs = np.full((2, m), np.inf), np.full((2, m), np.inf)
    if not len(c.pools):
        return None, pools, costs
    beyond = max(1.0, ef / c.pools[-1])
    target = float(np.interp(np.log(ef), np.log(c.pools), c.unfiltered))
    for plan in (IN, POST):
        for i in range(m):
            pools[plan, i], costs[plan, i] = _cheapest(c.pools, c.recall[plan, i], c.cost[plan, i], target)
    return target, beyond * pools, beyond * costs


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


def _places(selectivities: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(q,) float64: where among descending selectivities these lie, by their logarithms; inf below all."""
    logs = np.log(selectivities)
    with np.errstate(divide="ignore"):
        asked = np.log(kept)
    places = np.interp(-asked, -logs, np.arange(len(logs)))
    return np.where(asked < logs[-1] - 1e-9, np.inf, places)


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (m,) at places between them; inf beyond the last and next to an inf."""
    inside = np.isfinite(places)
    lower = np.where(inside, places, 0).astype(np.int64)
    upper = np.minimum(lower + 1, len(values) - 1)
    share = np.where(inside, places, 0) - lower
    with np.errstate(invalid="ignore"):
        mixed = np.where(share > 0, values[lower] * (1 - share) + values[upper] * share, values[lower])
    return np.where(inside, mixed, np.inf)

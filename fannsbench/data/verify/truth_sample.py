"""A sample of a workload's truth, computed once more in float64 by plain numpy."""

from __future__ import annotations

import numpy as np

from fannsbench.data.verify.distances import as_stored, distances
from fannsbench.data.verify.matching import Matching
from fannsbench.dataset import Workload
from fannsbench.metric import Metric


class TruthSample:
    """Some queries of a workload: what the file says of them, and what is found by `see`ing all items.

    numbers: (s,), which queries; queries: their vectors (s, d) float64; matching: None where unfiltered."""

    def __init__(
        self,
        workload: Workload,
        numbers: np.ndarray,
        queries: np.ndarray,
        metric: Metric,
        matching: Matching | None,
    ) -> None:
        self.metric, self.numbers, self.queries, self.matching = metric, numbers, queries, matching
        self.listed = workload.neighbors[numbers]
        """(s, K) int32, as in the file."""
        self.stored = as_stored(metric, workload.distances[numbers])
        """(s, K) float64: the file's distances of these."""
        self.matches = workload.matches[numbers]
        """(s,) int64, as in the file."""
        self.counted = np.zeros(len(numbers), np.int64)
        """(s,): how many items match."""
        self.true = np.full(self.listed.shape, np.nan)
        """(s, K): distances of the listed items."""
        self.fits = np.zeros(self.listed.shape, bool)
        """(s, K): whether the listed items match."""
        # One more than is listed: if an item that is not listed is nearer than the last one that is, so is
        # one of these, within DOUBLE_ERROR.
        kept = (len(numbers), workload.depth + 1)
        self.nearest = np.full(kept, np.inf)
        """(s, K + 1): the least distances of matching items, ascending, inf padded."""
        self.nearest_ids = np.full(kept, -1, np.int64)
        """(s, K + 1): their items, of equal distances the lower first."""

    def see(self, rows: slice, items: np.ndarray, rough: np.ndarray) -> None:
        """The next block: its items (rows, d) float64, and their `rough_distances` (s, rows)."""
        everything = np.ones(len(items), bool)
        for j, number in enumerate(self.numbers):
            mask = everything if self.matching is None else self.matching.mask(int(number), rows)
            self.counted[j] += mask.sum()
            here = np.flatnonzero((rows.start <= self.listed[j]) & (self.listed[j] < rows.stop))
            places = self.listed[j, here] - rows.start
            self.true[j, here] = distances(self.metric, self.queries[j], items[places])
            self.fits[j, here] = mask[places]
            self._keep_nearest(j, rows, items, rough[j], mask)

    def _keep_nearest(
        self, j: int, rows: slice, items: np.ndarray, rough: np.ndarray, mask: np.ndarray
    ) -> None:
        kept = self.nearest.shape[1]
        some = np.flatnonzero(mask & (rough < self.nearest[j, -1]))
        if len(some) > kept:
            some = np.sort(some[np.argpartition(rough[some], kept)[:kept]])
        found = np.append(self.nearest[j], distances(self.metric, self.queries[j], items[some]))
        ids = np.append(self.nearest_ids[j], some + rows.start)
        order = np.argsort(found, kind="stable")[:kept]  # of equal ones the lower id comes first already
        self.nearest[j], self.nearest_ids[j] = found[order], ids[order]

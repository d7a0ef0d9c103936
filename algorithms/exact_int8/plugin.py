"""Exact nearest neighbours among the matching items, by scanning a quarter of the bytes: pre-filtering.

Items are kept as bytes, with a scale and the length of what rounding lost for each. That bounds every
distance; only the few items that the bounds leave in question have theirs computed, from the vectors as they
came. So the answers are those of `exact`, always: see `fannsbench.kernels.refine`. Queries are of 16 bits,
since those of 8 would double the bound and save no memory traffic, which is what limits a scan.

The filter step lists the matches of each query. As in `exact`, queries of a batch that have many matches in
common pass over the items tile by tile; unlike it, a query alone costs little more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import BoundFilters, Filter
from fannsbench.kernels import refine
from fannsbench.kernels.quantised import Quantised, of_codes, quantised

CODES, CENTRE = "codes.npy", "centre.npy"


@dataclass(frozen=True, eq=False)
class Matches:
    """Those of query j, ascending, are ids[indptr[j]:indptr[j + 1]]."""

    indptr: np.ndarray
    ids: np.ndarray


class ExactInt8(Algorithm):
    filters = ALL_FILTERS
    metrics: ClassVar[frozenset[Metric]] = frozenset(Metric)
    builds_on_attributes = False

    def build(self, items: Items, threads: int) -> None:
        self._take(quantised(self.metric, items.vectors, threads))

    def _take(self, items: Quantised) -> None:
        self._items = items
        self._all = np.arange(len(items.codes), dtype=np.int32)

    def save(self, folder: Path) -> None:
        np.save(folder / CODES, self._items.codes)
        np.save(folder / CENTRE, self._items.centre)

    def load(self, folder: Path, items: Items) -> None:
        centre, codes = np.load(folder / CENTRE), np.load(folder / CODES)
        self._take(of_codes(self.metric, items.vectors, centre, codes))

    def configure(self) -> None:
        self._estimates = self._distances = 0

    def select(self, filters: BoundFilters) -> Matches:
        return Matches(*filters.postings(self.threads))

    def search(self, queries: np.ndarray, k: int, selection: Matches | None) -> np.ndarray:
        if selection is None:
            ids = self._all
            starts, stops = np.zeros(len(queries), np.int64), np.full(len(queries), len(ids))
        else:
            ids, starts, stops = selection.ids, selection.indptr[:-1], selection.indptr[1:]
        nearest, ranked = refine.search(self._items, queries, k, starts, stops, ids, self.threads)
        self._estimates += int((stops - starts).sum())
        self._distances += ranked
        return nearest

    def warm_up(self) -> None:
        numbers = np.arange(64)
        attributes = Attributes({"number": Number(numbers)}, len(numbers))
        small = ExactInt8(self.metric, self.seed)
        small.build(Items(np.eye(len(numbers), dtype=np.float32), attributes), 1)
        small.configure()
        queries = np.ones((2, len(numbers)), np.float32)
        filters = Filter.parse("number >= 1").bind(attributes, {}, len(queries))
        small.search(queries, 1, small.select(filters))

    def counters(self) -> dict[str, float]:
        return {"estimates": self._estimates, "distances": self._distances}

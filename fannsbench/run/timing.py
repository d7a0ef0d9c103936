"""Timed calls of an algorithm. Everything that is the harness's own work lies outside the clock."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fannsbench.algorithm import Algorithm
from fannsbench.dataset import Items
from fannsbench.errors import PluginError
from fannsbench.filters import BoundFilters
from fannsbench.metric import Metric

LARGEST_BLOCK = 1000
"""Queries of one batch call when filtered, so that what a filter step makes of a block stays small."""
BITMAP_BYTES = 32 << 20
"""As bitmaps; lists of matches may take 32 times as much."""
LATENCY_QUERIES = 1000
WARM_UP_QUERIES = 100


def batch(
    algorithm: Algorithm, queries: np.ndarray, k: int, filters: BoundFilters | None
) -> tuple[np.ndarray, float, float]:
    """All queries in one call, or, filtered, in blocks: neighbors (q, k) as they came, seconds of the filter
    step, seconds of the search. Raises PluginError if the answer cannot be scored."""
    if filters is None:
        with _no_collection():
            began = perf_counter()
            answer = algorithm.search(queries, k, None)
            seconds = perf_counter() - began
        return scorable(answer, len(queries), k), 0.0, seconds
    rows = max(1, min(LARGEST_BLOCK, BITMAP_BYTES // (filters.n // 8 + 1)))
    answers, select_seconds, search_seconds = [], 0.0, 0.0
    for first in range(0, len(queries), rows):
        block, bound = queries[first : first + rows], filters[first : first + rows]
        with _no_collection():
            began = perf_counter()
            selection = algorithm.select(bound)
            selected = perf_counter()
            answer = algorithm.search(block, k, selection)
            ended = perf_counter()
        select_seconds += selected - began
        search_seconds += ended - selected
        answers.append(scorable(answer, len(block), k))
    return np.concatenate(answers), select_seconds, search_seconds


def latencies(algorithm: Algorithm, queries: np.ndarray, k: int, filters: BoundFilters | None) -> np.ndarray:
    """Seconds of each query in a call of its own, filter step included: (q,)."""
    seconds = np.empty(len(queries))
    rows = [queries[i : i + 1] for i in range(len(queries))]
    bound = [None if filters is None else filters[i : i + 1] for i in range(len(queries))]
    with _no_collection():
        for i, (row, one) in enumerate(zip(rows, bound, strict=True)):
            began = perf_counter()
            algorithm.search(row, k, None if one is None else algorithm.select(one))
            seconds[i] = perf_counter() - began
    return seconds


def scorable(answer: Any, q: int, k: int) -> np.ndarray:
    """A copy of the answer, because a plugin may use its memory for the next one too. Raises PluginError if
    it is no (q, k) array of integers."""
    if not isinstance(answer, np.ndarray) or answer.shape != (q, k) or answer.dtype.kind not in "iu":
        found = f"{answer.dtype} {answer.shape}" if isinstance(answer, np.ndarray) else type(answer).__name__
        raise PluginError(f"search returned {found}; it must return int32 ids of shape ({q}, {k})")
    return answer.copy()


def as_ids(neighbors: np.ndarray, n: int) -> np.ndarray:
    """neighbors (q, k) as int32. Raises PluginError if one is neither -1 nor the id of one of n items."""
    wrong = (neighbors < -1) | (neighbors >= n)
    if wrong.any():
        query, place = np.argwhere(wrong)[0]
        raise PluginError(
            f"search returned id {neighbors[query, place]} for query {query}; ids are 0 to {n - 1}, or -1"
        )
    return neighbors.astype(np.int32)


def empty_call_seconds() -> float:
    """What `latencies` reports for an algorithm that does nothing: the harness's own cost of a call."""
    queries = np.zeros((LATENCY_QUERIES, 1), np.float32)
    return float(np.median(latencies(_Nothing(Metric.EUCLIDEAN, 0), queries, 1, None)))


class _Nothing(Algorithm):
    _answer = np.zeros((1, 1), np.int32)

    def build(self, items: Items, threads: int) -> None: ...

    def search(self, queries: np.ndarray, k: int, selection: Any) -> np.ndarray:
        return self._answer

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, items: Items) -> None: ...


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

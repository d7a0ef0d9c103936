"""Timed calls, with algorithms that take notes in this process."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.errors import PluginError
from fannsbench.filters import BoundFilters, Filter
from fannsbench.run import timing

QUERIES = np.arange(2500, dtype=np.float32)[:, None].repeat(2, axis=1)


def bound(n: int = 30) -> BoundFilters:
    """A filter for each of the queries."""
    column = Number.from_values(range(n))
    return Filter.parse("x < $x").bind(Attributes({"x": column}, n), {"x": np.arange(len(QUERIES)) % n})


class Noting(Algorithm):
    """Answers with the query's number, and notes every call."""

    def __init__(self, select_seconds: float = 0.0, search_seconds: float = 0.0) -> None:
        super().__init__(Metric.EUCLIDEAN, 0)
        self.calls: list[tuple[str, int, bool]] = []
        self.first: list[int] = []
        self.seconds = select_seconds, search_seconds

    def select(self, filters: BoundFilters) -> Any:
        time.sleep(self.seconds[0])
        self.calls.append(("select", len(filters), gc.isenabled()))
        self.first.append(int(filters.parameters["x"][0]))
        return filters

    def search(self, queries: np.ndarray, k: int, selection: Any) -> np.ndarray:
        time.sleep(self.seconds[1])
        self.calls.append(("search", len(queries), gc.isenabled()))
        return queries[:, :1].astype(np.int32).repeat(k, axis=1)

    def build(self, items: Items, threads: int) -> None: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, items: Items) -> None: ...


def test_unfiltered_queries_are_one_call() -> None:
    algorithm = Noting(search_seconds=0.05)
    neighbors, select_seconds, search_seconds = timing.batch(algorithm, QUERIES, 3, None)
    assert algorithm.calls == [("search", 2500, False)]
    assert select_seconds == 0
    assert 0.05 <= search_seconds < 30
    np.testing.assert_array_equal(neighbors, np.arange(2500)[:, None].repeat(3, axis=1))


def test_filtered_queries_are_blocks_whose_times_add_up() -> None:
    algorithm = Noting(select_seconds=0.1, search_seconds=0.05)
    neighbors, select_seconds, search_seconds = timing.batch(algorithm, QUERIES, 3, bound())
    assert [call[:2] for call in algorithm.calls] == [
        (step, size) for size in (1000, 1000, 500) for step in ("select", "search")
    ]
    assert algorithm.first == [0, 1000 % 30, 2000 % 30]
    assert select_seconds >= 0.3
    assert search_seconds >= 0.15
    np.testing.assert_array_equal(neighbors[:, 0], np.arange(2500))


def test_blocks_are_smaller_where_bitmaps_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "BITMAP_BYTES", 1000)
    algorithm = Noting()
    timing.batch(algorithm, QUERIES[:500], 1, bound(39)[:500])  # bitmaps of 5 bytes
    sizes = [size for step, size, _ in algorithm.calls if step == "select"]
    assert sizes == [200, 200, 100]


def test_nothing_is_collected_within_the_clock() -> None:
    algorithm = Noting()
    timing.batch(algorithm, QUERIES, 1, bound())
    timing.latencies(algorithm, QUERIES[:5], 1, bound()[:5])
    assert {enabled for _, _, enabled in algorithm.calls} == {False}
    assert gc.isenabled()


def test_latencies_are_of_single_queries_filter_step_included() -> None:
    algorithm = Noting(select_seconds=0.01, search_seconds=0.02)
    seconds = timing.latencies(algorithm, QUERIES[:4], 3, bound()[:4])
    assert [call[:2] for call in algorithm.calls] == [("select", 1), ("search", 1)] * 4
    assert algorithm.first == [0, 1, 2, 3]
    assert seconds.shape == (4,)
    assert (seconds >= 0.03).all()
    unfiltered = Noting(search_seconds=0.01)
    assert timing.latencies(unfiltered, QUERIES[:3], 3, None).shape == (3,)
    assert [call[:2] for call in unfiltered.calls] == [("search", 1)] * 3


@pytest.mark.parametrize(
    "answer",
    [
        [[1, 2]],
        None,
        np.zeros((1, 3), np.int32),
        np.zeros(2, np.int32),
        np.zeros((1, 2)),
        np.zeros((1, 2), bool),
        np.array([["1", "2"]]),
        np.array([[1, 2]], object),
    ],
)
def test_what_is_no_table_of_ids_is_refused(answer: Any) -> None:
    with pytest.raises(PluginError, match=r"it must return int32 ids of shape \(1, 2\)"):
        timing.scorable(answer, 1, 2)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64])
def test_sound_ids_become_int32(kind: type) -> None:
    answer = np.array([[1, 2, 29]], kind)
    ids = timing.as_ids(timing.scorable(answer, 1, 3), 30)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[1, 2, 29]]
    answer[0, 0] = 7
    assert ids[0, 0] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        np.int32(30),
        np.int32(-2),
        np.int64(2**32),
        np.int64(2**32 - 1),
        np.int64(-(2**32)),
        np.uint64(2**64 - 1),
        np.uint32(2**32 - 1),
    ],
)
def test_ids_of_no_item_are_refused_by_place(wrong: Any) -> None:
    answer = np.zeros((4, 2), wrong.dtype)
    answer[2, 1] = wrong
    with pytest.raises(PluginError, match=rf"search returned id {wrong} for query 2; ids are 0 to 29, or -1"):
        timing.as_ids(answer, 30)


def test_the_harness_knows_its_own_cost() -> None:
    assert 0 < timing.empty_call_seconds() < 0.01

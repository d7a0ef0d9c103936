"""What a worker does with a plugin, seen by plugins that take notes."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import harness
import numpy as np
import plugins
import pytest
from harness import Bench

from fannsbench import machine
from fannsbench.results import store
from fannsbench.run import timing, worker

NOTING = """
class Plugin(Plain):
    def __init__(self, metric, seed, size=1):
        super().__init__(metric, seed)
        log("init", size=size, seed=seed, metric=str(metric))

    def warm_up(self):
        log("warm_up")

    def build(self, items, threads):
        log("build", threads=threads, attributes=sorted(items.attributes), shape=items.vectors.shape)
        super().build(items, threads)
        self.preprocess_seconds = np.float32(0.25)

    def configure(self, effort=1):
        log("configure", effort=effort, threads=self.threads)
        self.distances = 0
        self.effort = effort

    def select(self, filters):
        log("select", queries=len(filters))
        return filters

    def search(self, queries, k, selection):
        log("search", queries=len(queries), filtered=selection is not None, effort=self.effort)
        self.distances += len(queries) * self.effort
        return super().search(queries, k, selection)

    def save(self, folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_bytes(b"x" * 1234)
        (folder / "b").write_bytes(b"x" * 4321)

    def counters(self):
        log("counters")
        return {"distances": self.distances}
"""
NOTING_PARAMS = plugins.parameter("build.size", "int", 1) + plugins.parameter(
    "search.effort", "int", 1, [1, 2, 3]
)


def batches(log: list[dict[str, object]]) -> list[dict[str, object]]:
    """The notes without single-query calls, which follow every batch."""
    return [
        entry for entry in log if entry["event"] in ("configure", "counters") or entry.get("queries", 1) != 1
    ]


def names(log: list[dict[str, object]]) -> list[str]:
    return [str(entry["event"]) for entry in log]


def test_the_order_of_calls(bench: Bench) -> None:
    """Interleaved rounds; before each timed batch an untimed one after a configure of its own; the
    counters are read before the single-query calls."""
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.run("noting", runs=2, workloads=["em"], sweeps={"effort": ["1", "2", "3"]}, seed=7)
    log = [entry for entry in bench.log() if entry["pid"] != os.getpid()]  # that one only planned
    assert names(log)[:4] == ["init", "warm_up", "build", "configure"]
    assert log[0] | {"pid": 0} == {"event": "init", "pid": 0, "size": 1, "seed": 7, "metric": "euclidean"}
    assert len({entry["pid"] for entry in log}) == 1
    one = ["configure", "select", "search", "configure", "select", "search", "counters"]
    steps = [entry for entry in batches(log) if entry["event"] not in ("init", "warm_up", "build")]
    assert names(steps) == one * 6
    assert [steps[i * len(one)]["effort"] for i in range(6)] == [1, 2, 3, 1, 2, 3]
    singles = [entry for entry in log if entry.get("queries") == 1]
    assert names(singles) == ["select", "search"] * 12 * 6
    for effort in (1, 2, 3):
        assert bench.row(search=f"effort={effort}").distances_per_query == effort


def test_single_calls_follow_their_own_batch(bench: Bench) -> None:
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.run("noting", runs=2, sweeps={"effort": ["1", "2"]})
    kinds = [
        (entry["event"], entry.get("effort"))
        for entry in bench.log()
        if entry["event"] in ("search", "counters")
    ]
    runs = [(kind, len(list(group))) for kind, group in itertools.groupby(kinds)]
    one_setting = [2, 1, 12]  # warm-up and timed batch, counters, single queries
    assert [length for _, length in runs] == one_setting * 4
    assert [kind for kind, _ in runs if kind[0] == "search"] == [
        ("search", effort) for effort in (1, 1, 2, 2, 1, 1, 2, 2)
    ]


def test_blocks_of_filtered_queries_and_the_limits_of_warm_up_and_latency(bench: Bench) -> None:
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.dataset = harness.write_unfiltered(bench.folder / "many.h5", n=50, q=2500, workload=True)
    bench.run("noting", workloads=["none", "em"])
    searches = [entry for entry in bench.log() if entry["event"] == "search"]
    unfiltered = [entry["queries"] for entry in searches if not entry["filtered"]]
    filtered = [entry["queries"] for entry in searches if entry["filtered"]]
    assert unfiltered == [100, 2500] + [1] * 1000
    assert filtered == [100, 1000, 1000, 500] + [1] * 1000
    rows = bench.rows()
    assert rows.recall.tolist() == [1.0, 1.0]
    assert rows.queries.tolist() == [2500, 2500]


def test_one_build_serves_all_workloads_where_it_can(bench: Bench) -> None:
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.plugin(
        "each", NOTING.replace("def warm_up", "builds_on_attributes = True\n\n    def warm_up"), NOTING_PARAMS
    )
    bench.run("noting", workloads=["none", "em", "r", "c"])
    builds = [entry["attributes"] for entry in bench.log() if entry["event"] == "build"]
    assert builds == [["colour", "price", "tags", "weight"]]
    before = len(bench.log())
    bench.run("each", workloads=["none", "em", "r", "c"])
    builds = [entry["attributes"] for entry in bench.log()[before:] if entry["event"] == "build"]
    assert builds == [[], ["colour"], ["price"], ["colour", "tags", "weight"]]
    assert bench.rows().recall.tolist() == [1.0] * 8


def test_build_figures(bench: Bench) -> None:
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.run("noting", build_threads=1)
    row = bench.row()
    assert row.index_bytes == 1234 + 4321
    assert row.preprocess_s == 0.25
    assert 0 < row.build_s < harness.PATIENCE_SECONDS
    assert row.peak_build_bytes > 10e6 and row.peak_search_bytes > 10e6
    (build,) = [entry for entry in bench.log() if entry["event"] == "build"]
    assert build["threads"] == 1


def test_memory_of_index_build_and_search_apart(bench: Bench) -> None:
    """200 MB kept, 300 MB more while building, 100 MB more while searching."""
    bench.plugin(
        "heavy",
        """
        class Plugin(Plain):
            def build(self, items, threads):
                super().build(items, threads)
                scratch = np.ones(300 << 17)
                self.index = np.ones(200 << 17)

            def search(self, queries, k, selection):
                scratch = np.ones(100 << 17)
                return super().search(queries, k, selection)
        """,
    )
    bench.run("heavy")
    row = bench.row()
    mib = 1 << 20
    assert 190 * mib < row.index_memory_bytes < 230 * mib
    base = row.peak_build_bytes - 500 * mib
    assert 20 * mib < base < 400 * mib
    assert abs(row.peak_search_bytes - (base + 300 * mib)) < 60 * mib


THREADS = """
import hashlib

import threadpoolctl


class Plugin(Plain):
    def build(self, items, threads):
        super().build(items, threads)
        self.look("build")

    def search(self, queries, k, selection):
        if len(queries) > 1:
            self.look("search")
            busy = [threading.Thread(target=self.work) for _ in range(3)]
            for thread in busy:
                thread.start()
            for thread in busy:
                thread.join()
        return super().search(queries, k, selection)

    def work(self):
        for _ in range(10):
            hashlib.sha256(bytes(8 << 20))  # lets the other threads run meanwhile

    def look(self, phase):
        np.ones((50, 50)) @ np.ones((50, 50))
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        tasks = [sorted(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")]
        log(phase, cores=sorted(os.sched_getaffinity(0)), tasks=tasks, pools=pools,
            variables=[os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")])
"""


def test_threads_are_held_to_what_was_asked(bench: Bench) -> None:
    bench.plugin("threads", THREADS)
    cores = machine.usable_cores()
    bench.run("threads", threads=1, build_threads=len(cores))
    build, *searches = bench.log()
    assert build["cores"] == cores
    assert build["variables"] == [str(len(cores))] * 2
    assert build["pools"] and set(build["pools"]) == {len(cores)}
    assert len(searches) == 2
    for search in searches:
        assert search["cores"] == cores[:1]
        assert set(search["pools"]) == {1}
    assert all(task == cores[:1] for task in searches[1]["tasks"])
    assert bench.row().threads_seen == 3


def test_the_machine_is_described_whatever_the_search_is_held_to(bench: Bench) -> None:
    bench.plugin("plain")
    bench.run("plain", threads=1)
    about = store.read(Path(bench.row().path)).machine
    assert about == machine.facts("here")
    assert about["cores"] == len(os.sched_getaffinity(0))


def test_figures_of_a_row_come_from_one_repetition(bench: Bench) -> None:
    """The plugin answers worse from repetition to repetition, and its time goes up and down."""
    bench.plugin(
        "varying",
        """
        class Plugin(Plain):
            passes = 0

            def configure(self):
                self.passes += 1

            def search(self, queries, k, selection):
                ids = super().search(queries, k, selection)
                repetition = (self.passes - 1) // 2
                if len(queries) > 1 and self.passes % 2 == 0:
                    time.sleep([0.05, 0.45, 0.25][repetition])
                ids[:, : 1 + 3 * repetition] = -1
                return ids
        """,
    )
    bench.run("varying", runs=3)
    row = bench.row()
    assert row.repetitions == 3
    median = 2  # the third: neither the fastest nor the slowest
    assert row.recall == pytest.approx((10 - (1 + 3 * median)) / 10)
    stored = store.read(Path(row.path)).runs
    assert row.qps == pytest.approx(12 / (stored[median].search_seconds + stored[median].select_seconds))
    assert [int((run.neighbors[0] == -1).sum()) for run in stored] == [1, 4, 7]


def test_an_answer_whose_memory_is_used_again_is_kept_as_it_was(bench: Bench) -> None:
    bench.plugin(
        "reusing",
        """
        class Plugin(Plain):
            def search(self, queries, k, selection):
                ids = super().search(queries, k, selection)
                if not hasattr(self, "answer") or len(self.answer) < len(ids):
                    self.answer = np.empty((len(ids), k), np.int32)
                self.answer[: len(ids)] = ids
                return self.answer[: len(ids)]
        """,
    )
    bench.dataset = harness.write_unfiltered(bench.folder / "blocks.h5", n=50, q=1500, workload=True)
    bench.run("reusing", workloads=["none", "em"], runs=2)
    assert bench.rows().recall.tolist() == [1.0, 1.0]


def test_ids_of_any_integer_type_are_taken(bench: Bench) -> None:
    bench.plugin(
        "types",
        """
        class Plugin(Plain):
            def configure(self, kind="int64"):
                self.kind = kind

            def search(self, queries, k, selection):
                return np.asfortranarray(super().search(queries, k, selection).astype(self.kind))
        """,
        plugins.parameter("search.kind", "str", "int64", ["int64", "uint64", "int16"], sweep=True),
    )
    bench.run("types")
    assert bench.rows().recall.tolist() == [1.0] * 3


def test_time_of_the_filter_step_is_apart(bench: Bench) -> None:
    bench.plugin(
        "slow-select",
        """
        class Plugin(Plain):
            def select(self, filters):
                if len(filters) > 1:
                    time.sleep(0.5)
                return filters
        """,
    )
    bench.run("slow-select", workloads=["em"])
    row = bench.row()
    run = store.read(Path(row.path)).runs[0]
    assert run.select_seconds > 0.5
    assert row.qps == pytest.approx(12 / (run.select_seconds + run.search_seconds))
    assert row.qps_search == pytest.approx(12 / run.search_seconds)
    assert row.qps < 24


def test_another_interpreter_runs_the_worker(bench: Bench) -> None:
    wrapper = bench.folder / "python"
    wrapper.write_text(f'#!/bin/sh\nWRAPPED=yes exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    body = """
    class Plugin(Plain):
        def build(self, items, threads):
            log("build", wrapped=os.environ.get("WRAPPED"))
            super().build(items, threads)
    """
    bench.plugin("wrapped", body, f'summary = "x"\ninterpreter = "{wrapper}"\nlibraries = ["numpy"]')
    bench.run("wrapped")
    assert bench.row().status == "ok"
    assert bench.log()[0]["wrapped"] == "yes"
    identity = store.read(Path(bench.row().path)).identity
    assert identity["libraries"] == {"numpy": np.__version__}


def test_only_the_first_queries_when_asked(bench: Bench) -> None:
    bench.plugin("noting", NOTING, NOTING_PARAMS)
    bench.run("noting", queries=5, workloads=["none", "em"])
    assert {entry["queries"] for entry in bench.log() if entry["event"] == "search"} == {1, 5}
    rows = bench.rows()
    assert rows.queries.tolist() == [5, 5]
    assert rows.recall.tolist() == [1.0, 1.0]
    assert bench.run("noting", queries=6).stored == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (KeyError(), "KeyError"),
        (timing.PluginError("search returned nothing"), "search returned nothing"),
        (ValueError("x" * 9999), f"ValueError: {'x' * 500} ..."),
    ],
)
def test_reasons_are_one_line(error: Exception, reason: str) -> None:
    assert worker.reason_of(error) == reason

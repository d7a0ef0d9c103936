"""Jobs one after another, whatever their workers do."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path
from typing import Any

import plugins
import psutil
import pytest
from harness import Bench, wait_until

from fannsbench import folders
from fannsbench.results import store
from fannsbench.run import executor
from fannsbench.run.job import Job

EF = plugins.parameter("search.ef", "int", 1, [1, 2], sweep=True)
HALF = """
class Plugin(Plain):
    def search(self, queries, k, selection):
        ids = super().search(queries, k, selection)
        ids[:, k // 2:] = -1
        return ids
"""
SLOW_BUILD = """
class Plugin(Plain):
    def build(self, items, threads):
        super().build(items, threads)
        self.progress(1, 10)
        time.sleep(0.4)
        self.progress(3, 10)
        self.progress(4, 10)
"""
CLOSING = """
class Plugin(Plain):
    def __init__(self, metric, seed, at):
        super().__init__(metric, seed)
        self.at = at
        self.fail("__init__")

    def fail(self, here):
        if self.at == here:
            raise ValueError(here)

    def build(self, items, threads):
        super().build(items, threads)
        self.fail("build")

    def search(self, queries, k, selection):
        self.fail("search")
        if self.at == "hang":
            time.sleep(3600)
        return super().search(queries, k, selection)

    def close(self):
        log("closed")
"""
CRASHING = """
class Plugin(Plain):
    def configure(self, ef=1):
        self.ef, self.passes = ef, getattr(self, "passes", 0) + 1

    def search(self, queries, k, selection):
        if self.ef == 2 and self.passes > 6:  # in its second repetition
            ctypes.string_at(0)
        return super().search(queries, k, selection)
"""


def told(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            event["event"],
            *([event["setting"].search["ef"]] if "setting" in event else []),
            *([event["run"]] if "run" in event else []),
        )
        for event in events
    ]


def test_what_is_told_of_a_run(bench: Bench) -> None:
    bench.plugin("plain", "class Plugin(Plain):\n    def configure(self, ef): ...", EF)
    bench.run("plain", runs=2)
    assert told(bench.events) == [
        ("compiling",), ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("measuring", 2, 0), ("measured", 2, 0), ("round", 0),
        ("measuring", 1, 1), ("measured", 1, 1), ("measuring", 2, 1), ("measured", 2, 1), ("round", 1),
        ("closing",), ("closed",),
    ]  # fmt: skip


def test_rounds_go_over_all_workloads_and_the_worker_waits_after_each(bench: Bench) -> None:
    bench.plugin("plain", "class Plugin(Plain):\n    def configure(self, ef):\n        log('configure')", EF)
    measured, notes = [], []

    def observe(_: Job, event: dict[str, Any]) -> None:
        if event["event"] == "measured":
            measured.append((event["setting"].workload, event["setting"].search["ef"], event["run"]))
        if event["event"] == "round":
            before = len(bench.log())
            time.sleep(0.3)
            notes.append(len(bench.log()) - before)

    (job,) = bench.plan("plain", runs=2, workloads=["none", "em"]).jobs
    executor.execute(job, executor.Limits(), observe)
    one_round = [("none", 1), ("em", 1), ("none", 2), ("em", 2)]
    assert measured == [(*setting, run) for run in (0, 1) for setting in one_round]
    assert notes == [0, 0]


def test_where_the_first_round_takes_long_there_is_something_to_see_before(bench: Bench) -> None:
    """Once, and the worker waits."""
    early = "import fannsbench.run.worker as worker\nimport __main__\n__main__.LOOK_SECONDS = 0.0\n"
    bench.plugin(
        "plain", early + "class Plugin(Plain):\n    def configure(self, ef):\n        log('one')", EF
    )
    (job,) = bench.plan("plain", runs=2).jobs
    events, notes = [], []

    def observe(_: Job, event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "look":
            before = len(bench.log())
            time.sleep(0.3)
            notes.append(len(bench.log()) - before)

    executor.execute(job, executor.Limits(), observe)
    assert [name for name, *_ in told(events) if name in ("measured", "look", "round")] == [
        "measured", "look", "measured", "round", "measured", "measured", "round",
    ]  # fmt: skip
    assert notes == [0]


def test_what_is_told_of_a_measurement_is_what_the_table_says(bench: Bench) -> None:
    bench.plugin("half", HALF)
    bench.run("half", workloads=["none", "em"])
    told = {e["setting"].workload: e for e in bench.events if e["event"] == "measured"}
    for workload in ("none", "em"):
        row = bench.row(workload=workload)
        assert told[workload]["recall"] == row.recall < 1
        assert told[workload]["qps"] == pytest.approx(row.qps)


def test_progress_of_a_build_is_told(bench: Bench) -> None:
    bench.plugin("slow", SLOW_BUILD)
    bench.run("slow")
    steps = [(event["done"], event["total"]) for event in bench.events if event["event"] == "progress"]
    assert steps == [(3, 10)], "the first comes too soon after the beginning to be of use"


@pytest.mark.parametrize("at", ["nowhere", "build", "search", "__init__"])
def test_an_algorithm_is_closed_whatever_happens(bench: Bench, at: str) -> None:
    bench.plugin("closing", CLOSING, plugins.parameter("build.at", "str", at))
    bench.run("closing")
    assert [e["event"] for e in bench.log()] == ([] if at == "__init__" else ["closed"])
    assert bench.row().status == ("ok" if at == "nowhere" else "failed")


def test_an_algorithm_is_closed_when_its_time_is_over(bench: Bench) -> None:
    bench.plugin("closing", CLOSING, plugins.parameter("build.at", "str", "hang"))
    bench.run("closing", limits=executor.Limits(seconds=0.5))
    assert [e["event"] for e in bench.log()] == ["closed"]
    assert bench.row().reason.startswith("time-out: over 0.5 s while measuring")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no way')", "raised ValueError: no way"),
        ("time.sleep(3600)", "took over 0.5 s"),
        ("os._exit(1)", "ended its process"),
    ],
)
def test_what_goes_wrong_at_the_end_is_told_and_spoils_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    monkeypatch.setattr(executor, "CLOSE_SECONDS", 0.5)
    bench.plugin("closing", f"class Plugin(Plain):\n    def close(self):\n        {body}")
    bench.run("closing")
    assert [e["reason"] for e in bench.events if e["event"] == "unclosed"] == [reason]
    assert bench.row().status == "ok"


def test_a_crash_costs_a_build_and_the_others_are_measured_anew(bench: Bench) -> None:
    """The repetition that was measured before the crash stays with the failure."""
    bench.plugin("crashing", CRASHING, EF)
    bench.run("crashing", runs=3)
    assert told(bench.events) == [
        ("compiling",), ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("measuring", 2, 0), ("measured", 2, 0), ("round", 0),
        ("measuring", 1, 1), ("measured", 1, 1), ("measuring", 2, 1), ("failed", 2),
        ("compiling",), ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("round", 0), ("measuring", 1, 1), ("measured", 1, 1),
        ("round", 1), ("measuring", 1, 2), ("measured", 1, 2), ("round", 2), ("closing",), ("closed",),
    ]  # fmt: skip
    crashed, sound = bench.row(search="ef=2"), bench.row(search="ef=1")
    assert (crashed.status, crashed.repetitions, crashed.recall) == ("failed", 1, 1.0)
    assert (sound.status, sound.repetitions) == ("ok", 3)
    assert store.read(Path(crashed.path)).build is not None


def test_what_another_run_has_measured_meanwhile_is_left_alone(bench: Bench) -> None:
    bench.plugin("plain", "class Plugin(Plain):\n    def configure(self, ef): ...", EF)
    (job,) = bench.plan("plain", runs=2).jobs
    bench.run("plain", runs=2, fixed={"ef": "1"})
    bench.events.clear()
    executor.execute(job, executor.Limits(), lambda _, event: bench.events.append(event))
    assert told(bench.events)[:4] == [("stored", 1), ("compiling",), ("building",), ("built",)]
    assert {event[1] for event in told(bench.events) if event[0] in ("measuring", "measured")} == {2}
    bench.events.clear()
    executor.execute(job, executor.Limits(), lambda _, event: bench.events.append(event))
    assert sorted(told(bench.events)) == [("stored", 1), ("stored", 2)]


def test_what_was_stored_with_fewer_repetitions_meanwhile_is_measured(bench: Bench) -> None:
    bench.plugin("plain")
    (job,) = bench.plan("plain", runs=2).jobs
    bench.run("plain", runs=1)
    executor.execute(job, executor.Limits(), lambda *_: None)
    assert bench.row().repetitions == 2


def test_a_run_waits_for_its_turn_on_the_machine(bench: Bench) -> None:
    """The lock of another process stands in for another run."""
    bench.plugin("plain")
    lock = folders.cache() / "measuring.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("process 4711")
        file.flush()
        run = threading.Thread(target=bench.run, args=("plain",))
        run.start()
        wait_until(lambda: bench.events)
        assert bench.events == [{"event": "waiting", "owner": "process 4711"}]
        assert not bench.results.exists()
    run.join()
    assert [event["event"] for event in bench.events[1:]] == [
        "compiling", "building", "built", "measuring", "measured", "round", "closing", "closed",
    ]  # fmt: skip
    assert lock.read_text() == ""


def test_the_time_limit_is_for_one_repetition_not_for_all(bench: Bench) -> None:
    bench.plugin(
        "slow",
        """
        class Plugin(Plain):
            def build(self, items, threads):
                time.sleep(1)
                super().build(items, threads)

            def search(self, queries, k, selection):
                time.sleep(0.5 if len(queries) > 1 else 0)
                return super().search(queries, k, selection)
        """,
    )
    bench.run("slow", runs=4, limits=executor.Limits(seconds=4))
    row = bench.row()
    assert (row.status, row.repetitions) == ("ok", 4)


def test_limits_leave_the_system_some_memory() -> None:
    limits = executor.Limits()
    assert limits.seconds is None
    assert limits.memory_bytes == pytest.approx(0.9 * psutil.virtual_memory().total, rel=0.01)


def test_a_folder_that_can_be_written_is_made(tmp_path: Path) -> None:
    executor.check_writable(tmp_path / "new" / "results")
    assert list((tmp_path / "new" / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [
        (-11, "", "crashed while building: SIGSEGV"),
        (-9, "noise", "crashed while building: SIGKILL (out of memory, or ended by somebody)"),
        (-36, "", "crashed while building: signal 36"),
        (1, "Traceback\nValueError: no\n\n", "failed while building: ValueError: no"),
        (3, "  \n", "failed while building: exit code 3"),
        (0, "", "failed while building: exit code 0"),
    ],
)
def test_an_end_is_put_into_words(code: int, stderr: str, reason: str) -> None:
    assert executor._how_it_ended(code, "building", stderr) == reason

"""Jobs one after another, whatever their workers do."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path
from typing import Any

import plugins
import psutil
import pytest
from harness import Bench, wait_until

from fannsbench import folders
from fannsbench.results import store
from fannsbench.run import executor

EF = plugins.parameter("search.ef", "int", 1, [1, 2], sweep=True)
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
        ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("measuring", 2, 0), ("measured", 2, 0),
        ("measuring", 1, 1), ("measured", 1, 1), ("measuring", 2, 1), ("measured", 2, 1),
    ]  # fmt: skip


def test_a_crash_costs_a_build_and_the_others_are_measured_anew(bench: Bench) -> None:
    """The repetition that was measured before the crash stays with the failure."""
    bench.plugin("crashing", CRASHING, EF)
    bench.run("crashing", runs=3)
    assert told(bench.events) == [
        ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("measuring", 2, 0), ("measured", 2, 0),
        ("measuring", 1, 1), ("measured", 1, 1), ("measuring", 2, 1), ("failed", 2),
        ("building",), ("built",),
        ("measuring", 1, 0), ("measured", 1, 0), ("measuring", 1, 1), ("measured", 1, 1),
        ("measuring", 1, 2), ("measured", 1, 2),
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
    assert told(bench.events)[:3] == [("stored", 1), ("building",), ("built",)]
    assert {event[1] for event in told(bench.events)[3:]} == {2}
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
    assert [event["event"] for event in bench.events[1:]] == ["building", "built", "measuring", "measured"]
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

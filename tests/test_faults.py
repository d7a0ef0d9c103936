"""Whatever goes wrong costs what it must and no more: one clear line, the other settings measured, nothing
stored lost or silently reused."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import harness
import numpy as np
import pandas as pd
import plugins
import pytest
import tiny
from harness import Bench, command, finish, is_alive, wait_until
from sample_results import Sample

from fannsbench.errors import DatasetError
from fannsbench.results import store
from fannsbench.run import executor

IN_WORKER = {
    ("configure", "raise"): "ValueError: first line [/red] second",
    ("search", "raise"): "ValueError: first line [/red] second",
    ("search", "exit"): "failed while measuring none configure= select= search=exit: leaving",
    ("search", "vanish"): "failed while measuring none configure= select= search=vanish: exit code 0",
    ("search", "segfault"): "crashed while measuring none configure= select= search=segfault: SIGSEGV",
    ("search", "kill"): "crashed while measuring none configure= select= search=kill: SIGKILL",
    ("search", "shape"): "search returned int32 (12, 9); it must return int32 ids of shape (12, 10)",
    ("search", "few rows"): "search returned int32 (11, 10); it must return int32 ids of shape (12, 10)",
    ("search", "list"): "search returned list; it must return int32 ids of shape (12, 10)",
    ("search", "none"): "search returned NoneType; it must return int32 ids of shape (12, 10)",
    ("search", "float"): "search returned float32 (12, 10); it must return int32 ids of shape (12, 10)",
    ("search", "wide"): "search returned id 42949",
    ("search", "unsigned"): "search returned id 18446744073709551",
    ("search", "high"): "search returned id 300 for query 11; ids are 0 to 299, or -1",
    ("search", "low"): "search returned id -2 for query 0; ids are 0 to 299, or -1",
}
"""Settings of the faulty plugin that fail, and how."""


@pytest.fixture(scope="module")
def faulty_rows(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> pd.DataFrame:
    """One run of two repetitions over all settings that fail, with sound ones before, between and after."""
    with harness.bench(tmp_path_factory.mktemp("faulty") / "bench", tiny_dataset) as bench:
        bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
        kinds = [kind for parameter, kind in IN_WORKER if parameter == "search"]
        half = len(kinds) // 2
        sweep = ["fine", *kinds[:half], "print", *kinds[half:], "last"]
        bench.run("faulty", runs=2, sweeps={"search": sweep, "configure": ["", "raise"]})
        return bench.rows()


@pytest.mark.parametrize(("parameter", "kind"), IN_WORKER)
def test_a_fault_of_one_setting_is_stored_with_its_reason(
    faulty_rows: pd.DataFrame, parameter: str, kind: str
) -> None:
    search = {"configure": "", "select": "", "search": "fine"} | {parameter: kind}
    (row,) = faulty_rows[faulty_rows.search == store.settings_text(search)].itertuples()
    assert row.status == "failed"
    assert row.reason.startswith(IN_WORKER[parameter, kind])
    assert len(row.reason) < 1000
    assert "\n" not in row.reason
    assert pd.isna(row.qps)


@pytest.mark.parametrize("kind", ["fine", "print", "last"])
def test_the_other_settings_are_measured_in_full(faulty_rows: pd.DataFrame, kind: str) -> None:
    (row,) = faulty_rows[faulty_rows.search == f"configure= select= search={kind}"].itertuples()
    assert (row.status, row.reason, row.repetitions, row.recall) == ("ok", "", 2, 1.0)


def test_the_stderr_of_a_failure_is_kept(faulty_rows: pd.DataFrame) -> None:
    configured = faulty_rows[faulty_rows.search.str.startswith("configure= ")]
    paths = {row.search.rpartition("=")[2]: Path(row.path) for row in configured.itertuples()}
    assert "leaving" in store.read(paths["exit"]).stderr
    assert "raise PluginError" in store.read(paths["list"]).stderr
    assert "a long tale" in store.read(paths["raise"]).stderr[-100:]
    assert len(store.read(paths["raise"]).stderr) < 10_000


@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        ({"init": "raise"}, "failed while building: ValueError: first line [/red] second"),
        ({"build": "raise"}, "failed while building: ValueError: first line [/red] second"),
        ({"build": "exit"}, "failed while building: leaving"),
        ({"build": "segfault"}, "crashed while building: SIGSEGV"),
        ({"build": "kill"}, "crashed while building: SIGKILL (out of memory, or ended by somebody)"),
    ],
)
def test_a_build_that_fails_fails_all_its_settings(bench: Bench, fixed: dict[str, str], reason: str) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    bench.run("faulty", fixed=fixed, sweeps={"search": ["a", "b"]}, workloads=["none", "em"])
    rows = bench.rows()
    assert rows.status.tolist() == ["failed"] * 4
    assert all(text.startswith(reason) for text in rows.reason)


def test_a_failed_build_leaves_the_other_builds_alone(bench: Bench) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    bench.run("faulty", sweeps={"build": ["raise", "fine"]})
    assert bench.row(build="build=raise").status == "failed"
    assert bench.row(build="build=fine").status == "ok"


def test_what_hangs_is_ended_after_the_timeout(bench: Bench) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    done = command(
        *bench.arguments("--algo", "faulty", "--sweep", "build=,hang", "--sweep", "search=hang,x",
                         "--timeout", "6")
    )  # fmt: skip
    assert done.code == 1
    assert "Traceback" not in done.err
    rows = bench.rows()
    hanging_build = rows[rows.build.str.contains("hang")]
    assert hanging_build.reason.tolist() == ["time-out: over 6 s while building"] * 2
    sound = rows[~rows.build.str.contains("hang")].set_index("search")
    assert sound.status.to_dict() == {
        "configure= select= search=hang": "failed",
        "configure= select= search=x": "ok",
    }
    hanging_search = sound.index[sound.status == "failed"][0]
    assert sound.reason[hanging_search] == f"time-out: over 6 s while measuring none {hanging_search}"


def test_what_eats_memory_is_ended_at_the_limit(bench: Bench) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    done = command(
        *bench.arguments("--algo", "faulty", "--sweep", "build=,memory", "--sweep",
                         "search=memory,child-memory,x", "--memory-limit", "0.8")
    )  # fmt: skip
    assert done.code == 1
    rows = bench.rows()
    assert rows[rows.search.str.endswith("=x")].status.tolist() == ["ok", "failed"]
    for row in rows[rows.status == "failed"].itertuples():
        assert row.reason.startswith("memory limit: ")
        assert "of 0.80 GB while " in row.reason
        at = "building" if "memory" in row.build else f"measuring none {row.search}"
        assert row.reason.endswith(f"while {at}")


def test_answers_that_break_a_promise_are_counted_and_told(bench: Bench) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    done = command(
        *bench.arguments("--algo", "faulty", "--workload", "em", "--sweep",
                         "search=duplicates,not matching,fine")
    )  # fmt: skip
    assert done.code == 0
    doubled, wrong = bench.row(search="duplicates"), bench.row(search="not matching")
    with_matches = int((bench.matches("em") > 1).sum())
    assert (doubled.duplicates, doubled.violations) == (with_matches, 0)
    assert wrong.violations == 12
    assert doubled.recall < 1 and wrong.recall < 1
    assert bench.row(search="fine").recall == 1
    assert f"search=duplicates: {with_matches} repeated ids, counted as misses" in done.err
    assert "search=not matching: 12 items that do not match, counted as misses" in done.err


def test_select_that_raises_fails_filtered_search_only(bench: Bench) -> None:
    bench.plugin("faulty", plugins.FAULTY, plugins.FAULTY_PARAMS)
    bench.run("faulty", fixed={"select": "raise"}, workloads=["none", "em"])
    assert bench.row(workload="none").status == "ok"
    assert bench.row(workload="em").reason.startswith("ValueError: first line")


CHILDREN = """
class Plugin(Plain):
    def build(self, items, threads):
        super().build(items, threads)
        hold = "import time; held = bytearray(b'x') * (200 << 20); print(flush=True); time.sleep(3600)"
        daemon = f"import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); {hold}"
        started = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=new)
            for code, new in ((hold, False), (hold, True), (daemon, False))
        ]
        for process in started:
            process.stdout.readline()
        started[2].wait()
        own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        log("started", pids=[int(p.name) for p in Path("/proc").glob("[0-9]*") if self.mine(p)])

    def mine(self, process):
        try:
            return b"time.sleep(3600)" in (process / "cmdline").read_bytes() and (
                f"TEST_LOG={os.environ['TEST_LOG']}".encode() in (process / "environ").read_bytes()
            )
        except OSError:
            return False

    def search(self, queries, k, selection):
        return super().search(queries, k, selection)
"""


def test_children_of_a_worker_are_weighed_and_ended_with_it(bench: Bench) -> None:
    """A plain child, one in a session of its own, and a daemon."""
    bench.plugin("children", CHILDREN)
    bench.run("children")
    row = bench.row()
    held = 3 * (200 << 20)
    assert row.status == "ok"
    assert held < row.index_memory_bytes < 1.5 * held
    assert row.peak_build_bytes > held
    assert row.peak_search_bytes > held
    pids = bench.log()[-1]["pids"]
    assert len(pids) == 3
    wait_until(lambda: not any(map(is_alive, pids)))


def test_a_forked_child_that_outlives_a_crash_holds_nobody_up(bench: Bench) -> None:
    """It holds the worker's pipes open."""
    bench.plugin(
        "forks",
        """
        class Plugin(Plain):
            def search(self, queries, k, selection):
                child = os.fork()
                if not child:
                    os.setsid()
                    time.sleep(3600)
                log("forked", child=child)
                ctypes.string_at(0)
        """,
    )
    bench.run("forks")
    assert bench.row().reason == "crashed while measuring none: SIGSEGV"
    wait_until(lambda: not is_alive(bench.log()[-1]["child"]))


BLOCKING = """
class Plugin(Plain):
    def build(self, items, threads):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        log("build", child=child.pid)
        super().build(items, threads)

    def configure(self, step=0):
        self.step = step
        log("configure", step=step)

    def search(self, queries, k, selection):
        while self.step == 2 and not Path(os.environ["TEST_LOG"] + ".go").exists():
            time.sleep(0.01)
        return super().search(queries, k, selection)
"""
BLOCKING_PARAMS = plugins.parameter("search.step", "int", 1, [1, 2, 3], sweep=True)
"""Three settings, of which the second waits until the test says go."""


def go(bench: Bench) -> None:
    Path(f"{bench.folder / 'log'}.go").touch()


def block(bench: Bench) -> tuple[subprocess.Popen[str], list[int], Path]:
    """A run that is held up in the second of its settings: itself, its processes, and the stored result."""
    bench.plugin("blocking", BLOCKING, BLOCKING_PARAMS)
    process = bench.start("--algo", "blocking")
    wait_until(lambda: any(e == {"event": "configure", "pid": e["pid"], "step": 2} for e in bench.log()))
    began = bench.log()[0]
    (stored,) = bench.results.rglob("*.h5")
    return process, [began["pid"], began["child"]], stored


def check_goes_on(bench: Bench, stored: Path, version: str) -> None:
    """The same command measures what is missing and only that."""
    go(bench)
    before = len(bench.log())
    done = command(*bench.arguments("--algo", "blocking"))
    assert done.code == 0
    assert "1 of 3 results are stored already" in done.err
    assert {entry["step"] for entry in bench.log()[before:] if entry["event"] == "configure"} == {2, 3}
    rows = bench.rows()
    assert rows.status.tolist() == ["ok"] * 3
    assert store.version(stored) == version


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_takes_its_worker_along_and_goes_on(bench: Bench, ending: signal.Signals) -> None:
    process, pids, stored = block(bench)
    version = store.version(stored)
    assert all(map(is_alive, pids))
    process.send_signal(ending)
    assert finish(process).code == -ending
    wait_until(lambda: not any(map(is_alive, pids)))
    assert store.read(stored).status == "ok"
    check_goes_on(bench, stored, version)


def test_an_interrupted_run_ends_its_children_and_keeps_what_is_done(bench: Bench) -> None:
    process, pids, stored = block(bench)
    version = store.version(stored)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert "interrupted; what was measured is stored, and the same command goes on" in done.err
    assert not any(map(is_alive, pids))
    check_goes_on(bench, stored, version)


def test_a_worker_killed_from_outside_fails_its_setting_only(bench: Bench) -> None:
    process, pids, _ = block(bench)
    os.kill(pids[0], signal.SIGKILL)
    done = finish(process)
    assert done.code == 1
    assert "Traceback" not in done.err
    rows = bench.rows().set_index("search")
    assert rows.status.to_dict() == {"step=1": "ok", "step=2": "failed", "step=3": "ok"}
    assert rows.reason["step=2"] == (
        "crashed while measuring none step=2: SIGKILL (out of memory, or ended by somebody)"
    )
    assert not is_alive(pids[1])


def test_two_runs_at_once_measure_everything_once(bench: Bench) -> None:
    first, _, _ = block(bench)
    second = bench.start("--algo", "blocking")
    assert second.stderr is not None
    said = ""
    while "waiting" not in said:
        said = second.stderr.readline()
        assert said
    assert f"another run (process {first.pid}) measures on this machine; waiting" in said
    go(bench)
    ends = finish(first), finish(second)
    assert [done.code for done in ends] == [0, 0]
    assert ends[1].err.count("stored by another run: blocking none") == 2
    events = bench.log()
    assert len([entry for entry in events if entry["event"] == "build"]) == 1
    rows = bench.rows()
    assert rows.status.tolist() == ["ok"] * 3
    assert not list(bench.results.rglob("*.part"))


def test_a_disk_that_takes_nothing_is_told_in_one_line(bench: Bench) -> None:
    bench.plugin("plain")
    done = finish(limited(0, bench.arguments("--algo", "plain")))
    assert done.code == 2
    assert done.error.endswith("File too large; make room and run again")


def limited(blocks: int, arguments: list[str]) -> subprocess.Popen[str]:
    """`fannsbench`, that can write files of so many blocks at most, which stands in for a full disk."""
    script = f'ulimit -f {blocks}; exec "$0" -P -m fannsbench "$@"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_full_results_folder_is_told_in_one_line(bench: Bench) -> None:
    bench.plugin("plain")
    bench.dataset = harness.write_unfiltered(bench.folder / "many.h5", q=500)
    arguments = bench.arguments("--algo", "plain")
    done = finish(limited(16, arguments))
    assert done.code == 2
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("fannsbench: cannot write ")
    assert last.endswith("File too large; what was stored is kept, and the same command goes on")
    assert [path for path in bench.results.rglob("*") if path.is_file()] == []
    assert command(*arguments).code == 0


@pytest.mark.parametrize("place", ["file/results", "file"])
def test_a_results_folder_that_cannot_be_written_is_told_at_once(bench: Bench, place: str) -> None:
    bench.plugin("plain")
    (bench.folder / "file").write_text("I am no folder")
    done = command(*bench.arguments("--algo", "plain", "--results", str(bench.folder / place)))
    assert done.code == 2
    assert str(bench.folder / place) in done.error
    assert bench.log() == []


def test_a_results_folder_where_nothing_can_be_made(bench: Bench) -> None:
    bench.plugin("plain")
    done = command(*bench.arguments("--algo", "plain", "--results", "/proc/fannsbench"))
    assert done.code == 2
    assert done.error.startswith("fannsbench: cannot write results to /proc/fannsbench: ")
    assert done.error.endswith("name another folder with --results")


@contextmanager
def read_only(bench: Bench) -> Iterator[None]:
    """The results folder and all in it; holds for processes that obey permissions."""
    places = [bench.results, *bench.results.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        yield
    finally:
        for place in places:
            place.chmod(0o755)


@pytest.mark.parametrize("cache", ["none", "good", "outdated"])
def test_a_read_only_results_folder_can_be_listed(bench: Bench, cache: str) -> None:
    Sample(bench.results, bench.dataset).write("em")
    if cache != "none":
        bench.rows()
    if cache == "outdated":
        with sqlite3.connect(bench.results / ".table.sqlite") as database:
            database.execute("UPDATE rows SET row = '{}'")
            database.execute("PRAGMA user_version = 0")
    with read_only(bench):
        arguments = ("results", "--results", str(bench.results), "--json")
        done = finish(harness.start(*arguments, obeying=True))
    assert (done.code, done.err) == (0, "")
    assert [(row["recall"], row["status"]) for row in json.loads(done.out)] == [(1.0, "ok")]


def test_a_read_only_results_folder_is_not_measured_into(bench: Bench) -> None:
    """What is stored is shown all the same, but not drawn."""
    bench.plugin("plain")
    bench.run("plain")
    with read_only(bench):
        more = bench.arguments("--algo", "plain", "--machine", "there")
        measured = finish(harness.start(*more, obeying=True))
        same = bench.arguments("--algo", "plain", "--machine", "here")
        shown = finish(harness.start(*same, obeying=True))
    assert measured.code == 2
    assert measured.error == (
        f"fannsbench: cannot write results to {bench.results}: Permission denied; "
        "name another folder with --results"
    )
    assert "workload none" in shown.out
    assert shown.code == 2
    assert "Traceback" not in shown.err
    assert shown.err.splitlines()[-1].startswith(f"fannsbench: cannot write {bench.results / 'plots'}")


def test_a_changed_data_set_is_measured_anew_and_old_results_are_stale(bench: Bench) -> None:
    bench.plugin("plain")
    bench.dataset = tiny.write(bench.folder / "changing.h5")
    bench.run("plain")
    tiny.write(bench.dataset, n=320)
    assert [(row.status, row.queries) for row in bench.rows().itertuples()] == [("stale", 12)]
    planned = bench.run("plain")
    assert planned.stored == 0
    rows = bench.rows().set_index("status")
    assert sorted(rows.index) == ["ok", "stale"]
    assert rows.reason["stale"] == f"{bench.dataset} has changed since"
    assert bench.run("plain").stored == 1


def test_a_data_set_that_changes_during_a_run_stops_it(bench: Bench) -> None:
    bench.plugin("plain")
    bench.dataset = tiny.write(bench.folder / "changing.h5")
    (job,) = bench.plan("plain").jobs
    tiny.write(bench.dataset, n=320)
    with pytest.raises(DatasetError, match="has changed since the run began"):
        executor.execute(job, executor.Limits(), lambda *_: None)
    assert not bench.results.exists()


def test_failures_are_retried_only_when_asked(bench: Bench) -> None:
    bench.plugin(
        "mending",
        """
        class Plugin(Plain):
            def configure(self, step=1):
                log("configure", step=step)
                if step == 2 and not Path(os.environ["TEST_LOG"] + ".go").exists():
                    raise RuntimeError("not yet")
        """,
        BLOCKING_PARAMS,
    )

    def steps(**options: str) -> set[int]:
        before = len(bench.log())
        bench.run("mending", **options)
        return {entry["step"] for entry in bench.log()[before:]}

    assert steps() == {1, 2, 3}
    go(bench)
    assert steps() == set()
    assert bench.row(search="step=2").reason == "RuntimeError: not yet"
    assert steps(retry="failed") == {2}
    assert bench.row(search="step=2").status == "ok"
    assert steps(retry="failed") == set()
    assert steps(retry="all") == {1, 2, 3}


def test_a_damaged_result_is_measured_again(bench: Bench) -> None:
    bench.plugin("plain")
    bench.run("plain", workloads=["none", "em"])
    bench.results.joinpath("foreign.h5").write_text("no HDF5 at all")
    damaged = Path(bench.row(workload="em").path)
    damaged.write_bytes(damaged.read_bytes()[:-500])
    rows = bench.rows()
    assert sorted(rows.status) == ["failed", "failed", "ok"]
    assert rows[rows.workload == "em"].reason.iloc[0].startswith(f"{damaged} is not a readable result file: ")
    assert bench.run("plain", workloads=["none", "em"]).stored == 1
    assert bench.row(workload="em").status == "ok"


def test_a_result_of_another_setting_is_not_taken_for_this_one(bench: Bench) -> None:
    bench.plugin("plain")
    bench.run("plain", workloads=["none", "em"])
    Path(bench.row(workload="em").path).write_bytes(Path(bench.row(workload="none").path).read_bytes())
    assert bench.run("plain", workloads=["none", "em"]).stored == 1


def test_more_repetitions_measure_again_and_fewer_do_not(bench: Bench) -> None:
    bench.plugin("plain")
    bench.run("plain", runs=1)
    assert bench.run("plain", runs=3).stored == 0
    assert bench.row().repetitions == 3
    assert bench.run("plain", runs=2).stored == 1
    bench.run("plain", runs=2, retry="all")
    assert bench.row().repetitions == 2


def test_a_new_measurement_replaces_the_old_one_only_when_it_has_as_much(bench: Bench) -> None:
    bench.plugin(
        "worse",
        """
        class Plugin(Plain):
            passes = 0

            def configure(self):
                self.passes += 1
                if self.passes > 2 and Path(os.environ["TEST_LOG"] + ".go").exists():
                    raise RuntimeError("one repetition is enough")
        """,
    )
    bench.run("worse", runs=2)
    kept = store.read(Path(bench.row().path)).runs
    go(bench)
    bench.run("worse", runs=3)
    row = bench.row()
    assert (row.status, row.repetitions) == ("failed", 2)
    stored = store.read(Path(row.path)).runs
    assert [run.search_seconds for run in stored] == [run.search_seconds for run in kept]


DATASET_FAULTS = {
    "truncated": "is no readable HDF5 file",
    "foreign": "is no readable HDF5 file",
    "missing": "no data set file at",
    "nan": "/train row 7 holds NaN or infinite numbers",
    "inf": "/test row 3 holds NaN or infinite numbers",
    "no truth": "there is no /neighbors",
    "dimensions": "/test has 7 dimensions and /train 8",
    "lengths": "must agree with 12 queries",
    "neighbours": "neighbors -1..300 of 300 items",
    "schema": "schema 'fannsbench/99'",
    "attribute": "attribute 'colour'",
    "filter": "column",
    "chunk": "read",
}


def spoil(path: Path, how: str) -> None:
    tiny.write(path, compress=how == "chunk")
    if how == "missing":
        path.unlink()
    elif how == "foreign":
        path.write_text("name,price\nshoe,12\n")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    elif how == "chunk":
        with h5py.File(path) as file:
            chunk = file["train"].id.get_chunk_info(0)
        with path.open("r+b") as file:
            file.seek(chunk.byte_offset)
            file.write(b"\xff" * chunk.size)
    else:
        with h5py.File(path, "r+") as file:
            spoil_part(file, how)


def spoil_part(file: h5py.File, how: str) -> None:
    match how:
        case "nan":
            file["train"][7, 2] = np.nan
        case "inf":
            file["test"][3, 0] = np.inf
        case "no truth":
            del file["neighbors"]
        case "dimensions":
            narrow = file["test"][:, :7]
            del file["test"]
            file["test"] = narrow
        case "lengths":
            short = file["neighbors"][:-1]
            del file["neighbors"]
            file["neighbors"] = short
        case "neighbours":
            file["neighbors"][0, 0] = 300
            file["neighbors"][0, 1] = -1
        case "schema":
            file.attrs["schema"] = "fannsbench/99"
        case "attribute":
            file["attributes/colour/codes"][0] = 77
        case "filter":
            file["workloads/em"].attrs["filter"] = "colour == "


@pytest.mark.parametrize("how", DATASET_FAULTS)
def test_an_unsound_data_set_is_told_in_one_line(bench: Bench, how: str) -> None:
    bench.plugin("plain")
    bench.dataset = bench.folder / "spoilt.h5"
    spoil(bench.dataset, how)
    done = command(*bench.arguments("--algo", "plain", "--workload", "none,em"))
    assert done.code == 2
    assert DATASET_FAULTS[how] in done.error
    if how != "filter":
        assert str(bench.dataset) in done.error
    assert not bench.results.exists()


def test_k_beyond_the_truth_is_told_in_one_line(bench: Bench) -> None:
    bench.plugin("plain")
    done = command(*bench.arguments("--algo", "plain", "-k", "21"))
    assert done.code == 2
    assert "holds 20 neighbours a query; ask for 20 or fewer" in done.error


def test_a_folder_called_fannsbench_where_the_user_is_does_no_harm(bench: Bench) -> None:
    bench.plugin("plain")
    (bench.folder / "fannsbench").mkdir()
    (bench.folder / "fannsbench" / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    done = finish(harness.start(*bench.arguments("--algo", "plain"), cwd=bench.folder))
    assert done.code == 0, done.err


def test_without_a_cache_folder_runs_and_listings_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.plugin("plain")
    (bench.folder / "file").write_text("I am no folder")
    monkeypatch.setenv("FANNSBENCH_CACHE", str(bench.folder / "file" / "cache"))
    assert command(*bench.arguments("--algo", "plain")).code == 0
    assert bench.row().status == "ok"

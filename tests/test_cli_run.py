"""`fannsbench run`, as it is typed."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import harness
import pandas as pd
import plugins
import pytest
from harness import Bench, command

PARAMS = (
    plugins.parameter("build.M", "int", 16, [8, 16, 32])
    + plugins.parameter("search.ef", "int", 40, [10, 40], sweep=True)
    + "[presets.paper]\nM = 32\nef = 100\n"
)
GRAPH = """
class Plugin(Plain):
    def __init__(self, metric, seed, M=16):
        super().__init__(metric, seed)

    def configure(self, ef=40):
        self.ef = ef

    def search(self, queries, k, selection):
        ids = super().search(queries, k, selection)
        if self.ef < 40:
            ids[:, k // 2 :] = -1
        return ids
"""


@pytest.fixture
def graph(bench: Bench) -> Bench:
    """With an algorithm `graph` that finds half with ef=10 and all with ef=40."""
    bench.plugin("graph", GRAPH, PARAMS)
    return bench


def test_a_run_ends_with_tables_and_a_picture(graph: Bench) -> None:
    done = command("run", "--algo", "graph", "--dataset", str(graph.dataset), "--results", str(graph.results),
                   "--runs", "2")  # fmt: skip
    assert done.code == 0
    for workload, kind in (
        ("none", "unfiltered"),
        ("em", "filter EM"),
        ("r", "filter R"),
        ("emis", "filter EMIS"),
    ):
        assert f"tiny, workload {workload}: {kind}" in done.out
    assert "workload c" not in done.out
    picture = Path(re.search(r"^plot: (.+)$", done.out, re.MULTILINE)[1])  # type: ignore[index]
    assert picture.parent == graph.results / "plots"
    assert picture.read_bytes().startswith(b"\x89PNG")
    first, _, rest = done.out.partition("plot so far: ")
    assert first.startswith("graph M=16, so far:\n")
    assert "tiny, workload none: unfiltered" in first and "tiny, workload none: unfiltered" in rest
    assert rest.splitlines()[0] == str(picture)
    assert re.search(r"^built graph M=16 in \d+\.\d\d s$", done.err, re.MULTILINE)
    rows = graph.rows()
    assert sorted(set(rows.workload)) == ["em", "emis", "none", "r"]
    assert set(rows.repetitions) == {2}
    line = next(line for line in rest.splitlines() if re.match(r"\s*graph\s", line)).split()
    full = rows[(rows.workload == "none") & (rows.recall == 1)].qps.iloc[0]
    assert float(line[3].replace(",", "")) == pytest.approx(full, rel=0.5)
    assert line[4] == "1.0000"


def test_json_has_the_rows_of_this_run_only(graph: Bench) -> None:
    command(*graph.arguments("--algo", "graph"))
    done = command(*graph.arguments("--algo", "graph", "--workload", "em", "--set", "ef=7", "--json"))
    assert done.code == 0
    (row,) = json.loads(done.out)
    assert (row["workload"], row["search"], row["k"], row["status"]) == ("em", "ef=7", 10, "ok")
    assert "workload em" in done.err
    assert "plot: " in done.err


def test_json_is_sound_whatever_plugins_print(bench: Bench) -> None:
    bench.plugin(
        "chatty",
        "print('[importing')\nclass Plugin(Plain):\n    def build(self, *a): print('['); super().build(*a)",
    )
    done = command(*bench.arguments("--algo", "chatty", "--json"))
    assert len(json.loads(done.out)) == 1
    assert "[importing" in done.err


def test_nothing_is_measured_twice(graph: Bench) -> None:
    command(*graph.arguments("--algo", "graph"))
    before = {path: path.stat().st_mtime_ns for path in graph.results.rglob("*.h5")}
    done = command(*graph.arguments("--algo", "graph"))
    assert done.code == 0
    assert "2 of 2 results are stored already" in done.err
    assert "built" not in done.err
    assert "workload none" in done.out
    assert {path: path.stat().st_mtime_ns for path in graph.results.rglob("*.h5")} == before


def test_set_sweep_and_preset(graph: Bench) -> None:
    command(*graph.arguments("--algo", "graph", "--set", "M=8", "--sweep", "ef=5, 6"))
    assert [(row.build, row.search) for row in graph.rows().itertuples()] == [
        ("M=8", "ef=5"),
        ("M=8", "ef=6"),
    ]
    command(*graph.arguments("--algo", "graph", "--preset", "paper"))
    assert graph.row(build="M=32").search == "ef=100"


def test_all_algorithms_that_fit_are_run(graph: Bench) -> None:
    graph.plugin("metric", "class Plugin(Plain):\n    metrics = frozenset({Metric.COSINE})")
    graph.plugin("foreign", "import not_installed_anywhere\nclass Plugin(Plain): ...")
    done = command(*graph.arguments("--algo", "all", "--workload", "none", "--queries", "3"))
    assert "skipped: metric, none: it knows no euclidean distance" in done.err
    assert re.search(r"skipped: foreign: .*No module named 'not_installed_anywhere'", done.err)
    rows = graph.rows()
    assert {"graph", "exact", "hnsw"} <= set(rows.algorithm)
    assert not {"metric", "foreign"} & set(rows.algorithm)
    assert (rows.status == "ok").all()
    assert done.code == 0


def test_a_failure_gives_exit_code_1_and_a_line(graph: Bench) -> None:
    graph.plugin("failing", 'class Plugin(Plain):\n    def build(self, *_): raise OSError("no [/red] luck")')
    done = command(*graph.arguments("--algo", "failing,graph"))
    assert done.code == 1
    reason = "failing none: failed while building: OSError: no [/red] luck"
    assert any(re.sub(" +", " ", line) == f"failed: {reason}" for line in done.err.splitlines())
    assert "Traceback" not in done.err
    assert sorted(graph.rows().status) == ["failed", "ok", "ok"]


def test_when_all_fails_there_is_a_table_but_no_picture(bench: Bench) -> None:
    bench.plugin("failing", 'class Plugin(Plain):\n    def build(self, *_): raise OSError("no luck")')
    done = command(*bench.arguments("--algo", "failing"))
    assert done.code == 1
    assert "failing (1 failed)" in done.out
    assert "plot" not in done.out
    assert not (bench.results / "plots").exists()
    again = command(*bench.arguments("--algo", "failing"))
    assert again.code == 1
    assert "no luck" in again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algo", "stiched"], "unknown algorithm 'stiched'; did you mean stitched-vamana?"),
        (["--algo", "graph", "--set", "e=3"], "unknown parameter 'e'; did you mean ef?"),
        (["--algo", "graph", "--workload", "emi"], "unknown workload of tiny 'emi'; did you mean emis or em"),
        (["--algo", "graph", "--preset", "pape"], "unknown preset 'pape'; did you mean paper?"),
        (
            ["--algo", "graph", "--dataset", "wordnet-10"],
            "unknown data set 'wordnet-10'; did you mean wordnet-10k",
        ),
        (["--algo", "graph", "--dataset", "no/such.h5"], "no data set file at no/such.h5"),
        (["--algo", "graph", "--set", "ef"], "'ef' is not of the form name=value"),
        (["--algo", "graph", "--set", "ef=x"], "ef=x is not of type int"),
        (
            ["--algo", "graph", "--set", "ef=1", "--sweep", "ef=2,3"],
            "ef is given 2 times; give it one --set or one",
        ),
        (["--algo", "graph", "--runs", "0"], "Invalid value for '--runs': 0 is not in the range x>=1"),
        (["--algo", "graph", "--timeout", "0"], "Invalid value for '--timeout'"),
        (["--algo", "graph", "--memory-limit", "-1"], "Invalid value for '--memory-limit'"),
        (["--algo", "graph", "--retry", "some"], "Invalid value for '--retry'"),
        (["--algo", "graph", "--rnus", "3"], "Did you mean"),
        (["--algo", ","], "',' names no algorithm; name one, or more with commas between"),
        ([], "Missing option '--algo'"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    graph: Bench, arguments: list[str], message: str
) -> None:
    done = command(*graph.arguments(*arguments))
    assert done.code == 2
    assert done.error.startswith("fannsbench")
    assert message in done.error
    assert not graph.results.exists()


def test_unknown_commands_have_near_names() -> None:
    done = command("rn")
    assert (done.code, done.error) == (2, "fannsbench: unknown command 'rn'; did you mean run?")


def test_without_a_command_those_that_most_people_want_are_shown() -> None:
    done = command()
    assert done.code == 0
    shown = [line.strip() for line in done.out.splitlines() if line.startswith("  fannsbench ")]
    assert len(shown) == 3
    for line in shown:  # every command, and every option, exists
        words = [word for word in line.split()[1:] if word[0] != "-" and word.islower()]
        names = words[: 1 + (words[0] in ("datasets", "algorithms")) + (words[1:2] == ["import"])]
        assert {word for word in line.split() if word[:2] == "--"} <= set(
            re.findall(r"--[a-z-]+", command(*names, "--help").out)
        )
    assert command("--help").out.count("\n") > 10


def test_without_an_algorithm_runs_are_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = command("run")
    assert done.code == 0
    assert "  fannsbench run --algo hnsw\n" in done.out


def test_a_proposed_run_can_be_had_at_once(graph: Bench) -> None:
    """At a terminal: nothing but Enter is typed."""
    done = at_terminal(graph.arguments("--set", "ef=10"), typed="\n")
    assert "fannsbench run --algo hnsw --set ef=10" in done
    assert "workload none: unfiltered" in done
    assert set(graph.rows().algorithm) == {"hnsw"}


def test_a_terminal_shows_recall_and_qps_as_they_come(graph: Bench) -> None:
    shown = at_terminal(graph.arguments("--algo", "graph", "--runs", "3"))
    assert re.search(r"graph M=16 +none +[\d,.]+ +[\d,.]+ +[\d,.]+ +1\.0000 +\d", shown)
    assert "compiling graph (once)" in shown


def at_terminal(arguments: list[str], typed: str = "") -> str:
    """All that a terminal was written, by `fannsbench` with these arguments."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fannsbench", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):  # Linux's way to say that nobody writes any more
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    assert process.wait(harness.PATIENCE_SECONDS) == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


def test_several_threads(graph: Bench) -> None:
    done = command(
        *graph.arguments("--algo", "graph", "--threads", "2", "--build-threads", "1", "--machine", "mine")
    )
    assert done.code == 0
    rows = graph.rows()
    assert set(rows.threads) == {2}
    assert set(rows.machine) == {"mine"}


def test_the_seed_reaches_the_plugin(bench: Bench) -> None:
    bench.plugin(
        "seeded", "class Plugin(Plain):\n    def build(self, *a): log('b', seed=self.seed); super().build(*a)"
    )
    for seed in ("3", "4"):
        command(*bench.arguments("--algo", "seeded", "--seed", seed))
    assert [entry["seed"] for entry in bench.log()] == [3, 4]
    assert len(bench.rows()) == 2


def test_recall_in_the_table_is_that_of_the_answers(graph: Bench) -> None:
    command(*graph.arguments("--algo", "graph", "--workload", "em", "-k", "4"))
    half, full = (graph.row(search=f"ef={ef}") for ef in (10, 40))
    counts = [min(4, int(m)) for m in graph.matches("em") if m]
    assert full.recall == 1
    assert half.recall == pytest.approx(sum(min(2, m) / m for m in counts) / len(counts))
    assert half.unmatched_queries == len(graph.matches("em")) - len(counts)
    assert half.selectivity == pytest.approx(graph.matches("em").mean() / 300)
    assert half.filter_kind == "EM"
    assert not pd.isna(half.p99_ms) and math.isfinite(half.qps)


def test_a_run_from_a_terminal_of_its_own(graph: Bench) -> None:
    """The real program, from another folder."""
    done = harness.finish(harness.start(*graph.arguments("--algo", "graph"), cwd=graph.folder))
    assert done.code == 0
    assert "Traceback" not in done.err
    assert "workload none: unfiltered" in done.out

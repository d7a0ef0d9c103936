"""`fannsbench results`, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from harness import command
from sample_results import Sample

from fannsbench.results import table

KEYS = (
    "dataset", "workload", "filter_kind", "algorithm", "build", "search", "k", "threads", "mode", "recall",
    "qps", "qps_search", "qps_std", "p50_ms", "p95_ms", "p99_ms", "build_s", "preprocess_s", "index_bytes",
    "index_memory_bytes", "peak_build_bytes", "peak_search_bytes", "distances_per_query", "violations",
    "selectivity", "status", "reason",
)  # fmt: skip
"""Promised to those who script against it."""


@pytest.fixture
def sample(tmp_path: Path, tiny_dataset: Path) -> Sample:
    """Five results: two algorithms, two workloads, two values of k, a failure and an unreadable file."""
    made = Sample(tmp_path / "results", tiny_dataset)
    made.write("none", search={"ef": 10})
    made.write("em", search={"ef": 10})
    made.write("em", k=5, search={"ef": 10})
    made.write(
        "em", [], algorithm="graph", search={"ef": 20}, status="failed", reason="time-out [/red] of [bold]"
    )
    damaged = made.write("r", algorithm="graph")
    damaged.write_bytes(b"?")
    return made


def results(sample: Sample, *args: str) -> list[dict[str, object]]:
    done = command("results", "--results", str(sample.results), "--json", *args)
    assert done.code == 0
    assert done.err == ""
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def test_json_has_every_key_and_every_result(sample: Sample) -> None:
    rows = results(sample)
    assert len(rows) == 5
    for row in rows:
        assert set(KEYS) <= set(row)
    (good,) = [row for row in rows if (row["workload"], row["k"]) == ("em", 10) and row["status"] == "ok"]
    assert (good["dataset"], good["filter_kind"], good["algorithm"]) == ("tiny", "EM", "plain")
    assert (good["build"], good["search"], good["mode"], good["threads"]) == ("M=16", "ef=10", "batch", 1)
    assert (good["recall"], good["status"], good["reason"]) == (1.0, "ok", "")
    assert (good["index_bytes"], good["violations"]) == (1000, 0)
    assert type(good["k"]) is int and type(good["index_bytes"]) is int


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--algo", "plain"], 3),
        (["--algo", "plain,graph"], 5),
        (["--workload", "em"], 3),
        (["--workload", "em,none"], 4),
        (["--dataset", "tiny"], 5),
        (["--status", "failed"], 2),
        (["--status", "stale"], 0),
        (["-k", "5"], 1),
        (["-k", "6"], 0),
        (["--algo", "plain", "--workload", "em", "-k", "10"], 1),
    ],
)
def test_filters(sample: Sample, options: list[str], count: int) -> None:
    assert len(results(sample, *options)) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algo", "plane"], "unknown algorithm 'plane'; did you mean plain"),
        (["--workload", "en"], "unknown workload 'en'; did you mean em"),
        (["--dataset", "tny"], "unknown data set 'tny'; did you mean tiny"),
        (["-k", "6"], "no results match"),
        (["--status", "good"], "Invalid value for '--status'"),
    ],
)
def test_names_that_no_result_has_are_told(sample: Sample, options: list[str], message: str) -> None:
    done = command("results", "--results", str(sample.results), *options)
    assert done.code == 2
    assert message in done.error


def test_the_printed_table_shows_everything_failures_too(sample: Sample) -> None:
    done = command("results", "--results", str(sample.results))
    assert done.code == 0
    assert "tiny on here" in done.out
    text = " ".join(done.out.split())
    assert "graph M=16 ef=20; failed: time-out [/red] of [bold]" in text
    assert text.count("plain M=16 ef=10") == 3
    assert "isnotareadableresultfile" in text.replace(" ", "")


@pytest.mark.parametrize("option", ["--csv", "--parquet"])
def test_files_hold_the_whole_table(sample: Sample, tmp_path: Path, option: str) -> None:
    path = tmp_path / "new folder" / f"table.{option[2:]}"
    done = command("results", "--results", str(sample.results), option, str(path))
    assert (done.code, done.out) == (0, "")
    assert done.err.strip() == str(path)
    read = pd.read_csv(path) if option == "--csv" else pd.read_parquet(path)
    rows = table.load(sample.results)
    assert list(read.columns) == list(rows.columns)
    for name in rows.columns:
        was, now = rows[name], read[name]
        if was.dtype.kind in "fiu" or str(was.dtype) == "Int64":
            np.testing.assert_allclose(
                now.to_numpy(float, na_value=np.nan), was.to_numpy(float, na_value=np.nan)
            )
        else:
            assert now.fillna("").tolist() == was.fillna("").tolist()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_that_cannot_be_written_is_told(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("results", "--results", str(sample.results), "--csv", str(tmp_path / "file" / "table.csv"))
    assert done.code == 2
    assert done.error.startswith(f"fannsbench: cannot write {tmp_path / 'file' / 'table.csv'}: ")


def test_without_results_there_is_one_line(tmp_path: Path) -> None:
    done = command("results", "--results", str(tmp_path / "none"))
    assert done.code == 2
    assert "no results folder at" in done.error
    done = command("results", "--results", str(tmp_path))
    assert done.code == 2
    assert "`fannsbench run` makes some" in done.error
    assert json.loads(command("results", "--results", str(tmp_path), "--json").out) == []


def test_a_reader_that_has_seen_enough_is_no_error(sample: Sample) -> None:
    shell = '"$0" -m fannsbench results --results "$1" --json | head -c 5; echo "${PIPESTATUS[0]}" >&2'
    for _ in range(40):
        sample.write(search={"ef": len(sample.written), "filler": "x" * 3000})
    ended = subprocess.run(
        ["bash", "-c", shell, sys.executable, str(sample.results)], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[\n {\n"
    assert ended.stderr.strip() == "0"

"""What a run comes to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sample_results import Sample

from fannsbench.results import summary, table


@pytest.fixture
def sample(tmp_path: Path, tiny_dataset: Path) -> Sample:
    return Sample(tmp_path / "results", tiny_dataset)


def write(sample: Sample, ef: int, hits: int, seconds: float, **changes: object) -> None:
    """A result for the unfiltered workload, of recall hits / 10, at 12 / seconds QPS."""
    answers = sample.truth("none", 10).copy()
    answers[:, hits:] = -1
    sample.write("none", [sample.run(answers, search=seconds)], search={"ef": ef}, **changes)


def printed(rows: pd.DataFrame, workload: str = "none") -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(summary.as_table(summary.summarise(rows), workload))
    return console.export_text()


def test_qps_at_a_recall_lies_on_the_front(sample: Sample) -> None:
    write(sample, 10, 5, 0.1)
    write(sample, 20, 8, 0.2)
    write(sample, 30, 9, 2.0)  # slower than the next, though worse
    write(sample, 40, 10, 0.8)
    (row,) = summary.summarise(table.load(sample.results)).to_dict("records")
    low, high = (0.8, 12 / 0.2), (1.0, 12 / 0.8)
    for target in (0.9, 0.95, 0.99):
        step = (target - low[0]) / (high[0] - low[0])
        expected = math.exp(math.log(low[1]) + step * (math.log(high[1]) - math.log(low[1])))
        assert row[f"qps@{target}"] == pytest.approx(expected)
    assert row["best_recall"] == 1.0
    assert (row["measured"], row["failed"]) == (4, 0)
    assert (row["workload"], row["algorithm"], row["build"], row["k"], row["threads"]) == (
        "none", "plain", "M=16", 10, 1,
    )  # fmt: skip
    assert (row["build_s"], row["index_bytes"], row["peak_build_bytes"], row["peak_search_bytes"]) == (
        2.0, 1000, 3000, 4000,
    )  # fmt: skip


def test_a_recall_that_is_not_reached_has_no_qps(sample: Sample) -> None:
    write(sample, 10, 9, 0.1)
    (row,) = summary.summarise(table.load(sample.results)).to_dict("records")
    assert row["qps@0.9"] == pytest.approx(120)
    assert math.isnan(row["qps@0.95"])
    assert row["best_recall"] == pytest.approx(0.9)


def test_builds_threads_and_machines_are_apart(sample: Sample) -> None:
    write(sample, 10, 10, 0.1)
    write(sample, 10, 10, 0.2, build={"M": 8})
    write(sample, 10, 10, 0.3, threads=2)
    write(sample, 10, 10, 0.4, machine="there")
    rows = summary.summarise(table.load(sample.results))
    assert sorted(rows["qps@0.9"].round().astype(int)) == [30, 40, 60, 120]


def test_a_group_without_any_good_result(sample: Sample) -> None:
    sample.write("em", [], status="failed", reason="time-out [/red]", search={"ef": 1})
    sample.write("em", [], status="failed", reason="time-out [/red]", search={"ef": 2})
    rows = table.load(sample.results)
    (row,) = summary.summarise(rows).to_dict("records")
    assert (row["measured"], row["failed"]) == (0, 2)
    assert pd.isna(row["best_recall"]) and pd.isna(row["qps@0.9"]) and pd.isna(row["build_s"])
    text = printed(rows, "em")
    assert "plain (2 failed)" in text
    assert "filter EM" in text


def test_the_table_on_the_terminal(sample: Sample) -> None:
    """With the build where there are several; nothing is taken for markup."""
    write(sample, 40, 10, 0.01, build={"kind": "[/red]"}, algorithm="x[bold]")
    numbers = ["1,200", "1,200", "1,200", "1.0000", "2", "0.001", "0.003", "0.004"]
    text = printed(table.load(sample.results))
    assert "tiny, workload none: unfiltered; k=10, threads=1" in text
    assert ["x[bold]", *numbers] in [line.split() for line in text.splitlines()]
    write(sample, 40, 10, 0.01, build={"kind": "flat"}, algorithm="x[bold]")
    lines = [line.split() for line in printed(table.load(sample.results)).splitlines()]
    assert ["x[bold]", "kind=[/red]", *numbers] in lines
    assert ["x[bold]", "kind=flat", *numbers] in lines


def test_rows_are_below_their_family_where_there_are_several(sample: Sample) -> None:
    write(sample, 10, 10, 0.1, algorithm="ung")
    write(sample, 10, 10, 0.1, algorithm="serf")
    assert "specialised" not in printed(table.load(sample.results))
    for name in ("annoy", "hnsw", "mine"):
        write(sample, 10, 10, 0.1, algorithm=name)
    lines = printed(table.load(sample.results)).splitlines()
    known = {"annoy", "hnsw", "library", "serf", "ung", "specialised", "mine", "other"}
    first = [line.split()[0] for line in lines if line.strip()]
    assert [word for word in first if word in known] == [
        "library", "annoy", "hnsw", "specialised", "serf", "ung", "other", "mine",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.8, "1,234,568"),
        (99.94, "99.9"),
        (0.012345, "0.0123"),
        (np.nan, "-"),
        (None, "-"),
        (pd.NA, "-"),
        (0, "0"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert summary.number(value) == text

"""The table of results and its cache."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import statistics
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tiny
from sample_results import Sample

from fannsbench.errors import UserError
from fannsbench.results import cache as row_cache
from fannsbench.results import store, table


@pytest.fixture
def sample(tmp_path: Path, tiny_dataset: Path) -> Sample:
    """With a data set that may be changed."""
    return Sample(tmp_path / "results", Path(shutil.copy(tiny_dataset, tmp_path)))


def test_figures_of_a_result(sample: Sample) -> None:
    truth = sample.truth("em", 10)
    poor = truth.copy()
    poor[:, 3] = -1
    rng = np.random.default_rng(0)
    latencies = rng.random((3, 12)) / 100
    seconds = [(0.1, 0.5), (0.2, 0.7), (0.0, 0.4)]
    runs = [
        sample.run(poor if i == 0 else truth, *seconds[i], latencies[i], distances=100.0 * (i + 1))
        for i in range(3)
    ]
    path = sample.write("em", runs, search={"ef": 40, "exact": True}, threads=2)
    (row,) = table.load(sample.results).to_dict("records")
    matches = [min(10, m) for m in _matches(sample, "em")]
    expected_recall = statistics.mean(
        (m - (1 if m > 3 else 0)) / m for m in matches if m
    )  # of the median repetition, the first
    assert (row["dataset"], row["workload"], row["filter_kind"]) == ("tiny", "em", "EM")
    assert (row["algorithm"], row["build"], row["search"]) == ("plain", "M=16", "ef=40 exact=true")
    assert (row["k"], row["threads"], row["mode"], row["machine"]) == (10, 2, "batch", "here")
    assert row["recall"] == pytest.approx(expected_recall)
    assert row["qps"] == pytest.approx(12 / 0.6)
    assert row["qps_search"] == pytest.approx(12 / 0.5)
    rates = [12 / (select + search) for select, search in seconds]
    assert row["qps_mean"] == pytest.approx(statistics.mean(rates))
    assert row["qps_std"] == pytest.approx(statistics.stdev(rates))
    assert row["repetitions"] == 3
    assert row["distances_per_query"] == pytest.approx(100 / 12)
    all_ms = sorted(latencies.astype(np.float32).ravel().tolist())
    assert row["p50_ms"] == pytest.approx(1e3 * statistics.median(all_ms), rel=1e-5)
    for percent in (95, 99):
        place = percent / 100 * (len(all_ms) - 1)
        low = int(place)
        value = all_ms[low] + (place - low) * (all_ms[low + 1] - all_ms[low])
        assert row[f"p{percent}_ms"] == pytest.approx(1e3 * value, rel=1e-5)
    assert row["max_ms"] == pytest.approx(1e3 * max(all_ms), rel=1e-5)
    assert (row["build_s"], row["preprocess_s"]) == (2.0, 0.5)
    assert (row["index_bytes"], row["index_memory_bytes"], row["peak_build_bytes"]) == (1000, 2000, 3000)
    assert row["peak_search_bytes"] == 4000
    assert row["selectivity"] == pytest.approx(statistics.mean(_matches(sample, "em")) / 300)
    assert row["unmatched_queries"] == _matches(sample, "em").count(0) > 0
    assert (row["duplicates"], row["violations"], row["call_ms"]) == (0, 0, pytest.approx(1e-3))
    assert (row["status"], row["reason"], row["path"]) == ("ok", "", str(path))


def _matches(sample: Sample, workload: str) -> list[int]:
    with table.Dataset.open(sample.dataset) as dataset:
        return [int(count) for count in dataset.workload(workload).matches]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_median_repetition_is_one_that_was_measured(sample: Sample, count: int) -> None:
    """Of an even number the slower one of the middle."""
    seconds = [3.0, 1.0, 2.0, 4.0][:count]
    runs = [sample.run(sample.truth("none", 10), search=s) for s in seconds]
    sample.write(runs=runs)
    (qps,) = table.load(sample.results).qps
    assert qps == pytest.approx(12 / statistics.median_high(seconds))


def test_failures_are_rows_too(sample: Sample) -> None:
    sample.write(runs=[], status="failed", reason="time-out")
    sample.write("em")
    rows = table.load(sample.results)
    assert list(rows.columns) == list(table.COLUMNS)
    failed = rows[rows.status == "failed"].iloc[0]
    assert failed.reason == "time-out"
    assert failed[["recall", "qps", "p50_ms", "build_s", "index_bytes"]].isna().all()
    assert (failed.workload, failed.filter_kind, failed.selectivity) == ("none", "none", 1.0)


def test_files_that_cannot_be_read_are_rows_that_say_so(sample: Sample) -> None:
    sample.write()
    damaged = sample.write("em")
    damaged.write_bytes(damaged.read_bytes()[:1000])
    stray = sample.results / "stray.h5"
    stray.write_text("?")
    rows = table.load(sample.results).set_index("path")
    assert rows.loc[str(damaged), ["machine", "dataset", "workload", "algorithm"]].tolist() == [
        "here", "tiny", "em", "plain",
    ]  # fmt: skip
    assert rows.loc[str(stray), ["machine", "dataset", "workload", "algorithm"]].tolist() == [""] * 4
    for path in (damaged, stray):
        assert rows.status[str(path)] == "failed"
        assert rows.reason[str(path)].startswith(f"{path} is not a readable result file: ")
    assert rows.k.dropna().tolist() == [10]
    assert {str(rows[name].dtype) for name in ("k", "index_bytes", "violations")} == {"Int64"}


def test_columns_are_of_one_kind_whatever_is_known(sample: Sample) -> None:
    sample.write()
    measured = table.load(sample.results).dtypes
    sample.written[0].unlink()
    sample.write(runs=[], status="failed", reason="time-out")
    assert table.load(sample.results).dtypes.to_dict() == measured.to_dict()


def test_ids_that_are_none_of_the_data_set_are_a_row_that_says_so(sample: Sample) -> None:
    sample.write("em", [sample.run(np.full((12, 10), 10**6))])
    (row,) = table.load(sample.results).itertuples()
    assert row.status == "failed"
    assert "are none to workload em" in row.reason


def test_files_that_are_no_results_are_left_out(sample: Sample) -> None:
    path = sample.write()
    (path.parent / f".{path.name}.abc.part").write_text("half written")
    (path.parent / ".hidden.h5").write_text("?")
    (sample.results / "plots").mkdir()
    (sample.results / "plots" / "picture.png").write_text("?")
    assert table.load(sample.results).path.tolist() == [str(path)]


def test_without_a_folder_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results folder at"):
        table.load(tmp_path / "none")


def test_an_empty_folder_gives_an_empty_table(tmp_path: Path) -> None:
    rows = table.load(tmp_path)
    assert rows.empty
    assert list(rows.columns) == list(table.COLUMNS)


def test_a_machine_is_called_what_it_is_wherever_its_files_lie(sample: Sample) -> None:
    path = sample.write(machine="left/right")
    moved = sample.results / "moved.h5"
    shutil.move(path, moved)
    assert table.load(sample.results).machine.tolist() == ["left/right"]


def test_a_changed_data_set_makes_results_stale_and_back(sample: Sample) -> None:
    sample.write("em")
    kept = sample.dataset.rename(sample.dataset.with_suffix(".kept"))
    tiny.write(sample.dataset, n=310)
    for _ in range(2):
        (row,) = table.load(sample.results).itertuples()
        assert row.status == "stale"
        assert row.reason == f"{sample.dataset} has changed since"
    kept.replace(sample.dataset)
    (row,) = table.load(sample.results).itertuples()
    assert (row.status, row.recall) == ("ok", 1.0)


def test_without_the_data_set_recall_is_unknown_until_it_is_back(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write("em")
    elsewhere = sample.dataset.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.move(sample.dataset, elsewhere / "tiny.h5")
    for _ in range(2):
        (row,) = table.load(sample.results).itertuples()
        assert (row.status, row.reason) == ("ok", table.UNJUDGED)
        assert np.isnan(row.recall)
        assert row.qps == pytest.approx(12)
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(elsewhere))
    (row,) = table.load(sample.results).itertuples()
    assert (row.reason, row.recall) == ("", 1.0)


def test_a_known_recall_survives_the_data_set(sample: Sample) -> None:
    sample.write("em")
    table.load(sample.results)
    sample.dataset.unlink()
    (row,) = table.load(sample.results).itertuples()
    assert (row.status, row.recall) == ("ok", 1.0)


def cache(sample: Sample) -> Path:
    return sample.results / ".table.sqlite"


def check(sample: Sample) -> pd.DataFrame:
    """The table is what it is without a cache."""
    rows = table.load(sample.results)
    bare = sample.results.parent / "bare"
    shutil.copytree(sample.results, bare, ignore=shutil.ignore_patterns(".table.sqlite*"))
    without = table.load(bare)
    shutil.rmtree(bare)
    without["path"] = without.path.str.replace(str(bare), str(sample.results))
    pd.testing.assert_frame_equal(rows, without)
    return rows


def test_the_cache_is_used_and_follows_every_change(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sample.write(), sample.write("em")
    check(sample)
    read = []
    monkeypatch.setattr(
        store, "read", lambda path, read_file=store.read: read.append(path) or read_file(path)
    )
    table.load(sample.results)
    assert read == []
    third = sample.write("r")
    table.load(sample.results)
    assert read == [third]
    second.unlink()
    assert len(check(sample)) == 2
    sample.write(runs=[sample.run(np.full((12, 10), -1))])
    read.clear()
    assert sorted(table.load(sample.results).recall) == [0.0, 1.0]
    assert read == [first]
    with sqlite3.connect(cache(sample)) as database:
        assert database.execute("SELECT count(*) FROM rows").fetchone() == (2,)


def test_what_could_not_be_read_is_tried_again(sample: Sample) -> None:
    path = sample.write()
    content, stat = path.read_bytes(), path.stat()
    path.write_bytes(b"?" * len(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert table.load(sample.results).status.tolist() == ["failed"]
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert table.load(sample.results).status.tolist() == ["ok"]


@pytest.mark.parametrize(
    "how", ["text", "empty", "cut", "version", "foreign", "rows", "folder", "locked", "noise"]
)
def test_a_damaged_cache_repairs_itself(sample: Sample, how: str) -> None:
    sample.write()
    sample.write("em")
    table.load(sample.results)
    path = cache(sample)
    match how:
        case "text":
            path.write_text("no database")
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:5000])
        case "version":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE rows SET row = '{\"judged\": true}'")
                database.execute("PRAGMA user_version = 99")
        case "foreign":
            path.unlink()
            with sqlite3.connect(path) as database:
                database.execute("CREATE TABLE rows (something INT)")
        case "rows":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE rows SET row = '[1]' WHERE rowid = 1")
                database.execute("UPDATE rows SET row = '{' WHERE rowid = 2")
        case "folder":
            path.unlink()
            path.mkdir()
        case "noise":
            content = bytearray(path.read_bytes())
            noise = random.Random(1)
            for place in [*range(16, 100), *(noise.randrange(100, len(content)) for _ in range(500))]:
                content[place] = noise.randrange(256)
            path.write_bytes(content)
        case "locked":
            holder = sqlite3.connect(path)
            holder.execute("BEGIN EXCLUSIVE")
            monkey = pytest.MonkeyPatch()
            monkey.setattr(row_cache, "_PATIENCE_SECONDS", 0.1)
            check(sample)
            holder.rollback()
            monkey.undo()
    assert check(sample).recall.tolist() == [1.0, 1.0]
    if how != "folder":
        with sqlite3.connect(path) as database:
            assert database.execute("SELECT count(*) FROM rows").fetchone() == (2,)


def test_every_damaged_byte_of_the_cache_header_is_survived(sample: Sample) -> None:
    sample.write()
    table.load(sample.results)
    sound = cache(sample).read_bytes()
    for place in range(108):
        damaged = bytearray(sound)
        damaged[place] ^= 0xFF
        cache(sample).write_bytes(damaged)
        assert table.load(sample.results).recall.tolist() == [1.0], place


def test_where_no_cache_can_be_written_the_table_is_the_same(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder where nobody may write: the file system answers with an error, whoever asks."""
    sample.write()
    expected = table.load(sample.results)
    cache(sample).unlink()
    cache(sample).symlink_to("/proc/fannsbench/no/such/place")
    pd.testing.assert_frame_equal(table.load(sample.results), expected)


def test_of_two_versions_of_an_algorithm_the_later_measured_counts(sample: Sample) -> None:
    sample.write(source="old", created="2026-01-02T00:00:00+00:00")
    sample.write(source="new", created="2026-01-01T00:00:00+00:00")
    sample.write(source="new", created="2026-01-03T00:00:00+00:00", libraries={"lib": "2"})
    sample.write(source="old", created="2026-01-01T00:00:00+00:00", build={"M": 8})
    rows = table.load(sample.results)
    assert sorted(zip(rows.status, rows.build, strict=True)) == [
        ("ok", "M=16"),
        ("ok", "M=8"),
        ("stale", "M=16"),
        ("stale", "M=16"),
    ]
    (kept,) = rows[(rows.status == "ok") & (rows.build == "M=16")].path
    assert kept == str(sample.written[2])
    assert set(rows[rows.status == "stale"].reason) == {"a later version of the algorithm has been measured"}


def test_memory_that_was_counted_otherwise_is_told_until_it_is_measured_again(sample: Sample) -> None:
    old = sample.write(schema="fannsbench-result/1", source="0", created="2025-01-01T00:00:00+00:00")
    with h5py.File(old, "r+") as file:
        file.attrs["schema"] = "fannsbench-result/1"
    assert table.load(sample.results).memory.tolist() == ["resident"]
    sample.write(created="2025-01-02T00:00:00+00:00")
    rows = table.load(sample.results)
    assert dict(zip(rows.memory, rows.status, strict=True)) == {"resident": "stale", "proportional": "ok"}


def test_families_are_those_that_algorithms_declare_now(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows come from the cache; a plugin is not imported for it."""
    for name in ("hnsw", "ung", "plain", "mine"):
        sample.write(algorithm=name)
    broken = sample.write("em")
    broken.write_bytes(b"?")

    def families() -> dict[str, str]:
        rows = table.load(sample.results)
        return dict(zip(rows.algorithm, rows.family, strict=True))

    assert families() == {"hnsw": "library", "ung": "specialised", "plain": "other", "mine": "other"}
    (tmp_path / "plugins" / "mine").mkdir(parents=True)
    (tmp_path / "plugins" / "mine" / "plugin.py").write_text("raise SystemExit")
    (tmp_path / "plugins" / "mine" / "params.toml").write_text('summary = "x"\nfamily = "engine"')
    monkeypatch.setenv("FANNSBENCH_PLUGINS", str(tmp_path / "plugins"))
    assert families()["mine"] == "engine"
    assert b"family" not in cache(sample).read_bytes()
    columns = list(table.load(sample.results).columns)
    assert columns[columns.index("algorithm") + 1] == "family"

"""Result files."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.errors import UserError
from fannsbench.results import store
from fannsbench.results.store import BuildFigures, Result, Run

IDENTITY: dict[str, Any] = {
    "schema": store.SCHEMA, "dataset": "tiny", "checksum": "abc", "workload": "em", "queries": 3, "k": 2,
    "algorithm": "graph", "source": "1", "libraries": {}, "build": {"M": 16}, "search": {"ef": 40},
    "threads": 1, "build_threads": 2, "mode": "batch", "seed": 0,
}  # fmt: skip


def run(seed: int = 0, **changes: Any) -> Run:
    rng = np.random.default_rng(seed)
    made = Run(rng.integers(-1, 50, (3, 2)).astype(np.int32), 0.25, 0.5, rng.random(3), 123.0)
    return replace(made, **changes)


def result(**changes: Any) -> Result:
    build = BuildFigures(1.5, 0.25, 1000, 2000, 3000)
    made = Result(IDENTITY, dataset_path="/data/tiny.h5", machine={"name": "here", "cores": 2}, build=build,
                  peak_search_bytes=4000, threads_seen=1, call_s=1e-7, runs=[run(1), run(2)])  # fmt: skip
    return replace(made, **changes)


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"{store.key_of(IDENTITY)}.h5"
    written = result(runs=[run(1), run(2), run(1, distances=float("nan"), select_seconds=0.0)])
    store.write(path, written)
    read = store.read(path)
    assert len(read.created) == len("2025-01-01T00:00:00+00:00")
    assert replace(read, runs=[], created="") == replace(written, runs=[])
    for back, was in zip(read.runs, written.runs, strict=True):
        assert back.neighbors.dtype == np.int32
        np.testing.assert_array_equal(back.neighbors, was.neighbors)
        np.testing.assert_allclose(back.latency_seconds, was.latency_seconds, rtol=1e-6)
        assert (back.select_seconds, back.search_seconds) == (was.select_seconds, was.search_seconds)
        np.testing.assert_equal(back.distances, was.distances)
    assert store.stored(path) == ("ok", 3)


def test_equal_answers_are_stored_once(tmp_path: Path) -> None:
    store.write(tmp_path / "r.h5", result(runs=[run(1), run(2), run(1)]))
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["neighbors"].shape == (2, 3, 2)
        assert file["neighbors_of_run"][:].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "text", ["NUL \0 inside", "lone surrogate \udcff", "ümläut", "x" * 100_000, "[/red]"]
)
def test_any_stderr_and_reason_can_be_stored(tmp_path: Path, text: str) -> None:
    store.write(
        tmp_path / "r.h5", result(status="failed", reason=text[:60], stderr=text, runs=[], build=None)
    )
    read = store.read(tmp_path / "r.h5")
    assert (read.status, read.runs, read.build) == ("failed", [], None)
    assert len(read.stderr) <= 4000
    if text.isprintable():
        assert read.reason == text[:60]
        assert read.stderr == text[-4000:]


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.floats(allow_nan=False) | st.text(), max_size=4)
)
def test_keys_do_not_depend_on_order_and_differ_with_content(extra: dict[str, Any]) -> None:
    identity = {**IDENTITY, **extra}
    turned = dict(reversed(list(identity.items())))
    assert store.key_of(identity) == store.key_of(turned)
    assert store.key_of(json.loads(json.dumps(identity))) == store.key_of(identity)
    assert store.key_of({**identity, "k": 3}) != store.key_of({**identity, "k": 33})


def test_settings_that_look_alike_have_keys_of_their_own() -> None:
    """As [0.1] and [0,1] do not, where names are made by replacing characters."""
    searches = [
        {"a": 0.1},
        {"a": "0,1"},
        {"a": "0.1"},
        {"a": 1},
        {"a": True},
        {"a": 1.0},
        {"a": "1"},
        {"b": 1},
    ]
    assert len({store.key_of({**IDENTITY, "search": search}) for search in searches}) == len(searches)


@given(
    st.lists(st.text(max_size=20), min_size=4, max_size=4),
    st.lists(st.text(max_size=20), min_size=4, max_size=4),
)
def test_names_become_folders_of_their_own_below_the_results(names: list[str], others: list[str]) -> None:
    """Whatever the names: never outside, never hidden, never the same for other names."""

    def path(given_names: list[str]) -> Path:
        machine, dataset, workload, algorithm = given_names
        return store.path_of(
            Path("/r"), machine, dataset, {**IDENTITY, "workload": workload, "algorithm": algorithm}
        )

    parts = path(names).relative_to("/r").parts
    assert len(parts) == 5
    assert all(part and not part.startswith(".") and "/" not in part and "\0" not in part for part in parts)
    assert store.names_of(path(names)) == names
    assert (path(names).parent == path(others).parent) == (names == others)


def test_settings_are_shown_as_they_are_typed() -> None:
    assert (
        store.settings_text({"M": 16, "rate": 0.5, "exact": True, "kind": "sq8"})
        == "M=16 rate=0.5 exact=true kind=sq8"
    )
    assert store.settings_text({}) == ""


def spoil(path: Path, how: str) -> None:
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "text":
        path.write_text("not HDF5")
    else:
        with h5py.File(path, "r+") as file:
            match how:
                case "schema":
                    file.attrs["schema"] = "somebody/1"
                case "no attributes":
                    for name in list(file.attrs):
                        if name != "schema":
                            del file.attrs[name]
                case "identity":
                    file.attrs["identity"] = "{"
                case "no identity":
                    file.attrs["identity"] = "3"
                case "other identity":
                    file.attrs["identity"] = json.dumps(IDENTITY | {"k": 3})
                case "poor identity":
                    file.attrs.update(identity="{}", key=store.key_of({}))
                case "machine":
                    file.attrs["machine"] = "[]"
                case "no times":
                    del file["search_seconds"]
                case "lengths":
                    del file["select_seconds"]
                    file["select_seconds"] = [1.0]
                case "answers":
                    file["neighbors_of_run"][0] = 7
                case "shape":
                    del file["neighbors"]
                    file["neighbors"] = np.zeros((2, 4, 2), np.int32)


@pytest.mark.parametrize(
    "how",
    ["empty", "cut", "text", "schema", "no attributes", "identity", "no identity", "other identity",
     "poor identity", "machine", "no times", "lengths", "answers", "shape"],
)  # fmt: skip
def test_an_unsound_file_is_refused_by_name_and_not_taken_as_stored(tmp_path: Path, how: str) -> None:
    path = tmp_path / f"{store.key_of(IDENTITY)}.h5"
    store.write(path, result())
    assert store.stored(path) == ("ok", 2)
    spoil(path, how)
    with pytest.raises(UserError, match=str(path)):
        store.read(path)
    assert store.stored(path) == ("", 0)


def test_a_sound_file_under_another_name_is_not_taken_as_stored(tmp_path: Path) -> None:
    store.write(tmp_path / "other.h5", result())
    assert store.read(tmp_path / "other.h5").status == "ok"
    assert store.stored(tmp_path / "other.h5") == ("", 0)
    assert store.stored(tmp_path / "none.h5") == ("", 0)


def test_versions_tell_files_apart(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    assert store.version(path) == ""
    store.write(path, result())
    first = store.version(path)
    assert first
    assert store.version(path) == first
    store.write(path, result())
    assert store.version(path) != first


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    store.write(path, result())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="same shape"):
        store.write(path, result(runs=[run(1), run(2, neighbors=np.zeros((1, 2), np.int32))]))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


def test_a_writer_that_is_killed_leaves_whole_files_only(tmp_path: Path) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_store
print("go", flush=True)
number = 0
while True:
    number += 1
    test_store.store.write(Path(sys.argv[2]) / f"{number % 5}.h5", test_store.result())
"""
    moments = random.Random(0)
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moments.uniform(0.05, 0.1))
        writer.kill()
        writer.communicate()
        files = list(tmp_path.glob("*.h5"))
        assert files
        for path in files:
            assert len(store.read(path).runs) == 2


def test_a_file_of_the_first_schema_is_read_as_it_counted_memory(tmp_path: Path) -> None:
    identity = IDENTITY | {"schema": "fannsbench-result/1"}
    path = tmp_path / f"{store.key_of(identity)}.h5"
    store.write(path, result(identity=identity))
    assert store.read(path).memory == "proportional"
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "fannsbench-result/1"
    assert store.read(path).memory == "resident"
    assert store.read(path).peak_search_bytes == 4000
    assert store.stored(path) == ("ok", 2)

"""`fannsbench datasets truth`, and that a killed one goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import reference
from click.testing import CliRunner

from fannsbench import folders
from fannsbench.cli.datasets import datasets
from fannsbench.dataset import Dataset, find
from fannsbench.errors import DatasetError, UnknownNameError


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(datasets, ["truth", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def copy(tiny_dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_dataset, tmp_path / "tiny.h5"))


def test_truth_is_computed_anew_and_all_else_stays(copy: Path) -> None:
    before = reference.read_file(copy)
    with h5py.File(copy, "r+") as file:
        for name in ("neighbors", "workloads/em/neighbors"):
            file[name][:] = 0
    assert "truth of none, " in invoke(copy, "-k", 20)
    after = reference.read_file(copy)
    assert before.keys() == after.keys()
    for key, value in before.items():
        if key.endswith("distances"):
            np.testing.assert_allclose(after[key], value, rtol=1e-6)
        else:
            np.testing.assert_array_equal(after[key], value, key)


def test_only_the_workloads_asked_for_and_as_deep_as_asked(copy: Path) -> None:
    with Dataset.open(copy) as dataset:
        before = {name: dataset.workload(name) for name in dataset.workload_names}
    invoke(copy, "--workload", "em,none", "-k", 7, "--memory", "100KB")
    with Dataset.open(copy) as dataset:
        for name, old in before.items():
            new = dataset.workload(name)
            if name in ("em", "none"):
                np.testing.assert_array_equal(new.neighbors, old.neighbors[:, :7])
            else:
                np.testing.assert_array_equal(new.neighbors, old.neighbors)


def test_a_file_of_ann_benchmarks_becomes_one_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "foreign.hdf5"
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(50, 4)).astype("f4"), rng.normal(size=(5, 4)).astype("f4")
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"] = items, queries
        file["neighbors"], file["distances"] = np.zeros((5, 3), "i4"), np.zeros((5, 3), "f4")
    invoke(path, "-k", 3)
    with Dataset.open(path) as dataset:
        expected = reference.brute_force(items, queries, 3, "cosine")
        np.testing.assert_array_equal(dataset.workload("none").neighbors, expected[0])


def test_what_comes_with_fannsbench_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = find("wordnet-10k").stat()
    monkeypatch.delenv("FANNSBENCH_DATASETS")  # in a checkout, the bundled folder is the user's too
    for given in ("wordnet-10k", find("wordnet-10k")):
        with pytest.raises(DatasetError, match="comes with fannsbench and stays as it is; copy the file"):
            invoke(given, "-k", 1)
    assert find("wordnet-10k").stat() == before


def test_what_cannot_be_is_one_line(copy: Path, tmp_path: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(UnknownNameError, match="unknown workload of tiny 'emm'; did you mean em"):
        invoke(copy, "--workload", "emm")
    with pytest.raises(DatasetError, match="no data set file at"):
        invoke(tmp_path / "none.h5")
    with pytest.raises(DatasetError, match="folder is a folder; a data set is one file"):
        (tmp_path / "folder").mkdir()
        invoke(f"{tmp_path}/folder")
    result = CliRunner().invoke(datasets, ["truth", str(copy), "--workload", " , "])
    assert result.exit_code == 2 and "' , ' names no workload; name one" in result.output
    result = CliRunner().invoke(datasets, ["truth", str(copy), "--memory", "much"])
    assert result.exit_code == 2
    assert "'much' is no size; write it as 512MB or 2GB" in result.output
    assert copy.read_bytes() == before


def test_a_killed_computation_goes_on_and_the_file_is_never_half_made(tmp_path: Path) -> None:
    """With a real kill: the second process begins where the first one has been."""
    path = tmp_path / "large.h5"
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = "euclidean"
        file["train"] = rng.normal(size=(20_000, 64)).astype("f4")
        file["test"] = rng.normal(size=(1_000, 64)).astype("f4")
        file["neighbors"], file["distances"] = np.zeros((1_000, 9), "i4"), np.zeros((1_000, 9), "f4")
    before = path.read_bytes()
    program = (
        "from fannsbench.data import checkpoint\n"
        "checkpoint._LONG, checkpoint._INTERVAL = 1, 0\n"
        "from fannsbench.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", program, "datasets", "truth", str(path), "--memory", "60KB", "-k", "9"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while not list((folders.cache() / "truth").glob("[!.]*.npz")):
        assert process.poll() is None and time.monotonic() < deadline, "nothing was kept"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert path.read_bytes() == before
    (kept,) = (folders.cache() / "truth").glob("[!.]*.npz")
    with np.load(kept) as reached:
        assert 0 < reached["done"] < 20_000
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert not kept.exists()
    with Dataset.open(path) as dataset:
        vectors, queries = dataset.items().vectors, dataset.queries()
        found = dataset.workload("none").neighbors
    distances = ((queries[:50, None].astype(np.float64) - vectors[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found[:50], np.argsort(distances, axis=1, kind="stable")[:, :9])

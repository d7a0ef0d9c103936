"""`fannsbench datasets truth`, and that a killed one goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import reference
from click.testing import CliRunner

from fannsbench import folders
from fannsbench.cli.datasets import datasets
from fannsbench.cli.datasets import truth as module
from fannsbench.data.truth import checkpoint
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


DIES = """
import os, signal
from fannsbench.cli.main import main
from fannsbench.data.truth import checkpoint

keep = checkpoint.Checkpoint.keep

def keep_and_die(self, nearest, done):
    keep(self, nearest, done)
    if done >= 1500:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint._LONG, checkpoint._INTERVAL = 1, 0
checkpoint.Checkpoint.keep = keep_and_die
main()
"""


def test_a_killed_computation_goes_on_and_the_file_is_never_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real kill: the second call begins where the first one has been."""
    n, q, d, k = 4000, 50, 16, 9
    path = tmp_path / "large.h5"
    rng = np.random.default_rng(1)
    items, queries = rng.normal(size=(n, d)).astype("f4"), rng.normal(size=(q, d)).astype("f4")
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = "euclidean"
        file["train"], file["test"] = items, queries
        file["neighbors"], file["distances"] = np.zeros((q, k), "i4"), np.zeros((q, k), "f4")
    before = path.read_bytes()
    call = ["truth", str(path), "--memory", "128KB", "-k", str(k)]
    killed = subprocess.run([sys.executable, "-c", DIES, "datasets", *call], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    (kept,) = (folders.cache() / "truth").glob("[!.]*.npz")
    with np.load(kept) as reached:
        done = int(reached["done"])
    assert 1500 <= done < n

    steps: dict[str, list[int]] = {}

    @contextmanager
    def recorded() -> Iterator[Callable[[str, int], Any]]:
        yield lambda what, total: nullcontext(steps.setdefault(what, []).append)

    monkeypatch.setattr(module, "progress_bars", recorded)
    monkeypatch.setattr(checkpoint, "_LONG", 1)
    invoke(*call[1:])
    counts = steps["truth without filter"]
    assert counts[0] == q * done and sum(counts) == q * n
    assert not kept.exists()
    with Dataset.open(path) as dataset:
        np.testing.assert_array_equal(
            dataset.workload("none").neighbors, reference.brute_force(items, queries, k, "euclidean")[0]
        )

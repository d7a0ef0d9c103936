"""Every test runs with folders of its own and without the user's settings; hypothesis draws the same cases
each time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import harness
import numba
import pytest
import tiny
from hypothesis import settings

import fannsbench.kernels  # noqa: F401 - decides where compiled code is kept

settings.register_profile("fannsbench", derandomize=True, deadline=None, database=None)
settings.load_profile("fannsbench")

# Started processes share the compiled kernels, although each test has another cache folder.
os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """$FANNSBENCH_CACHE and $FANNSBENCH_DATASETS are new and empty; there are no plugins of the user's."""
    folder = tmp_path_factory.mktemp("own")
    monkeypatch.setenv("FANNSBENCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(folder / "datasets"))
    monkeypatch.delenv("FANNSBENCH_PLUGINS", raising=False)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set file, to be read only: 300 items, 12 queries, the workloads of `tiny.WORKLOADS`."""
    return tiny.write(tmp_path_factory.mktemp("tiny") / "tiny.h5")


@pytest.fixture
def bench(tmp_path: Path, tiny_dataset: Path) -> Iterator[harness.Bench]:
    """A folder with plugins of its own, to run the tiny data set in."""
    with harness.bench(tmp_path / "bench", tiny_dataset) as made:
        yield made

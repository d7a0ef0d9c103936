"""How kernels are compiled, where compiled code is kept, and how work is split over threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fannsbench.kernels import jit
from fannsbench.kernels.parallel import Workspaces, for_ranges


@jit
def _reciprocal(value: float) -> float:
    return 1.0 / value


@jit
def _is_nan(value: float) -> bool:
    return value != value


def test_infinity_and_nan_keep_their_meaning():
    zero = np.float64(0.0)
    with np.errstate(divide="ignore"):  # for a run without compilation
        assert _reciprocal(zero) == np.inf
    assert _is_nan(np.float64(np.nan))
    assert not _is_nan(np.float64(np.inf))


def cache_folder(cache: Path, plugins: Path) -> Path:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"FANNSBENCH_CACHE": str(cache), "FANNSBENCH_PLUGINS": str(plugins)}
    code = "import numba, fannsbench.kernels; print(numba.config.CACHE_DIR)"
    return Path(
        subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()
    )


def test_compiled_code_is_kept_apart_for_each_state_of_the_sources(tmp_path):
    cache, plugins = tmp_path / "cache", tmp_path / "plugins"
    source = plugins / "mine" / "kernels.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\n")
    before = cache_folder(cache, plugins)
    assert before.parent == cache / "kernels"
    assert cache_folder(cache, plugins) == before
    source.write_text("a = 2\n")
    assert cache_folder(cache, plugins) != before


@pytest.mark.parametrize(("count", "threads"), [(0, 3), (1, 3), (2, 3), (3, 3), (10, 3), (10, 1), (7, 0)])
def test_every_part_of_a_range_is_done_once(count, threads):
    ranges = []
    for_ranges(count, threads, lambda first, last: ranges.append((first, last)))
    assert [i for first, last in sorted(ranges) for i in range(first, last)] == list(range(count))
    assert len(ranges) == max(1, min(count, threads))


def test_parts_run_at_the_same_time():
    together = threading.Barrier(3, timeout=30)
    for_ranges(6, 3, lambda first, last: together.wait())
    assert together.n_waiting == 0


def test_an_error_in_a_thread_is_raised():
    def fail_at_the_end(first: int, last: int) -> None:
        if last == 9:
            raise ValueError("part 3")

    with pytest.raises(ValueError, match="part 3"):
        for_ranges(9, 3, fail_at_the_end)


def test_a_workspace_is_nobody_elses_meanwhile_and_is_used_again():
    workspaces, together = Workspaces(object), threading.Barrier(3, timeout=30)
    used: list[tuple[int, int, object]] = []

    def work(first: int, last: int, scratch: object) -> None:
        together.wait()
        used.append((first, last, scratch))

    workspaces.for_ranges(7, 3, work)
    assert sorted(part[:2] for part in used) == [(0, 2), (2, 4), (4, 7)]
    scratch = {part[2] for part in used}
    assert len(scratch) == 3
    workspaces.for_ranges(3, 3, work)
    assert {part[2] for part in used} == scratch

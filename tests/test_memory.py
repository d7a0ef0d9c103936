"""Memory of this process and of its children."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile

import numpy as np

from fannsbench.run import memory

MIB = 1 << 20
SLACK = 30 * MIB


def touched(mib: int) -> np.ndarray:
    return np.ones(mib * MIB // 8)


def test_the_peak_is_that_of_the_phase() -> None:
    held = touched(50)
    memory.reset_peak()
    start = memory.peak_bytes()
    scratch = touched(200)
    del scratch
    assert abs(memory.peak_bytes() - start - 200 * MIB) < SLACK
    memory.reset_peak()
    assert abs(memory.peak_bytes() - start) < SLACK
    assert held[0] == 1


def test_anonymous_memory_is_what_is_kept_and_no_mapped_file() -> None:
    before = memory.anonymous_bytes()
    kept = touched(100)
    freed = touched(80)
    del freed
    with tempfile.TemporaryFile() as file:
        file.write(bytes(60 * MIB))
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        assert sum(mapped[::4096]) == 0
        added = memory.anonymous_bytes() - before
        mapped.close()
    assert abs(added - 100 * MIB) < SLACK
    assert kept[0] == 1


def test_memory_of_children_counts_until_they_end() -> None:
    memory.reset_peak()
    anonymous, peak = memory.anonymous_bytes(), memory.peak_bytes()
    code = f"held = bytearray(b'x') * {100 * MIB}; print('ready', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert memory.anonymous_bytes() - anonymous > 100 * MIB
    assert memory.peak_bytes() - peak > 100 * MIB
    child.communicate(b"\n")
    assert memory.anonymous_bytes() - anonymous < SLACK

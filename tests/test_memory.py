"""Memory of this process and of its children."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile

import numpy as np
import pytest

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


FORKING = f"""
import os, sys
import numpy as np
import pytest
from fannsbench.run import memory
from multiprocessing import get_context

def hold(own, ready, over):
    mine = np.ones(own * {MIB} // 8)
    ready.set()
    over.wait()
    assert mine[0] == 1

if __name__ == "__main__":
    own = int(sys.argv[1])
    before, _ = memory.anonymous_bytes(), memory.reset_peak()
    first = memory.peak_bytes()
    shared = np.ones(200 * {MIB} // 8)
    context = get_context("fork")
    over = context.Event()
    for _ in range(3):
        ready = context.Event()
        context.Process(target=hold, args=(own, ready, over), daemon=True).start()
        ready.wait()
    import psutil
    family = [psutil.Process(), *psutil.Process().children()]
    print(memory.anonymous_bytes() - before, memory.peak_bytes() - first, shared[0],
          memory.held_bytes(family, 1 << 40), memory.held_bytes(family, 1))
    over.set()
"""


@pytest.mark.parametrize("own", [0, 50])
def test_what_forks_share_counts_once(own: int) -> None:
    run = [sys.executable, "-c", FORKING, str(own)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    added, peak, _, resident, held = done.stdout.split()
    expected = (200 + 3 * own) * MIB
    assert abs(int(added) - expected) < SLACK
    assert abs(int(peak) - expected) < 2 * SLACK
    assert int(resident) > 4 * 200 * MIB, "a quick look counts what is shared for each"
    assert expected < int(held) < expected + 200 * MIB

"""The entry point: what cannot be done is one line and an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np
from fannsbench.data.make import synthetic
from fannsbench.cli.main import main

def no_room(*_args, **_more):
    return {call}

synthetic.synthetic = no_room
main()
"""
SYNTHETIC = ["datasets", "make", "synthetic", "--name", "x"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("np.empty(10**15)", "(Unable to allocate 7.11 PiB for an array with shape (1000000000000000,)"),
        ("bytearray(2**62)", "with more\n"),
    ],
)
def test_out_of_memory_is_one_line(call: str, says: str) -> None:
    done = run("-c", PROGRAM.format(call=call), *SYNTHETIC, "--items", "9", "--dimension", "2")
    assert done.returncode == 1
    assert done.stderr.startswith("fannsbench: out of memory; take less at once, or a machine with more")
    assert says in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("items", "dimension", "says"),
    [
        (2**31 - 1, 10**6, "GB needed"),
        (10, 10**15, "1,000,000,000,000,000 dimensions; a data set has 2,147,483,647 at most"),
        (2**31, 1, "2,147,483,648 items; a data set has 2,147,483,647 at most"),
        (10**30, 10**30, "a data set has 2,147,483,647 at most"),
    ],
)
def test_what_no_disk_holds_is_told_before_anything_is_made(
    tmp_path: Path, items: int, dimension: int, says: str
) -> None:
    program = ["-m", "fannsbench", *SYNTHETIC[:-1], str(tmp_path / "new" / "x.h5")]
    done = run(*program, "--items", str(items), "--dimension", str(dimension), "--selectivity", "0.1")
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_too_long_is_one_line() -> None:
    for arguments in (["datasets", "show", "a" * 300 + ".h5"], ["results", "--results", "a" * 300]):
        done = run("-m", "fannsbench", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr

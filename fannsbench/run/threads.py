"""Holding a process to a number of threads, and seeing how many it really used."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import threadpoolctl

from fannsbench.run import machine

_POOL_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_TASKS = Path("/proc/self/task")


def environment(threads: int) -> dict[str, str]:
    """Variables that limit every library's thread pool; they work only before the library is loaded."""
    return dict.fromkeys(_POOL_VARIABLES, str(threads))


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Pin every thread of this process to the first `threads` usable cores and limit loaded pools."""
    before = machine.usable_cores()
    _pin(before[:threads])
    with threadpoolctl.threadpool_limits(threads):
        if "numba" in sys.modules:
            import numba

            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            _pin(before)


def _pin(cores: list[int]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        return
    os.sched_setaffinity(0, cores)
    for task in _TASKS.iterdir() if _TASKS.exists() else ():
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            os.sched_setaffinity(int(task.name), cores)


def processor_ticks() -> dict[str, int]:
    """Processor time of every thread of this process in clock ticks; empty where the system cannot tell."""
    ticks = {}
    for task in _TASKS.iterdir() if _TASKS.exists() else ():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks[task.name] = int(fields[11]) + int(fields[12])
    return ticks


def busy_since(before: dict[str, int]) -> int:
    """How many threads have used the processor since `before` was taken."""
    return sum(ticks > before.get(task, 0) for task, ticks in processor_ticks().items())

"""Holding a process to a number of threads, and seeing how many it really used."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import threadpoolctl

from fannsbench import machine

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
_WATCH_SECONDS = 0.0005


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
    return {task: int(fields[11]) + int(fields[12]) for task, fields in _threads()}


def busy_since(before: dict[str, int]) -> int:
    """How many threads have used the processor since `before` was taken, of those that are still there."""
    return sum(ticks > before.get(task, 0) for task, ticks in processor_ticks().items())


class Watch:
    """Sees how many threads of this process want a processor at one time within the block, those too that
    come and go with a call. Looking costs time, so it is for untimed calls."""

    def __init__(self, cores: list[int]) -> None:
        """cores: where to look from; pinned to those of the watched it would hardly ever run."""
        self._running: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(cores,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self, cores: list[int]) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        own = str(threading.get_native_id())
        while not self._over.wait(_WATCH_SECONDS):
            self._running.append(sum(fields[0] == "R" for task, fields in _threads() if task != own))

    @property
    def most(self) -> int:
        """Seen in a tenth of the looks at least: at the start of a call, one thread more is at work."""
        return sorted(self._running)[int(0.9 * len(self._running))] if self._running else 0


def _threads() -> Iterator[tuple[str, list[str]]]:
    """Every thread of this process and its state and figures, from field 3 of proc(5)'s `stat` on."""
    for task in _TASKS.iterdir() if _TASKS.exists() else ():
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            yield task.name, (task / "stat").read_text().rpartition(")")[2].split()

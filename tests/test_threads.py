"""Holding this process to a number of threads, and seeing how many it uses."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import threadpoolctl

from fannsbench import machine
from fannsbench.run import threads


def affinities() -> list[list[int]]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found.append(sorted(os.sched_getaffinity(int(task.name))))
        except ProcessLookupError:
            continue
    return found


def pools() -> set[int]:
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}


def test_all_threads_and_pools_are_limited_within_the_block() -> None:
    np.ones((50, 50)) @ np.ones((50, 50))
    cores, pools_before, numba_before = machine.usable_cores(), pools(), numba.get_num_threads()
    over = threading.Event()
    others = [threading.Thread(target=over.wait) for _ in range(3)]
    for thread in others:
        thread.start()
    try:
        with threads.limited(1):
            assert affinities() == [cores[:1]] * len(affinities())
            assert len(affinities()) >= 4
            assert pools() == {1}
            assert numba.get_num_threads() == 1
        assert affinities() == [cores] * len(affinities())
        assert pools() == pools_before
    finally:
        over.set()
        for thread in others:
            thread.join()
        numba.set_num_threads(numba_before)


def test_the_environment_limits_pools_that_are_loaded_later() -> None:
    variables = threads.environment(3)
    assert set(variables.values()) == {"3"}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"} <= set(
        variables
    )


def work() -> None:
    """Half a second or so, in which other threads can run."""
    for _ in range(30):
        hashlib.sha256(bytes(8 << 20))


def test_threads_that_stay_are_counted_if_they_work() -> None:
    idle = threading.Event()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(time.sleep, [0.05] * 5))
        waiting = threading.Thread(target=idle.wait)
        waiting.start()
        before = threads.processor_ticks()
        assert len(before) >= 7
        busy = [pool.submit(work) for _ in range(2)]
        for future in busy:
            future.result()
        assert threads.busy_since(before) in (2, 3)  # this one, if it took long to look
        idle.set()
        waiting.join()


def test_threads_that_come_and_go_are_seen() -> None:
    with threads.Watch(machine.usable_cores()) as watch:
        for _ in range(2):
            started = [threading.Thread(target=work) for _ in range(3)]
            for thread in started:
                thread.start()
            for thread in started:
                thread.join()
    assert watch.most == 3


def test_threads_that_wait_are_not_seen() -> None:
    over = threading.Event()
    waiting = [threading.Thread(target=over.wait) for _ in range(4)]
    for thread in waiting:
        thread.start()
    with threads.Watch(machine.usable_cores()) as watch:
        work()
    over.set()
    for thread in waiting:
        thread.join()
    assert watch.most == 1

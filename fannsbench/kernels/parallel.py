"""Splitting work over threads: compiled kernels release the GIL, so plain threads are enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise


def for_ranges(count: int, threads: int, work: Callable[[int, int], object]) -> None:
    """Call work(first, last) on `threads` consecutive parts of range(count), each in a thread of its own."""
    parts = min(threads, count)
    if parts <= 1:
        work(0, count)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        for future in [pool.submit(work, a, b) for a, b in pairwise(edges)]:
            future.result()

"""Splitting work over threads: compiled kernels release the GIL, so plain threads are enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any


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


class Workspaces:
    """Scratch that outlives a call: one for each thread that works at the same time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._idle: list[Any] = []

    def for_ranges(self, count: int, threads: int, work: Callable[[int, int, Any], object]) -> None:
        """As the function, work(first, last, scratch); the scratch is nobody else's meanwhile."""

        def part(first: int, last: int) -> None:
            try:
                scratch = self._idle.pop()
            except IndexError:
                scratch = self._make()
            work(first, last, scratch)
            self._idle.append(scratch)

        for_ranges(count, threads, part)

"""Memory of this process and its children (a plugin may start a server): peaks by phase, and what the
index itself added. Linux tells the peak exactly and can reset it; elsewhere the present size must do."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from fannsbench.machine import give_back

_RESET_PEAK = "5"


def reset_peak() -> None:
    """Begin a new phase: the peak is what is resident now."""
    for process in _tree():
        with contextlib.suppress(OSError):  # not Linux, or not permitted: the peak is that of the whole life
            Path(f"/proc/{process.pid}/clear_refs").write_text(_RESET_PEAK)


def peak_bytes() -> int:
    """The largest resident size since `reset_peak`, each process's own peak added up."""
    return sum(_status_bytes(process, "VmHWM") for process in _tree())


def anonymous_bytes() -> int:
    """Resident memory that is no mapped file, after what is unused has been given back."""
    give_back()
    return sum(_status_bytes(process, "RssAnon") for process in _tree())


def _tree() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _status_bytes(process: psutil.Process, name: str) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0

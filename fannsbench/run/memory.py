"""Memory of this process and its children (a plugin may start a server, or fork): peaks by phase, and what
the index itself added.

Pages that several processes share count once: what a process holds is its proportional set size, in which a
page that m processes share is a part in m (proc(5), smaps_rollup). Linux tells each process's peak of
resident memory exactly and can reset it, but no peak of the proportional size; so the peak of a process is
that of its resident size, less what it shares with others when the phase ends. For all of them together that
is an upper bound where peaks come at different times. Where the system does not tell, the resident size must
do.
"""

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
    """The most that the processes held since `reset_peak`, each one's own peak added up."""
    return sum(_peak_of(process) for process in _tree())


def anonymous_bytes() -> int:
    """What the processes hold that is no mapped file, after what is unused has been given back."""
    give_back()
    return sum(_figures(process).get("Pss_Anon", _resident(process)) for process in _tree())


def held_bytes(processes: list[psutil.Process], enough: int) -> int:
    """What these processes hold now. Up to `enough` bytes what they share may be counted for each of them:
    looking at shared pages takes time, and this is asked while somebody measures."""
    resident = sum(map(_resident, processes))
    if len(processes) == 1 or resident <= enough:
        return resident
    return sum(_figures(process).get("Pss", _resident(process)) for process in processes)


def _peak_of(process: psutil.Process) -> int:
    figures = _figures(process)
    if "VmHWM" not in figures or "Pss" not in figures:
        return figures.get("VmHWM", _resident(process))
    return figures["VmHWM"] - figures["Rss"] + figures["Pss"]


def _tree() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _figures(process: psutil.Process) -> dict[str, int]:
    """Bytes by the names that proc(5) gives them; without those that the system does not tell."""
    figures = {}
    for name in ("status", "smaps_rollup"):
        with contextlib.suppress(OSError):  # not Linux, not permitted, or it has ended
            for line in Path(f"/proc/{process.pid}/{name}").read_text().splitlines():
                key, _, value = line.partition(":")
                if value.endswith(" kB"):
                    figures[key] = int(value.split()[0]) * 1024
    return figures


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0

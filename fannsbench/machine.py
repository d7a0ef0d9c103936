"""What this machine is: its name in the results folder, the facts stored with every result; the cores and the
memory that may be used of it, which a container limits; and giving memory back to it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import platform
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

_ROOT = Path("/")
_MEMORY_FILES = ("memory.max", "memory.limit_in_bytes")
"""Of control groups of version 2 and 1."""


def facts(name: str) -> dict[str, str | int]:
    """What is stored with a result: the machine's name, processor, usable cores, memory in bytes, system
    and Python."""
    return {"name": name, **_parts()}


@cache
def _parts() -> dict[str, str | int]:
    return {
        "processor": _processor(),
        "cores": len(usable_cores()),
        "memory_bytes": usable_memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def name() -> str:
    """A readable fingerprint of processor, cores and memory, such as `amd-epyc-2c-24g`."""
    about = _parts()
    processor = re.sub(r"\(r\)|\(tm\)|cpu|processor|@.*", "", str(about["processor"]).lower())
    slug = re.sub(r"[^a-z0-9]+", "-", processor).strip("-") or "machine"
    return f"{slug}-{about['cores']}c-{round(int(about['memory_bytes']) / 2**30)}g"


def usable_cores() -> list[int]:
    """The cores that this process may run on; no more of them than its quota is worth, rounded up."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
    else:
        cores = list(range(os.cpu_count() or 1))
    return cores[: max(1, math.ceil(min([len(cores), *core_quotas()])))]


def usable_memory() -> int:
    """Bytes of memory of the machine, or of the container if it gives less."""
    return min([psutil.virtual_memory().total, *memory_limits()])


def memory_limits(root: Path = _ROOT) -> list[int]:
    """Bytes that the control groups of this process, and those around them, allow (Linux, versions 1 and 2).
    `root` is where the file system begins."""
    read = (_read(place / name) for place in _groups(root, "memory") for name in _MEMORY_FILES)
    return [int(text) for text in read if text.isdigit()]


def core_quotas(root: Path = _ROOT) -> list[float]:
    """As `memory_limits`: the shares of processor time, in cores."""
    quotas = []
    for place in _groups(root, "cpu"):
        both = _read(place / "cpu.max").split() or [
            _read(place / "cpu.cfs_quota_us"),
            _read(place / "cpu.cfs_period_us"),
        ]
        if all(number.isdigit() for number in both):  # neither "max" nor -1, which say that there is none
            quota, period = map(int, both)
            quotas.append(quota / period)
    return quotas


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process is in, and of those around them. In a container the
    names are often those outside of it, and only the outermost folder is there."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        place = top / name.lstrip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(top))


def _read(path: Path) -> str:
    """The text of a small file of the system's; "" if there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def give_back() -> None:
    """To the operating system: what has been freed here, but is kept for what may come."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _processor() -> str:
    for line in _read(_ROOT / "proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

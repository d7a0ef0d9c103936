"""What this machine is: its name in the results folder, the facts stored with every result, the cores that
may be used; and giving memory back to it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import re
from functools import cache
from pathlib import Path

import psutil


def facts(name: str) -> dict[str, str | int]:
    """What is stored with a result: the machine's name, processor, usable cores, memory in bytes, system
    and Python."""
    return {"name": name, **_parts()}


@cache
def _parts() -> dict[str, str | int]:
    return {
        "processor": _processor(),
        "cores": len(usable_cores()),
        "memory_bytes": psutil.virtual_memory().total,
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
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def give_back() -> None:
    """To the operating system: what has been freed here, but is kept for what may come."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

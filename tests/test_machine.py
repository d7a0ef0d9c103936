"""What a container leaves of a machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from fannsbench import machine

GIB = 1 << 30


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_limits_of_version_2_hold_for_groups_within(tmp_path: Path) -> None:
    top = "sys/fs/cgroup"
    root = written(tmp_path, {
        "proc/self/cgroup": "0::/pod/job",
        f"{top}/pod/job/memory.max": "max",
        f"{top}/pod/job/cpu.max": "150000 100000",
        f"{top}/pod/memory.max": str(2 * GIB),
        f"{top}/pod/cpu.max": "max 100000",
    })  # fmt: skip
    assert machine.memory_limits(root) == [2 * GIB]
    assert machine.core_quotas(root) == [1.5]


def test_limits_of_version_1_where_the_container_sees_only_itself(tmp_path: Path) -> None:
    """Its groups have the names that they have outside, and lie at the top."""
    top = "sys/fs/cgroup"
    root = written(tmp_path, {
        "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc",
        f"{top}/memory/memory.limit_in_bytes": str(3 * GIB),
        f"{top}/cpu,cpuacct/cpu.cfs_quota_us": "50000",
        f"{top}/cpu,cpuacct/cpu.cfs_period_us": "100000",
    })  # fmt: skip
    assert machine.memory_limits(root) == [3 * GIB]
    assert machine.core_quotas(root) == [0.5]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/"},
        {"proc/self/cgroup": "3:cpu:/\n0::/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
         "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"},
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "max",
         "sys/fs/cgroup/cpu.max": "max 100000"},
    ],
)  # fmt: skip
def test_no_limit_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    root = written(tmp_path, files)
    assert machine.memory_limits(root) == machine.core_quotas(root) == []


def test_the_smallest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    total, cores = psutil.virtual_memory().total, sorted(os.sched_getaffinity(0))
    monkeypatch.setattr(machine, "memory_limits", lambda: [total // 2, 1 << 62])
    monkeypatch.setattr(machine, "core_quotas", lambda: [0.5])
    assert machine.usable_memory() == total // 2
    assert machine.usable_cores() == cores[:1]
    monkeypatch.setattr(machine, "memory_limits", list)
    monkeypatch.setattr(machine, "core_quotas", lambda: [len(cores) + 0.5])
    assert machine.usable_memory() == total
    assert machine.usable_cores() == cores

"""What a worker is told: one build of one algorithm, and every search setting to measure on it.

A job is plain data and its outcome is files, so where it runs is nobody's business but the executor's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fannsbench.parameters import Settings
from fannsbench.results import store


class Setting(BaseModel):
    """One search setting of one workload, and the result it becomes."""

    model_config = ConfigDict(frozen=True)

    workload: str
    search: Settings
    identity: dict[str, Any]
    """All that makes this result this result; its hash names the file."""
    output: Path
    found: str = ""
    """Version of the stored result when the run was planned."""

    def __hash__(self) -> int:
        return hash(self.output)

    @property
    def label(self) -> str:
        return f"{self.workload} {store.settings_text(self.search)}".strip()


class Job(BaseModel):
    """One build and its search settings, workload by workload."""

    model_config = ConfigDict(frozen=True)

    algorithm: str
    package: str
    folder: Path
    interpreter: str
    libraries: dict[str, str]
    dataset: Path
    build: Settings
    settings: tuple[Setting, ...]
    k: int
    queries: int
    runs: int
    threads: int
    build_threads: int
    seed: int
    machine: str

    @property
    def label(self) -> str:
        return f"{self.algorithm} {store.settings_text(self.build)}".strip()

    @property
    def workloads(self) -> list[str]:
        return list(dict.fromkeys(setting.workload for setting in self.settings))

    def only(self, settings: list[Setting]) -> Job:
        return self.model_copy(update={"settings": tuple(settings)})

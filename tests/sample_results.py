"""Result files without a run: for tests of what reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fannsbench.dataset import Dataset
from fannsbench.results import store
from fannsbench.results.store import BuildFigures, Result, Run


@dataclass
class Sample:
    """Writes results on a data set into a folder."""

    results: Path
    dataset: Path
    written: list[Path] = field(default_factory=list)

    def truth(self, workload: str, k: int) -> np.ndarray:
        with Dataset.open(self.dataset) as dataset:
            return dataset.workload(workload).neighbors[:, :k]

    def run(
        self,
        neighbors: np.ndarray,
        select: float = 0.0,
        search: float = 1.0,
        latency: Any = 0.001,
        distances: float = np.nan,
    ) -> Run:
        """`latency`: seconds of every query, or of each."""
        seconds = np.broadcast_to(np.asarray(latency, float), len(neighbors))
        return Run(neighbors.astype(np.int32), select, search, seconds, distances)

    def write(
        self,
        workload: str = "none",
        runs: list[Run] | None = None,
        k: int = 10,
        machine: str = "here",
        **changes: Any,
    ) -> Path:
        """A result whose runs (one exact run by default) answer the workload. `changes`: of the identity
        (algorithm, build, search, threads, ...) or of the Result."""
        if runs is None:
            runs = [self.run(self.truth(workload, k))]
        with Dataset.open(self.dataset) as dataset:
            identity = {
                "schema": store.SCHEMA, "dataset": dataset.name, "checksum": dataset.checksum,
                "workload": workload, "k": k,
                "queries": len(runs[0].neighbors) if runs else dataset.num_queries,
                "algorithm": "plain", "source": "1", "libraries": {}, "build": {"M": 16}, "search": {},
                "threads": 1, "build_threads": 1, "mode": "batch", "seed": 0,
            }  # fmt: skip
        of_result = {name: changes.pop(name) for name in list(changes) if name not in identity}
        identity |= changes
        figures: dict[str, Any] = {
            "machine": {"name": machine}, "dataset_path": str(self.dataset), "runs": runs,
            "build": BuildFigures(2.0, 0.5, 1000, 2000, 3000) if runs else None, "peak_search_bytes": 4000,
            "threads_seen": 1, "call_s": 1e-6,
        }  # fmt: skip
        path = store.path_of(self.results, machine, identity["dataset"], identity)
        store.write(path, Result(identity, **{**figures, **of_result}))
        self.written.append(path)
        return path

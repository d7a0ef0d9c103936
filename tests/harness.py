"""Running fannsbench in tests: a folder with plugins and results, planned and executed with real workers."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plugins
import pytest
import reference

from fannsbench import algorithms
from fannsbench.algorithm import Metric
from fannsbench.attributes import Category
from fannsbench.cli import main as cli
from fannsbench.dataset import Dataset, DatasetWriter
from fannsbench.results import table
from fannsbench.run import executor, plan

PATIENCE_SECONDS = 60
"""What is waited for comes at once; this is for machines that are very busy."""

# A shell's background jobs, and what they start, are born deaf to Ctrl-C; what is handled here, they heed.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that it wrote to standard error."""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        return line


@dataclass
class Bench:
    """One test's own folder."""

    folder: Path
    dataset: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    """All that the executor has told."""

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def plugins(self) -> Path:
        return self.folder / "plugins"

    def plugin(self, name: str, *args: str) -> Path:
        return plugins.write(self.plugins, name, *args)

    def plan(self, *names: str, **options: Any) -> plan.Plan:
        options = {"workloads": ["none"], "runs": 1, "machine": "here"} | options
        return plan.make(plan.Request([*names], self.dataset, self.results, **options))

    def run(self, *names: str, limits: executor.Limits | None = None, **options: Any) -> plan.Plan:
        """Plan and execute in this process, each job in a worker."""
        planned = self.plan(*names, **options)
        for job in planned.jobs:
            executor.execute(job, limits or executor.Limits(), lambda _, event: self.events.append(event))
        return planned

    def rows(self) -> pd.DataFrame:
        return table.load(self.results)

    def row(self, **wanted: Any) -> pd.Series:
        """The only row that has these values; `search` and `build` need only hold the text."""
        rows = self.rows()
        for name, value in wanted.items():
            held = rows[name].str.contains(value, regex=False) if name in ("search", "build") else None
            rows = rows[rows[name] == value if held is None else held]
        assert len(rows) == 1, rows[["workload", "build", "search", "status", "reason"]].to_string()
        return rows.iloc[0]

    def matches(self, workload: str) -> np.ndarray:
        """(q,) how many items match each query."""
        with Dataset.open(self.dataset) as dataset:
            return dataset.workload(workload).matches

    def log(self) -> list[dict[str, Any]]:
        """What plugins have logged; see `plugins`."""
        path = Path(os.environ["TEST_LOG"])
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def arguments(self, *args: str) -> list[str]:
        """Of `fannsbench run`, with defaults for what is not named."""
        default = {"--dataset": str(self.dataset), "--results": str(self.results), "--workload": "none",
                   "--runs": "1", "-k": "10"}  # fmt: skip
        return [
            "run",
            *args,
            *(a for name, value in default.items() if name not in args for a in (name, value)),
        ]

    def start(self, *args: str) -> subprocess.Popen[str]:
        """`fannsbench run` in a process of its own."""
        return start(*self.arguments(*args))


_OBEY = """
import ctypes, os, sys
drop_from_bounding_set, overriding_permissions = 24, (1, 2)
for capability in overriding_permissions:
    ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)
os.execv(sys.argv[1], sys.argv[1:])
"""


def start(*args: str, obeying: bool = False, **options: Any) -> subprocess.Popen[str]:
    """`fannsbench` in a process of its own. `obeying`: permissions of files hold for it even if root."""
    obey = [sys.executable, "-c", _OBEY] if obeying else []
    return subprocess.Popen(
        [*obey, sys.executable, "-P", "-m", "fannsbench", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for the end."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return Done(process.returncode, out, err)


def command(*args: str) -> Done:
    """`fannsbench` with these arguments, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["fannsbench", *args])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())  # type: ignore[arg-type]


@contextmanager
def bench(folder: Path, dataset: Path) -> Iterator[Bench]:
    """A folder whose plugins, and only they, are found beside the bundled ones."""
    with pytest.MonkeyPatch.context() as patch:
        made = Bench(folder, dataset)
        made.plugins.mkdir(parents=True)
        patch.setenv("FANNSBENCH_PLUGINS", str(made.plugins))
        patch.setenv("FANNSBENCH_CACHE", str(folder / "cache"))
        patch.setenv("TEST_LOG", str(folder / "log"))
        paths = list(algorithms.__path__)
        yield made
        algorithms.__path__[:] = paths
        for name in [name for name in sys.modules if name.startswith("fannsbench.algorithms.")]:
            if str(made.plugins) in str(getattr(sys.modules[name], "__path__", "")) + str(
                getattr(sys.modules[name], "__file__", "")
            ):
                del sys.modules[name]


def write_unfiltered(path: Path, n: int = 300, q: int = 12, depth: int = 20, workload: bool = False) -> Path:
    """A data set file of 8 dimensions without attributes, or with one that all items share and a workload
    `em` whose filter keeps them all."""
    rng = np.random.default_rng(5)
    vectors, queries = (rng.standard_normal((rows, 8)).astype(np.float32) for rows in (n, q))
    with DatasetWriter(path, name=path.stem, metric=Metric.EUCLIDEAN) as writer:
        writer.items(vectors)
        writer.queries(queries)
        truth = reference.brute_force(vectors, queries, depth, Metric.EUCLIDEAN)
        writer.truth(*truth)
        if workload:
            writer.attribute("same", Category.from_values(["yes"] * n))
            yes = {"value": np.full(q, "yes", object)}
            writer.workload("em", "same == $value", yes, *truth, np.full(q, n))
    return path


def wait_until(condition: Callable[[], object]) -> None:
    """Fails if it does not come true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Is there such a process, not counting one that has ended but was not yet asked how?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

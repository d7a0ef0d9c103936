"""Plugin folders for tests: a plain exact search that others change a little, and what they may do wrong."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

_SHARED = "_plain"
_BASE = '''
"""Exact search in a few lines of numpy."""

import json
import os

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Metric


def log(event, **details):
    """A line in the file $TEST_LOG, if the test names one."""
    if path := os.environ.get("TEST_LOG"):
        with open(path, "a") as file:
            file.write(json.dumps({"event": event, "pid": os.getpid(), **details}) + "\\n")


class Plain(Algorithm):
    filters = ALL_FILTERS
    metrics = frozenset({Metric.EUCLIDEAN})
    builds_on_attributes = False

    def build(self, items, threads):
        self.items = items

    def search(self, queries, k, selection):
        distances = ((queries[:, None] - self.items.vectors[None]) ** 2).sum(axis=2)
        if selection is not None:
            for j in range(len(queries)):
                distances[j, ~selection.mask(j)] = np.inf
        ids = np.argsort(distances, axis=1, kind="stable")[:, :k].astype(np.int32)
        ids[np.isinf(np.take_along_axis(distances, ids, axis=1))] = -1
        return ids

    def save(self, folder):
        (folder / "index").write_bytes(b"x" * 1000)

    def load(self, folder, items):
        self.items = items
'''
_HEAD = """
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from fannsbench.algorithm import ALL_FILTERS, Algorithm, Items, Metric
from fannsbench.algorithms._plain.base import Plain, log
"""


def write(plugins: Path, name: str, body: str = "class Plugin(Plain): ...", params: str = "") -> Path:
    """The folder of an algorithm `name`: `body` is the code after the imports, `params` the tables of
    params.toml, or its whole text if it begins with `summary`."""
    shared = plugins / _SHARED
    shared.mkdir(parents=True, exist_ok=True)
    (shared / "base.py").write_text(_BASE)
    folder = plugins / name.replace("-", "_")
    folder.mkdir()
    (folder / "plugin.py").write_text(_HEAD + dedent(body))
    params = dedent(params).strip()
    (folder / "params.toml").write_text(
        params if params.startswith("summary") else f'summary = "For a test"\n{params}\n'
    )
    return folder


def parameter(
    table: str, kind: str, default: object, values: list[object] | None = None, **more: object
) -> str:
    """One table of params.toml."""
    lines = {"type": kind, "default": default, "values": values or [default], "help": "For a test", **more}
    return "\n".join([f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in lines.items()), ""])


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


FAULTY = """
def eat_memory():
    eaten = []
    while True:
        eaten.append(np.ones(4 << 20))  # 32 MB
        time.sleep(0.01)


def fault(kind):
    match kind:
        case "raise":
            raise ValueError("first line [/red]\\nsecond \\0 line \\udcff of " + "a long tale " * 10_000)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            print("leaving", file=sys.stderr)
            sys.exit(3)
        case "vanish":
            os._exit(0)
        case "hang":
            time.sleep(3600)
        case "memory":
            eat_memory()
        case "child-memory":
            code = "a = [bytearray(b'x') * (32 << 20) for _ in range(64)]; import time; time.sleep(3600)"
            subprocess.run([sys.executable, "-c", code])


class Faulty(Plain):
    def __init__(self, metric, seed, init="", build=""):
        super().__init__(metric, seed)
        self.at_build = build
        fault(init)

    def build(self, items, threads):
        super().build(items, threads)
        fault(self.at_build)

    def configure(self, configure="", select="", search=""):
        log("configure", configure=configure, select=select, search=search)
        self.at_select, self.at_search = select, search
        fault(configure)

    def select(self, filters):
        fault(self.at_select)
        return filters

    def search(self, queries, k, selection):
        fault(self.at_search)
        ids = super().search(queries, k, selection)
        match self.at_search:
            case "shape":
                return ids[:, :-1]
            case "few rows":
                return ids[1:]
            case "list":
                return ids.tolist()
            case "float":
                return ids.astype(np.float32)
            case "none":
                return None
            case "wide":  # ids that wrap round to sound ones as int32
                return ids.astype(np.int64) + 2**32
            case "unsigned":
                return ids.astype(np.uint64) + np.uint64(2**64 - 300)
            case "high":
                ids[-1, 2] = len(self.items.vectors)
            case "low":
                ids[0, 0] = -2
            case "duplicates":
                ids[:, 1] = ids[:, 0]
            case "not matching" if selection is not None:
                for j in range(len(ids)):
                    wrong = np.flatnonzero(~selection.mask(j))
                    ids[j, 0] = wrong[0] if len(wrong) else ids[j, 0]
            case "print":
                print('{"event": "done"}')
                print("x" * 10_000, flush=True)
                os.write(1, b'{"event": "failed"}\\n' * 100)
                subprocess.run([sys.executable, "-c", "print('{\\"event\\": \\"done\\"}')"], check=True)
        return ids
"""
"""A plugin that does wrong what its parameters say."""

FAULTY_PARAMS = "".join(
    parameter(table, "str", "")
    for table in ("build.init", "build.build", "search.configure", "search.select", "search.search")
)

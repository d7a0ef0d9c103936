"""The table of results: one row for each search setting, cached beside the files it is made from."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fannsbench.dataset import Dataset, find
from fannsbench.errors import UserError
from fannsbench.results import store
from fannsbench.results.metrics import Judge
from fannsbench.results.store import Result

COLUMNS = (
    "machine", "dataset", "workload", "filter_kind", "algorithm", "build", "search", "k", "threads", "mode",
    "recall", "qps", "qps_search", "qps_mean", "qps_std", "repetitions",
    "p50_ms", "p95_ms", "p99_ms", "max_ms", "build_s", "preprocess_s", "index_bytes", "index_memory_bytes",
    "peak_build_bytes", "peak_search_bytes", "distances_per_query", "duplicates", "violations",
    "selectivity", "unmatched_queries", "queries", "threads_seen", "call_ms", "status", "reason", "path",
)  # fmt: skip
_COUNTS = (
    "k", "threads", "repetitions", "index_bytes", "index_memory_bytes", "peak_build_bytes",
    "peak_search_bytes", "duplicates", "violations", "unmatched_queries", "queries", "threads_seen",
)  # fmt: skip
_MEASURES = (
    "recall", "qps", "qps_search", "qps_mean", "qps_std", "p50_ms", "p95_ms", "p99_ms", "max_ms", "build_s",
    "preprocess_s", "distances_per_query", "selectivity", "call_ms",
)  # fmt: skip
_CACHE = ".table.sqlite"
_CACHE_VERSION = 2
"""Goes up whenever rows are computed differently."""
_CACHE_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS rows (path TEXT PRIMARY KEY, size INT, time INT, row TEXT);
    PRAGMA user_version = {_CACHE_VERSION};
    COMMIT;
"""
_PATIENCE_SECONDS = 10.0
UNJUDGED = "the data set is not here, so recall is unknown"


def load(results: Path) -> pd.DataFrame:
    """All results below a folder, failures too; see COLUMNS. Files that cannot be read become rows with
    status "failed". Raises UserError if there is no such folder."""
    if not results.is_dir():
        raise UserError(f"no results folder at {results}; `fannsbench run` makes one")
    with _cached_rows(results) as cached:
        rows = [cached.row(path, stat) for path, stat in _files(results)]
    _mark_stale(rows)
    kinds = dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_MEASURES, "float64")
    table = pd.DataFrame(rows, columns=[*COLUMNS]).astype(kinds)
    by = ["machine", "dataset", "workload", "algorithm", "build", "k", "threads", "recall"]
    return table.sort_values(by, kind="stable", ignore_index=True)


def _files(results: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Result files below the folder, by path relative to it."""
    folders = [str(results)]
    above = len(os.path.join(results, ""))  # noqa: PTH118 - Path drops the separator at the end
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(".h5") and not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # just replaced by another run
                        yield entry.path[above:], entry.stat()


class _CachedRows:
    """Rows of result files, computed again when a file's size or time has changed."""

    def __init__(self, results: Path, database: sqlite3.Connection) -> None:
        self.results = results
        self.database = database
        self.known = {
            path: (size, time, row)
            for path, size, time, row in database.execute("SELECT path, size, time, row FROM rows")
        }
        self.fresh: dict[str, tuple[str, int, int, str]] = {}
        self.gone = set(self.known)

    def row(self, path: str, stat: os.stat_result) -> dict[str, Any]:
        self.gone.discard(path)
        size, time, text = self.known.get(path, (0, 0, ""))
        if (size, time) == (stat.st_size, stat.st_mtime_ns):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                row: dict[str, Any] = json.loads(text)
                if row["judged"] or not _find_judge(row["dataset_path"], row["dataset"], row["checksum"]):
                    return {**row, "path": str(self.results / path)}
        row = _row(self.results, path)
        if row["checksum"]:  # what could not be read may be readable another time
            self.fresh[path] = (path, stat.st_size, stat.st_mtime_ns, json.dumps(row))
        return row

    def save(self) -> None:
        with self.database:
            self.database.executemany("DELETE FROM rows WHERE path = ?", [(path,) for path in self.gone])
            self.database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", self.fresh.values())


@contextmanager
def _cached_rows(results: Path) -> Iterator[_CachedRows]:
    """The cache, made anew if it is damaged or of another version, in memory if it cannot be written."""
    database = _opened(results / _CACHE)
    try:
        rows = _CachedRows(results, database)
        yield rows
        with contextlib.suppress(sqlite3.Error):  # full or read-only: slower next time, that is all
            rows.save()
    finally:
        database.close()


def _opened(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        try:
            database = sqlite3.connect(path, timeout=_PATIENCE_SECONDS)
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if sound == "ok" and not tables:
                database.executescript(_CACHE_SCHEMA)
                return database
            if sound == "ok" and version == _CACHE_VERSION:
                return database
            database.close()
        except sqlite3.OperationalError:
            break  # a place that cannot be written
        except sqlite3.DatabaseError:
            pass
        with contextlib.suppress(OSError):
            path.unlink()
    database = sqlite3.connect(":memory:")
    database.executescript(_CACHE_SCHEMA)
    return database


def _row(results: Path, relative: str) -> dict[str, Any]:
    path = results / relative
    try:
        return _row_of(path, store.read(path))
    except UserError as error:
        whose = ("machine", "dataset", "workload", "algorithm")
        in_place = len(Path(relative).parts) == len(whose) + 1
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= zip(whose, store.names_of(path) if in_place else [""] * len(whose), strict=True)
        return {**row, "build": "", "search": "", "status": "failed", "reason": str(error),
                "path": str(path), "judged": True, "dataset_path": "", "checksum": ""}  # fmt: skip


def _row_of(path: Path, result: Result) -> dict[str, Any]:
    identity = result.identity
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {name: identity[name] for name in ("dataset", "workload", "algorithm", "k", "threads", "mode")}
    row |= {
        "machine": result.machine["name"],
        "build": store.settings_text(identity["build"]),
        "search": store.settings_text(identity["search"]),
        "queries": identity["queries"],
        "checksum": identity["checksum"],
        "dataset_path": result.dataset_path,
        "status": result.status,
        "reason": result.reason,
        "threads_seen": result.threads_seen,
        "peak_search_bytes": result.peak_search_bytes or None,
        "call_ms": result.call_s * 1e3,
        "repetitions": len(result.runs),
        "path": str(path),
        "judged": True,
    }
    if result.build:
        row |= vars(result.build)
    judge = judge_of(result)
    if judge:
        row |= _workload_facts(judge, identity["workload"], identity["queries"])
    if result.runs:
        row |= _figures(result)
        row |= _judgement(judge, result)
    return row


def _workload_facts(judge: Judge, name: str, queries: int) -> dict[str, Any]:
    workload, _ = judge.workload(name)
    matches = workload.matches[:queries]
    return {
        "filter_kind": workload.kind or "none",
        "selectivity": float(matches.mean() / len(judge.items.vectors)),
        "unmatched_queries": int((matches == 0).sum()),
    }


def _figures(result: Result) -> dict[str, Any]:
    queries = len(result.runs[0].neighbors)
    qps = np.array([queries / (run.select_seconds + run.search_seconds) for run in result.runs])
    median = median_run(result)
    latency_ms = np.concatenate([run.latency_seconds for run in result.runs]) * 1e3
    p50, p95, p99 = np.percentile(latency_ms, (50, 95, 99))
    return {
        "qps": float(qps[median]),
        "qps_search": queries / result.runs[median].search_seconds,
        "qps_mean": float(qps.mean()),
        "qps_std": float(qps.std(ddof=1)) if len(qps) > 1 else 0.0,
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "max_ms": float(latency_ms.max()),
        "distances_per_query": result.runs[median].distances / queries,
    }


def median_run(result: Result) -> int:
    """The repetition whose throughput is the (lower) median: all its figures go together."""
    seconds = [run.select_seconds + run.search_seconds for run in result.runs]
    return int(np.argsort(seconds, kind="stable")[len(seconds) // 2])


def _judgement(judge: Judge | None, result: Result) -> dict[str, Any]:
    if judge is None:
        return {"judged": False, "reason": result.reason or UNJUDGED}
    judged = judge.judge(result.identity["workload"], result.runs[median_run(result)].neighbors)
    return {
        "recall": judged.mean_recall,
        "duplicates": judged.duplicates,
        "violations": judged.violations,
    }


def judge_of(result: Result) -> Judge | None:
    """A judge for the very data set that was measured; None if it is not here any more."""
    identity = result.identity
    return _find_judge(result.dataset_path, identity["dataset"], identity["checksum"])


def _find_judge(dataset_path: str, name: str, checksum: str) -> Judge | None:
    for path in _dataset_places(dataset_path, name):
        if _checksum(path) == checksum:
            return _judge(path, checksum)
    return None


@cache
def _judge(path: Path, checksum: str) -> Judge:
    return Judge(path)


def _dataset_places(dataset_path: str, name: str) -> Iterator[Path]:
    yield Path(dataset_path)
    with contextlib.suppress(UserError):
        yield find(name)


def _checksum(path: Path) -> str | None:
    try:
        stat = path.stat()
        return _checksum_of(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except (UserError, OSError):
        return None


@cache
def _checksum_of(path: Path, *version: int) -> str:
    with Dataset.open(path) as dataset:
        return dataset.checksum


def _mark_stale(rows: list[dict[str, Any]]) -> None:
    """Results of a data set whose file has changed since are no longer comparable: status "stale"."""
    changed: dict[tuple[str, str], bool] = {}
    for row in rows:
        measured = (row["dataset_path"], row["checksum"])
        if measured not in changed:
            present = _checksum(Path(row["dataset_path"])) if row["dataset_path"] else None
            changed[measured] = present is not None and present != row["checksum"]
        if changed[measured]:
            row["status"], row["reason"] = "stale", f"{row['dataset_path']} has changed since"

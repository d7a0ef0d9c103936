"""The table of results: one row for each search setting, cached beside the files it is made from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from fannsbench import registry
from fannsbench.dataset import Dataset, find
from fannsbench.errors import UserError
from fannsbench.results import store
from fannsbench.results.cache import Row, cached_rows
from fannsbench.results.metrics import Judge
from fannsbench.results.store import Result

COLUMNS = (
    "machine", "dataset", "workload", "filter_kind", "algorithm", "family", "build", "search", "k", "threads",
    "mode", "recall", "qps", "qps_search", "qps_mean", "qps_std", "repetitions",
    "p50_ms", "p95_ms", "p99_ms", "max_ms", "build_s", "preprocess_s", "index_bytes", "index_memory_bytes",
    "peak_build_bytes", "peak_search_bytes", "memory", "distances_per_query", "duplicates", "violations",
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
_VERSION = ("source", "libraries", "schema")
"""What of an identity tells versions of one algorithm, and of how it is measured, apart."""
_OF_FILE = tuple(column for column in COLUMNS if column != "family")
"""What a row holds of its file, and the cache keeps; an algorithm's family is what is declared now."""
UNJUDGED = "the data set is not here, so recall is unknown"


def load(results: Path) -> pd.DataFrame:
    """All results below a folder, failures too; see COLUMNS. Files that cannot be read become rows with
    status "failed". Raises UserError if there is no such folder."""
    if not results.is_dir():
        raise UserError(f"no results folder at {results}; `fannsbench run` makes one")
    with cached_rows(results) as cached:
        rows = [
            cached.row(path, stat, partial(_row, results, path), _is_final) for path, stat in _files(results)
        ]
    _mark_changed(rows)
    _mark_superseded(rows)
    _name_families(rows)
    kinds = dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_MEASURES, "float64")
    table = pd.DataFrame(rows, columns=[*COLUMNS]).astype(kinds)
    by = ["machine", "dataset", "workload", "algorithm", "build", "k", "threads", "recall", "search"]
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


def _is_final(row: Row) -> bool:
    """Judged, or there is still nothing to judge it by."""
    return bool(row["judged"]) or not _find_judge(row["dataset_path"], row["dataset"], row["checksum"])


def _row(results: Path, relative: str) -> Row:
    path = results / relative
    try:
        return _row_of(path, store.read(path))
    except UserError as error:
        whose = ("machine", "dataset", "workload", "algorithm")
        in_place = len(Path(relative).parts) == len(whose) + 1
        row: Row = dict.fromkeys(_OF_FILE)
        row |= zip(whose, store.names_of(path) if in_place else [""] * len(whose), strict=True)
        row |= dict.fromkeys(("build", "search", "dataset_path", "checksum", "series"), "")
        return row | {"status": "failed", "reason": str(error), "path": str(path), "judged": True}


def _row_of(path: Path, result: Result) -> Row:
    identity = result.identity
    row: Row = dict.fromkeys(_OF_FILE)
    row |= {name: identity[name] for name in ("dataset", "workload", "algorithm", "k", "threads", "mode")}
    row |= {
        "machine": result.machine["name"],
        "build": store.settings_text(identity["build"]),
        "search": store.settings_text(identity["search"]),
        "queries": identity["queries"],
        "checksum": identity["checksum"],
        "created": result.created,
        "version": store.key_of({name: identity.get(name) for name in _VERSION}),
        "series": store.key_of({name: value for name, value in identity.items() if name not in _VERSION}),
        "dataset_path": result.dataset_path,
        "status": result.status,
        "reason": result.reason,
        "threads_seen": result.threads_seen,
        "peak_search_bytes": result.peak_search_bytes or None,
        "memory": result.memory,
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


def _workload_facts(judge: Judge, name: str, queries: int) -> Row:
    workload, _ = judge.workload(name)
    matches = workload.matches[:queries]
    return {
        "filter_kind": workload.kind or "none",
        "selectivity": float(matches.mean() / len(judge.items.vectors)),
        "unmatched_queries": int((matches == 0).sum()),
    }


def _figures(result: Result) -> Row:
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


def _judgement(judge: Judge | None, result: Result) -> Row:
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


def _mark_changed(rows: list[Row]) -> None:
    """Results of a data set whose file has changed since are no longer comparable: status "stale"."""
    changed: dict[tuple[str, str], bool] = {}
    for row in rows:
        measured = (row["dataset_path"], row["checksum"])
        if measured not in changed:
            present = _checksum(Path(row["dataset_path"])) if row["dataset_path"] else None
            changed[measured] = present is not None and present != row["checksum"]
        if changed[measured]:
            row["status"], row["reason"] = "stale", f"{row['dataset_path']} has changed since"


def _mark_superseded(rows: list[Row]) -> None:
    """Of results that differ only in `_VERSION`, the newest version counts."""
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows:
        if row["series"]:
            series = (row["machine"], row["series"])
            newest[series] = max(newest.get(series, ("", "")), (row["created"], row["version"]))
    for row in rows:
        if row["series"] and newest[row["machine"], row["series"]][1] != row["version"]:
            row["status"], row["reason"] = "stale", "a later version of the algorithm has been measured"


def _name_families(rows: list[Row]) -> None:
    """By what the algorithms that are here declare."""
    families = registry.families()
    for row in rows:
        row["family"] = families.get(row["algorithm"], "other")

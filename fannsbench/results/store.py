"""Result files, `<results>/<machine>/<data set>/<workload>/<algorithm>/<key>.h5`.

Root attributes: schema (`fannsbench-result/2`), key, identity (JSON: all that the key is the hash of),
status ("ok" or "failed"), reason, stderr, dataset_path, machine (JSON), created (ISO 8601, UTC),
peak_search_bytes, threads_seen, call_s, and of the build: build_s, preprocess_s, index_bytes,
index_memory_bytes, peak_build_bytes.

    /neighbors (u, q, k) int32   the distinct answers        /neighbors_of_run (r,) which answer a run gave
    /select_seconds (r,)  /search_seconds (r,)               one call for all queries, filter step apart
    /latency_seconds (r, l)                                  one query a call, first l queries
    /distances (r,)                                          distance computations, NaN where not counted

Memory figures are proportional set sizes, in which a page that m processes share is a part in m of each.
Files of the schema `fannsbench-result/1`, which are read too, hold resident sizes, that count it m times.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np

from fannsbench import folders
from fannsbench.errors import UserError
from fannsbench.parameters import Settings

SCHEMA = "fannsbench-result/2"
MEMORY_OF = {SCHEMA: "proportional", "fannsbench-result/1": "resident"}
"""How memory was counted, by schema; those that can be read."""
_STDERR_KEPT = 4000
_NAMELESS = "%"
_NEEDED = {
    "dataset": str, "checksum": str, "workload": str, "queries": int, "k": int, "algorithm": str,
    "build": dict, "search": dict, "threads": int, "mode": str,
}  # fmt: skip
"""What an identity must tell, so that the result can be listed."""


@dataclass
class BuildFigures:
    """Seconds and bytes of one build; the memory figures are those of the worker and its children."""

    build_s: float
    preprocess_s: float
    index_bytes: int
    index_memory_bytes: int
    peak_build_bytes: int


@dataclass
class Run:
    """One repetition: neighbors (q, k) int32, seconds of the batch call, latencies (l,) in seconds."""

    neighbors: np.ndarray
    select_seconds: float
    search_seconds: float
    latency_seconds: np.ndarray
    distances: float


@dataclass
class Result:
    """A result file in memory; a failure has a reason and no runs."""

    identity: dict[str, Any]
    status: str = "ok"
    reason: str = ""
    stderr: str = ""
    dataset_path: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    build: BuildFigures | None = None
    peak_search_bytes: int = 0
    memory: str = MEMORY_OF[SCHEMA]
    """How it was counted: "proportional" or "resident"."""
    threads_seen: int = 0
    """The most threads of the worker that were seen at work while searching; 0 where that cannot be told."""
    call_s: float = 0.0
    """What the harness itself costs per call, in seconds."""
    runs: list[Run] = field(default_factory=list)


def key_of(identity: dict[str, Any]) -> str:
    """A hash of the canonical JSON of what identifies a result."""
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=12).hexdigest()


def path_of(results: Path, machine: str, dataset: str, identity: dict[str, Any]) -> Path:
    """Where the result lies; names are escaped so that different names give different folders."""
    parts = (machine, dataset, identity["workload"], identity["algorithm"])
    return results.joinpath(*map(_folder_name, parts)) / f"{key_of(identity)}.h5"


def _folder_name(name: str) -> str:
    """Never empty, hidden or `..`; `names_of` undoes it."""
    quoted = quote(name, safe=" +")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted or _NAMELESS


def names_of(path: Path) -> list[str]:
    """Machine, data set, workload and algorithm, from where a result lies."""
    return ["" if part == _NAMELESS else unquote(part) for part in path.parts[-5:-1]]


def settings_text(settings: Settings) -> str:
    """`M=16 ef_construction=200`."""
    return " ".join(f"{name}={_value_text(value)}" for name, value in settings.items())


def _value_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def write(path: Path, result: Result) -> None:
    """Write the file whole or not at all. Raises OSError if it cannot be written."""
    image = io.BytesIO()  # HDF5 does not survive a full disk; plain bytes do
    with h5py.File(image, "w") as file:
        _fill(file, result)
    with folders.whole_file(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def _fill(file: h5py.File, result: Result) -> None:
    file.attrs.update(
        schema=SCHEMA,
        key=key_of(result.identity),
        identity=json.dumps(result.identity),
        status=result.status,
        reason=_storable(result.reason),
        stderr=_storable(result.stderr[-_STDERR_KEPT:]),
        dataset_path=result.dataset_path,
        machine=json.dumps(result.machine),
        created=result.created or datetime.now(UTC).isoformat(timespec="seconds"),
        peak_search_bytes=result.peak_search_bytes,
        threads_seen=result.threads_seen,
        call_s=result.call_s,
    )
    if result.build:
        file.attrs.update(vars(result.build))
    if not result.runs:
        return
    answers: list[np.ndarray] = []
    answer_of_run = []
    for run in result.runs:
        same = [i for i, answer in enumerate(answers) if np.array_equal(answer, run.neighbors)]
        answer_of_run.append(same[0] if same else len(answers))
        if not same:
            answers.append(run.neighbors)
    packed = {"compression": "gzip", "shuffle": True}
    file.create_dataset("neighbors", data=np.stack(answers).astype(np.int32), **packed)
    file.create_dataset("neighbors_of_run", data=np.array(answer_of_run, np.int32))
    file.create_dataset("select_seconds", data=[run.select_seconds for run in result.runs])
    file.create_dataset("search_seconds", data=[run.search_seconds for run in result.runs])
    latencies = np.stack([run.latency_seconds for run in result.runs]).astype(np.float32)
    file.create_dataset("latency_seconds", data=latencies, **packed)
    file.create_dataset("distances", data=[run.distances for run in result.runs])


def _storable(text: str) -> str:
    """What HDF5 takes as text: valid Unicode without NUL."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def read(path: Path) -> Result:
    """Raises UserError naming the file if it is no sound result file."""
    try:
        with h5py.File(path, "r") as file:
            if (schema := file.attrs.get("schema")) not in MEMORY_OF:
                raise UserError(f"{path}: schema {schema!r}; this version reads {' and '.join(MEMORY_OF)}")
            return _read(file)
    except (OSError, RuntimeError, KeyError, ValueError, IndexError, TypeError) as error:
        raise UserError(
            f"{path} is not a readable result file: {error}; delete it to measure again"
        ) from None


def _read(file: h5py.File) -> Result:
    attrs = file.attrs
    identity = json.loads(attrs["identity"])
    if attrs["key"] != key_of(identity):
        raise ValueError("its key is not the hash of its identity")
    if wrong := [name for name, kind in _NEEDED.items() if not isinstance(identity.get(name), kind)]:
        raise ValueError(f"its identity tells no {wrong[0]}")
    build = None
    if "build_s" in attrs:
        build = BuildFigures(
            float(attrs["build_s"]),
            float(attrs["preprocess_s"]),
            int(attrs["index_bytes"]),
            int(attrs["index_memory_bytes"]),
            int(attrs["peak_build_bytes"]),
        )
    about_machine = json.loads(attrs["machine"])
    if "name" not in about_machine:
        raise ValueError("its machine has no name")
    runs = []
    if "neighbors" in file:
        answers, latencies = file["neighbors"][:], file["latency_seconds"][:]
        if answers.shape[1:] != (identity["queries"], identity["k"]):
            raise ValueError(f"neighbors have the shape {answers.shape}")
        rows = zip(
            file["neighbors_of_run"][:], file["select_seconds"][:], file["search_seconds"][:],
            latencies, file["distances"][:], strict=True,
        )  # fmt: skip
        runs = [
            Run(answers[which], float(select), float(search), latency, float(distances))
            for which, select, search, latency, distances in rows
        ]
    return Result(
        identity=identity,
        memory=MEMORY_OF[attrs["schema"]],
        status=str(attrs["status"]),
        reason=str(attrs["reason"]),
        stderr=str(attrs["stderr"]),
        dataset_path=str(attrs["dataset_path"]),
        machine=about_machine,
        created=str(attrs["created"]),
        build=build,
        peak_search_bytes=int(attrs["peak_search_bytes"]),
        threads_seen=int(attrs["threads_seen"]),
        call_s=float(attrs["call_s"]),
        runs=runs,
    )


def stored(path: Path) -> tuple[str, int]:
    """Status and number of runs of the result at `path`; ("", 0) if there is none that can be read, or one
    that belongs elsewhere."""
    if not path.is_file():
        return "", 0
    try:
        result = read(path)
    except UserError:
        return "", 0
    return (result.status, len(result.runs)) if key_of(result.identity) == path.stem else ("", 0)


def version(path: Path) -> str:
    """Another text whenever the file has been written anew; "" if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns}-{stat.st_ino}"

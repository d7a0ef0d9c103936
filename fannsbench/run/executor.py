"""Runs jobs one after another, each in a worker process of its own, and survives whatever a worker does."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any

import psutil

from fannsbench import folders
from fannsbench.errors import UserError
from fannsbench.results import store
from fannsbench.results.store import Result
from fannsbench.run import machine, memory, threads
from fannsbench.run.job import Job, Setting

Observer = Callable[[Job, dict[str, Any]], None]
"""Told of every event of a job: building, built, measuring, measured, failed, waiting."""

SAMPLE_SECONDS = 0.05
MEMORY_SHARE = 0.9
"""Of the machine's memory, where no limit is given: the worker is ended before the system ends others."""


@dataclass(frozen=True)
class Limits:
    """seconds: of one build, or of one repetition of one search setting. memory_bytes: of the worker and
    its children, together."""

    seconds: float | None = None
    memory_bytes: int = field(default_factory=lambda: int(MEMORY_SHARE * psutil.virtual_memory().total))


class ResultsUnwritableError(UserError):
    """The results folder takes no more files."""


def check_writable(results: Path) -> None:
    """Raises ResultsUnwritableError now rather than after the first build."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=results):
            pass
    except OSError as error:
        raise ResultsUnwritableError(
            f"cannot write results to {results}: {error.strerror}; name another folder with --results"
        ) from None


def execute(job: Job, limits: Limits, observe: Observer) -> None:
    """Measure every setting of the job, or store why not. A setting that ends its worker costs a new build
    for those that remain. Raises ResultsUnwritableError when results cannot be written."""
    remaining = list(job.settings)
    with _measuring_alone(lambda owner: observe(job, {"event": "waiting", "owner": owner})):
        while remaining:
            attempt = job.only(remaining)
            worker = _Worker(attempt, limits, observe)
            worker.run()
            remaining = [s for s in remaining if s not in worker.finished]
            if worker.death is None:
                break
            guilty = [worker.current] if worker.current else remaining
            for setting in guilty:
                _store_failure(setting, job, worker.death, worker.stderr_text())
                observe(job, {"event": "failed", "setting": setting, "reason": worker.death})
            remaining = [s for s in remaining if s not in guilty]


class _Worker:
    """One worker process from start to end."""

    def __init__(self, job: Job, limits: Limits, observe: Observer) -> None:
        self.job = job
        self.limits = limits
        self.observe = observe
        self.by_name = {setting.output.name: setting for setting in job.settings}
        self.current: Setting | None = None
        self.finished: set[Setting] = set()
        """Settings that need no further worker: measured in all runs, or failed."""
        self.death: str | None = None
        """Why the worker ended before it was done."""

    def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="fannsbench-job-") as folder:
            self.stderr = Path(folder) / "stderr"
            job_file = Path(folder) / "job.json"
            job_file.write_text(self.job.model_dump_json())
            with self.stderr.open("wb") as stderr:
                process = self._start(job_file, stderr)
            try:
                self._follow(process)
            finally:
                _end(process)
                self._stderr_text = self.stderr.read_text(errors="replace")

    def stderr_text(self) -> str:
        return self._stderr_text

    def _start(self, job_file: Path, stderr: IO[bytes]) -> subprocess.Popen[str]:
        job = self.job
        environment = dict(os.environ, **threads.environment(max(job.threads, job.build_threads)))
        return subprocess.Popen(
            [job.interpreter, "-m", "fannsbench.run.worker", str(job_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
            start_new_session=True,  # so that its children can be ended with it
        )

    def _follow(self, process: subprocess.Popen[str]) -> None:
        events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=_read_events, args=(process, events), daemon=True).start()
        phase, began = "starting", monotonic()
        while self.death is None:
            try:
                event = events.get(timeout=SAMPLE_SECONDS)
            except queue.Empty:
                self.death = self._over_limits(process.pid, phase, monotonic() - began)
                continue
            if event is None:
                self.death = _how_it_ended(process, phase, self.stderr.read_text(errors="replace"))
            elif event["event"] == "done":
                return
            else:
                phase, began = self._take(event), monotonic()

    def _take(self, event: dict[str, Any]) -> str:
        """Act on an event; returns the name of the phase it begins."""
        kind = event["event"]
        if kind == "unwritable":
            raise ResultsUnwritableError(
                f"cannot write {event['reason']}; what was stored is kept, and the same command goes on"
            )
        if "setting" in event:
            event["setting"] = self.by_name[event["setting"]]
        if kind == "measuring":
            self.current = event["setting"]
        elif kind == "measured":
            if event["run"] == self.job.runs - 1:
                self.finished.add(event["setting"])
            self.current = None
        elif kind == "failed":
            setting = event["setting"]
            self.finished.add(setting)
            self.current = None
            _store_failure(setting, self.job, event["reason"], event["stderr"])
        self.observe(self.job, event)
        if kind == "measuring" and self.current:
            return f"measuring {self.current.label}"
        return "building" if kind == "building" else "between two settings"

    def _over_limits(self, pid: int, phase: str, seconds: float) -> str | None:
        if self.limits.seconds is not None and seconds > self.limits.seconds:
            return f"time-out: over {self.limits.seconds:g} s while {phase}"
        held = memory.resident_bytes(pid)
        if held > self.limits.memory_bytes:
            limit = self.limits.memory_bytes / 1e9
            return f"memory limit: {held / 1e9:.2f} GB of {limit:.2f} GB while {phase}"
        return None


def _read_events(process: subprocess.Popen[str], events: queue.Queue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError):  # a line cut short by the worker's death
            events.put(json.loads(line))
    events.put(None)


def _how_it_ended(process: subprocess.Popen[str], phase: str, stderr: str) -> str:
    code = process.wait()
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory, or ended by somebody)" if name == "SIGKILL" else ""
        return f"crashed while {phase}: {name}{hint}"
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    return f"failed while {phase}: {last.strip() or f'exit code {code}'}"


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _store_failure(setting: Setting, job: Job, reason: str, stderr: str) -> None:
    """Repetitions that were measured before the failure stay in the file."""
    result = Result(identity=setting.identity, dataset_path=str(job.dataset), machine=machine.facts())
    if store.stored(setting.output)[0]:
        result = store.read(setting.output)
    result.status, result.reason, result.stderr = "failed", reason, stderr
    try:
        store.write(setting.output, result)
    except OSError as error:
        raise ResultsUnwritableError(f"cannot write {setting.output}: {error.strerror or error}") from None


@contextmanager
def _measuring_alone(on_wait: Callable[[str], None]) -> Iterator[None]:
    """Two benchmarks at once would measure each other: a second one on this machine waits for its turn,
    job by job."""
    lock = folders.cache() / "measuring.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            on_wait(file.read().strip())
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)

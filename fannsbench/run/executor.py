"""Runs jobs one after another, each in a worker process of its own, and survives whatever a worker does."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from fannsbench import folders, machine
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError, UserError
from fannsbench.results import store
from fannsbench.results.store import Result
from fannsbench.run import threads
from fannsbench.run.job import Job, Setting
from fannsbench.run.process import WorkerProcess

Observer = Callable[[Job, dict[str, Any]], None]
"""Told of every event of a job: waiting, compiling, building, progress, built, measuring, measured, failed,
stored (by another run, meanwhile), closing, unclosed; and, while the worker waits until the observer returns,
round (all settings have been measured once more) and look (the first round takes long)."""

SAMPLE_SECONDS = 0.05
MEMORY_SHARE = 0.9
"""Of the usable memory, where no limit is given: the worker is ended before the system ends others."""
CLOSE_SECONDS = 10.0
"""For a plugin to end what it started; then that is ended by force."""
_STARTING = "starting"
"""The phase of the harness's own work, such as reading the data; nothing of a plugin runs yet."""
_TAIL_BYTES = 1 << 16
"""Of what a worker wrote to standard error: the end is what is looked at."""


@dataclass(frozen=True)
class Limits:
    """seconds: of one build, or of one repetition of one search setting. memory_bytes: of the worker and
    its children, together."""

    seconds: float | None = None
    memory_bytes: int = field(default_factory=lambda: int(MEMORY_SHARE * machine.usable_memory()))


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
    for those that remain. Raises ResultsUnwritableError when results cannot be written, DatasetError when
    the data set is no longer what the job was planned for."""
    with _measuring_alone(lambda owner: observe(job, {"event": "waiting", "owner": owner})):
        _check_unchanged(job)
        remaining = [s for s in job.settings if not _stored_meanwhile(s, job.runs)]
        for setting in set(job.settings).difference(remaining):
            observe(job, {"event": "stored", "setting": setting})
        while remaining:
            attempt = job.only(remaining)
            worker = _Worker(attempt, limits, observe)
            worker.run()
            remaining = [s for s in remaining if s not in worker.finished]
            if worker.death is None:
                break
            guilty = [worker.current] if worker.current else remaining
            for setting in guilty:
                _store_failure(setting, job, worker.death, worker.stderr)
                observe(job, {"event": "failed", "setting": setting, "reason": worker.death})
            remaining = [s for s in remaining if s not in guilty]


def _check_unchanged(job: Job) -> None:
    with Dataset.open(job.dataset) as dataset:
        if dataset.checksum != job.settings[0].identity["checksum"]:
            raise DatasetError(f"{job.dataset} has changed since the run began; start it again")


def _stored_meanwhile(setting: Setting, runs: int) -> bool:
    """Has another run measured it, or failed to, since this one was planned?"""
    if store.version(setting.output) == setting.found:
        return False
    status, stored_runs = store.stored(setting.output)
    return status == "failed" or stored_runs >= runs


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
        self.stderr = ""
        """The end of what it wrote there."""
        self.phase = _STARTING
        self.closes = False
        """Has the plugin a `close` of its own, which is worth waiting for?"""
        self.closing = False
        self.done = False

    def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="fannsbench-job-") as folder:
            job_file, stderr_file = Path(folder) / "job.json", Path(folder) / "stderr"
            job_file.write_text(self.job.model_dump_json())
            # -P: a folder `fannsbench` where the user happens to be is not the one to run
            command = [self.job.interpreter, "-P", "-m", "fannsbench.run.worker", str(job_file)]
            pools = threads.environment(max(self.job.threads, self.job.build_threads))
            with stderr_file.open("wb") as stderr:
                process = WorkerProcess(command, {**os.environ, **pools}, stderr)
            try:
                self._follow(process)
            finally:
                code = process.end(CLOSE_SECONDS if self.closes and not self.closing else 0)
                self.stderr = _tail(stderr_file)
            if not self.done and self.death is None:
                self.death = _how_it_ended(code, self.phase, self.stderr)
                if self.closing:
                    self.observe(self.job, {"event": "unclosed", "reason": "ended its process"})

    def _follow(self, process: WorkerProcess) -> None:
        began = sampled = monotonic()
        while not self.done and self.death is None:
            event = process.event(SAMPLE_SECONDS)
            if event is None:
                return
            if event:
                self._take(event)
                if event["event"] in ("look", "round"):
                    process.go_on()
                if event["event"] != "progress":
                    began = monotonic()
            now = monotonic()
            if now - sampled >= SAMPLE_SECONDS and not self.done:
                held = process.held_bytes(self.limits.memory_bytes)
                self.death = self.death or self._over_limits(held, now - began)
                sampled = now

    def _take(self, event: dict[str, Any]) -> None:
        """Act on an event, and note the phase it begins."""
        kind = event["event"]
        if kind == "done":
            self.done = True
            return
        if kind == "broken":
            self.death = f"failed while {self.phase}: {event['reason']}"
            return
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
        elif kind == "compiling":
            self.closes = event["closes"]
        self.observe(self.job, event)
        if kind in ("closing", "closed"):
            self.closing = kind == "closing"
        elif kind in ("compiling", "building"):
            self.phase = "building"
        elif kind not in ("progress", "unclosed"):
            self.phase = f"measuring {self.current.label}" if self.current else "between two settings"

    def _over_limits(self, held: int, seconds: float) -> str | None:
        limits = self.limits
        if self.closing:
            if seconds <= CLOSE_SECONDS:
                return None
            self.observe(self.job, {"event": "unclosed", "reason": f"took over {CLOSE_SECONDS:g} s"})
            return "did not close"
        if limits.seconds is not None and seconds > limits.seconds and self.phase != _STARTING:
            return f"time-out: over {limits.seconds:g} s while {self.phase}"
        if held > limits.memory_bytes:
            limit = limits.memory_bytes / 1e9
            return f"memory limit: {held / 1e9:.2f} GB of {limit:.2f} GB while {self.phase}"
        return None


def _how_it_ended(code: int, phase: str, stderr: str) -> str:
    if code < 0:
        hint = " (out of memory, or ended by somebody)" if -code == signal.SIGKILL else ""
        return f"crashed while {phase}: {_signal_name(-code)}{hint}"
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    return f"failed while {phase}: {last.strip() or f'exit code {code}'}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have numbers only
        return f"signal {number}"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode(errors="replace")


def _store_failure(setting: Setting, job: Job, reason: str, stderr: str) -> None:
    """Repetitions that were measured before the failure stay in the file."""
    result = Result(
        identity=setting.identity, dataset_path=str(job.dataset), machine=machine.facts(job.machine)
    )
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
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    except OSError:  # without a cache folder there is no telling who else measures
        yield
        return
    with file:
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

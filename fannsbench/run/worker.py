"""The process that measures: `INTERPRETER -m fannsbench.run.worker JOBFILE`.

It builds once, then measures every search setting of every workload in interleaved rounds, and stores each
setting's result after every round, so that whatever happens later, what was measured stays. It reports what
it is at as JSON lines on its standard output; whatever a plugin prints goes to standard error. After a round,
and once in the first if that takes long, it waits for a line on its standard input, so that showing what
there is so far disturbs nothing that is measured.
"""

from __future__ import annotations

import ctypes
import math
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import numpy as np

from fannsbench import machine
from fannsbench.algorithm import Algorithm
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, Items, Workload
from fannsbench.errors import PluginError, one_line
from fannsbench.filters import BoundFilters
from fannsbench.registry import Plugin
from fannsbench.results import store
from fannsbench.results.metrics import judged
from fannsbench.results.store import BuildFigures, Result, Run
from fannsbench.run import memory, threads, timing
from fannsbench.run.job import Job, Setting
from fannsbench.run.process import Report, reporting

_LONGEST_REASON = 500
_TELLING_SECONDS = 0.25
LOOK_SECONDS = 25.0
"""After which what there is of the first round is to be seen."""


def main() -> None:
    """Entry point."""
    _adopt_orphans()
    job = Job.model_validate_json(Path(sys.argv[1]).read_text())
    with reporting() as report:
        worker = _Worker(job, report)
        try:
            worker.run()
        except Exception as error:
            traceback.print_exc()
            report("broken", reason=reason_of(error))
            sys.exit(1)
        finally:
            worker.close()
        report("done")


def _adopt_orphans() -> None:
    """Ask the kernel to make this the parent of processes whose own parent ends, such as a plugin's
    daemon, so that they are weighed and ended with this one."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1)


class _Worker:
    def __init__(self, job: Job, report: Report) -> None:
        self.job = job
        self.report = report
        self.algorithm: Algorithm | None = None
        self.workloads: dict[str, tuple[Workload, BoundFilters | None]] = {}
        self.recalls: dict[Setting, float | None] = {}
        """Of the last answer that was judged."""

    def run(self) -> None:
        job = self.job
        self.cores = machine.usable_cores()
        self.machine = machine.facts(job.machine)  # now, as threads are held to fewer cores later
        with Dataset.open(job.dataset) as dataset:
            self.metric = dataset.metric
            workloads = {name: dataset.workload(name) for name in job.workloads}
            used = dict.fromkeys(name for w in workloads.values() if w.filter for name in w.filter.attributes)
            attributes = Attributes({name: dataset.attributes[name] for name in used}, dataset.n)
            self.items = Items(dataset.items().vectors, attributes)
            self.queries = dataset.queries()[: job.queries]
        for name, workload in workloads.items():
            bound = workload.bind(attributes)
            self.workloads[name] = workload, None if bound is None else bound[: job.queries]
            self.recall(name, np.full((1, job.k), -1, np.int32))  # compiled now, not while measuring
        _read_through(self.items.vectors)
        signal.signal(signal.SIGTERM, _leave)
        algorithm_class = Plugin(job.algorithm, job.folder, job.package, "job").load()
        self.report("compiling", closes=algorithm_class.close is not Algorithm.close)
        self.algorithm = algorithm = algorithm_class(self.metric, job.seed, **job.build)
        self.build_figures = self.build(algorithm)
        self.report("built", **vars(self.build_figures))
        with threads.limited(job.threads):
            algorithm.threads = job.threads
            self.call_s = timing.empty_call_seconds()
            self.measure(algorithm)

    def build(self, algorithm: Algorithm) -> BuildFigures:
        with threads.limited(self.job.build_threads):
            algorithm.warm_up()
            self.report("building")
            algorithm.progress = self.progress
            before = memory.anonymous_bytes()
            memory.reset_peak()
            self.told = began = perf_counter()
            algorithm.build(self.items, self.job.build_threads)
            seconds = perf_counter() - began
            peak = memory.peak_bytes()
            added = max(0, memory.anonymous_bytes() - before)
        with tempfile.TemporaryDirectory(prefix="fannsbench-") as folder:
            algorithm.save(Path(folder))
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        return BuildFigures(seconds, float(algorithm.preprocess_seconds), size, added, peak)

    def progress(self, done: int, total: int) -> None:
        """An `Algorithm.progress` that tells no more often than somebody looks."""
        now = perf_counter()
        if now - self.told >= _TELLING_SECONDS:
            self.told = now
            self.report("progress", done=int(done), total=int(total))

    def close(self) -> None:
        """What happens here is told and changes nothing of what was measured."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.algorithm is None:
            return
        self.report("closing")
        try:
            self.algorithm.close()
        except Exception as error:
            traceback.print_exc()
            self.report("unclosed", reason=f"raised {reason_of(error)}")
        self.report("closed")

    def measure(self, algorithm: Algorithm) -> None:
        results = {
            setting: Result(
                identity=setting.identity,
                dataset_path=str(self.job.dataset),
                machine=self.machine,
                build=self.build_figures,
                call_s=self.call_s,
            )
            for setting in self.job.settings
        }
        stored_runs = {setting: store.stored(setting.output)[1] for setting in results}
        look_at = perf_counter() + LOOK_SECONDS
        for number in range(self.job.runs):
            for setting, result in list(results.items()):
                self.report("measuring", setting=setting.output.name, run=number)
                try:
                    figures = self.measure_once(algorithm, setting, result)
                except Exception as error:
                    del results[setting]
                    self.report("failed", setting=setting.output.name, reason=reason_of(error),
                                stderr=traceback.format_exc())  # fmt: skip
                    continue
                try:
                    if number + 1 >= min(stored_runs[setting], self.job.runs):  # never fewer than before
                        store.write(setting.output, result)
                except OSError as error:
                    self.report("unwritable", reason=f"{setting.output}: {error.strerror or error}")
                    return
                self.report("measured", setting=setting.output.name, run=number, **figures)
                if number == 0 and perf_counter() > look_at:
                    look_at = math.inf
                    self.wait("look")
            self.wait("round", run=number)

    def wait(self, event: str, **details: int) -> None:
        """Until whoever is told has seen to it."""
        self.report(event, **details)
        sys.stdin.readline()

    def measure_once(self, algorithm: Algorithm, setting: Setting, result: Result) -> dict[str, float | None]:
        """One repetition, added to the result. Returns what is shown while the run goes on."""
        _, filters = self.workloads[setting.workload]
        job, queries = self.job, self.queries
        algorithm.configure(**setting.search)
        few = slice(0, timing.WARM_UP_QUERIES)
        with threads.Watch(self.cores) as watch:
            timing.batch(algorithm, queries[few], job.k, None if filters is None else filters[few])
        algorithm.configure(**setting.search)  # counters begin anew
        memory.reset_peak()
        ticks = threads.processor_ticks()
        neighbors, select_seconds, search_seconds = timing.batch(algorithm, queries, job.k, filters)
        result.threads_seen = max(result.threads_seen, watch.most, threads.busy_since(ticks))
        neighbors = timing.as_ids(neighbors, len(self.items.vectors))
        distances = float(algorithm.counters().get("distances", math.nan))
        first = slice(0, timing.LATENCY_QUERIES)
        latencies = timing.latencies(
            algorithm, queries[first], job.k, None if filters is None else filters[first]
        )
        result.peak_search_bytes = max(result.peak_search_bytes, memory.peak_bytes())
        same = [run.neighbors for run in result.runs if np.array_equal(run.neighbors, neighbors)]
        answer = same[0] if same else neighbors  # kept once
        result.runs.append(Run(answer, select_seconds, search_seconds, latencies, distances))
        if not same:
            self.recalls[setting] = self.recall(setting.workload, neighbors)
        return {"recall": self.recalls[setting], "qps": len(queries) / (select_seconds + search_seconds)}

    def recall(self, name: str, neighbors: np.ndarray) -> float | None:
        """None where no query has matches."""
        workload, filters = self.workloads[name]
        vectors, queries = self.items.vectors, self.queries
        found = judged(neighbors, workload, filters, self.metric, vectors, queries).mean_recall
        return None if math.isnan(found) else found


def _leave(number: int, frame: object) -> NoReturn:
    """What a signal that asks the worker to end does: the algorithm is closed on the way."""
    sys.exit(128 + number)


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong; a plugin's broken promise speaks for itself."""
    text = one_line(error)
    if len(text) > _LONGEST_REASON:
        text = f"{text[:_LONGEST_REASON]} ..."
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read_through(vectors: np.ndarray) -> None:
    """Bring a memory-mapped file into the page cache, so that no build is charged for the disk."""
    rows = max(1, (64 << 20) // vectors[0].nbytes)
    for first in range(0, len(vectors), rows):
        vectors[first : first + rows].max()


if __name__ == "__main__":
    main()

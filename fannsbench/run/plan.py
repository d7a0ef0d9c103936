"""From a user's request to jobs: which algorithms fit which workloads, with which settings, and what of
that has been measured already."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fannsbench import machine, registry
from fannsbench.algorithm import Algorithm
from fannsbench.dataset import UNFILTERED, Dataset, Workload
from fannsbench.errors import DatasetError, PluginError, UnknownNameError, UserError, one_line
from fannsbench.parameters import Declaration, Parameter, Settings, Value
from fannsbench.registry import Plugin
from fannsbench.results import store
from fannsbench.run.job import Job, Setting

BASIC_WORKLOADS = (UNFILTERED, "em", "r", "emis")
"""What a run measures when no workload is named: unfiltered and the three basic filter types."""
MODE = "batch"


@dataclass(frozen=True)
class Request:
    """What `fannsbench run` was asked for."""

    algorithms: list[str]
    dataset: Path
    results: Path
    workloads: list[str] = field(default_factory=list)
    k: int = 10
    runs: int = 5
    threads: int = 1
    build_threads: int = 0
    """0: every usable core."""
    fixed: dict[str, str] = field(default_factory=dict)
    sweeps: dict[str, list[str]] = field(default_factory=dict)
    preset: str | None = None
    queries: int | None = None
    retry: Literal["failed", "all"] | None = None
    seed: int = 0
    machine: str | None = None


@dataclass(frozen=True)
class Plan:
    """Jobs to run, what was left out and why, and every setting that the request covers."""

    jobs: list[Job]
    skipped: list[str]
    settings: list[Setting]
    stored: int
    """Settings whose results are there already and are kept."""


def make(request: Request) -> Plan:
    """Raises UserError on names, values or sizes that cannot be."""
    with Dataset.open(request.dataset) as dataset:
        return _Planner(request, dataset).plan()


class _Planner:
    def __init__(self, request: Request, dataset: Dataset) -> None:
        self.request = request
        self.dataset = dataset
        self.checksum = dataset.checksum
        self.skipped: list[str] = []
        self.machine = request.machine or machine.name()
        self.queries = min(request.queries or dataset.num_queries, dataset.num_queries)
        cores = len(machine.usable_cores())
        self.build_threads = request.build_threads or cores
        for option, count in (("--threads", request.threads), ("--build-threads", self.build_threads)):
            if count > cores:
                raise UserError(
                    f"{option} {count}: this process may use {cores} cores; ask for {cores} or fewer"
                )

    def plan(self) -> Plan:
        workloads = [self.workload(name) for name in self.workload_names()]
        plugins = self.plugins()
        self.check_names(plugins)
        jobs: list[Job] = []
        for plugin in plugins:
            jobs += self.jobs(plugin, workloads)
        settings = [setting for job in jobs for setting in job.settings]
        missing = [job.only([s for s in job.settings if self.is_missing(s)]) for job in jobs]
        missing = [job for job in missing if job.settings]
        if not settings:
            raise UserError("nothing to run: " + "; ".join(self.skipped))
        stored = len(settings) - sum(len(job.settings) for job in missing)
        return Plan(missing, self.skipped, settings, stored)

    def workload_names(self) -> list[str]:
        known = self.dataset.workload_names
        basic = [name for name in BASIC_WORKLOADS if name in known]
        if "all" in self.request.workloads:
            return known
        return list(dict.fromkeys(self.request.workloads)) or (basic if len(basic) > 1 else known)

    def workload(self, name: str) -> Workload:
        workload = self.dataset.workload(name)
        if self.request.k > workload.depth:
            raise DatasetError(
                f"-k {self.request.k}: the truth of {self.dataset.name}, workload {name}, holds "
                f"{workload.depth} neighbours a query; ask for {workload.depth} or fewer"
            )
        workload.bind(self.dataset.attributes)  # a filter that does not fit is found before anything runs
        return workload

    def plugins(self) -> list[Plugin]:
        if "all" not in self.request.algorithms:
            plugins = [registry.find(name) for name in dict.fromkeys(self.request.algorithms)]
            for plugin in plugins:
                if problem := plugin.problem():
                    raise PluginError(problem)
            return plugins
        usable = []
        for plugin in registry.plugins().values():
            if problem := plugin.problem():
                self.skipped.append(f"{plugin.name}: {problem}")
            else:
                usable.append(plugin)
        return usable

    def check_names(self, plugins: list[Plugin]) -> None:
        """Every parameter and preset that was named exists in at least one of the algorithms."""
        declarations = [plugin.declaration for plugin in plugins]
        known = {name for d in declarations for name in (*d.build, *d.search)}
        for name in (*self.request.fixed, *self.request.sweeps):
            if name not in known:
                raise UnknownNameError("parameter", name, known)
        presets = {name for d in declarations for name in d.presets}
        if self.request.preset and self.request.preset not in presets:
            raise UnknownNameError("preset", self.request.preset, presets)

    def jobs(self, plugin: Plugin, workloads: list[Workload]) -> list[Job]:
        algorithm, declaration = plugin.load(), plugin.declaration
        jobs = []
        for build in self.combinations(declaration, declaration.build):
            fitting = self.fitting(plugin.name, algorithm, build, workloads)
            groups = (
                [[w] for w in fitting] if algorithm.builds_on_attributes else [fitting] if fitting else []
            )
            jobs += [self.job(plugin, build, group) for group in groups]
        return jobs

    def fitting(
        self, name: str, algorithm: type[Algorithm], build: Settings, workloads: list[Workload]
    ) -> list[Workload]:
        """The workloads that the algorithm serves, built so."""
        served: Algorithm | type[Algorithm] = algorithm
        with contextlib.suppress(Exception):  # raised again in its worker, and stored as its failure
            served = algorithm(self.dataset.metric, self.request.seed, **build)
        fitting = []
        for workload in workloads:
            reason = self.misfit(served, workload)
            if reason is None:
                fitting.append(workload)
            elif (told := f"{name}, {workload.name}: {reason}") not in self.skipped:
                self.skipped.append(told)
        return fitting

    def misfit(self, algorithm: Algorithm | type[Algorithm], workload: Workload) -> str | None:
        """Why the algorithm cannot serve the workload."""
        if self.dataset.metric not in algorithm.metrics:
            return f"it knows no {self.dataset.metric} distance"
        if workload.kind and workload.kind not in algorithm.filters:
            serves = ", ".join(sorted(algorithm.filters)) or "unfiltered search only"
            return f"it does not serve {workload.kind} filters (it serves {serves})"
        try:
            return algorithm.skip(self.dataset, workload)
        except Exception as error:
            return f"its skip() raised {type(error).__name__}: {one_line(error)}"

    def job(self, plugin: Plugin, build: Settings, workloads: list[Workload]) -> Job:
        declaration = plugin.declaration
        searches = self.combinations(declaration, declaration.search)
        # Of each workload some settings are measured before any takes long.
        settings = [self.setting(plugin, build, w, search) for search in searches for w in workloads]
        return Job(
            algorithm=plugin.name,
            package=plugin.package,
            folder=plugin.folder,
            interpreter=plugin.interpreter,
            libraries=plugin.library_versions(),
            dataset=self.dataset.path.resolve(),
            build=build,
            settings=tuple(settings),
            k=self.request.k,
            queries=self.queries,
            runs=self.request.runs,
            threads=self.request.threads,
            build_threads=self.build_threads,
            seed=self.request.seed,
            machine=self.machine,
        )

    def setting(self, plugin: Plugin, build: Settings, workload: Workload, search: Settings) -> Setting:
        identity = {
            "schema": store.SCHEMA,
            "dataset": self.dataset.name,
            "checksum": self.checksum,
            "workload": workload.name,
            "queries": self.queries,
            "k": self.request.k,
            "algorithm": plugin.name,
            "source": plugin.source_hash,
            "libraries": plugin.library_versions(),
            "build": build,
            "search": search,
            "threads": self.request.threads,
            "build_threads": self.build_threads,
            "mode": MODE,
            "seed": self.request.seed,
        }
        output = store.path_of(self.request.results.resolve(), self.machine, self.dataset.name, identity)
        found = store.version(output)
        return Setting(workload=workload.name, search=search, identity=identity, output=output, found=found)

    def combinations(self, declaration: Declaration, declared: dict[str, Parameter]) -> list[Settings]:
        """Every combination of the values asked for; what was not asked for is swept or at its default."""
        preset = declaration.presets.get(self.request.preset or "", {})
        values = [self.values(name, parameter, preset) for name, parameter in declared.items()]
        return [dict(zip(declared, combination, strict=True)) for combination in itertools.product(*values)]

    def values(self, name: str, parameter: Parameter, preset: Settings) -> list[Value]:
        if name in self.request.sweeps:
            return list(dict.fromkeys(parameter.read(name, text) for text in self.request.sweeps[name]))
        if name in self.request.fixed:
            return [parameter.read(name, self.request.fixed[name])]
        if name in preset:
            return [parameter.check(name, preset[name])]
        return parameter.values if parameter.sweep else [parameter.default]

    def is_missing(self, setting: Setting) -> bool:
        status, runs = store.stored(setting.output)
        if self.request.retry == "all" or not status:
            return True
        if status == "failed":
            return self.request.retry == "failed"
        return runs < self.request.runs

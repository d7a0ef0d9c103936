"""The checks themselves: each takes one property of the contract and says what it saw."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from fannsbench import machine
from fannsbench.algorithm import Algorithm
from fannsbench.dataset import UNFILTERED
from fannsbench.errors import PluginError, UserError, one_line
from fannsbench.filters import FilterKind
from fannsbench.metric import Metric
from fannsbench.parameters import Parameter, Settings, Value, defaults
from fannsbench.registry import Plugin
from fannsbench.run import threads, timing
from fannsbench.run.executor import CLOSE_SECONDS
from fannsbench.testing.world import EVERYTHING, KINDS, NOTHING, NUM_ITEMS, Task, World

OK, FAILED, NOT_APPLICABLE = "ok", "FAILED", "not applicable"
K = 10
LOWEST_RECALL = 0.7
"""At the most thorough setting that a plugin declares, on data this small; chance is far below."""
IN_ORDER = 0.75
"""Share of neighbours that are no nearer than the one before: a method may rank by estimates."""
OTHER_THREADS = 0.2
"""Share of the processor time that may be spent outside the busiest thread."""
BUSY_SECONDS = 0.25


@dataclass(frozen=True)
class Finding:
    """What one check saw; `outcome` is OK, FAILED or NOT_APPLICABLE."""

    check: str
    outcome: str
    detail: str = ""


class _NotApplicableError(Exception):
    """The check has nothing to look at in this plugin."""


def run(
    plugin: Plugin, known: Collection[str] = (), begin: Callable[[str], object] = str
) -> Iterator[Finding]:
    """Make every check whose name is not known yet, in this process; `begin` is told the name of each before
    it is made. Raises PluginError if the plugin cannot even be loaded."""
    algorithm_class = plugin.load()
    with tempfile.TemporaryDirectory(prefix="fannsbench-check-") as folder, ExitStack() as opened:
        suite = _Suite(plugin, algorithm_class, Path(folder), opened)
        for name, body in suite.checks():
            if name not in known:
                begin(name)
                yield _finding(name, body)


def _finding(name: str, body: Callable[[], str]) -> Finding:
    try:
        return Finding(name, OK, body())
    except _NotApplicableError as reason:
        return Finding(name, NOT_APPLICABLE, str(reason))
    except Exception as error:  # whatever a plugin raises is a finding
        kind = "" if isinstance(error, AssertionError | PluginError) else f"{type(error).__name__}: "
        return Finding(name, FAILED, kind + one_line(error))


class _Suite:
    def __init__(
        self, plugin: Plugin, algorithm_class: type[Algorithm], folder: Path, opened: ExitStack
    ) -> None:
        self.plugin = plugin
        self.declaration = plugin.declaration
        self.algorithm_class = algorithm_class
        self.folder = folder
        self.opened = opened
        self.worlds: dict[tuple[Metric, int, int], World] = {}
        self.shared: dict[World, Algorithm] = {}
        self.metric = sorted(algorithm_class.metrics)[0]
        self.made: list[Algorithm] = []
        opened.callback(self.close_all)

    @cached_property
    def filters(self) -> frozenset[FilterKind]:
        """What the plugin serves by its defaults."""
        return frozenset(self.plugin.create(self.metric).filters)

    def close_all(self) -> None:
        for algorithm in self.made:
            with suppress(Exception):  # a finding of the check `close`
                algorithm.close()

    def checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "skip", self.skip
        yield "what it serves", self.what_it_serves
        for name in (UNFILTERED, *KINDS):
            label = "unfiltered" if name == UNFILTERED else f"filter {name.upper()}"
            yield f"answers, {label}", partial(self.answers, name)
        for metric in sorted(self.algorithm_class.metrics - {self.metric}):
            yield f"answers, {metric} distance", partial(self.answers, metric=metric)
        yield "no item matches", partial(self.answers, *NOTHING)
        yield "every item matches", partial(self.answers, *EVERYTHING)
        yield "single queries", self.single_queries
        yield "k above the number of items", partial(self.answers, n=K - 3)
        yield "one item", partial(self.answers, n=1)
        yield "duplicates among the items", partial(self.answers, n=300, distinct=30)
        yield "same seed, same answers", self.determinism
        yield "save and load", self.save_and_load
        yield "threads", self.threads_obeyed
        yield "declared parameters", self.declared_parameters
        yield "bad parameters", self.bad_parameters
        yield "counters", self.counters
        yield "progress", self.progress
        yield "close", self.close

    def skip(self) -> str:
        reasons = {name: self.skipped(self.world(), name) for name in self.world().tasks}
        assert all(reason is None or reason for reason in reasons.values()), "a reason must be a text or None"
        assert self.served(self.world()), f"no workload is served: {next(iter(reasons.values()))}"
        return f"{sum(reason is None for reason in reasons.values())} of {len(reasons)} workloads are served"

    def what_it_serves(self) -> str:
        """Instances are made without being built, whatever their parameters."""
        most, fewer = self.algorithm_class.filters, 0
        for settings in _one_by_one(self.declaration.build):
            serves = most
            with suppress(Exception):  # a finding of the check of parameters
                serves = frozenset(self.new(self.world(), **settings).filters)
            more = sorted(serves - most)
            assert not more, f"with {settings} it claims {more[0]}, which its class does not"
            fewer += serves != most
        return ", ".join(sorted(most)) + (f"; fewer with {fewer} values" if fewer else "")

    def answers(self, *names: str, **data: Any) -> str:
        """To those of the workloads, or of all, that the plugin serves, on some `world`."""
        world = self.world(**data)
        names = names or tuple(world.tasks)
        served = [name for name in names if name in self.served(world)]
        if not served:
            raise _NotApplicableError(self.skipped(world, names[0]) or "")
        recalls = []
        for name in served:
            if self.algorithm_class.builds_on_attributes or world not in self.shared:
                self.shared[world] = self.built(world, name)
            task = world.tasks[name]
            recalls.append(self.judge(self.shared[world], task))
        return f"recall {min(recalls):.3f}"

    def single_queries(self) -> str:
        algorithm, task = self.example()
        algorithm.configure(**self.thorough())
        rows = [_search(algorithm, task, np.array([j])) for j in range(len(task.queries))]
        return f"recall {self.judge(algorithm, task, np.concatenate(rows)):.3f}"

    def determinism(self) -> str:
        algorithm, task = self.example()
        first = self.ask(algorithm, task)
        other, _ = self.example()
        for what, again in (("asked twice", algorithm), ("built twice with one seed on one thread", other)):
            differing = _differing(first, self.ask(again, task))
            assert not differing, f"{what}, it answers {differing} of {len(first)} queries differently"
        return "asked twice, built twice"

    def save_and_load(self) -> str:
        saved, task = self.example()
        before = self.ask(saved, task)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        saved.save(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert size, "save wrote nothing"
        loaded = self.new(self.world())
        self.made.append(loaded)
        loaded.warm_up()
        loaded.load(folder, task.items)
        differing = _differing(before, self.ask(loaded, task))
        assert not differing, f"the loaded index answers {differing} of {len(before)} queries differently"
        shutil.rmtree(folder)  # as the harness does
        differing = _differing(before, self.ask(saved, task))
        assert not differing, f"without the saved files the index answers {differing} queries differently"
        return f"{size:,} bytes"

    def threads_obeyed(self) -> str:
        if not threads.processor_ticks():
            raise _NotApplicableError("this system does not tell the processor times of threads")
        algorithm, task = self.example()
        many = np.repeat(np.arange(len(task.queries)), 50)
        cores = machine.usable_cores()
        algorithm.configure(**self.thorough())

        def search_for_a_while() -> None:
            began = time.monotonic()
            while time.monotonic() - began < BUSY_SECONDS:
                _search(algorithm, task, many)

        with threads.limited(1):
            _search(algorithm, task, many)  # what is compiled or started once is no matter
            before = threads.processor_ticks()
            search_for_a_while()
            ticks = [n - before.get(name, 0) for name, n in threads.processor_ticks().items()]
            with threads.Watch(cores) as watch:
                search_for_a_while()
        others = 1 - max(ticks) / sum(ticks) if any(ticks) else 0.0
        assert watch.most <= 1, f"{watch.most} threads ran at once in a search on one thread"
        assert others < OTHER_THREADS, f"{others:.0%} of a search on one thread was spent on others"
        with threads.limited(2):
            algorithm.threads = min(2, len(cores))
            self.judge(algorithm, task)
        return "a search on one thread uses one"

    def declared_parameters(self) -> str:
        algorithm, task = self.example()
        tried = 0
        for settings in _one_by_one(self.declaration.build):
            other = self.built(self.world(), task.workload.name, **settings)
            if task.workload.kind is None or task.workload.kind in other.filters:
                self.judge(other, task, lowest=0)
            tried += 1
        for settings in _one_by_one(self.declaration.search):
            self.judge(algorithm, task, self.ask(algorithm, task, **settings), lowest=0)
            tried += 1
        return f"{tried} values of {len(self.declaration.build) + len(self.declaration.search)} parameter(s)"

    def bad_parameters(self) -> str:
        unknown = {"no_such_parameter_": 1}
        algorithm, _ = self.example()
        search = defaults(self.declaration.search) | unknown
        assert _refuses(self.new, self.world(), **unknown), "__init__ takes a parameter that does not exist"
        assert _refuses(algorithm.configure, **search), "configure takes a parameter that does not exist"
        for name, parameter in {**self.declaration.build, **self.declaration.search}.items():
            for value in _beyond(parameter):
                assert _refuses(parameter.check, name, value), f"{name}={value!r} is let through"
        return "refused"

    def counters(self) -> str:
        algorithm, task = self.example()
        self.ask(algorithm, task)
        counters = algorithm.counters()
        wrong = {name: value for name, value in counters.items() if not (np.isfinite(value) and value >= 0)}
        assert not wrong, f"counters are numbers from 0 up, not {wrong}"
        algorithm.configure(**self.thorough())
        kept = {name: value for name, value in algorithm.counters().items() if value}
        assert not kept, f"counters begin anew with configure; these do not: {kept}"
        return ", ".join(f"{name} {value:,.0f}" for name, value in counters.items()) or "none"

    def progress(self) -> str:
        world = self.world()
        told: list[tuple[int, int]] = []
        algorithm = self.new(world)
        self.made.append(algorithm)
        algorithm.warm_up()
        algorithm.progress = lambda done, total: told.append((done, total))
        algorithm.build(world.tasks[self.example_name(world)].items, 1)
        for done, total in told:
            assert isinstance(done, int | np.integer), f"progress is told by integers, not by {done!r}"
            assert 0 <= done <= total, f"progress says {done} of {total}"
        steps = [done / total for done, total in told if total]
        assert steps == sorted(steps), "progress goes back"
        assert not told or told[-1][0] == told[-1][1], f"a build ends at {told[-1][0]} of {told[-1][1]}"
        return f"told {len(told)} times"

    def close(self) -> str:
        self.new(self.world()).close()
        others = _children()
        algorithm, task = self.example()
        self.ask(algorithm, task)
        began = time.monotonic()
        algorithm.close()
        algorithm.close()
        seconds = time.monotonic() - began
        assert seconds <= CLOSE_SECONDS, f"close took {seconds:.0f} s; it has {CLOSE_SECONDS:g} s"
        left = _children() - others
        assert not left, f"close leaves a process: {_command(min(left))}"
        return "before a build, after a search, and twice"

    def judge(
        self,
        algorithm: Algorithm,
        task: Task,
        found: np.ndarray | None = None,
        lowest: float = LOWEST_RECALL,
    ) -> float:
        """The recall of what was found, or is now, if all that a plugin promises is kept."""
        found = self.ask(algorithm, task) if found is None else found
        found = timing.as_ids(found, task.distances.shape[1])
        name, pairs, in_order = task.workload.name, 0, 0
        for j, row in enumerate(found):
            ids = row[row >= 0]
            assert (row[: len(ids)] >= 0).all(), f"{name}, query {j}: -1 stands before an id; it pads the end"
            assert len(np.unique(ids)) == len(ids), f"{name}, query {j}: an id is repeated"
            wrong = ids[~task.matching[j, ids]]
            if algorithm.exact_filter and len(wrong):
                raise AssertionError(f"{name}, query {j}: item {wrong[0]} does not match the filter")
            steps = np.diff(task.distances[j, ids])
            pairs, in_order = pairs + len(steps), in_order + int((steps > -1e-5).sum())
        recall = task.recall(found)
        assert recall >= lowest, f"{name}: recall {recall:.3f}, expected {lowest} at {self.thorough()}"
        assert not lowest or in_order >= IN_ORDER * pairs, f"{name}: neighbours do not come nearest first"
        return recall

    def ask(self, algorithm: Algorithm, task: Task, **search: object) -> np.ndarray:
        algorithm.configure(**{**self.thorough(), **search})
        return _search(algorithm, task, np.arange(len(task.queries)))

    def example(self) -> tuple[Algorithm, Task]:
        """A new build for some workload that the plugin serves, filtered if it serves one."""
        world = self.world()
        name = self.example_name(world)
        return self.built(world, name), world.tasks[name]

    def example_name(self, world: World) -> str:
        names = self.served(world)
        if not names:
            raise _NotApplicableError("it serves no workload")
        return next((name for name in reversed(KINDS) if name in names), names[0])

    def built(self, world: World, name: str, **build: Value) -> Algorithm:
        algorithm = self.new(world, **build)
        algorithm.warm_up()
        self.made.append(algorithm)
        algorithm.build(world.tasks[name].items, 1)
        return algorithm

    def new(self, world: World, **build: Value) -> Algorithm:
        return self.plugin.create(world.dataset.metric, 0, **build)

    def served(self, world: World) -> list[str]:
        return [name for name in world.tasks if self.skipped(world, name) is None]

    def skipped(self, world: World, name: str) -> str | None:
        """Why the plugin does not serve the workload."""
        workload = world.tasks[name].workload
        if workload.kind and workload.kind not in self.filters:
            return f"it does not claim {workload.kind}"
        return self.algorithm_class.skip(world.dataset, workload)

    def thorough(self) -> Settings:
        """The last of the values of what is swept, the defaults of the rest."""
        search = self.declaration.search
        return {name: p.values[-1] if p.sweep else p.default for name, p in search.items()}

    def world(self, metric: Metric | None = None, n: int = NUM_ITEMS, distinct: int | None = None) -> World:
        key = metric or self.metric, n, distinct or n
        if key not in self.worlds:
            self.worlds[key] = World.make(self.folder, *key)
            self.opened.enter_context(self.worlds[key].dataset)
        return self.worlds[key]


def _search(algorithm: Algorithm, task: Task, which: np.ndarray) -> np.ndarray:
    """The answers to some of the queries in one batch."""
    queries, selection = task.queries[which], None
    if task.filters is not None:
        selection = algorithm.select(task.filters[which])
    found = timing.scorable(algorithm.search(queries, K, selection), len(which), K)
    assert found.dtype == np.int32, f"ids are {found.dtype}; they must be int32"
    assert np.array_equal(queries, task.queries[which]), "search writes into the queries"
    return found


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _command(pid: int) -> str:
    return " ".join(psutil.Process(pid).cmdline()) or f"process {pid}"


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    return int((one != other).any(axis=1).sum())


def _one_by_one(declared: dict[str, Parameter]) -> Iterator[Settings]:
    """Every value of every parameter, the others being left alone."""
    for name, parameter in declared.items():
        for value in parameter.values:
            yield {name: value}


def _beyond(parameter: Parameter) -> Iterator[object]:
    """Values of a wrong type or out of range."""
    yield None
    if parameter.type != "str":
        yield "text"
    if parameter.minimum is not None:
        yield type(parameter.default)(parameter.minimum - 1)
    if parameter.maximum is not None:
        yield type(parameter.default)(parameter.maximum + 1)


def _refuses(call: Callable[..., object], *arguments: object, **keywords: object) -> bool:
    try:
        call(*arguments, **keywords)
    except (TypeError, ValueError, UserError):
        return True
    return False

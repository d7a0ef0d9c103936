"""A run while it goes on: how far it is and what it has measured so far; plain lines where there is no
terminal."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import monotonic
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from fannsbench.results import pareto
from fannsbench.results.summary import RECALLS, number
from fannsbench.run.job import Job, Setting

_LOOKS_PER_SECOND = 2
"""How often the terminal is written to: seldom, as the other core is measuring."""
_ROWS = 12
"""Of the table; the last ones."""


class RunProgress:
    """One bar over all repetitions of all search settings, and a line for each build; above the bar a table
    of QPS at given recalls, from the medians so far."""

    def __init__(self, jobs: list[Job]) -> None:
        self.console = Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self.console,
        )  # fmt: skip
        self.bar = self.bars.add_task("", total=sum(len(job.settings) * job.runs for job in jobs))
        self.done: dict[Setting, int] = {}
        """Repetitions; fewer than before after a crash, which costs the other settings theirs."""
        self.figures: dict[tuple[str, str], dict[Setting, _Figures]] = defaultdict(dict)
        """By the label of the job and the workload."""
        self.began = 0.0
        self.live = Live(
            get_renderable=self.render, console=self.console, refresh_per_second=_LOOKS_PER_SECOND,
            transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """While something else writes to the terminal."""
        shown = self.live.is_started
        self.live.stop()
        yield
        if shown:
            self.live.start()

    def render(self) -> Group:
        return Group(*([self.table()] if self.figures else []), self.bars)

    def table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in ("algorithm", "workload"):
            table.add_column(heading)
        for heading in (*(f"QPS at {recall:g}" for recall in RECALLS), "best recall", "settings"):
            table.add_column(heading, justify="right")
        for (label, workload), of_setting in list(self.figures.items())[-_ROWS:]:
            judged = [(f.recall, median(f.qps)) for f in of_setting.values() if f.recall is not None]
            recalls, qps = [recall for recall, _ in judged], [qps for _, qps in judged]
            table.add_row(
                escape(label),
                escape(workload),
                *(number(pareto.at_recall(recalls, qps, recall)) for recall in RECALLS),
                f"{max(recalls):.4f}" if recalls else "-",
                str(len(of_setting)),
            )
        return table

    def observe(self, job: Job, event: dict[str, Any]) -> None:
        """An `executor.Observer`."""
        match event["event"]:
            case "waiting":
                self.describe("waiting")
                self.line(f"another run ({event['owner']}) measures on this machine; waiting")
            case "compiling":
                self.describe(f"compiling {job.algorithm} (once)")
                self.live.refresh()
            case "building":
                self.began = monotonic()
                self.describe(f"building {job.label}")
            case "progress":
                share = event["done"] / max(1, event["total"])
                left = (monotonic() - self.began) * (1 - share) / share if share else math.nan
                self.describe(f"building {job.label}: {100 * share:.0f} %, {_clock(left)} left")
            case "built":
                self.line(f"built {job.label} in {event['build_s']:.2f} s")
            case "measuring":
                setting, run = event["setting"], event["run"]
                self.describe(f"{job.algorithm} {setting.label}, repetition {run + 1} of {job.runs}")
            case "measured":
                setting = event["setting"]
                figures = self.figures[job.label, setting.workload].setdefault(setting, _Figures())
                figures.take(event["recall"], event["qps"])
                self.advance(setting, event["run"] + 1)
            case "stored":
                self.advance(event["setting"], job.runs)
                self.line(f"stored by another run: {job.label} {event['setting'].label}")
            case "failed":
                self.advance(event["setting"], job.runs)
                self.line(f"failed: {job.label} {event['setting'].label}: {event['reason']}")
            case "unclosed":
                self.line(f"warning: {job.algorithm}: close() {event['reason']}; the rest was ended by force")

    def line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def describe(self, text: str) -> None:
        self.bars.update(self.bar, description=escape(text))

    def advance(self, setting: Setting, repetitions: int) -> None:
        self.done[setting] = repetitions
        self.bars.update(self.bar, completed=sum(self.done.values()))


class _Figures:
    """What has been measured of one setting."""

    def __init__(self) -> None:
        self.recall: float | None = None
        self.qps: list[float] = []

    def take(self, recall: float | None, qps: float) -> None:
        self.recall = recall
        self.qps.append(qps)


def _clock(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"

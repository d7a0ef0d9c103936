"""The progress of a run on the terminal; plain lines where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fannsbench.run.job import Job, Setting


class RunProgress:
    """One bar over all repetitions of all search settings, and a line for each build."""

    def __init__(self, jobs: list[Job]) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        )  # fmt: skip
        self.bar = self.progress.add_task("", total=sum(len(job.settings) * job.runs for job in jobs))
        self.done: dict[Setting, int] = {}
        """Repetitions; fewer than before after a crash, which costs the other settings theirs."""

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def observe(self, job: Job, event: dict[str, Any]) -> None:
        """An `executor.Observer`."""
        match event["event"]:
            case "waiting":
                self.describe("waiting")
                self.line(f"another run ({event['owner']}) measures on this machine; waiting")
            case "building":
                self.describe(f"building {job.label}")
            case "built":
                self.line(f"built {job.label} in {event['build_s']:.2f} s")
            case "measuring":
                setting, run = event["setting"], event["run"]
                self.describe(f"{job.algorithm} {setting.label}, repetition {run + 1} of {job.runs}")
            case "measured":
                self.advance(event["setting"], event["run"] + 1)
            case "stored":
                self.advance(event["setting"], job.runs)
                self.line(f"stored by another run: {job.label} {event['setting'].label}")
            case "failed":
                self.advance(event["setting"], job.runs)
                self.line(f"failed: {job.label} {event['setting'].label}: {event['reason']}")

    def line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def describe(self, text: str) -> None:
        self.progress.update(self.bar, description=escape(text))

    def advance(self, setting: Setting, repetitions: int) -> None:
        self.done[setting] = repetitions
        self.progress.update(self.bar, completed=sum(self.done.values()))

"""The progress of a run on the terminal; plain lines where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fannsbench.run.job import Job


class RunProgress:
    """One bar over all repetitions of all search settings, and a line for each build."""

    def __init__(self, jobs: list[Job]) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=self.console, transient=True,
        )  # fmt: skip
        self.bar = self.progress.add_task("", total=sum(len(job.settings) * job.runs for job in jobs))

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
                self.console.print(f"another run ({event['owner']}) measures on this machine; waiting")
            case "building":
                self.progress.update(self.bar, description=f"building {job.label}")
            case "built":
                self.console.print(f"built {job.label} in {event['build_s']:.2f} s", highlight=False)
            case "measuring":
                setting, run = event["setting"], event["run"]
                text = f"{job.algorithm} {setting.label}, repetition {run + 1} of {job.runs}"
                self.progress.update(self.bar, description=text)
            case "measured":
                self.progress.advance(self.bar)
            case "failed":
                self.progress.advance(self.bar, job.runs)
                self.console.print(f"failed: {job.label} {event['setting'].label}: {event['reason']}",
                                   highlight=False)  # fmt: skip

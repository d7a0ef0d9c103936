"""What a run has come to, so far or in the end: a table for each workload, the plot, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

    from fannsbench.run.job import Job, Setting

_DRAWING_SHARE = 0.1
"""Of the time since the last picture: no more is spent on the next one while a run goes on."""


class Outcome:
    """Shows stored results of some settings; their tables on standard error where that of JSON is wanted."""

    def __init__(self, settings: list[Setting], results: Path, as_json: bool) -> None:
        self.settings = settings
        self.results = results
        self.as_json = as_json
        self._shown: set[Setting] = set()
        self._drawn = self._drawing = 0.0

    def show_so_far(self, job: Job) -> None:
        """The first time the tables of the job, later the picture again if that takes next to no time."""
        first = not self._shown.issuperset(job.settings)
        if not first and self._drawing > _DRAWING_SHARE * (monotonic() - self._drawn):
            return
        self._shown.update(job.settings)
        began = monotonic()
        rows = self._rows()
        if first:
            click.echo(f"{job.label}, so far:", err=self.as_json)
            of_job = rows[rows.path.isin(self._paths(job.settings))]
            self._print_tables(of_job, [w for w in job.workloads if (of_job.workload == w).any()])
        drawn = self._draw(rows)
        if drawn and first:
            click.echo(f"plot so far: {drawn}\n", err=self.as_json)
        self._drawn, self._drawing = monotonic(), monotonic() - began

    def finish(self) -> bool:
        """All tables, every failure and broken promise in a line, and the picture. Did everything go well?"""
        rows = self._rows()
        self._print_tables(rows, dict.fromkeys(setting.workload for setting in self.settings))
        _warn(rows)
        if self.as_json:
            click.echo(rows.to_json(orient="records", indent=1))
        if drawn := self._draw(rows):
            click.echo(f"plot: {drawn}", err=self.as_json)
        return not (rows.status == "failed").any()

    def _rows(self) -> pd.DataFrame:
        from fannsbench.results import table

        rows = table.load(self.results)
        return rows[rows.path.isin(self._paths(self.settings))]

    def _paths(self, settings: Iterable[Setting]) -> set[str]:
        """As the table spells them."""
        root = self.results.resolve()
        return {str(self.results / setting.output.relative_to(root)) for setting in settings}

    def _print_tables(self, rows: pd.DataFrame, workloads: Iterable[str]) -> None:
        from rich.console import Console

        from fannsbench.results import summary

        console = Console(stderr=self.as_json)
        summaries = summary.summarise(rows)
        for workload in workloads:
            console.print(summary.as_table(summaries, workload))
        console.print("QPS at a recall: median of the repetitions, interpolated along the Pareto front\n")

    def _draw(self, rows: pd.DataFrame) -> Path | None:
        """The picture; None where nothing was measured."""
        from fannsbench import plot

        if not (rows.status == "ok").any():
            return None
        return plot.draw(rows, self.results / "plots" / f"{rows.dataset.iloc[0]}-pareto.png")


def _warn(rows: pd.DataFrame) -> None:
    for row in rows[rows.status == "failed"].itertuples():
        click.echo(f"failed: {row.algorithm} {row.build} {row.workload} {row.search}: {row.reason}", err=True)
    for row in rows[rows.status == "ok"].itertuples():
        for count, what in ((row.duplicates, "repeated ids"), (row.violations, "items that do not match")):
            if count and count > 0:
                where = f"{row.algorithm} {row.workload} {row.search}"
                click.echo(f"warning: {where}: {count:.0f} {what}, counted as misses", err=True)

"""`fannsbench run`: measure algorithms and store the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench.cli.options import RESULTS, Names
from fannsbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from fannsbench.run.plan import Plan


class _Assignment(click.ParamType):  # type: ignore[type-arg]
    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        if not (name.strip() and equals and text.strip()):
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        return name.strip(), text.strip()


@click.command()
@click.option(
    "--algo", "algorithms", type=Names("algorithm"), required=True,
    help="Algorithms, or `all` that are installed and fit.",
)  # fmt: skip
@click.option(
    "--dataset", "dataset", default="wordnet-10k", show_default=True, metavar="NAME|PATH",
    type=Names("dataset", several=False),
    help="Data set.",
)  # fmt: skip
@click.option(
    "--workload", "workloads", type=Names("workload"),
    help="Workloads, or `all`.  [default: none, em, r and emis where the data set has them, else all]",
)  # fmt: skip
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="Neighbours a query.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Repetitions.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of a search.")
@click.option("--build-threads", type=click.IntRange(1), help="Threads of a build.  [default: all cores]")
@click.option("--set", "fixed", type=_Assignment(), multiple=True, help="Fix a parameter: M=16.")
@click.option("--sweep", "sweeps", type=_Assignment(), multiple=True, help="Sweep one: ef=10,20,40.")
@click.option("--preset", help="A named setting of `fannsbench algorithms show`.")
@click.option("--queries", type=click.IntRange(1), help="Only the first N queries.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Seconds for one build, or one repetition.",
)
@click.option(
    "--memory-limit", type=click.FloatRange(0, min_open=True), metavar="GB",
    help="For a worker.  [default: 90 % of memory]",
)  # fmt: skip
@RESULTS
@click.option("--retry", type=click.Choice(["failed", "all"]), help="Measure these again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every build.")
@click.option("--machine", help="Name of this machine in the results.  [default: made from its parts]")
@click.option("--json", "as_json", is_flag=True, help="Print the run's results as JSON records.")
def run(
    algorithms: list[str],
    dataset: str,
    workloads: list[str] | None,
    fixed: tuple[tuple[str, str], ...],
    sweeps: tuple[tuple[str, str], ...],
    timeout: float | None,
    memory_limit: float | None,
    results: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure algorithms and store the results.

    Every build runs in a process of its own. What is stored already is not measured again; a run that was
    interrupted goes on where it was when the same command is given. Ends with a table for each workload
    and the name of the plot.
    """
    from fannsbench.dataset import find
    from fannsbench.run import executor, plan

    names = [name for name, _ in (*fixed, *sweeps)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name} is given {names.count(name)} times; give it one --set or one --sweep")
    options["build_threads"] = options["build_threads"] or 0
    request = plan.Request(
        algorithms=algorithms,
        dataset=find(dataset),
        workloads=workloads or [],
        fixed=dict(fixed),
        sweeps={name: text.split(",") for name, text in sweeps},
        results=results,
        **options,
    )
    planned = plan.make(request)
    for reason in planned.skipped:
        click.echo(f"skipped: {reason}", err=True)
    if planned.stored:
        click.echo(f"{planned.stored} of {len(planned.settings)} results are stored already", err=True)
    limits = executor.Limits(seconds=timeout)
    if memory_limit is not None:
        limits = executor.Limits(timeout, int(memory_limit * 1e9))
    try:
        _execute(planned, limits, results)
    except KeyboardInterrupt:
        click.echo("interrupted; what was measured is stored, and the same command goes on", err=True)
        raise
    _finish(planned, results, as_json)


def _execute(planned: Plan, limits: Any, results: Path) -> None:
    from fannsbench.cli.progress import RunProgress
    from fannsbench.run import executor

    if planned.jobs:
        executor.check_writable(results)
    with RunProgress(planned.jobs) as progress:
        for job in planned.jobs:
            executor.execute(job, limits, progress.observe)


def _finish(planned: Plan, results: Path, as_json: bool) -> None:
    from rich.console import Console

    from fannsbench import plot
    from fannsbench.results import summary, table

    rows = table.load(results)
    paths = {str(results / setting.output.relative_to(results.resolve())) for setting in planned.settings}
    rows = rows[rows.path.isin(paths)]
    console = Console(stderr=as_json)
    summaries = summary.summarise(rows)
    for workload in dict.fromkeys(setting.workload for setting in planned.settings):
        console.print(summary.as_table(summaries, workload))
    console.print("QPS at a recall: median of the repetitions, interpolated along the Pareto front\n")
    _warn(rows)
    if as_json:
        click.echo(rows.to_json(orient="records", indent=1))
    if (rows.status == "ok").any():
        name = f"{rows.dataset.iloc[0]}-pareto.png"
        drawn = plot.draw(rows, results / "plots" / name)
        click.echo(f"plot: {drawn}", err=as_json)
    failed = rows[rows.status == "failed"]
    if len(failed):
        raise click.exceptions.Exit(1)


def _warn(rows: pd.DataFrame) -> None:
    """One line for each failure and for each broken promise."""
    for row in rows[rows.status == "failed"].itertuples():
        click.echo(f"failed: {row.algorithm} {row.build} {row.workload} {row.search}: {row.reason}", err=True)
    for row in rows[rows.status == "ok"].itertuples():
        for count, what in ((row.duplicates, "repeated ids"), (row.violations, "items that do not match")):
            if count and count > 0:
                where = f"{row.algorithm} {row.workload} {row.search}"
                click.echo(f"warning: {where}: {count:.0f} {what}, counted as misses", err=True)

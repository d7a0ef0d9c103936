"""`fannsbench run`: measure algorithms and store the results."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench.cli.options import RESULTS, Names
from fannsbench.cli.outcome import Outcome
from fannsbench.errors import UserError

if TYPE_CHECKING:
    from fannsbench.run.job import Job
    from fannsbench.run.plan import Plan


_PROPOSALS = {
    "hnsw": "one library, without filters and under each basic kind of them; first figures within a minute",
    "hnsw,faiss-ivf,acorn,planner": "four ways to filter, side by side",
    "all --runs 1": "everything that is installed and fits, once",
}
"""What to give --algo, and what that shows."""


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
    "--algo", "algorithms", type=Names("algorithm"),
    help="Algorithms, or `all` that are installed and fit. Without it, a few runs are proposed.",
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
@click.pass_context
def run(
    context: click.Context,
    /,
    algorithms: list[str] | None,
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
    interrupted goes on where it was when the same command is given. Tables and plot come after the first
    repetition of all settings, and again at the end.
    """
    from fannsbench.dataset import find
    from fannsbench.run import executor, plan

    if algorithms is None and not (algorithms := _accepted_proposal(context)):
        return
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
    outcome = Outcome(planned.settings, results, as_json)
    try:
        _execute(planned, limits, results, outcome)
    except KeyboardInterrupt:
        click.echo("interrupted; what was measured is stored, and the same command goes on", err=True)
        raise
    if not outcome.finish():
        raise click.exceptions.Exit(1)


def _accepted_proposal(context: click.Context) -> list[str]:
    """Shows what one could measure. The algorithms of the first proposal if somebody is there who wants it.
    Raises MissingParameter where other options were given and nobody can be asked."""
    somebody = sys.stdin.isatty()
    given = shlex.join(sys.argv[2:])
    if given and not somebody:
        (option,) = (parameter for parameter in context.command.params if parameter.name == "algorithms")
        raise click.MissingParameter(ctx=context, param=option)
    for algorithms, why in _PROPOSALS.items():
        click.echo(f"  {' '.join(filter(None, ['fannsbench run --algo', algorithms, given]))}\n      {why}")
    click.echo("`fannsbench algorithms list` names all algorithms, `fannsbench datasets list` all data sets.")
    first = next(iter(_PROPOSALS))
    return first.split(",") if somebody and click.confirm("Run the first now?", default=True) else []


def _execute(planned: Plan, limits: Any, results: Path, outcome: Outcome) -> None:
    from fannsbench import housekeeping
    from fannsbench.cli.progress import RunProgress
    from fannsbench.run import executor

    if planned.jobs:
        executor.check_writable(results)
        housekeeping.clear_old()
    with RunProgress(planned.jobs) as progress:

        def observe(job: Job, event: dict[str, Any]) -> None:
            progress.observe(job, event)
            if event["event"] in ("look", "round") and event.get("run") != job.runs - 1:
                with progress.hidden():
                    outcome.show_so_far(job)

        for job in planned.jobs:
            executor.execute(job, limits, observe)

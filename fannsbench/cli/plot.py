"""`fannsbench plot`: draw stored results."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from fannsbench.cli.options import RESULTS, Names


def _complete_column(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fannsbench.plot import LATENCY
    from fannsbench.plot.columns import NAMED

    names = [*NAMED, LATENCY] if param.name == "y" else NAMED
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@RESULTS
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png|svg|pdf",
    help="The picture.  [default: RESULTS/plots/DATASET-WHAT.png]",
)
@click.option("--x", metavar="COLUMN", shell_complete=_complete_column, help="[default: recall]")
@click.option(
    "--y", metavar="COLUMN", default="qps", show_default=True, shell_complete=_complete_column,
    help="A column of `fannsbench results --json`, or `latency` for its percentiles.",
)  # fmt: skip
@click.option("--dataset", type=Names("dataset"), help="Only these data sets.")
@click.option("--workload", type=Names("workload"), help="Only these workloads.")
@click.option("--algo", type=Names("algorithm"), help="Only these algorithms.")
@click.option("-k", type=click.IntRange(1), help="Only results for this k.")
@click.option("--by-selectivity", is_flag=True, help="Recall and QPS by the fraction a query's filter keeps.")
@click.option("--error-bars", is_flag=True, help="Mean QPS and its standard deviation over the repetitions.")
def plot(
    results: Path,
    output: Path | None,
    x: str | None,
    y: str,
    dataset: list[str] | None,
    workload: list[str] | None,
    algo: list[str] | None,
    k: int | None,
    by_selectivity: bool,
    error_bars: bool,
) -> None:
    """Draw stored results: Pareto fronts of recall and QPS, a panel for each workload.

    Figures of the build as --y (build_s, preprocess_s, index_bytes, index_memory_bytes, peak_build_bytes,
    peak_search_bytes), without --x, give bars. An algorithm has one colour and marker in all pictures.
    """
    from fannsbench.plot import draw, file_name
    from fannsbench.results import table

    datasets, workloads, algorithms = (
        [] if names is None or "all" in names else names for names in (dataset, workload, algo)
    )
    rows = table.load(results)
    if output is None:
        what = "by-selectivity" if by_selectivity else f"{x}-{y}" if x else y
        about = [*(datasets or rows["dataset"].dropna().unique()), *workloads, *algorithms]
        about += [f"k{k}"] if k else []
        output = results / "plots" / file_name([*about, what])
    draw(
        rows,
        output,
        x=x,
        y=y,
        datasets=datasets,
        workloads=workloads,
        algorithms=algorithms,
        k=k,
        by_selectivity=by_selectivity,
        error_bars=error_bars,
    )
    click.echo(str(output))

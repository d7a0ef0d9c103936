"""`fannsbench results`: list stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fannsbench.cli.options import RESULTS, Names
from fannsbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@RESULTS
@click.option("--algo", type=Names("algorithm"), help="Only these algorithms.")
@click.option("--dataset", type=Names("dataset"), help="Only these data sets.")
@click.option("--workload", type=Names("workload"), help="Only these workloads.")
@click.option("--status", type=click.Choice(["ok", "failed", "stale"]), help="Only results of this status.")
@click.option("-k", type=int, help="Only results for this k.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON records with every column.")
@click.option("--csv", "csv", type=click.Path(path_type=Path, dir_okay=False), help="Write a CSV file.")
@click.option("--parquet", type=click.Path(path_type=Path, dir_okay=False), help="Write a Parquet file.")
def results(
    results: Path,
    algo: list[str] | None,
    dataset: list[str] | None,
    workload: list[str] | None,
    status: str | None,
    k: int | None,
    as_json: bool,
    csv: Path | None,
    parquet: Path | None,
) -> None:
    """List stored results, one row for each search setting, failures too.

    QPS is the median repetition's, on the threads the run asked for; ± is the standard deviation over the
    repetitions. --json, --csv and --parquet give every column.
    """
    from fannsbench.results import table

    rows = table.load(results)
    for column, wanted in (("algorithm", algo), ("dataset", dataset), ("workload", workload)):
        if wanted:
            rows = rows[rows[column].isin(wanted)]
    if status:
        rows = rows[rows.status == status]
    if k is not None:
        rows = rows[rows.k == k]
    if as_json:
        click.echo(rows.to_json(orient="records", indent=1))
    for path, write in ((csv, rows.to_csv), (parquet, rows.to_parquet)):
        if path:
            _write(path, write)
    if not (as_json or csv or parquet):
        _print(rows)


def _write(path: Path, write: object) -> None:
    from fannsbench import folders

    try:
        with folders.whole_file(path) as temporary:
            write(temporary, index=False)  # type: ignore[operator]
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    click.echo(str(path), err=True)


def _print(rows: pd.DataFrame) -> None:
    import pandas as pd
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fannsbench.results.summary import number

    if rows.empty:
        raise UserError("no results match; `fannsbench run` makes some")
    for (machine, dataset), part in rows.groupby(["machine", "dataset"]):
        title = escape(f"{dataset} on {machine}") if dataset else "files of no data set"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("workload", no_wrap=True)
        table.add_column("algorithm, build, search", overflow="fold")
        for heading in ("recall", "QPS", "±", "p99 ms"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in part.to_dict("records"):
            trouble = "" if row["status"] == "ok" else f"; {row['status']}: {row['reason']}"
            table.add_row(
                escape(row["workload"]),
                escape(" ".join(filter(None, (row["algorithm"], row["build"], row["search"]))) + trouble),
                "-" if pd.isna(row["recall"]) else f"{row['recall']:.4f}",
                *(number(row[column]) for column in ("qps", "qps_std", "p99_ms")),
            )
        Console().print(table)

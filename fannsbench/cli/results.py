"""`fannsbench results`: list stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench.cli.options import RESULTS, Names
from fannsbench.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    import pandas as pd

_HEADINGS = ("recall", "QPS", "±", "p99 ms", "workload", "algorithm, build, search")


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
    for kind, wanted in (("algorithm", algo), ("data set", dataset), ("workload", workload)):
        if wanted and "all" not in wanted:
            rows = _named(rows, kind, wanted)
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


def _named(rows: pd.DataFrame, kind: str, wanted: list[str]) -> pd.DataFrame:
    column = rows[kind.replace(" ", "")]
    known = set(column)
    for name in wanted if known else ():
        if name not in known:
            raise UnknownNameError(kind, name, known, "only names that have results can be listed")
    return rows[column.isin(wanted)]


def _write(path: Path, write: object) -> None:
    from fannsbench import folders

    try:
        with folders.whole_file(path) as temporary:
            write(temporary, index=False)  # type: ignore[operator]
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    click.echo(str(path), err=True)


def _print(rows: pd.DataFrame) -> None:
    """Lines of text, not a table of Rich's, which takes seconds for ten thousand rows."""
    if rows.empty:
        raise UserError("no results match; `fannsbench run` makes some")
    for (machine, dataset), part in rows.groupby(["machine", "dataset"]):
        title = f"{dataset} on {machine}" if dataset else "files of no data set"
        lines = [_HEADINGS, *(_cells(row) for row in part.itertuples())]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            "  ".join([*map(str.rjust, numbers, widths), workload.ljust(widths[-2]), what])
            for *numbers, workload, what in lines
        )
        click.echo("\n".join([title, "", *aligned, ""]))


def _cells(row: Any) -> tuple[str, ...]:
    from fannsbench.results.summary import number

    trouble = "" if row.status == "ok" else f"; {row.status}: {row.reason}"
    return (
        "-" if row.recall != row.recall else f"{row.recall:.4f}",
        *(number(value) for value in (row.qps, row.qps_std, row.p99_ms)),
        row.workload,
        " ".join(filter(None, (row.algorithm, row.build, row.search))) + trouble,
    )

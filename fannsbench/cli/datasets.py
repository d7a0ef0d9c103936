"""`fannsbench datasets`: list, show and build data sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fannsbench import dataset, folders
from fannsbench.attributes import Category, Column, LabelSet
from fannsbench.cli.options import Names
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError

WORDNET = "wordnet"
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def datasets() -> None:
    """List, show and build data sets."""


@datasets.command("list")
@_json_option
def list_datasets(as_json: bool) -> None:
    """All data sets in the bundled folder and in your own."""
    rows = [_overview(name, path) for name, path in dataset.available().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table([{key: value for key, value in row.items() if key != "path"} for row in rows])


@datasets.command()
@click.argument("name", type=Names("dataset", several=False))
@_json_option
def show(name: str, as_json: bool) -> None:
    """What the data set NAME (or the file of that path) holds."""
    with Dataset.open(dataset.find(name)) as opened:
        about = {key: opened.about(key) for key in ("description", "source", "license", "created_with")}
        overview = _overview(opened.name, opened.path) | about
        attributes = [_attribute(name, column) for name, column in opened.attributes.items()]
        workloads = [_workload(opened, name) for name in opened.workload_names]
    if as_json:
        click.echo(json.dumps(overview | {"attributes": attributes, "workloads": workloads}, indent=2))
        return
    for key, value in overview.items():
        if value not in (None, ""):
            click.echo(f"{key + ':':14}{str(value).partition(chr(10))[0]}")
    _print_table(attributes, "Attributes")
    _print_table(workloads, "Workloads (selectivity: fraction of items kept, quartiles over the queries)")


@datasets.group()
def build() -> None:
    """Make a data set."""


@build.command(WORDNET)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="Folder of WordNet 3.0's data files.",
    show_default="Debian's wordnet-base",
)
@click.option(
    "--model",
    help="sentence-transformers model: a name on the hub, or a folder.",
    show_default="all-MiniLM-L6-v2",
)
@click.option(
    "--items", type=click.IntRange(min=100), help="How many synsets, drawn at random.", show_default="all"
)
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="How many search terms, drawn at random.",
)
@click.option("--compact", is_flag=True, help="A small file to pass on: float16 vectors, compressed.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
    show_default="wordnet.h5 among your data sets",
)
def build_wordnet(
    source: Path | None,
    model: str | None,
    items: int | None,
    queries: int,
    compact: bool,
    output: Path | None,
) -> None:
    """Embed WordNet's synsets. An interrupted build goes on where it was when run again."""
    from fannsbench.data import wordnet, wordnet_dataset
    from fannsbench.data.embed import SentenceEncoder

    path = output or folders.user_datasets() / f"{WORDNET}.h5"
    try:
        with _progress_bars() as progress:
            wordnet_dataset.build(
                path,
                lambda: SentenceEncoder(model),
                source or wordnet.DEBIAN_FOLDER,
                progress,
                items,
                queries,
                compact,
            )
    except OSError as error:
        raise DatasetError(f"cannot build {path}: {error}") from None
    click.echo(f"{path} ({_megabytes(path)} MB)")


@contextmanager
def _progress_bars() -> Iterator[Callable[[str, int], Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:

        @contextmanager
        def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.advance(task, done)

        yield progress


def _overview(name: str, path: Path) -> dict[str, Any]:
    """One row of the list; a damaged file is a row that says so."""
    row: dict[str, Any] = {"name": name, "items": None, "dimension": None, "queries": None, "metric": None}
    row |= {"workloads": None, "megabytes": _megabytes(path), "path": str(path), "error": None}
    try:
        with Dataset.open(path) as opened:
            row |= {"items": opened.n, "dimension": opened.dimension, "queries": opened.num_queries}
            row |= {"metric": str(opened.metric), "workloads": len(opened.workload_names)}
    except DatasetError as error:
        row["error"] = str(error)
    return row


def _attribute(name: str, column: Column) -> dict[str, Any]:
    if isinstance(column, Category | LabelSet):
        values = f"{len(column.vocabulary):,} values, e.g. {', '.join(column.vocabulary[:3])}"
    else:
        values = f"{column.distinct[0]} to {column.distinct[-1]}" if len(column.distinct) else "none"
    return {"attribute": name, "kind": column.kind, "values": values}


def _workload(opened: Dataset, name: str) -> dict[str, Any]:
    workload = opened.workload(name)
    quartiles = np.quantile(workload.matches / opened.n, [0.25, 0.5, 0.75])
    return {
        "workload": name,
        "kind": str(workload.kind or "none"),
        "filter": workload.filter.text if workload.filter else "",
        "truth": workload.depth,
        "selectivity": [float(f"{quartile:.3g}") for quartile in quartiles],
    }


def _print_table(rows: list[dict[str, Any]], title: str | None = None) -> None:
    used = [key for key in (rows[0] if rows else []) if any(row[key] is not None for row in rows)]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for key in used:
        numeric = any(isinstance(row[key], int | float) for row in rows)
        table.add_column(key, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in used))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(f"{part:g}" for part in value)
    return f"{value:,}" if isinstance(value, int | float) else str(value or "")


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 2)

"""`fannsbench datasets list` and `show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from fannsbench import dataset
from fannsbench.attributes import Attributes, Category, Column, LabelSet
from fannsbench.cli.options import JSON, Names
from fannsbench.cli.tables import print_table
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter


@click.command("list")
@JSON
def list_datasets(as_json: bool) -> None:
    """All data sets in the bundled folder and in your own."""
    rows = [_overview(name, path) for name, path in dataset.available().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        print_table([{key: value for key, value in row.items() if key != "path"} for row in rows])


@click.command()
@click.argument("name", type=Names("dataset", several=False))
@JSON
def show(name: str, as_json: bool) -> None:
    """What the data set NAME (or the file of that path) holds."""
    with Dataset.open(dataset.find(name)) as opened:
        about = {key: opened.about(key) for key in ("description", "source", "license", "created_with")}
        overview = _overview(opened.name, opened.path) | about
        attributes = attribute_rows(opened.attributes)
        workloads = [_workload(opened, name) for name in opened.workload_names]
    if as_json:
        click.echo(json.dumps(overview | {"attributes": attributes, "workloads": workloads}, indent=2))
        return
    for key, value in overview.items():
        if value not in (None, ""):
            click.echo(f"{key + ':':14}{str(value).partition(chr(10))[0]}")
    print_table(attributes, "Attributes")
    print_table(workloads, "Workloads (selectivity: fraction of items kept, quartiles over the queries)")


def _overview(name: str, path: Path) -> dict[str, Any]:
    """One row of the list; a damaged file is a row that says so."""
    row: dict[str, Any] = {"name": name, "items": None, "dimension": None, "queries": None, "metric": None}
    row |= {"workloads": None, "megabytes": megabytes(path), "path": str(path), "error": None}
    try:
        with Dataset.open(path) as opened:
            row |= {"items": opened.n, "dimension": opened.dimension, "queries": opened.num_queries}
            row |= {"metric": str(opened.metric), "workloads": len(opened.workload_names)}
    except DatasetError as error:
        row["error"] = str(error)
    return row


def attribute_rows(attributes: Attributes) -> list[dict[str, Any]]:
    """A table's row for each attribute."""
    return [_attribute(name, column) for name, column in attributes.items()]


def _attribute(name: str, column: Column) -> dict[str, Any]:
    if isinstance(column, Category | LabelSet):
        values = f"{len(column.vocabulary):,} values, e.g. {', '.join(column.vocabulary[:3])}"
        return {"attribute": name, "kind": column.kind, "values": values}
    ends: list[Any] = [column.distinct[end].item() for end in (0, -1)] if len(column.distinct) else []
    if column.unit:
        ends = [np.datetime64(int(end), "D" if column.unit == "days" else "s") for end in ends]
    kind = f"{column.kind}, dates in {column.unit}" if column.unit else column.kind
    return {"attribute": name, "kind": kind, "values": " to ".join(map(str, ends)) or "none"}


def workload_row(name: str, filter_: Filter | None, matches: np.ndarray, n: int) -> dict[str, Any]:
    """A table's row for a workload; selectivity: fraction of items kept, quartiles over the queries."""
    quartiles = np.quantile(matches / n, [0.25, 0.5, 0.75])
    return {
        "workload": name,
        "kind": str(filter_.kind) if filter_ else "none",
        "filter": filter_.text if filter_ else "",
        "selectivity": [float(f"{quartile:.3g}") for quartile in quartiles],
    }


def _workload(opened: Dataset, name: str) -> dict[str, Any]:
    workload = opened.workload(name)
    row = workload_row(name, workload.filter, workload.matches, opened.n)
    return row | {"truth": workload.depth}


def megabytes(path: Path) -> float:
    """Of a file, of a million bytes each."""
    return round(path.stat().st_size / 1e6, 2)

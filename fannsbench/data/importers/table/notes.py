"""What a user should know before a data set is made of a table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.data.importers.table.kinds import Kind
from fannsbench.data.importers.table.vectors import Opened, Place
from fannsbench.filters import Filter
from fannsbench.metric import Metric
from fannsbench.vectors import Vectors


def on_vectors(place: Place, opened: Opened, attributes: Path | None) -> list[str]:
    """How they were found, and what becomes of them."""
    notes = []
    columns = opened.columns
    if len(columns) > 1:
        notes.append(f"the vectors are made of {len(columns)} columns: {columns[0]}, ..., {columns[-1]}")
    if columns and attributes is None:
        others = [name for name in pq.read_schema(place.file).names if name not in columns]
        if others:
            notes.append(
                f"{place.file} has other columns too ({', '.join(others[:5])}): --attributes {place.file}"
            )
    if opened.dtype.newbyteorder("=") != opened.vectors.dtype:
        notes.append(
            f"the vectors are {opened.dtype.newbyteorder('=')} in {place}, stored as {opened.vectors.dtype}"
        )
    return notes


def on_queries(queries: np.ndarray, opened: Opened, items: Vectors, metric: Metric) -> list[str]:
    """Where they come from, and whether the metric makes a difference."""
    notes = []
    count = opened.vectors.shape[0]
    if items.shape[0] != count:
        notes.append(f"{len(queries):,} of the {count:,} vectors, drawn at random, are queries and no items")
    lengths = np.linalg.norm(queries.astype(np.float32), axis=1)
    if metric is Metric.EUCLIDEAN and np.allclose(lengths, 1, atol=1e-3):
        notes.append("the queries have length 1; if the items have too, all metrics rank alike")
    return notes


def on_workloads(attributes: Attributes, filters: Mapping[str, Filter], values: Path | None) -> list[str]:
    """Where filters' values come from, or which filters there could be."""
    if filters:
        drawn = values is None and any(filter_.parameters for filter_ in filters.values())
        return (
            ["the filters' values are drawn from the items' own; --values FILE takes yours"] if drawn else []
        )
    if fitting := _fitting_filters(attributes):
        options = " ".join(f"--filter {shlex.quote(text)}" for text in fitting)
        return [f"no workload has a filter yet; some that would fit: {options}"]
    return []


def on_matches(values: Path, matches: Mapping[str, np.ndarray]) -> list[str]:
    """Of which workloads some queries match nothing. Where all do, that is an error."""
    return [
        f"workload {name}: {np.sum(counts == 0):,} of {len(counts):,} queries match no item; the first "
        f"has the values of row {np.argmin(counts) + 1:,} in {values}"
        for name, counts in matches.items()
        if not counts.all()
    ]


def on_dates(kinds: Mapping[str, Kind], written: Mapping[str, Filter], stored: Mapping[str, Filter]) -> str:
    """For whoever reads the data set: what its dates are, and its filters as they were written with dates."""
    units = [f"{name} is in {kind} since 1970-01-01 (UTC)" for name, kind in kinds.items() if kind.unit]
    filters = [
        f"{name} was written as {filter_.text}"
        for name, filter_ in written.items()
        if filter_.text != stored[name].text
    ]
    return "; ".join(units + filters)


def _fitting_filters(attributes: Attributes) -> list[str]:
    """One of each kind that the attributes allow."""
    found: dict[str, str] = {}
    for name, column in attributes.items():
        match column:
            case Category() if len(column.vocabulary) <= len(column) / 2:
                found.setdefault(column.kind, f"{name} == $value")
            case Number():
                found.setdefault(column.kind, f"$low <= {name} <= $high")
            case LabelSet():
                found.setdefault(column.kind, f"$member in {name}")
    return list(found.values())

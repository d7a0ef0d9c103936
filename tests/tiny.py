"""A small data set that has everything: all kinds of attributes, missing values, several workloads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import reference

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.dataset import DatasetWriter
from fannsbench.filters import Filter

WORKLOADS = {
    "em": "colour == $colour",
    "r": "$low <= price <= $high",
    "emis": "$tag in tags",
    "c": "(colour == $colour or $tag in tags) and not weight > $weight",
}
"""Templates by name."""


def attributes(n: int) -> Attributes:
    """All kinds of attributes, with missing values and empty sets."""
    rng = np.random.default_rng(1)
    colours = [None if value == 3 else ["blue", "grün", "red"][value] for value in rng.integers(0, 4, n)]
    weights = [None if value < 0.1 else float(value) for value in rng.random(n)]
    tags = [{"ab"[j] for j in range(2) if row[j] < 0.4} for row in rng.random((n, 2))]
    return Attributes(
        {
            "colour": Category.from_values(colours),
            "price": Number.from_values([int(value) for value in rng.integers(0, 50, n)]),
            "weight": Number.from_values(weights),
            "tags": LabelSet.from_values(tags),
        },
        n,
    )


def write(path: Path, n: int = 300, q: int = 12, depth: int = 20, **options: object) -> Path:
    """A sound data set file of 8 dimensions with exact truth."""
    rng = np.random.default_rng(2)
    vectors, queries = (rng.standard_normal((rows, 8)).astype(np.float32) for rows in (n, q))
    columns = attributes(n)
    values = {
        "colour": rng.choice(["blue", "grün", "violet"], q).astype(object),
        "low": rng.integers(0, 25, q),
        "high": rng.integers(25, 50, q),
        "tag": rng.choice(["a", "b"], q).astype(object),
        "weight": rng.random(q),
    }
    about = {"name": path.stem, "metric": Metric.EUCLIDEAN, "description": "tiny", "license": "CC0"}
    with DatasetWriter(path, **(about | options)) as writer:
        writer.items(vectors)
        writer.queries(queries)
        for name, column in columns.items():
            writer.attribute(name, column)
        writer.truth(*reference.brute_force(vectors, queries, depth, Metric.EUCLIDEAN))
        for name, text in WORKLOADS.items():
            parameters = {p: values[p] for p in Filter.parse(text).parameters}
            masks = reference.masks(text, columns, parameters)
            truth = reference.brute_force(vectors, queries, depth, Metric.EUCLIDEAN, masks)
            writer.workload(name, text, parameters, *truth, masks.sum(axis=1))
    return path

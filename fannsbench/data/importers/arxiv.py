"""arxiv-for-fanns: abstracts of arXiv with eleven attributes, and three filtered workloads with their truth
(Iff et al., Benchmarking Filtered Approximate Nearest Neighbor Search Algorithms on Transformer-based
Embedding Vectors, arXiv 2507.21989; SPCL/arxiv-for-fanns-small, -medium and -large on Hugging Face)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fannsbench.attributes import Attributes, CategoryBuilder, LabelSetBuilder, NumberBuilder, text_of
from fannsbench.data.draft import Draft, DraftWorkload
from fannsbench.data.importers.files import open_items_and_queries, read_all
from fannsbench.data.importers.jsonl import naming, read_lines
from fannsbench.data.importers.plain import note_of_truth
from fannsbench.data.importers.truths import read_truth_of
from fannsbench.data.progress import Progress, silent
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter
from fannsbench.machine import give_back
from fannsbench.metric import Metric

_ITEMS, _QUERIES = "database_vectors.fvecs", "query_vectors.fvecs"
_ATTRIBUTES, _TRUTH = "database_attributes.jsonl", "ground_truth.ivecs"
_LINES_PER_ADVANCE = 1000


class _Kind(NamedTuple):
    fits: Callable[[Any], bool]
    meaning: str
    builder: Callable[[], CategoryBuilder | NumberBuilder | LabelSetBuilder]


_TEXT = _Kind(lambda value: value is None or type(value) is str, "a text or null", CategoryBuilder)
_FLAG = _Kind(lambda value: value is None or type(value) is bool, "true, false or null", CategoryBuilder)
_INTEGER = _Kind(lambda value: value is None or type(value) is int, "an integer or null", NumberBuilder)
_TEXTS = _Kind(
    lambda value: type(value) is list and all(type(text) is str for text in value),
    "a list of texts",
    LabelSetBuilder,
)
_KINDS = {
    "submitter": _TEXT,
    "has_comments": _FLAG,
    "main_categories": _TEXTS,
    "sub_categories": _TEXTS,
    "number_of_main_categories": _INTEGER,
    "number_of_sub_categories": _INTEGER,
    "license": _TEXT,
    "number_of_versions": _INTEGER,
    "update_date": _INTEGER._replace(builder=partial(NumberBuilder, "days")),
    "authors": _TEXTS,
    "number_of_authors": _INTEGER,
}


class _Workload(NamedTuple):
    filter: str
    parameters: Mapping[str, type]


_WORKLOADS = {
    "em": _Workload("number_of_sub_categories == $label", {"label": int}),
    "r": _Workload("$range_start <= update_date <= $range_end", {"range_start": int, "range_end": int}),
    "emis": _Workload("$label in main_categories", {"label": str}),
}


@contextmanager
def read(source: Path, progress: Progress = silent) -> Iterator[Draft]:
    """A folder with all files of one of the three. Dates are days since 1970-01-01; a text or number that is
    null is missing; has_comment is called has_comments.

    Raises DatasetError if a file is missing or damaged, with its line or row, or they do not fit together."""
    needed = [_ITEMS, _QUERIES, _ATTRIBUTES, _TRUTH]
    needed += [file for name in _WORKLOADS for file in (_values_file(name), _truth_file(name))]
    if missing := [name for name in needed if not (source / name).is_file()]:
        raise DatasetError(f"{source}: there is no {', '.join(missing)}; download the whole data set")
    items, queries = open_items_and_queries(source / _ITEMS, source / _QUERIES)
    q = queries.shape[0]
    workloads = {name: _workload(source, name, q) for name in _WORKLOADS}
    neighbors = read_truth_of(source / _TRUTH, q)
    attributes = _attributes(source / _ATTRIBUTES, items.shape[0], progress)
    yield Draft(
        Metric.EUCLIDEAN,
        items,
        read_all(queries),
        attributes,
        workloads,
        neighbors,
        source,
        description="arxiv-for-fanns: abstracts of arXiv, and search terms as queries",
        source="https://huggingface.co/SPCL (arXiv 2507.21989)",
        notes=[note_of_truth(neighbors, source)],
    )


def _values_file(workload: str) -> str:
    return f"{workload}_query_attributes.jsonl"


def _truth_file(workload: str) -> str:
    return f"ground_truth_{workload}.ivecs"


def _workload(source: Path, name: str, q: int) -> DraftWorkload:
    filter_, wanted = _WORKLOADS[name]
    path = source / _values_file(name)
    values: dict[str, list[Any]] = {parameter: [] for parameter in wanted}
    for line, row in read_lines(path):
        with naming(path, line):
            for parameter, kind in wanted.items():
                value = row.get(parameter)
                if type(value) is not kind or (isinstance(value, int) and value.bit_length() > 63):
                    right = "an integer of 64 bits" if kind is int else "a text"
                    raise DatasetError(f"{parameter!r} is {value!r}; it must be {right}")
                values[parameter].append(value)
    parameters = {
        parameter: np.array(column, np.int64 if wanted[parameter] is int else object)
        for parameter, column in values.items()
    }
    for column in parameters.values():
        if len(column) != q:
            raise DatasetError(f"{path}: {len(column):,} lines for {q:,} queries")
    return DraftWorkload(Filter.parse(filter_), parameters, read_truth_of(source / _truth_file(name), q))


def _attributes(path: Path, n: int, progress: Progress) -> Attributes:
    builders = {name: kind.builder() for name, kind in _KINDS.items()}
    count = 0
    with progress("attributes", n) as advance:
        for count, row in read_lines(path):
            with naming(path, count):
                _append(builders, row)
            if count % _LINES_PER_ADVANCE == 0:
                advance(_LINES_PER_ADVANCE)
        advance(count % _LINES_PER_ADVANCE)
    if count != n:
        raise DatasetError(f"{path}: {count:,} lines for {n:,} items of {_ITEMS}")
    columns = {name: builders.pop(name).finish() for name in _KINDS}
    give_back()
    return Attributes(columns, n)


def _append(builders: Mapping[str, Any], row: dict[str, Any]) -> None:
    if "has_comment" in row and "has_comments" not in row:
        row["has_comments"] = row.pop("has_comment")
    if row.keys() != _KINDS.keys():
        lacking = [f"no {name!r}" for name in _KINDS if name not in row]
        foreign = [f"an unknown {name!r}" for name in row if name not in _KINDS]
        raise DatasetError(
            f"there is {' and '.join([*lacking, *foreign])}; every item has the same attributes"
        )
    for name, (fits, meaning, _) in _KINDS.items():
        value = row[name]
        if not fits(value):
            raise DatasetError(f"{name!r} is {value!r}; it must be {meaning}")
        builders[name].append(text_of(value) if type(value) is bool else value)

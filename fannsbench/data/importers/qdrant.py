"""Filtered data sets in qdrant's format: a folder, or an archive of one, with

    vectors.npy      (n, d), compared by cosine
    payloads.jsonl   n objects {field: value}: texts, numbers, booleans or lists of them; null is missing
    tests.jsonl      {"query": [...], "conditions": {...} or null, "closest_ids": [...]}, nearest first

described at https://github.com/qdrant/ann-filtering-benchmark-datasets. There, tests differ in what their
conditions compare; here, a workload has one filter and values of it for every query. So one import takes the
tests of one structure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fannsbench.attributes import Attributes, Column, LabelSet, Number, text_of
from fannsbench.data.draft import Draft, DraftWorkload
from fannsbench.data.importers.archives import unpacked
from fannsbench.data.importers.files import open_vectors
from fannsbench.data.importers.jsonl import naming, read_lines
from fannsbench.data.importers.plain import note_of_truth
from fannsbench.data.importers.qdrant_conditions import MATCH, Structure, read_conditions
from fannsbench.data.importers.qdrant_payloads import attribute_names, read_columns
from fannsbench.data.naming import named_filters
from fannsbench.errors import DatasetError
from fannsbench.metric import Metric


@contextmanager
def read(source: Path, structure: int = 1) -> Iterator[Draft]:
    """The draft, while it is open, with the fields that tests ask for as attributes and the truth that the
    tests bring, if all of them do. `structure`: which of the conditions' structures; 1 is that of most tests.

    Raises DatasetError that names the file and line of what is wrong, or if there is no such structure."""
    with unpacked(source) as folder:
        vectors = open_vectors(folder / "vectors.npy")
        n, d = vectors.shape
        tests = _read_tests(folder / "tests.jsonl", d)
        ranked = Counter(test.structure for test in tests).most_common()
        if structure > len(ranked):
            raise DatasetError(f"{source}: its tests have {len(ranked)} structures; there is no {structure}")
        ranged = {
            comparison.field: comparison.operators != (MATCH,)
            for each, _ in ranked
            for comparison in each.comparisons
        }
        columns, others = read_columns(folder / "payloads.jsonl", n, ranged)
        names = attribute_names(columns)
        sets = frozenset(field for field, column in columns.items() if isinstance(column, LabelSet))
        texts = [each.filter_text(names, sets) for each, _ in ranked]
        chosen = ranked[structure - 1][0]
        taken = [test for test in tests if test.structure == chosen]
        truth = _neighbors(taken)
        workloads = {
            name: DraftWorkload(filter_, _parameters(chosen, taken, columns), truth)
            for name, filter_ in named_filters([texts[structure - 1]] if chosen.comparisons else []).items()
        }
        yield Draft(
            metric=Metric.COSINE,
            items=vectors,
            queries=np.stack([test.query for test in taken]),
            attributes=Attributes({names[field]: column for field, column in columns.items()}, n),
            workloads=workloads,
            neighbors=None if workloads else truth,
            truth_source=folder / "tests.jsonl",
            description=f"{source.name}, tests with {texts[structure - 1] or 'no condition'}",
            notes=[
                *_notes(others, texts, [count for _, count in ranked], structure),
                *_note_of_truth(truth, taken, source),
            ],
        )


class _Test(NamedTuple):
    query: np.ndarray
    structure: Structure
    values: list[Any]
    closest: list[int] | None


def _read_tests(path: Path, dimension: int) -> list[_Test]:
    tests = []
    for number, line in read_lines(path):
        with naming(path, number):
            query, closest = _vector(line.get("query"), dimension), _ids(line.get("closest_ids"))
            tests.append(_Test(query, *read_conditions(line.get("conditions")), closest))
    if not tests:
        raise DatasetError(f"{path}: holds no tests")
    return tests


def _vector(numbers: Any, dimension: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            query = np.array(numbers, np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        raise DatasetError("'query' must be a list of numbers") from None
    if query.shape != (dimension,):
        raise DatasetError(f"a query of shape {query.shape}; the vectors have {dimension:,} dimensions")
    return query


def _ids(ids: Any) -> list[int] | None:
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(type(i) is int and 0 <= i < 2**31 for i in ids):
        raise DatasetError("'closest_ids' must be a list of row numbers, from 0")
    return ids


def _neighbors(tests: Sequence[_Test]) -> np.ndarray | None:
    """(q, K) int32, -1 padded; None unless all tests name some."""
    named = [test.closest for test in tests if test.closest is not None]
    found = np.full((len(tests), max(map(len, named), default=0)), -1, np.int32)
    if len(named) < len(tests) or not found.size:
        return None
    for row, ids in zip(found, named, strict=True):
        row[: len(ids)] = ids
    return found


def _parameters(
    structure: Structure, tests: Sequence[_Test], columns: Mapping[str, Column]
) -> dict[str, np.ndarray]:
    found = {}
    for place, (comparison, _, name) in enumerate(structure.parameters()):
        values = [test.values[place] for test in tests]
        if isinstance(columns[comparison.field], Number):
            if strange := [value for value in values if type(value) not in (int, float)]:
                raise DatasetError(
                    f"tests.jsonl compares {comparison.field!r} with {strange[0]!r}; its values are numbers"
                )
            found[name] = Number.from_values(values).values
        else:
            found[name] = np.array([text_of(value) for value in values], object)
    return found


def _note_of_truth(truth: np.ndarray | None, tests: Sequence[_Test], source: Path) -> list[str]:
    if truth is not None:
        return [note_of_truth(truth, source)]
    lacking = sum(test.closest is None for test in tests)
    if not lacking:
        return []
    return [f"{lacking:,} of {len(tests):,} tests have no closest_ids: the ground truth of all is computed"]


def _notes(others: list[str], texts: list[str], counts: list[int], chosen: int) -> list[str]:
    notes = [f"fields left out, as no test asks for them: {', '.join(others)}"] if others else []
    if len(texts) > 1:
        notes.append(
            f"{counts[chosen - 1]:,} of {sum(counts):,} tests; others have conditions of another structure:"
        )
        notes += [
            f"--structure {number}: {text or 'no condition'} ({count:,} tests)"
            for number, (text, count) in enumerate(zip(texts, counts, strict=True), 1)
            if number != chosen
        ]
    return notes

"""How the values of attributes are distributed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fannsbench.attributes import Category, Column, LabelSet, Number
from fannsbench.data.stats.summary import Summary

TOP = 20


@dataclass(frozen=True)
class ValueCount:
    value: str
    items: int
    share: float
    """Of all items."""


@dataclass(frozen=True)
class AttributeFigures:
    """kind: category, number or set; missing: share of items without a value (set: of empty ones).

    A category has `top`; a number `numbers`; a set `top` (of labels) and `numbers` (of set sizes).
    """

    kind: str
    missing: float
    distinct: int
    """Different values, or labels, that some item has."""
    top: list[ValueCount]
    """The 20 most frequent, most frequent first, of equally frequent ones in the vocabulary's order."""
    numbers: Summary | None


def figures(column: Column) -> AttributeFigures:
    has_value = np.zeros(len(column), bool)
    has_value[column.postings.ids] = True
    missing = float(1 - has_value.mean())
    counts = np.diff(column.postings.starts)
    distinct = int((counts > 0).sum())
    match column:
        case Category():
            return AttributeFigures(column.kind, missing, distinct, _top(column, counts), None)
        case Number():
            present = column.values[has_value]
            return AttributeFigures(column.kind, missing, distinct, [], Summary.of(present))
        case LabelSet():
            sizes = Summary.of(np.diff(column.indptr))
            return AttributeFigures(column.kind, missing, distinct, _top(column, counts), sizes)


def _top(column: Category | LabelSet, counts: np.ndarray) -> list[ValueCount]:
    order = np.argsort(-counts, kind="stable")[:TOP].tolist()
    n = len(column)
    return [
        ValueCount(column.vocabulary[code], int(counts[code]), float(counts[code] / n))
        for code in order
        if counts[code]
    ]

"""Which items match a filter, in plain numpy: written apart from `fannsbench.filters.bind` and its kernels,
so that the one can judge the other. The meaning is that of `fannsbench.filters.matches_item`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from fannsbench.attributes import Attributes, Category, LabelSet, Number, text_of
from fannsbench.filters import And, Between, Contains, Equals, Node, Not, Or, Parameter
from fannsbench.filters.tree import leaves_of


class Matching:
    """A filter tree over the items of `attributes`, with `parameters[name]` (q,) as the queries bring them.
    The filter must fit them, as `Filter.bind` tells."""

    def __init__(self, tree: Node, attributes: Attributes, parameters: Mapping[str, np.ndarray]) -> None:
        self._tree = tree
        self._parameters = parameters
        names = {leaf.attribute for leaf in leaves_of(tree)}
        self._columns: dict[str, Any] = {
            name: _COLUMNS[attributes[name].kind](attributes[name]) for name in names
        }

    def mask(self, query: int, rows: slice) -> np.ndarray:
        """(rows,) bool: which of these items match that query."""

        def value_of(operand: Any) -> Any:
            if not isinstance(operand, Parameter):
                return operand
            value = self._parameters[operand.name][query]
            return value.item() if isinstance(value, np.generic) else value

        def holds(node: Node) -> np.ndarray:
            match node:
                case And(children):
                    return np.asarray(np.logical_and.reduce([holds(child) for child in children]))
                case Or(children):
                    return np.asarray(np.logical_or.reduce([holds(child) for child in children]))
                case Not(child):
                    return ~holds(child)
                case Equals(name, value) | Contains(name, value):
                    return np.asarray(self._columns[name].having(value_of(value), rows))
                case Between(name, low, high, low_closed, high_closed):
                    bounds = value_of(low), value_of(high)
                    closed = low_closed, high_closed
                    return np.asarray(self._columns[name].between(*bounds, *closed, rows))

        return holds(self._tree)


class _Texts:
    """The place of a text in a vocabulary; -2, which no item has, for others."""

    def __init__(self, vocabulary: list[str]) -> None:
        self._places = {text: place for place, text in enumerate(vocabulary)}

    def place(self, value: Any) -> int:
        return self._places.get(text_of(value), -2)


class _CategoryItems:
    def __init__(self, column: Category) -> None:
        self._codes, self._texts = column.codes, _Texts(column.vocabulary)

    def having(self, value: Any, rows: slice) -> np.ndarray:
        return np.asarray(self._codes[rows] == self._texts.place(value))


class _SetItems:
    def __init__(self, column: LabelSet) -> None:
        self._column, self._texts = column, _Texts(column.vocabulary)

    def having(self, value: Any, rows: slice) -> np.ndarray:
        ends = self._column.indptr[rows.start : rows.stop + 1]
        members = self._column.indices[ends[0] : ends[-1]]
        places = np.flatnonzero(members == self._texts.place(value)) + ends[0]
        mask = np.zeros(rows.stop - rows.start, bool)
        mask[np.searchsorted(ends, places, side="right") - 1] = True
        return mask


class _NumberItems:
    def __init__(self, column: Number) -> None:
        self._values = column.values
        self._present = ~np.isnan(column.values)
        if column.missing is not None:
            self._present &= ~column.missing

    @cached_property
    def _distinct(self) -> np.ndarray:
        return np.unique(self._values[self._present])

    def having(self, value: Any, rows: slice) -> np.ndarray:
        return self.between(value, value, True, True, rows)

    def between(self, low: Any, high: Any, low_closed: bool, high_closed: bool, rows: slice) -> np.ndarray:
        # numpy compares int64 with float64 as floats, Python compares them exactly: it finds the lowest and
        # the highest value of the column in the range, and numpy compares like with like.
        first, last = 0, len(self._distinct)
        if low is not None:
            first = (bisect_left if low_closed else bisect_right)(self._distinct, low, key=_plain)
        if high is not None:
            last = (bisect_right if high_closed else bisect_left)(self._distinct, high, key=_plain)
        if first >= last or low != low or high != high:  # a bound that is NaN
            return np.zeros(rows.stop - rows.start, bool)
        values = self._values[rows]
        inside = (self._distinct[first] <= values) & (values <= self._distinct[last - 1])
        return np.asarray(inside & self._present[rows])


def _plain(number: np.generic) -> Any:
    return number.item()


_COLUMNS: dict[str, Any] = {
    Category.kind: _CategoryItems,
    LabelSet.kind: _SetItems,
    Number.kind: _NumberItems,
}

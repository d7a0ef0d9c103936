"""Values of filters, drawn from the items' own attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.errors import DatasetError, FilterError, UnknownNameError
from fannsbench.filters import Filter
from fannsbench.filters.tree import Between, Contains, Equals, Parameter, leaves_of, parameters_of


class Values:
    """Draws filter values for `count` queries from the items' attributes."""

    def __init__(self, attributes: Attributes, count: int, rng: np.random.Generator) -> None:
        self._attributes, self._count, self._rng = attributes, count, rng

    def items(self, having: str | None = None) -> np.ndarray:
        """Uniformly drawn items; only those whose set `having` is not empty, if given."""
        eligible = np.arange(self._attributes.n)
        if having is not None:
            eligible = np.flatnonzero(np.diff(self._set(having).indptr))
        return self._rng.choice(eligible, self._count)

    def of(self, name: str, items: np.ndarray) -> np.ndarray:
        """The items' own values of a category or number."""
        column = self._attributes[name]
        if isinstance(column, Number):
            values: np.ndarray = column.values[items]
            return values
        assert isinstance(column, Category)
        return np.array([column.vocabulary[code] for code in column.codes[items]], object)

    def label(self, name: str, items: np.ndarray) -> np.ndarray:
        """A uniformly drawn label of each item's set."""
        column = self._set(name)
        starts, ends = column.indptr[items], column.indptr[items + 1]
        return np.array(
            [column.vocabulary[code] for code in column.indices[self._rng.integers(starts, ends)]], object
        )

    def range(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the higher value of two uniformly drawn items."""
        one, other = self.of(name, self.items()), self.of(name, self.items())
        return np.minimum(one, other), np.maximum(one, other)

    def _set(self, name: str) -> LabelSet:
        column = self._attributes[name]
        assert isinstance(column, LabelSet)
        return column


def draw(
    filter_: Filter, attributes: Attributes, count: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Values of all parameters of a filter for `count` queries.

    For each query one item is drawn among those that have a value of every attribute that `==` or `in`
    compares with a parameter: its values are what they ask for, and of a set one label at random. A range
    whose two ends are parameters takes the values of two further items, a range open on one side that of one.
    A parameter that is used more than once is drawn for its first use.

    Raises FilterError for an unknown attribute, one of the wrong kind, or a parameter of two kinds,
    DatasetError where no item has all values.
    """
    leaves = [leaf for leaf in leaves_of(filter_.tree) if parameters_of(leaf)]
    for leaf in leaves:
        if leaf.attribute not in attributes:
            unknown = UnknownNameError("attribute", leaf.attribute, attributes)
            raise FilterError(f"filter {filter_.text!r}: {unknown}")
        kind = attributes[leaf.attribute].kind
        if isinstance(leaf, Contains) != (kind == LabelSet.kind):
            raise FilterError(
                f"filter {filter_.text!r}: {leaf.attribute} is a {kind}; `$value in {leaf.attribute}` is for "
                "sets, `==` and ranges are for other kinds"
            )
    refuse_two_kinds(filter_, {name: column.kind for name, column in attributes.items()})
    exact = [leaf for leaf in leaves if not isinstance(leaf, Between)]
    anchors = _drawn_items(filter_, [leaf.attribute for leaf in exact], attributes, count, rng)
    values = Values(attributes, count, rng)
    drawn: dict[str, np.ndarray] = {}

    def take(parameter: Any, drawn_values: np.ndarray) -> None:
        if isinstance(parameter, Parameter):
            drawn.setdefault(parameter.name, drawn_values)

    for leaf in leaves:
        match leaf:
            case Between(attribute=name, low=low, high=high):
                ends = [
                    values.of(name, _drawn_items(filter_, [name], attributes, count, rng))
                    for _ in parameters_of(leaf)
                ]
                take(low, np.min(ends, axis=0))
                take(high, np.max(ends, axis=0))
            case Contains(attribute=name, value=value):
                take(value, values.label(name, anchors))
            case Equals(attribute=name, value=value):
                take(value, values.of(name, anchors))
    return drawn


def refuse_two_kinds(filter_: Filter, kinds: Mapping[str, str]) -> None:
    """Raises FilterError if a parameter is compared with attributes of different `kinds`, so that no value
    would fit both. A category and a set are alike: both are of texts. Attributes without a kind pass."""
    used: dict[str, str] = {}
    for leaf in leaves_of(filter_.tree):
        for parameter in parameters_of(leaf):
            if leaf.attribute not in kinds:
                continue
            first = used.setdefault(parameter.name, leaf.attribute)
            one, other = kinds[first], kinds[leaf.attribute]
            if one != other and {one, other} != {Category.kind, LabelSet.kind}:
                raise FilterError(
                    f"filter {filter_.text!r}: ${parameter.name} is compared with {first} ({one}) and with "
                    f"{leaf.attribute} ({other}); its values can be of one kind only, so give one of the two "
                    "another $name"
                )


def _drawn_items(
    filter_: Filter, names: list[str], attributes: Attributes, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Items that have a value of all these attributes."""
    eligible = np.ones(attributes.n, bool)
    for name in names:
        has_value = np.zeros(attributes.n, bool)
        has_value[attributes[name].postings.ids] = True
        eligible &= has_value
    if not eligible.any():
        raise DatasetError(f"filter {filter_.text!r}: no item has a value of {' and '.join(names)}")
    return rng.choice(np.flatnonzero(eligible), count)

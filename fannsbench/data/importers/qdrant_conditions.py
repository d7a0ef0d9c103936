"""The conditions of qdrant's filtered data sets, as filters:

    {"and": [{"a": {"match": {"value": "x"}}}, {"b": {"range": {"gt": 1, "lte": 2}}}], "or": [...]}

All of `and` must hold and, where there is an `or`, at least one of it. Nothing at all is no filter. What one
entry of a list has holds together; in `or`, unless that has one entry alone, it is one comparison here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fannsbench.errors import DatasetError

MATCH = "match"
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_FROM_BELOW = {"gt": "<", "gte": "<="}
"""A lower bound as it is written before the attribute."""


@dataclass(frozen=True, order=True)
class Comparison:
    """A field, and what it is compared by: ("match",), or some of gt, gte, lt, lte in that order."""

    field: str
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """Conditions without their values: those of `and`, and those of `or`, in ascending order."""

    every: tuple[Comparison, ...] = ()
    some: tuple[Comparison, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        return self.every + self.some

    def parameters(self) -> list[tuple[Comparison, str, str]]:
        """Comparison, operator and the parameter's name of each value, in the order of the values."""
        used: Counter[str] = Counter()
        found = []
        for comparison in self.comparisons:
            for operator in comparison.operators:
                name = "value" if operator == MATCH else "low" if operator in _FROM_BELOW else "high"
                used[name] += 1
                found.append((comparison, operator, name if used[name] == 1 else f"{name}_{used[name]}"))
        return found

    def filter_text(self, names: Mapping[str, str], sets: frozenset[str]) -> str:
        """The template; names: what the attribute of each field is called; sets: the fields that are sets.
        Empty where there are no conditions."""
        parameters: Iterator[str] = (name for _, _, name in self.parameters())

        def text(comparison: Comparison) -> str:
            name, operators = names[comparison.field], comparison.operators
            values = [f"${next(parameters)}" for _ in operators]
            if operators == (MATCH,):
                return f"{values[0]} in {name}" if comparison.field in sets else f"{name} == {values[0]}"
            if len(operators) == 2 and operators[0] in _FROM_BELOW and operators[1] not in _FROM_BELOW:
                low, high = operators
                return f"{values[0]} {_FROM_BELOW[low]} {name} {_BOUNDS[high]} {values[1]}"
            pairs = zip(operators, values, strict=True)
            return " and ".join(f"{name} {_BOUNDS[operator]} {value}" for operator, value in pairs)

        every = [text(comparison) for comparison in self.every]
        some = " or ".join(text(comparison) for comparison in self.some)
        return " and ".join([*every, f"({some})"] if every and some else every or [some])


def read_conditions(conditions: Any) -> tuple[Structure, list[Any]]:
    """The structure and its values, in the order of `Structure.parameters`.

    Raises DatasetError for conditions of another form, such as geo, or alternatives that are conjunctions."""
    conditions = {} if conditions is None else _object(conditions, "conditions")
    if unknown := [key for key in conditions if key not in ("and", "or")]:
        raise DatasetError(f"conditions have {unknown[0]!r}; they are joined by 'and' and 'or'")
    every = [pair for entry in _entries(conditions, "and") for pair in entry]
    alternatives = _entries(conditions, "or")
    if len(alternatives) == 1:  # then that one must hold
        every += alternatives.pop()
    if any(len(entry) != 1 for entry in alternatives):
        raise DatasetError("an entry of 'or' must be one comparison of one field; what it has holds together")
    some = [pair for entry in alternatives for pair in entry]
    parts = [sorted(found, key=lambda pair: pair[0]) for found in (every, some)]
    structure = Structure(*(tuple(comparison for comparison, _ in part) for part in parts))
    return structure, [value for part in parts for _, values in part for value in values]


def _entries(conditions: dict[str, Any], key: str) -> list[list[tuple[Comparison, list[Any]]]]:
    """Of each entry of the list, its comparisons, which hold together."""
    listed = conditions.get(key) or []
    if not isinstance(listed, list):
        raise DatasetError(f"conditions {key!r} must be a list")
    return [
        [
            _comparison(field, kind, what)
            for field, condition in _object(entry, f"a condition of {key!r}").items()
            for kind, what in _object(condition, f"the condition on {field!r}").items()
        ]
        for entry in listed
    ]


def _comparison(field: str, kind: str, what: Any) -> tuple[Comparison, list[Any]]:
    if kind == MATCH:
        value = _object(what, f"match of {field!r}").get("value")
        if not isinstance(value, str | bool | int | float):
            raise DatasetError(f"match of {field!r} needs a 'value' that is a text, a number or a boolean")
        return Comparison(field, (MATCH,)), [value]
    if kind == "range":
        bounds = _object(what, f"range of {field!r}")
        given = [operator for operator in _BOUNDS if bounds.get(operator) is not None]
        numbers = [bounds[operator] for operator in given]
        if not given or not all(type(number) in (int, float) for number in numbers):
            raise DatasetError(f"range of {field!r} needs numbers as gt, gte, lt or lte")
        return Comparison(field, tuple(given)), numbers
    raise DatasetError(f"a {kind!r} condition on {field!r}; only match and range are filters of fannsbench")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(f"{what} must be an object, {{...}}")
    return value

"""The plain Python meaning of a filter, one item at a time: what the fast evaluations are tested against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fannsbench.attributes import text_of
from fannsbench.filters.parse import Filter
from fannsbench.filters.tree import And, Between, Contains, Equals, Node, Not, Operand, Or, Parameter


def matches_item(filter_: Filter, item: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Does the item match? item[attribute] is a text, a number, a set of texts, or None where missing;
    parameters[name] is the query's value of `$name`."""

    def value_of(operand: Operand) -> Any:
        return parameters[operand.name] if isinstance(operand, Parameter) else operand

    def holds(node: Node) -> bool:
        match node:
            case And(children):
                return all(holds(child) for child in children)
            case Or(children):
                return any(holds(child) for child in children)
            case Not(child):
                return not holds(child)
            case Contains(attribute, value):
                return text_of(value_of(value)) in item[attribute]
            case Equals(attribute, value):
                own, wanted = item[attribute], value_of(value)
                return own is not None and own == (text_of(wanted) if isinstance(own, str) else wanted)
            case Between(attribute, low, high, low_closed, high_closed):
                own = item[attribute]
                if own is None:
                    return False
                above = low is None or (value_of(low) <= own if low_closed else value_of(low) < own)
                below = high is None or (own <= value_of(high) if high_closed else own < value_of(high))
                return bool(above and below)

    return holds(filter_.tree)

"""The expression tree of a filter and the kind that follows from its form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class FilterKind(StrEnum):
    """Filter types of arXiv 2507.21989, section 2; M... are the same over several attributes or values."""

    EM = "EM"
    R = "R"
    EMIS = "EMIS"
    MEM = "MEM"
    MR = "MR"
    MEMIS = "MEMIS"
    C = "C"


@dataclass(frozen=True)
class Parameter:
    """A value that each query brings."""

    name: str


Operand = Parameter | str | int | float | bool


@dataclass(frozen=True)
class Equals:
    """The attribute, a category or a number, has the value."""

    attribute: str
    value: Operand


@dataclass(frozen=True)
class Between:
    """The attribute, a number, lies between the bounds; None is an open side."""

    attribute: str
    low: Operand | None
    high: Operand | None
    low_closed: bool = True
    high_closed: bool = True


@dataclass(frozen=True)
class Contains:
    """The attribute, a set, has the value among its members."""

    attribute: str
    value: Operand


@dataclass(frozen=True)
class And:
    children: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    children: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    child: Node


Leaf = Equals | Between | Contains
Node = Leaf | And | Or | Not


def conjunction(children: list[Node]) -> Node:
    """All of the children: nested `and` is flattened, and a lower and an upper bound on one attribute
    become one range."""
    flat: list[Node] = []
    for child in children:
        for part in child.children if isinstance(child, And) else (child,):
            other = next((o for o in flat if _complete_each_other(o, part)), None)
            if other is None:
                flat.append(part)
            else:
                flat[flat.index(other)] = _one_range(other, part)
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def _complete_each_other(one: Node, other: Node) -> bool:
    return (
        isinstance(one, Between)
        and isinstance(other, Between)
        and one.attribute == other.attribute
        and (one.low is None) != (other.low is None)
        and (one.high is None) != (other.high is None)
    )


def _one_range(one: Node, other: Node) -> Between:
    assert isinstance(one, Between) and isinstance(other, Between)
    below, above = (one, other) if one.high is None else (other, one)
    return Between(one.attribute, below.low, above.high, below.low_closed, above.high_closed)


_SINGLE: dict[type[Node], FilterKind] = {
    Equals: FilterKind.EM,
    Between: FilterKind.R,
    Contains: FilterKind.EMIS,
}
_SEVERAL = {FilterKind.EM: FilterKind.MEM, FilterKind.R: FilterKind.MR, FilterKind.EMIS: FilterKind.MEMIS}


def kind_of(node: Node) -> FilterKind:
    """The kind, derived from the form alone."""
    if isinstance(node, And):
        kinds = {kind_of(child) for child in node.children}
        return _SEVERAL.get(kinds.pop(), FilterKind.C) if len(kinds) == 1 else FilterKind.C
    return _SINGLE.get(type(node), FilterKind.C)


def leaves_of(node: Node) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(node, And | Or):
        for child in node.children:
            yield from leaves_of(child)
    elif isinstance(node, Not):
        yield from leaves_of(node.child)
    else:
        yield node


def operands_of(leaf: Leaf) -> tuple[Operand, ...]:
    """The values that a leaf compares with."""
    if isinstance(leaf, Between):
        return tuple(bound for bound in (leaf.low, leaf.high) if bound is not None)
    return (leaf.value,)


def parameters_of(leaf: Leaf) -> list[Parameter]:
    """Those of its values that each query brings."""
    return [operand for operand in operands_of(leaf) if isinstance(operand, Parameter)]


@dataclass(frozen=True)
class Template:
    """A filter's text, its tree and what follows from it."""

    text: str
    tree: Node

    @cached_property
    def kind(self) -> FilterKind:
        return kind_of(self.tree)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the values that each query brings."""
        return tuple(dict.fromkeys(p.name for leaf in leaves_of(self.tree) for p in parameters_of(leaf)))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes compared."""
        return tuple(dict.fromkeys(leaf.attribute for leaf in leaves_of(self.tree)))

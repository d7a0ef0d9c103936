"""From the text of a filter to its tree. Only comparisons, and, or, not, in and literals are read; the
text is parsed with `ast` and never executed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.errors import FilterError
from fannsbench.filters.bind import BoundFilters, bind
from fannsbench.filters.tree import (
    Between,
    Contains,
    Equals,
    FilterKind,
    Node,
    Not,
    Operand,
    Or,
    Parameter,
    conjunction,
    kind_of,
    leaves_of,
    operands_of,
)

LONGEST_TEXT = 10_000
DEEPEST_NESTING = 30
"""Also keeps every program's stack within the 64 entries of `kernels.match.matches`."""

_STRING_OR_PARAMETER = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\$[A-Za-z_]\w*""")
_MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@dataclass(frozen=True)
class Filter:
    """A filter template: its text, its tree and what follows from it."""

    text: str
    tree: Node

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a template. Raises FilterError naming the position (column, from 1) of what is wrong."""
        return cls(text, _Parser(text).tree())

    @cached_property
    def kind(self) -> FilterKind:
        return kind_of(self.tree)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the values that each query brings, in order of appearance."""
        operands = [o for leaf in leaves_of(self.tree) for o in operands_of(leaf)]
        return tuple(dict.fromkeys(o.name for o in operands if isinstance(o, Parameter)))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes compared, in order of appearance."""
        return tuple(dict.fromkeys(leaf.attribute for leaf in leaves_of(self.tree)))

    def bind(
        self, attributes: Attributes, parameters: dict[str, np.ndarray], num_queries: int | None = None
    ) -> BoundFilters:
        """The filters of q queries: parameters[name] holds the q values of `$name`, texts for a category
        or set, int64 or float64 for a number. `num_queries` is needed where there is no parameter.

        Raises FilterError on an unknown attribute, a wrong kind, a missing or ill-typed parameter."""
        return bind(self, attributes, parameters, num_queries)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST_TEXT:
            raise FilterError(f"filter of {len(text)} characters; at most {LONGEST_TEXT} are read")

    def fail(self, where: ast.AST | int, message: str) -> NoReturn:
        if isinstance(where, ast.AST):
            line_start = sum(len(line) + 1 for line in self.text.split("\n")[: where.lineno - 1])  # type: ignore[attr-defined]
            line = self.text.split("\n")[where.lineno - 1]  # type: ignore[attr-defined]
            where = line_start + len(line.encode()[: where.col_offset].decode(errors="ignore"))  # type: ignore[attr-defined]
        raise FilterError(f"filter {self.text!r}, column {where + 1}: {message}")

    def tree(self) -> Node:
        # A parameter becomes a Python name of equal length, so that positions stay those of the text.
        self.parameter_at: dict[tuple[int, int], str] = {}

        def replace(found: re.Match[str]) -> str:
            if not found[0].startswith("$"):
                return found[0]
            before = self.text[: found.start()]
            line = before.count("\n") + 1
            column = len(before.rpartition("\n")[2].encode())
            self.parameter_at[line, column] = found[0][1:]
            return "_" + found[0][1:]

        source = _STRING_OR_PARAMETER.sub(replace, self.text)
        outside_strings = _STRING_OR_PARAMETER.sub(lambda found: " " * len(found[0]), self.text)
        if "$" in outside_strings:
            self.fail(outside_strings.index("$"), "$ must begin a parameter's name, as in $label")
        if not source.strip():
            self.fail(0, "empty; a filter looks like  lexname == $label")
        if source[0].isspace():
            self.fail(0, "must not begin with white space")
        try:
            expression = ast.parse(source, mode="eval")
        except SyntaxError as error:
            lines = self.text.split("\n")
            line = min(error.lineno or 1, len(lines))
            before = sum(len(text) + 1 for text in lines[: line - 1])
            self.fail(before + max((error.offset or 1) - 1, 0), f"not a filter expression ({error.msg})")
        except (MemoryError, RecursionError, ValueError) as error:
            self.fail(0, f"not a filter expression ({error or 'nested too deeply'})")
        return self.node(expression.body, 0)

    def node(self, node: ast.expr, depth: int) -> Node:
        if depth > DEEPEST_NESTING:
            self.fail(node, f"nested deeper than {DEEPEST_NESTING}")
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return conjunction([self.node(value, depth + 1) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                return Or(tuple(self.node(value, depth + 1) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.node(operand, depth + 1))
            case ast.Compare():
                return self.comparison(node)
            case _:
                self.fail(node, "expected a comparison, such as  lexname == $label  or  $label in ancestors")

    def comparison(self, node: ast.Compare) -> Node:
        sides = [node.left, *node.comparators]
        parts = [self.pair(sides[i], op, sides[i + 1]) for i, op in enumerate(node.ops)]
        return conjunction(parts)

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(op, ast.In | ast.NotIn):
            found = self.membership(left, right)
            return Not(found) if isinstance(op, ast.NotIn) else found
        if self.is_attribute(left) == self.is_attribute(right):
            self.fail(right, "a comparison needs an attribute on one side and a value on the other")
        if not self.is_attribute(left):
            left, right = right, left
            op = _MIRRORED.get(type(op), type(op))()
        attribute, value = self.attribute(left), self.operand(right)
        match op:
            case ast.Eq():
                return Equals(attribute, value)
            case ast.NotEq():
                return Not(Equals(attribute, value))
            case ast.Lt() | ast.LtE():
                return Between(attribute, None, value, high_closed=isinstance(op, ast.LtE))
            case ast.Gt() | ast.GtE():
                return Between(attribute, value, None, low_closed=isinstance(op, ast.GtE))
            case _:
                self.fail(right, "only ==, !=, <, <=, >, >=, in and not in compare")

    def membership(self, left: ast.expr, right: ast.expr) -> Node:
        if isinstance(right, ast.List | ast.Tuple):
            attribute = self.attribute(left)
            if not right.elts:
                self.fail(right, "an empty list matches nothing; name at least one value")
            values = [self.operand(element) for element in right.elts]
            equal: list[Node] = [Equals(attribute, value) for value in values]
            return equal[0] if len(equal) == 1 else Or(tuple(equal))
        return Contains(self.attribute(right), self.operand(left))

    def is_attribute(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and (node.lineno, node.col_offset) not in self.parameter_at

    def attribute(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name) or not self.is_attribute(node):
            self.fail(node, "expected the name of an attribute")
        return node.id

    def operand(self, node: ast.expr) -> Operand:
        if isinstance(node, ast.Name) and not self.is_attribute(node):
            return Parameter(self.parameter_at[node.lineno, node.col_offset])
        sign = 1
        literal = node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign, literal = (-1 if isinstance(node.op, ast.USub) else 1), node.operand
        if isinstance(literal, ast.Constant):
            value = literal.value
            if isinstance(value, bool | str) and literal is node:
                return value
            if isinstance(value, int | float) and not isinstance(value, bool):
                if isinstance(value, int) and not -(2**63) <= sign * value < 2**63:
                    self.fail(node, "integers must fit 64 bits")
                return sign * value
        self.fail(node, "expected a value: a text in quotes, a number, True, False or a $parameter")

"""From the text of a filter to its tree. Only comparisons, and, or, not, in and literals are read; the
text is parsed with `ast` and never executed."""

from __future__ import annotations

import ast
import math
import re
import warnings

import numpy as np

from fannsbench.attributes import Attributes
from fannsbench.errors import FilterError
from fannsbench.filters.bind import BoundFilters, bind
from fannsbench.filters.tree import (
    Between,
    Contains,
    Equals,
    Node,
    Not,
    Operand,
    Or,
    Parameter,
    Template,
    conjunction,
)

LONGEST_TEXT = 10_000
DEEPEST_NESTING = 30
"""Also keeps every program's stack within the 64 entries of `kernels.match.matches`."""

_STRING = r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\""""
_PARAMETER = r"(?<![\w$])\$[A-Za-z_]\w*(?![\w$])"
_TOKEN = re.compile(rf"{_STRING}|{_PARAMETER}|[\t\n\r\f\v]")
_DATE = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class Filter(Template):
    """A filter template that is read from text and bound to queries."""

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a template. Raises FilterError naming the position (column, from 1) of what is wrong."""
        return cls(text, _Parser(text).tree())

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
        self.parameter_at: dict[int, str] = {}
        """Names of parameters by their place in the source that `ast` sees."""

    def error(self, where: ast.expr | int, message: str) -> FilterError:
        if isinstance(where, ast.expr):
            where = len(self.text.encode()[: where.col_offset].decode())
        return FilterError(f"filter {self.text!r}, column {where + 1}: {message}")

    def tree(self) -> Node:
        if len(self.text) > LONGEST_TEXT:
            raise FilterError(f"filter of {len(self.text)} characters; at most {LONGEST_TEXT} are read")
        if not self.text.strip():
            raise self.error(0, "empty; a filter looks like  lexname == $label")
        if self.text[0].isspace():
            raise self.error(0, "must not begin with white space")
        unread = _TOKEN.sub(lambda found: " " * len(found[0]), self.text)
        for mark, right in (("$", "$ must begin a parameter's name, as in $label"), ("#", "no comments")):
            if mark in unread:
                raise self.error(unread.index(mark), right)
        if date := _DATE.search(unread):
            raise self.error(date.start(), f"a date is written in quotes, as '{date[0]}'")
        try:
            with warnings.catch_warnings(action="error"):  # such as that of an escape that is none
                expression = ast.parse(_TOKEN.sub(self.as_python, self.text), mode="eval")
        except SyntaxError as error:
            column = max((error.offset or 1) - 1, 0)
            raise self.error(column, f"not a filter expression ({error.msg})") from None
        except (MemoryError, RecursionError, ValueError) as error:
            raise self.error(0, f"not a filter expression ({error or 'nested too deeply'})") from None
        return self.node(expression.body, 0)

    def as_python(self, found: re.Match[str]) -> str:
        """A parameter becomes a name, and white space one blank: all stays on one line and in its place."""
        token = found[0]
        if token.isspace():
            return " "
        if token[0] != "$":
            return token
        self.parameter_at[len(self.text[: found.start()].encode())] = token[1:]
        return "_" + token[1:]

    def node(self, node: ast.expr, depth: int) -> Node:
        if depth > DEEPEST_NESTING:
            raise self.error(node, f"nested deeper than {DEEPEST_NESTING}")
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return conjunction([self.node(value, depth + 1) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                return Or(tuple(self.node(value, depth + 1) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.node(operand, depth + 1))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                return conjunction([self.pair(sides[i], op, sides[i + 1]) for i, op in enumerate(ops)])
        raise self.error(node, "expected a comparison, such as  lexname == $label  or  $label in ancestors")

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(op, ast.In | ast.NotIn):
            found = self.membership(left, right)
            return Not(found) if isinstance(op, ast.NotIn) else found
        attributes = [side for side in (left, right) if self.is_attribute(side)]
        values = [self.operand(side) for side in (left, right) if side not in attributes]
        if len(attributes) != 1:
            raise self.error(right, "a comparison needs an attribute on one side and a value on the other")
        if not self.is_attribute(left):
            op = _MIRRORED.get(type(op), type(op))()
        attribute, value = self.attribute(attributes[0]), values[0]
        match op:
            case ast.Eq():
                return Equals(attribute, value)
            case ast.NotEq():
                return Not(Equals(attribute, value))
            case ast.Lt() | ast.LtE():
                return Between(attribute, None, value, high_closed=isinstance(op, ast.LtE))
            case ast.Gt() | ast.GtE():
                return Between(attribute, value, None, low_closed=isinstance(op, ast.GtE))
        raise self.error(right, "only ==, !=, <, <=, >, >=, in and not in compare")

    def membership(self, left: ast.expr, right: ast.expr) -> Node:
        if isinstance(right, ast.List | ast.Tuple):
            attribute = self.attribute(left)
            if not right.elts:
                raise self.error(right, "an empty list matches nothing; name at least one value")
            equal = tuple(Equals(attribute, self.operand(element)) for element in right.elts)
            return equal[0] if len(equal) == 1 else Or(equal)
        return Contains(self.attribute(right), self.operand(left))

    def is_attribute(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.col_offset not in self.parameter_at

    def attribute(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name) or not self.is_attribute(node):
            raise self.error(node, "expected the name of an attribute")
        return node.id

    def operand(self, node: ast.expr) -> Operand:
        if isinstance(node, ast.Name) and not self.is_attribute(node):
            return Parameter(self.parameter_at[node.col_offset])
        match node:
            case ast.Constant(value=bool(value)):
                return value
            case ast.Constant(value=str(value)):
                if not re.fullmatch(_STRING, self.source_of(node)):
                    raise self.error(node, "a text is written between one pair of ' or \"")
                return value
            case ast.Constant(value=int(value) | float(value)):
                return self.number(node, value)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=value)):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return self.number(node, -value if isinstance(sign, ast.USub) else value)
        raise self.error(node, "expected a value: a text in quotes, a number, True, False or a $parameter")

    def number(self, node: ast.expr, value: int | float) -> int | float:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise self.error(node, "integers must fit 64 bits")
        if math.isinf(value):
            raise self.error(node, "too large for a number")
        return value

    def source_of(self, node: ast.expr) -> str:
        return self.text.encode()[node.col_offset : node.end_col_offset].decode()

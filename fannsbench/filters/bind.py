"""Filters bound to the attributes of a data set and to the values that queries bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number
from fannsbench.errors import FilterError, UnknownNameError
from fannsbench.filters.tree import (
    And,
    Between,
    Contains,
    Equals,
    Leaf,
    Node,
    Not,
    Operand,
    Or,
    Parameter,
    Template,
    leaves_of,
)
from fannsbench.kernels import match
from fannsbench.kernels.match import Predicate
from fannsbench.kernels.parallel import for_ranges


@dataclass(frozen=True, eq=False)
class BoundFilters:
    """The filters of q queries over n items. Values are already encoded; matching is computed when a
    method below is called, so what a plugin's `select` calls is what its selection is timed for."""

    filter: Template
    attributes: Attributes
    parameters: dict[str, np.ndarray]
    """The q values of every parameter, as the queries brought them."""
    predicate: Predicate
    """For `fannsbench.kernels.match.matches` inside a kernel."""

    def __len__(self) -> int:
        return len(self.predicate.bounds)

    def __getitem__(self, queries: slice | np.ndarray) -> BoundFilters:
        """The filters of some of the queries: a slice, as a view, or an array of their numbers."""
        return replace(
            self,
            parameters={name: values[queries] for name, values in self.parameters.items()},
            predicate=self.predicate._replace(bounds=self.predicate.bounds[queries]),
        )

    @property
    def n(self) -> int:
        """Number of items."""
        return self.attributes.n

    def counts(self, threads: int = 1) -> np.ndarray:
        """(q,) int64: how many items match each query; at once where the filter is one comparison."""
        counts = np.empty(len(self), np.int64)
        for_ranges(
            len(self),
            threads,
            lambda a, b: match.count_matches(self.predicate, a, self.n, self._masks(self.n), counts[a:b]),
        )
        return counts

    def bitmaps(self, threads: int = 1, items: range | None = None) -> np.ndarray:
        """(q, ceil(n / 8)) uint8: item i is bit i % 8 (lowest first) of byte i // 8. With `items`, of these
        alone, counted from their first."""
        items = items or range(self.n)
        bitmaps = np.empty((len(self), (len(items) + 7) // 8), np.uint8)
        for_ranges(
            len(self),
            threads,
            lambda a, b: match.fill_bitmaps(
                self.predicate, a, items.start, items.stop, self._masks(len(items)), bitmaps[a:b]
            ),
        )
        return bitmaps

    def mask(self, query: int) -> np.ndarray:
        """(n,) bool: the items that match one query."""
        masks = self._masks(self.n)
        match.fill_mask(self.predicate, query, 0, self.n, masks)
        return masks[0, : self.n].astype(bool)

    def postings(self, threads: int = 1, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """indptr (q + 1,) int64 and ids int32: the matches of query j, ascending, are
        ids[indptr[j]:indptr[j + 1]]. `counts`: what `counts()` gave, where it is known already."""
        indptr = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.counts(threads) if counts is None else counts, out=indptr[1:])
        ids = np.empty(indptr[-1], np.int32)
        for_ranges(
            len(self),
            threads,
            lambda a, b: match.fill_postings(
                self.predicate, a, 0, self.n, self._masks(self.n), indptr[a : b + 1], ids
            ),
        )
        return indptr, ids

    def postings_within(self, items: range, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `postings`, of these items alone, counted from their first, on one thread. `counts`: what
        `counts()` gave."""
        indptr = np.zeros(len(self) + 1, np.int64)
        positions = np.empty(np.minimum(counts, len(items)).sum(), np.int32)
        match.fill_postings(
            self.predicate, 0, items.start, items.stop, self._masks(len(items)), indptr, positions
        )
        return indptr, positions[: indptr[-1]]

    def violations(self, neighbors: np.ndarray) -> np.ndarray:
        """(q, k) bool: which of the returned ids (-1 is none) do not match their query."""
        found = np.zeros(neighbors.shape, bool)
        match.count_violations(self.predicate, neighbors, found)
        return found

    def expression(self, query: int) -> Node:
        """The tree of one query, every parameter replaced by its value."""

        def value_of(operand: Any) -> Any:
            if not isinstance(operand, Parameter):
                return operand
            value = self.parameters[operand.name][query]
            return value.item() if isinstance(value, np.generic) else value

        def filled(node: Node) -> Node:
            match node:
                case And(children):
                    return And(tuple(filled(child) for child in children))
                case Or(children):
                    return Or(tuple(filled(child) for child in children))
                case Not(child):
                    return Not(filled(child))
                case Between(low=low, high=high):
                    return replace(node, low=value_of(low), high=value_of(high))
                case Equals(value=value) | Contains(value=value):
                    return replace(node, value=value_of(value))

        return filled(self.filter.tree)

    def _masks(self, count: int) -> np.ndarray:
        """Scratch of the kernels for so many items."""
        depth = height = 0
        for op in self.predicate.program:
            height += 1 if op >= 0 else 0 if op == match.NOT else -1
            depth = max(depth, height)
        return np.zeros((depth, (count + 7) // 8 * 8), np.uint8)


def bind(
    filter_: Template, attributes: Attributes, parameters: dict[str, np.ndarray], num_queries: int | None
) -> BoundFilters:
    """See `Filter.bind`."""
    lengths = {name: len(values) for name, values in parameters.items() if name in filter_.parameters}
    missing = [name for name in filter_.parameters if name not in parameters]
    if missing:
        raise FilterError(f"filter {filter_.text!r}: no values for ${missing[0]}; every query must bring one")
    if num_queries is None:
        if not lengths:
            raise FilterError(
                f"filter {filter_.text!r} has no parameter; the number of queries must be given"
            )
        num_queries = next(iter(lengths.values()))
    uneven = [name for name, length in lengths.items() if length != num_queries]
    if uneven:
        raise FilterError(
            f"filter {filter_.text!r}: ${uneven[0]} has {lengths[uneven[0]]} values for {num_queries} queries"
        )
    leaves = list(leaves_of(filter_.tree))
    for leaf in leaves:
        if leaf.attribute not in attributes:
            raise FilterError(
                f"filter {filter_.text!r}: {UnknownNameError('attribute', leaf.attribute, attributes)}"
            )
    bounds = np.empty((num_queries, len(leaves), 2), np.int32)
    for place, leaf in enumerate(leaves):
        bounds[:, place] = _Encoder(filter_.text, leaf, parameters, num_queries).intervals(
            attributes[leaf.attribute]
        )
    used = {name: parameters[name] for name in filter_.parameters}
    return BoundFilters(filter_, attributes, used, _predicate(filter_.tree, leaves, attributes, bounds))


@dataclass
class _Encoder:
    """The code intervals of one leaf for all queries."""

    text: str
    leaf: Leaf
    parameters: dict[str, np.ndarray]
    num_queries: int

    def intervals(self, column: Column) -> np.ndarray:
        match self.leaf, column:
            case Equals(value=value), Category():
                return column.code_intervals(self.texts(value))
            case Contains(value=value), LabelSet():
                return column.code_intervals(self.texts(value))
            case Equals(value=value), Number():
                numbers = self.numbers(value)
                return column.code_intervals(numbers, numbers)
            case Between(_, low, high, low_closed, high_closed), Number():
                return column.code_intervals(
                    np.full(self.num_queries, -np.inf) if low is None else self.numbers(low),
                    np.full(self.num_queries, np.inf) if high is None else self.numbers(high),
                    low_closed,
                    high_closed,
                )
        right = {
            "category": "==, != or in [..]",
            "number": "==, !=, <, <=, >, >= or in [..]",
            "set": "value in attribute",
        }[column.kind]
        raise self.error(f"{self.leaf.attribute} is a {column.kind}; it is compared by {right}")

    def texts(self, operand: Operand) -> Iterable[Any]:
        if isinstance(operand, Parameter):
            return self.parameters[operand.name]
        return [operand] * self.num_queries

    def numbers(self, operand: Operand) -> np.ndarray:
        if isinstance(operand, Parameter):
            values = np.asarray(self.parameters[operand.name])
            shown = f"${operand.name} holds {values.dtype}"
        else:
            values = np.full(self.num_queries, operand)
            shown = f"{operand!r} is text"
        for number in (np.int64, np.float64):
            if np.can_cast(values.dtype, number) and values.dtype != np.uint64:
                return values.astype(number)
        raise self.error(f"{shown}; {self.leaf.attribute} is a number, compared with int64 or float64")

    def error(self, message: str) -> FilterError:
        return FilterError(f"filter {self.text!r}: {message}")


def _predicate(tree: Node, leaves: list[Leaf], attributes: Attributes, bounds: np.ndarray) -> Predicate:
    names = list(dict.fromkeys(leaf.attribute for leaf in leaves))
    sets = [name for name in names if isinstance(attributes[name], LabelSet)]
    scalars = [name for name in names if name not in sets]
    postings = [attributes[name].postings for name in names]
    starts_before = np.cumsum([0] + [len(p.starts) for p in postings])
    ids_before = np.cumsum([0] + [len(p.ids) for p in postings])
    set_columns: list[Any] = [attributes[name] for name in sets]
    scalar_columns: list[Any] = [attributes[name] for name in scalars]
    codes_before = np.cumsum([0] + [len(column.indices) for column in set_columns])
    n = attributes.n
    return Predicate(
        program=np.array(_program(tree, iter(range(len(leaves)))), np.int32),
        column=np.array(
            [(sets if leaf.attribute in sets else scalars).index(leaf.attribute) for leaf in leaves], np.int32
        ),
        is_set=np.array([leaf.attribute in sets for leaf in leaves], bool),
        bounds=bounds,
        codes=_stacked([column.codes for column in scalar_columns], (0, n), np.int32),
        row_starts=_stacked(
            [_shifted(c.indptr, before) for c, before in zip(set_columns, codes_before, strict=False)],
            (0, n + 1),
            np.int64,
        ),
        row_codes=_joined([column.indices for column in set_columns], np.int32),
        posting_column=np.array([starts_before[names.index(leaf.attribute)] for leaf in leaves], np.int64),
        posting_starts=_joined(
            [_shifted(p.starts, before) for p, before in zip(postings, ids_before, strict=False)], np.int64
        ),
        posting_ids=_joined([p.ids for p in postings], np.int32),
        driver=np.array(_drivers(tree), np.int32),
    )


# The arrays of a single column, which most filters have, are not copied.


def _shifted(starts: np.ndarray, by: int) -> np.ndarray:
    return starts + by if by else starts


def _stacked(rows: list[np.ndarray], empty: tuple[int, int], dtype: type) -> np.ndarray:
    if not rows:
        return np.zeros(empty, dtype)
    return np.ascontiguousarray(rows[0][None] if len(rows) == 1 else np.stack(rows), dtype)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    if not parts:
        return np.zeros(0, dtype)
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts), dtype)


def _program(node: Node, numbers: Iterator[int]) -> list[int]:
    """Postfix form; leaves are numbered from left to right."""
    match node:
        case And(children) | Or(children):
            joined = _program(children[0], numbers)
            for child in children[1:]:
                joined += [*_program(child, numbers), match.AND if isinstance(node, And) else match.OR]
            return joined
        case Not(child):
            return [*_program(child, numbers), match.NOT]
        case _:
            return [next(numbers)]


def _drivers(tree: Node) -> list[int]:
    """Numbers of the leaves that every matching item satisfies: the leaf itself, or those joined by and."""
    children = tree.children if isinstance(tree, And) else (tree,)
    found, number = [], 0
    for child in children:
        if isinstance(child, Equals | Between | Contains):
            found.append(number)
        number += len(list(leaves_of(child)))
    return found

"""Columns of attributes: values in and out, codes, inverted indexes, and comparisons as code intervals."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.attributes import Attributes, Category, LabelSet, Number, Postings
from fannsbench.errors import DatasetError

edges = st.builds(lambda power, step: 2**power + step, st.sampled_from([0, 53, 54, 62]), st.integers(-3, 3))
int64 = st.one_of(edges, edges.map(lambda value: -value), st.sampled_from(reference.INT64))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
floats = st.one_of(st.floats(allow_nan=False), int64.map(float), st.integers(-4, 4).map(lambda i: i / 2))


def ids_by_code(postings: Postings) -> list[list[int]]:
    return [postings.ids[first:last].tolist() for first, last in pairwise(postings.starts)]


@given(st.lists(st.none() | texts))
def test_category(values):
    column = Category.from_values(iter(values))
    assert (column.kind, len(column), column.codes.dtype) == ("category", len(values), np.int32)
    assert [column.value(i) for i in range(len(values))] == values
    assert column.vocabulary == sorted({value for value in values if value is not None})
    assert ids_by_code(column.postings) == [
        [i for i, value in enumerate(values) if value == text] for text in column.vocabulary
    ]
    assert (column.postings.starts.dtype, column.postings.ids.dtype) == (np.int64, np.int32)
    intervals = column.code_intervals([*column.vocabulary, "not there"])
    assert intervals.tolist() == [[c, c] for c in range(len(column.vocabulary))] + [[1, 0]]


@given(st.lists(st.sets(texts, max_size=4)))
def test_label_set(values):
    column = LabelSet.from_values(sorted(row, reverse=True) for row in values)
    assert (column.kind, len(column)) == ("set", len(values))
    assert (column.indptr.dtype, column.indices.dtype) == (np.int64, np.int32)
    assert [column.value(i) for i in range(len(values))] == values
    assert column.vocabulary == sorted(set().union(*values))
    assert ids_by_code(column.postings) == [
        [i for i, row in enumerate(values) if text in row] for text in column.vocabulary
    ]
    assert column.code_intervals(["not there"]).tolist() == [[1, 0]]


@given(st.one_of(st.lists(st.none() | int64), st.lists(st.none() | floats | st.just(math.nan))))
def test_number(values):
    column = Number.from_values(values)
    present = [value for value in values if value is not None and not math.isnan(value)]
    assert (column.kind, len(column)) == ("number", len(values))
    assert column.values.dtype == (np.int64 if all(isinstance(v, int) for v in present) else np.float64)
    assert (column.missing is None) == (len(present) == len(values))
    found = [column.value(i) for i in range(len(values))]
    assert found == [None if value is None or math.isnan(value) else value for value in values]
    assert column.distinct.tolist() == sorted(set(present))
    ranks = {value: rank for rank, value in enumerate(sorted(set(present)))}
    assert column.codes.tolist() == [-1 if value is None else ranks[value] for value in found]
    assert ids_by_code(column.postings) == [[i for i, v in enumerate(found) if v == value] for value in ranks]


def test_a_nan_is_missing_with_and_without_a_mark():
    values = np.array([1.0, np.nan, 3.0])
    unmarked, marked = Number(values), Number(values, np.array([True, False, False]))
    assert [unmarked.value(i) for i in range(3)] == [1.0, None, 3.0]
    assert [marked.value(i) for i in range(3)] == [None, None, 3.0]
    assert marked.codes.tolist() == [-1, -1, 0]


@settings(max_examples=400)
@given(
    values=st.lists(int64, min_size=1, max_size=8) | st.lists(floats, min_size=1, max_size=8),
    bounds=st.one_of(
        st.lists(st.tuples(kind, kind), min_size=1, max_size=4)
        for kind in (int64, floats, st.floats(allow_nan=True))
    ),
    low_closed=st.booleans(),
    high_closed=st.booleans(),
)
def test_intervals_of_numbers_hold_what_python_says_lies_between(values, bounds, low_closed, high_closed):
    column = Number.from_values(values)
    low, high = (np.array(side) for side in zip(*bounds, strict=True))
    intervals = column.code_intervals(low, high, low_closed, high_closed)
    assert (intervals.dtype, intervals.shape) == (np.int32, (len(bounds), 2))
    for (first, last), a, b in zip(intervals.tolist(), low.tolist(), high.tolist(), strict=True):
        inside = [
            (a <= value if low_closed else a < value) and (value <= b if high_closed else value < b)
            for value in column.distinct.tolist()
        ]
        assert [first <= code <= last for code in range(len(inside))] == inside
        assert first <= last or (first, last) == (1, 0)


@pytest.mark.parametrize(
    ("column", "bound", "holders"),
    [
        ([2**53, 2**53 + 1, 2**53 + 2], 2.0**53, [0]),
        ([2.0**53, 2.0**53 + 2], 2**53 + 1, []),
        ([2.0**53, 2.0**53 + 2], 2**53 + 2, [1]),
        ([2.0**63], 2**63 - 1, []),
        ([2**63 - 1], 2.0**63, []),
        ([-(2**63)], -(2.0**63), [0]),
        ([-(2.0**63)], -(2**63), [0]),
        ([2**63 - 1, -(2**63)], 2**63 - 1, [0]),
    ],
)
def test_equality_between_integers_and_floats_is_exact(column, bound, holders):
    codes = Number.from_values(column).codes
    (interval,) = Number.from_values(column).code_intervals(np.array([bound]), np.array([bound]))
    assert [i for i, code in enumerate(codes) if interval[0] <= code <= interval[1]] == holders


def test_a_bound_just_beside_a_float_is_not_that_float():
    column = Number.from_values([2.0**53, 2.0**63])
    low, high = np.array([2**53 + 1, 2**63 - 1, -(2**63)]), np.full(3, np.inf)
    assert column.code_intervals(low, high).tolist() == [[1, 1], [1, 1], [0, 1]]
    low, high = np.full(3, -np.inf), np.array([2**53 - 1, 2**53 + 1, 2**63 - 1])
    assert column.code_intervals(low, high).tolist() == [[1, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("values", [[1, 2], [1.0, np.inf]])
def test_nothing_lies_between_nan_and_anything(values):
    bounds = np.array([[np.nan, np.inf], [-np.inf, np.nan], [np.nan, np.nan]])
    for closed in (True, False):
        found = Number.from_values(values).code_intervals(bounds[:, 0], bounds[:, 1], closed, closed)
        assert found.tolist() == [[1, 0]] * 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Category(np.array([0, 2], np.int32), ["a", "b"]), "codes 0..2; its vocabulary allows -1..1"),
        (lambda: Category(np.array([-2], np.int32), ["a"]), "codes -2..-2"),
        (lambda: Category(np.array([0], np.int32), []), "codes 0..0"),
        (lambda: Category(np.array([0], np.int32), ["a", "a"]), "same text twice"),
        (lambda: Number(np.array([1], np.int32)), "int32"),
        (lambda: Number(np.array(["x"])), "must be int64 or float64"),
        (lambda: Number(np.zeros((2, 2))), "one dimension"),
        (lambda: Number(np.zeros(2), np.zeros(3, bool)), "differ in length"),
        (lambda: label_set([0, 1, 2], [0, -1]), "codes -1..0"),
        (lambda: label_set([0, 1, 2], [0, 2]), "codes 0..2"),
        (lambda: label_set([], []), "must rise from 0"),
        (lambda: label_set([1, 2], [0, 1]), "must rise from 0"),
        (lambda: label_set([0, 1], [0, 1]), "must rise from 0"),
        (lambda: label_set([0, 3, 2], [0, 1]), "must rise from 0"),
        (lambda: label_set([0, 2], [1, 0]), "must rise within each item"),
        (lambda: label_set([0, 0, 2], [1, 1]), "must rise within each item"),
    ],
)
def test_inconsistent_columns_are_refused(make, says):
    with pytest.raises(DatasetError, match=says):
        make()


def label_set(indptr, indices):
    return LabelSet(np.array(indptr, np.int64), np.array(indices, np.int32), ["a", "b"])


def test_indices_may_fall_from_one_item_to_the_next_over_empty_ones():
    column = label_set([0, 0, 2, 2, 3, 3], [0, 1, 0])
    assert [column.value(i) for i in range(5)] == [set(), {"a", "b"}, set(), {"a"}, set()]


def test_attributes():
    columns = {"a": Category.from_values(["x", None]), "b": Number.from_values([1, 2])}
    attributes = Attributes(columns, 2)
    assert (attributes.n, len(attributes), list(attributes)) == (2, 2, ["a", "b"])
    assert attributes["a"] is columns["a"]
    assert "c" not in attributes
    with pytest.raises(DatasetError, match="'b' has 2 values for 3 items"):
        Attributes({"b": columns["b"]}, 3)


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
@pytest.mark.parametrize("column", [Category, LabelSet])
def test_texts_that_no_file_can_keep(column, text):
    with pytest.raises(DatasetError, match="no file can keep"):
        column.from_values([["fine", text]] if column is LabelSet else ["fine", text])


@pytest.mark.parametrize("values", [[2**63], [-(2**63) - 1], [0.5, 10**400]])
def test_integers_beyond_64_bits(values):
    with pytest.raises(DatasetError, match="beyond 64 bits"):
        Number.from_values(values)


@given(st.lists(int64 | floats, min_size=1))
def test_integers_beside_fractions_keep_all_their_digits(values):
    exact = all(isinstance(v, float) or int(float(v)) == v for v in values)
    if exact or all(isinstance(v, int) for v in values):
        column = Number.from_values(values)
        assert [column.value(i) for i in range(len(values))] == [None if v != v else v for v in values]
    else:
        with pytest.raises(DatasetError, match="has more digits than a number"):
            Number.from_values(values)


@given(st.data())
def test_some_items_of_a_column(data):
    """Taken from the codes or made of the values alone: the same, but for the order of a vocabulary."""
    n = data.draw(st.integers(0, 12))
    values = {
        Category: data.draw(st.lists(st.none() | texts, min_size=n, max_size=n)),
        Number: data.draw(st.lists(st.none() | int64, min_size=n, max_size=n)),
        LabelSet: data.draw(st.lists(st.sets(texts, max_size=3), min_size=n, max_size=n)),
    }
    columns = {kind.kind: kind.from_values(of_kind) for kind, of_kind in values.items()}
    items = np.array(data.draw(st.lists(st.integers(0, n - 1)) if n else st.just([])), np.int64)
    taken = Attributes(columns, n).take(items)
    assert taken.n == len(items) and list(taken) == list(columns)
    for kind, of_kind in values.items():
        column = taken[kind.kind]
        alone = kind.from_values([of_kind[item] for item in items])
        assert [column.value(i) for i in range(len(items))] == [alone.value(i) for i in range(len(items))]
        if isinstance(column, Number):
            assert (column.missing is None) == (alone.missing is None)
        else:
            assert column.vocabulary == alone.vocabulary

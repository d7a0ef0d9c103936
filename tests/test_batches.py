"""Attributes by batches of rows, as their user knows them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_attributes import texts

from fannsbench.attributes import Attributes, Category, LabelSet, Number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
rows = st.tuples(
    st.none() | texts,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False),
    st.sets(texts, max_size=3),
    st.none() | st.integers(-700_000, 2_900_000),
    st.none() | st.integers(-62_000_000_000, 250_000_000_000),
    st.none() | st.integers(-(10**9), 10**9).map(lambda quarter: quarter / 4),
)


def attributes_of(items: list[tuple]) -> Attributes:
    text, integer, fraction, members, days, seconds, quarters = zip(*items, strict=True)
    whole = [Number.from_values(column) for column in (days, seconds)]
    columns = {
        "text": Category.from_values(text),
        "integer": Number.from_values(integer),
        "fraction": Number.from_values(fraction),
        "members": LabelSet.from_values(members),
        "days": Number(whole[0].values, whole[0].missing, "days"),
        "seconds": Number(whole[1].values, whole[1].missing, "seconds"),
        "quarters": Number(
            np.array([0.0 if q is None else q for q in quarters]),
            np.array([q is None for q in quarters]),
            "seconds",
        ),
    }
    return Attributes(columns, len(items))


@given(st.lists(rows, min_size=1, max_size=20), st.integers(1, 25))
def test_batches_hold_what_the_items_do(items, size):
    attributes = attributes_of(items)
    batches = list(attributes.batches(size))
    assert [batch.num_rows for batch in batches[:-1]] == [size] * (len(batches) - 1)
    found = pa.Table.from_batches(batches).to_pydict()
    assert found["text"] == [item[0] for item in items]
    assert found["integer"] == [item[1] for item in items]
    assert found["fraction"] == [item[2] for item in items]
    assert list(map(set, found["members"])) == [item[3] for item in items]
    assert found["seconds"] == [None if s is None else EPOCH + timedelta(seconds=s) for *_, s, _ in items]
    assert found["days"] == [None if d is None else date(1970, 1, 1) + timedelta(d) for *_, d, _, _ in items]
    assert found["quarters"] == [None if q is None else EPOCH + timedelta(seconds=q) for *_, q in items]


def test_types_do_not_change_from_batch_to_batch():
    attributes = attributes_of(
        [(None,) * 3 + (set(),) + (None,) * 3] * 3 + [("a", 1, 0.5, {"b"}, 1, 1, 0.25)]
    )
    schemas = [batch.schema for batch in attributes.batches(3)]
    assert schemas[0] == schemas[1]
    assert dict(zip(schemas[0].names, map(str, schemas[0].types), strict=True)) == {
        "text": "string", "integer": "int64", "fraction": "double", "members": "list<item: string>",
        "days": "date32[day]", "seconds": "timestamp[s, tz=UTC]", "quarters": "timestamp[us, tz=UTC]",
    }  # fmt: skip


def test_no_batch_needs_the_rest_of_the_items():
    """Only the rows that are asked for are looked at: those behind them are not sound."""
    codes = np.array([0, 1, 0, 7], np.int32)
    column = Category(codes[:3], ["a", "b"])
    object.__setattr__(column, "codes", codes)
    first = next(Attributes({"x": column}, 4).batches(3))
    assert first.to_pydict() == {"x": ["a", "b", "a"]}
    with pytest.raises(pa.ArrowIndexError):
        list(Attributes({"x": column}, 4).batches(3))

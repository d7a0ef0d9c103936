"""The filters of `verify`, against the plain Python oracle, item by item."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.data.verify.matching import Matching
from fannsbench.filters import And, Between, Contains, Equals, Filter, Not, Or, Parameter, matches_item

BIG = 2**53
INTEGERS = st.sampled_from([-(2**63), -BIG - 1, -BIG, -1, 0, 1, 2, BIG, BIG + 1, BIG + 2, 2**63 - 1])
FLOATS = st.sampled_from(
    [-np.inf, -(2.0**63), -1.5, -0.0, 0.5, 1.0, 2.0, 2.0**53, 2.0**53 + 2, 2.0**63, np.inf]
)
BOUNDS = INTEGERS | FLOATS | st.just(np.nan) | st.booleans()
TEXTS = st.sampled_from(["", "a", "ü", "true", "1"])
WANTED_TEXTS = TEXTS | st.just("nowhere") | st.booleans() | st.just(1)


@st.composite
def attributes(draw):
    n = draw(st.integers(1, 12))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    integers, floats = column(st.none() | INTEGERS), column(st.none() | FLOATS | st.just(np.nan))
    columns = {
        "colour": Category.from_values(column(st.none() | TEXTS)),
        "integer": Number.from_values(integers),
        "real": Number(np.array([np.nan if value is None else value for value in floats], np.float64)),
        "tags": LabelSet.from_values(column(st.sets(TEXTS))),
    }
    return Attributes(columns, n)


QUERIES = 3
PARAMETERS = st.fixed_dictionaries(
    {
        "text": st.lists(TEXTS | st.just("nowhere"), min_size=QUERIES, max_size=QUERIES).map(
            lambda texts: np.array(texts, object)
        ),
        "integer": st.lists(INTEGERS, min_size=QUERIES, max_size=QUERIES).map(np.array),
        "real": st.lists(FLOATS | st.just(np.nan), min_size=QUERIES, max_size=QUERIES).map(np.array),
    }
)
NUMBERS = BOUNDS | st.sampled_from([Parameter("integer"), Parameter("real")])
NUMERIC = st.sampled_from(["integer", "real"])
LEAVES = st.one_of(
    st.builds(Equals, st.just("colour"), WANTED_TEXTS | st.just(Parameter("text"))),
    st.builds(Equals, NUMERIC, NUMBERS),
    st.builds(Between, NUMERIC, st.none() | NUMBERS, st.none() | NUMBERS, st.booleans(), st.booleans()),
    st.builds(Contains, st.just("tags"), WANTED_TEXTS | st.just(Parameter("text"))),
)
TREES = st.recursive(
    LEAVES,
    lambda trees: st.one_of(
        st.builds(Not, trees),
        st.builds(And, st.lists(trees, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(trees, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


@given(attributes(), TREES, PARAMETERS, st.data())
def test_numpy_and_plain_python_agree(columns, tree, parameters, data):
    first = data.draw(st.integers(0, columns.n - 1))
    rows = slice(first, data.draw(st.integers(first + 1, columns.n)))
    matching = Matching(tree, columns, parameters)
    for query in range(QUERIES):
        values = {name: np.asarray(array, object)[query] for name, array in parameters.items()}
        expected = [
            matches_item(
                Filter("", tree), {name: column.value(i) for name, column in columns.items()}, values
            )
            for i in range(rows.start, rows.stop)
        ]
        mask = matching.mask(query, rows)
        assert (mask.tolist(), mask.dtype) == (expected, bool)

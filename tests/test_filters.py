"""The filter language: every evaluation against the meaning of the same text as a Python expression."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.errors import FilterError
from fannsbench.filters import (
    And,
    Between,
    Contains,
    Equals,
    Filter,
    FilterKind,
    Not,
    Or,
    Parameter,
    matches_item,
)
from fannsbench.filters.parse import DEEPEST_NESTING, LONGEST_TEXT
from fannsbench.kernels.match import matches

TEXTS = ["a", "b", "it's", 'say "x"', "", "grün", "日本", "$a", "a b", "\\", "#", "true", "3"]
INTEGERS = [0, 1, -1, 7, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63 - 2, -(2**63), 2**62 + 1]
FINITE = [0.0, -0.0, 0.5, 7.0, -1.5, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 1e300, 5e-324]
FLOATS = [*FINITE, np.inf, -np.inf]
SIZES = [1, 2, 7, 8, 9, 63, 64, 65, 130]
CATEGORIES, NUMBERS, SETS = ("colour", "größe"), ("count", "year", "price"), ("tags", "relations")


class Case(NamedTuple):
    text: str
    attributes: Attributes
    parameters: dict[str, np.ndarray]
    num_queries: int

    def bind(self):
        return Filter.parse(self.text).bind(self.attributes, self.parameters, self.num_queries)

    def items(self):
        return reference.items_of(self.attributes, self.attributes.n)

    def values(self, query):
        return {name: reference.plain(values[query]) for name, values in self.parameters.items()}


@st.composite
def cases(draw, sizes=SIZES, max_queries=4, depth=3):
    """A table of attributes, a filter's text, and the values of its parameters."""
    n, num_queries = draw(st.sampled_from(sizes)), draw(st.integers(1, max_queries))
    return _Maker(n, num_queries, random.Random(draw(st.integers(0, 2**32)))).case(
        draw(st.integers(0, depth))
    )


class _Maker:
    """Draws from a generator of its own: hypothesis varies trees too little, most of its cases are alike."""

    def __init__(self, n, num_queries, rng):
        self.n, self.num_queries, self.rng = n, num_queries, rng
        self.parameters: dict[str, np.ndarray] = {}
        self.columns = {name: Category.from_values(self.some(TEXTS)) for name in CATEGORIES}
        for name, pool in {"count": INTEGERS, "year": INTEGERS, "price": FLOATS}.items():
            values = self.some(pool)
            missing = np.array([value is None for value in values])
            dtype = np.float64 if pool is FLOATS else np.int64
            self.columns[name] = Number(np.array([value or 0 for value in values], dtype), missing)
        for name in SETS:
            rows = [rng.sample(TEXTS, rng.choice([0, 1, 3])) for _ in range(n)]
            self.columns[name] = LabelSet.from_values(rows)

    def case(self, depth):
        text = self.expression(depth)
        return Case(text, Attributes(self.columns, self.n), self.parameters, self.num_queries)

    def some(self, pool):
        """n values, a few of them very often and some missing, so that posting lists are short and long."""
        few = self.rng.sample(pool, self.rng.randint(1, 6))
        weights = [self.rng.expovariate(1) ** 4 for _ in few]
        missing = self.rng.choice([0.0, 0.0, 0.3, 1.0])
        values = self.rng.choices(few, weights, k=self.n)
        return [None if self.rng.random() < missing else value for value in values]

    def expression(self, depth):
        form = self.rng.choice(["leaf", "and", "and", "or", "not"]) if depth else "leaf"
        if form == "leaf":
            return self.leaf()
        if form == "not":
            return f"not ({self.expression(depth - 1)})"
        parts = [self.expression(depth - 1) for _ in range(self.rng.randint(2, 3))]
        return f" {form} ".join(f"({part})" if self.rng.random() < 0.5 else part for part in parts)

    def leaf(self):
        name = self.rng.choice([*CATEGORIES, *NUMBERS, *SETS])
        membership = self.rng.choice(["in", "not in"])
        if name in SETS:
            return f"{self.operand(name)} {membership} {name}"
        comparisons = ["==", "!="] if name in CATEGORIES else ["==", "!=", "<", "<=", ">", ">="]
        one, other = self.rng.choices(comparisons, k=2)
        match self.rng.randrange(4):
            case 0:
                return f"{name} {one} {self.operand(name)}"
            case 1:
                return f"{self.operand(name)} {one} {name}"
            case 2:
                return f"{self.operand(name)} {one} {name} {other} {self.operand(name)}"
            case _:
                values = ", ".join(self.operand(name) for _ in range(self.rng.randint(1, 3)))
                return f"{name} {membership} " + self.rng.choice([f"[{values}]", f"({values},)"])

    def operand(self, name):
        """A literal or a parameter; often a value that items have."""
        if name in NUMBERS:
            own = {value for value in self.columns[name].distinct.tolist() if np.isfinite(value)}
            pools = [own or INTEGERS, own or INTEGERS, INTEGERS, FINITE, [*FLOATS, np.nan]]
        else:
            pools = [self.columns[name].vocabulary or TEXTS, [*TEXTS, "unheard of"]]
        pool = sorted(self.rng.choice(pools))
        if self.rng.random() < 0.5:
            literals = [value for value in pool if value not in (np.inf, -np.inf) and value == value]
            return repr(self.rng.choice(literals))
        parameter = f"p{len(self.parameters)}_x"
        values = self.rng.choices(pool, k=self.num_queries)
        self.parameters[parameter] = np.array(values, object if name not in NUMBERS else None)
        return f"${parameter}"


def expected_masks(case):
    items = case.items()
    rows = [case.values(j) for j in range(case.num_queries)]
    return np.array([[reference.evaluate(case.text, item, row) for item in items] for row in rows])


@settings(max_examples=500)
@given(case=cases(), threads=st.sampled_from([1, 3]))
def test_all_evaluations_agree_with_the_meaning_in_python(case, threads):
    filter_, bound, expected = Filter.parse(case.text), case.bind(), expected_masks(case)
    n, q = case.attributes.n, case.num_queries
    assert (len(bound), bound.n) == (q, n)
    for j in range(q):
        oracle = [matches_item(filter_, item, case.values(j)) for item in case.items()]
        np.testing.assert_array_equal(oracle, expected[j])
        mask = bound.mask(j)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, expected[j])
        kernel = [matches(bound.predicate, j, i) for i in range(n)]
        np.testing.assert_array_equal(kernel, expected[j])
        filled = Filter("", bound.expression(j))
        assert filled.parameters == ()
        np.testing.assert_array_equal([matches_item(filled, item, {}) for item in case.items()], expected[j])
    assert_batches(bound, expected, threads)


@settings(max_examples=60)
@given(case=cases(max_queries=6, depth=2), data=st.data())
def test_a_slice_is_the_filters_of_those_queries(case, data):
    first = data.draw(st.integers(0, case.num_queries))
    last = data.draw(st.integers(first, case.num_queries))
    part, expected = case.bind()[first:last], expected_masks(case)[first:last]
    assert len(part) == last - first
    assert all(len(values) == last - first for values in part.parameters.values())
    for j in range(last - first):
        np.testing.assert_array_equal(part.mask(j), expected[j])
        items = case.items()
        filled = Filter("", part.expression(j))
        np.testing.assert_array_equal([matches_item(filled, item, {}) for item in items], expected[j])
    assert_batches(part, expected, threads=3)


def assert_batches(bound, expected, threads):
    """Counts, bitmaps, posting lists and violations of all queries at once."""
    n = bound.n
    counts = bound.counts(threads)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, expected.sum(axis=1).reshape(len(bound)))
    bitmaps = bound.bitmaps(threads)
    assert (bitmaps.dtype, bitmaps.shape) == (np.uint8, (len(bound), (n + 7) // 8))
    packed = np.packbits(expected.reshape(len(bound), n), axis=1, bitorder="little")
    np.testing.assert_array_equal(bitmaps, packed)
    indptr, ids = bound.postings(threads)
    assert (indptr.dtype, ids.dtype, len(indptr)) == (np.int64, np.int32, len(bound) + 1)
    for j in range(len(bound)):
        np.testing.assert_array_equal(ids[indptr[j] : indptr[j + 1]], np.flatnonzero(expected[j]))
    assert indptr[-1] == len(ids)
    neighbors = np.random.default_rng(n).integers(-1, n, (len(bound), 9)).astype(np.int32)
    violations = bound.violations(neighbors)
    for j, row in enumerate(neighbors):
        np.testing.assert_array_equal(violations[j], [i >= 0 and not expected[j, i] for i in row])


@given(case=cases(sizes=[1, 9], depth=2))
def test_a_filter_that_was_read_is_its_text_again_as_a_value(case):
    one, other = Filter.parse(case.text), Filter.parse(case.text)
    assert one == other
    assert hash(one) == hash(other)
    assert sorted(one.parameters) == sorted(case.parameters)
    assert set(one.attributes) <= set(case.attributes)


# Kinds and trees

KINDS = {
    "a == $x": "EM",
    "$x == a": "EM",
    "a in ['x']": "EM",
    "$low <= a <= $high": "R",
    "$high >= a >= $low": "R",
    "a < 3": "R",
    "a >= $low and a < $high": "R",
    "a < $high and $low <= a": "R",
    "$x in a": "EMIS",
    "a == $x and b == $y": "MEM",
    "a == $x and (b == $y and c == 3)": "MEM",
    "a == 1 == b": "MEM",
    "a < $x and b > $y": "MR",
    "$w <= a <= $x and $y <= b <= $z": "MR",
    "a > $x and a > $y": "MR",
    "$x in a and $y in a": "MEMIS",
    "$x in a and $y in b": "MEMIS",
    "a != $x": "C",
    "not a == $x": "C",
    "$x not in a": "C",
    "a in ['x', $y]": "C",
    "a == $x or a == $y": "C",
    "a == $x and b < $y": "C",
    "a == $x and $y in b": "C",
    "a == $x and b == $y and not c == $z": "C",
    "(a == $x or b == $y) and c == $z": "C",
    "(a == $x or b == $y) and (a == $y or b == $x)": "C",
}


@pytest.mark.parametrize("text", KINDS)
def test_the_kind_follows_from_the_form(text):
    assert Filter.parse(text).kind is FilterKind(KINDS[text])


def test_the_tree():
    text = "(colour != 'r' or -3 < price <= $high) and not $tag in tags and n in (1, 2.5, True)"
    assert Filter.parse(text).tree == And(
        (
            Or((Not(Equals("colour", "r")), Between("price", -3, Parameter("high"), low_closed=False))),
            Not(Contains("tags", Parameter("tag"))),
            Or((Equals("n", 1), Equals("n", 2.5), Equals("n", True))),
        )
    )


def test_a_filter_may_be_written_on_several_lines_and_in_any_script():
    filter_ = Filter.parse("(größe ==\r\n\t'日\\n本' and\n$önly2 in tags)".replace("$ö", "$o"))
    assert filter_.attributes == ("größe", "tags")
    assert filter_.parameters == ("only2",)
    assert filter_.tree == And((Equals("größe", "日\n本"), Contains("tags", Parameter("only2"))))


def test_what_looks_like_a_parameter_in_a_text_is_text():
    filter_ = Filter.parse("""a in ['$x', "it's $y", 'b\\'$z', $x]""")
    assert filter_.parameters == ("x",)
    values = [leaf.value for leaf in filter_.tree.children]
    assert values == ["$x", "it's $y", "b'$z", Parameter("x")]


# What is refused, and where

REFUSED = [  # text, with the place of the error marked by ^, and what the message says
    ("^len(a) == 3", "expected a value"),
    ("a == ^f(3)", "expected a value"),
    ("^f(a)", "expected a comparison"),
    ("a == ^().__class__", "expected a value"),
    ("^a.b == 3", "expected a value"),
    ("a == ^b.c", "expected a value"),
    ("^a[0] == 3", "expected a value"),
    ("a == ^b[0]", "expected a value"),
    ("^lambda: a == 3", "expected a comparison"),
    ("a in ^[x for x in b]", "name of an attribute"),
    ("a in [^*b]", "expected a value"),
    ("a == 1 and (^b := 3)", "expected a comparison"),
    ("a == (^b := 3)", "expected a value"),
    ("a == ^f'x'", "expected a value"),
    ("a == ^f'{b}'", "expected a value"),
    ("a == ^b'x'", "expected a value"),
    ("a == ^u'x'", "pair of"),
    ("a == ^r'x'", "pair of"),
    ("a == ^'x' 'y'", "pair of"),
    ("a == ^'''x'''", "pair of"),
    ("a == ^None", "expected a value"),
    ("a == ^...", "expected a value"),
    ("a == ^3j", "expected a value"),
    ("a == ^-True", "expected a value"),
    ("a == ^-'x'", "expected a value"),
    ("a == ^--1", "expected a value"),
    ("a == ^1 + 1", "expected a value"),
    ("a == ^10 ** 100", "expected a value"),
    ("a == ^9223372036854775808", "64 bits"),
    ("a == ^-9223372036854775809", "64 bits"),
    ("a == ^1e999", "too large"),
    ("a == ^-1e999", "too large"),
    ("a == ^b", "attribute on one side"),
    ("$x == ^$y", "attribute on one side"),
    ("1 < ^2 < a", "attribute on one side"),
    ("a < 1 < ^2", "attribute on one side"),
    ("a < ^b < 3", "attribute on one side"),
    ("a is ^3", "only =="),
    ("a is not ^$x", "only =="),
    ("^a", "expected a comparison"),
    ("^$x", "expected a comparison"),
    ("^True", "expected a comparison"),
    ("a == 1 and ^b", "expected a comparison"),
    ("^a if b == 1 else c", "expected a comparison"),
    ("^(a == 1, b == 2)", "expected a comparison"),
    ("^{'a': 1}", "expected a comparison"),
    ("^a & b", "expected a comparison"),
    ("(^a == 1) == (b == 2)", "expected a value"),
    ("a in ^[]", "empty list"),
    ("a in ^{1, 2}", "name of an attribute"),
    ("a in (^1)", "name of an attribute"),
    ("a in ^$x", "name of an attribute"),
    ("^a in b", "expected a value"),
    ("^'x' in ['x', 'y']", "name of an attribute"),
    ("^[1] in a", "expected a value"),
    ("a in ['x', ^b]", "expected a value"),
    ("a == ^$", "must begin a parameter"),
    ("a == ^$ x", "must begin a parameter"),
    ("a == ^$1", "must begin a parameter"),
    ("a == ^$x$y", "must begin a parameter"),
    ("a^$x == 1", "must begin a parameter"),
    ("a == ^$$x", "must begin a parameter"),
    ("a == 'x' and b == ^$", "must begin a parameter"),
    ("a == '$' and b == ^$", "must begin a parameter"),
    ("a == 1 ^# and b == 2", "no comments"),
    ("^ a == 1", "white space"),
    ("^", "empty"),
    ("^  ", "empty"),
    ("a == 1 ^b", "not a filter expression"),
    ("a ^= 1", "not a filter expression"),
    ("a == 1^; b == 2", "not a filter expression"),
    ("^import os", "not a filter expression"),
    ("a == '2024-01-31' or a < ^2024-01-31", "a date is written in quotes, as '2024-01-31'"),
    ("^2024-12-10T12:00 > a", "a date is written in quotes, as '2024-12-10'"),
    ("a == ^'x", "not a filter expression"),
    ("a == ^'x\\d'", "invalid escape sequence"),
    ("a == ^'x\n'", "pair of"),
    ("(größe == 'ü' and a == ^f(1))", "expected a value"),
    ("日本 == '語' and ^b", "expected a comparison"),
    ("größe == '日' and b == ^$", "must begin a parameter"),
    ("größe == '日' ^1 b", "not a filter expression"),
    ("(a == 1 and\n b == 'ü' and\n c == ^f(1))", "expected a value"),
]


@pytest.mark.parametrize(("marked", "says"), REFUSED)
def test_what_is_not_of_the_language_is_refused_at_its_place(marked, says):
    column = marked.index("^") + 1
    text = marked.replace("^", "", 1)
    with pytest.raises(FilterError) as refusal:
        Filter.parse(text)
    message = str(refusal.value)
    assert message.startswith(f"filter {text!r}, column {column}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "not " * (DEEPEST_NESTING + 1) + "a == 1",
        "not " * 2000 + "a == 1",
        "(" * 60 + "a == 1" + ")" * 60 + " and (" * 150 + "b == 1" + ")" * 150,
        "(" * 4000 + "a == 1" + ")" * 4000,
        "a == " + "-" * 9000 + "1",
        "a == " + "9" * 5000,
        "a == 1\0",
        "a == '\ud800'",
        "a == $x\ud800",
    ],
    ids=lambda text: f"{text[:12]!r}...{len(text)}",
)
def test_monsters_are_refused_in_words(text):
    with pytest.raises(FilterError, match=r"column \d+: "):
        Filter.parse(text)


def test_nesting_as_deep_as_allowed_works_and_no_deeper():
    attributes = Attributes({"a": Number.from_values(range(40))}, 40)
    text = "a in [0, 31, 35]"
    for level in range(DEEPEST_NESTING):
        text = f"a == {level + 1} or ({text})" if level % 2 else f"a < {39 - level // 3} and ({text})"
    bound = Filter.parse(text).bind(attributes, {}, 1)
    expected = [reference.evaluate(text, {"a": value}, {}) for value in range(40)]
    np.testing.assert_array_equal(bound.mask(0), expected)
    np.testing.assert_array_equal([matches(bound.predicate, 0, i) for i in range(40)], expected)
    assert 0 < sum(expected) < 40
    with pytest.raises(FilterError, match=f"nested deeper than {DEEPEST_NESTING}"):
        Filter.parse(f"not ({text})")


def test_a_text_beyond_all_measure_is_refused():
    with pytest.raises(FilterError, match="at most"):
        Filter.parse("a == 1" + " " * LONGEST_TEXT)


TOKENS = "a b $x $ 't' ' \" 3 - == <= != in not and or ( ) [ ] , \\ # is lambda : . = ü f' { *"


@settings(max_examples=500)
@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from([*TOKENS.split(" "), "\n", "\u00a0"]),
            max_size=9,
        ).map(" ".join),
    )
)
def test_any_text_is_read_or_refused(text):
    try:
        filter_ = Filter.parse(text)
    except FilterError as refusal:
        column = int(str(refusal).removeprefix(f"filter {text!r}, column ").partition(":")[0])
        assert 1 <= column <= len(text) + 1
    else:
        assert isinstance(filter_.kind, FilterKind)


# Binding

TABLE = Attributes(
    {
        "colour": Category.from_values(["red", "3", None, "true"]),
        "price": Number.from_values([1, 2, 3, 4]),
        "weight": Number.from_values([0.5, None, 2.0, 1.0]),
        "tags": LabelSet.from_values([["a"], [], ["a", "b"], ["1.5"]]),
    },
    4,
)


def bind(text, num_queries=None, **parameters):
    return Filter.parse(text).bind(TABLE, {p: np.array(v) for p, v in parameters.items()}, num_queries)


@pytest.mark.parametrize(
    ("text", "parameters", "says"),
    [
        ("color == $x", {"x": ["a"]}, "unknown attribute 'color'; did you mean colour"),
        ("colour == $x", {}, r"no values for \$x"),
        ("colour == $x and price < $y", {"x": ["a"]}, r"no values for \$y"),
        ("colour == $x and price < $y", {"x": ["a"], "y": [1, 2]}, r"\$y has 2 values for 1 queries"),
        ("colour == 'red'", {}, "number of queries must be given"),
        ("$x in price", {"x": ["a"]}, "price is a number; it is compared by =="),
        ("$x in colour", {"x": ["a"]}, "colour is a category; it is compared by =="),
        ("colour < $x", {"x": ["a"]}, "colour is a category"),
        ("tags == $x", {"x": ["a"]}, "tags is a set; it is compared by value in attribute"),
        ("tags in ['a', 'b']", {}, "tags is a set"),
        ("tags < $x", {"x": [3]}, "tags is a set"),
        ("price == $x", {"x": ["3"]}, r"\$x holds <U1; price is a number"),
        ("price < 'a'", {}, "'a' is text; price is a number"),
        ("price == $x", {"x": np.array([2**63], np.uint64)}, r"\$x holds uint64"),
        ("price == $x", {"x": np.array([1], object)}, r"\$x holds object"),
        ("price == $x", {"x": np.array([1j])}, r"\$x holds complex128"),
    ],
)
def test_what_does_not_fit_the_attributes_is_refused(text, parameters, says):
    with pytest.raises(FilterError, match=says) as refusal:
        bind(text, None if "must be given" in says or parameters else 1, **parameters)
    assert str(refusal.value).startswith(f"filter {text!r}")


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        ("colour == $x", {"x": ["violet"]}, []),
        ("$x in tags", {"x": ["violet"]}, []),
        ("price == $x", {"x": [5]}, []),
        ("price == $x", {"x": [2.5]}, []),
        ("not colour == $x", {"x": ["violet"]}, [0, 1, 2, 3]),
        ("colour == 3", {}, [1]),
        ("colour == $x", {"x": [3]}, [1]),
        ("colour == True", {}, [3]),
        ("colour == $x", {"x": [True]}, [3]),
        ("colour == $x", {"x": [b"red"]}, [0]),
        ("1.5 in tags", {}, [3]),
        ("price == True", {}, [0]),
        ("price == $x", {"x": [True]}, [0]),
        ("price == $x", {"x": np.array([2], np.uint8)}, [1]),
        ("price <= $x", {"x": np.array([2.5], np.float32)}, [0, 1]),
        ("colour != 'red'", {}, [1, 2, 3]),
        ("weight != 1.0", {}, [0, 1, 2]),
        ("not weight < 99", {}, [1]),
        ("weight < $x", {"x": [np.nan]}, []),
        ("not weight < $x", {"x": [np.nan]}, [0, 1, 2, 3]),
        ("price < $x", {"x": [np.inf]}, [0, 1, 2, 3]),
        ("price > -9223372036854775808", {}, [0, 1, 2, 3]),
        ("price > 9223372036854775807", {}, []),
        ("3 <= price <= 2", {}, []),
        ("1 <= price <= 4 and price >= 2 and price < $x", {"x": [4]}, [1, 2]),
    ],
)
def test_values_of_other_types_and_values_that_nothing_has(text, parameters, expected):
    bound = bind(text, 1, **parameters)
    assert bound.counts().tolist() == [len(expected)]
    assert bound.postings()[1].tolist() == expected
    assert np.flatnonzero(bound.mask(0)).tolist() == expected
    items = reference.items_of(TABLE, 4)
    values = {name: reference.plain(np.array(v)[0]) for name, v in parameters.items()}
    oracle = [i for i, item in enumerate(items) if matches_item(Filter.parse(text), item, values)]
    assert oracle == expected


def test_parameters_that_the_filter_does_not_name_are_left_out():
    assert list(bind("price == $x", x=[1, 2], y=[3]).parameters) == ["x"]


def test_no_queries_and_no_items():
    assert bind("price == $x", x=np.zeros(0, np.int64)).bitmaps().shape == (0, 1)
    nothing = Attributes({"a": Category.from_values([]), "t": LabelSet.from_values([])}, 0)
    bound = Filter.parse("a == $x and not $x in t").bind(nothing, {"x": np.array(["a"], object)})
    assert bound.counts().tolist() == [0]
    assert bound.bitmaps().shape == (1, 0)
    assert bound.postings()[1].tolist() == []
    assert bound.mask(0).tolist() == []


def test_the_predicate_is_what_kernels_expect():
    predicate = bind("colour == $x and $x in tags and price < 3", x=["red"]).predicate
    for name, array in predicate._asdict().items():
        assert array.flags.c_contiguous, name
        assert array.dtype in (np.int32, np.int64, bool), name
    assert predicate.codes.shape == (2, 4)
    assert predicate.row_starts.shape == (1, 5)
    assert predicate.driver.tolist() == [0, 1, 2]

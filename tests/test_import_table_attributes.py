"""Attributes from the tables that users have, for `fannsbench datasets import table`."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.data.importers.table.attributes import attribute_name, read_attributes
from fannsbench.errors import DatasetError
from fannsbench.filters import Filter


def read(path, without=(), **kinds):
    return read_attributes(path, kinds, without)


def column(path, choice=None, name="x"):
    """The kind of a column and its values."""
    found = read(path, **({name: choice} if choice else {}))
    values = found.attributes[name]
    return found.kinds[name], [values.value(i) for i in range(len(values))]


def write_csv(path, columns, cell=lambda value: value, **style):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **style)
        writer.writerow(columns)
        writer.writerows([cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return path


def write_jsonl(path, columns, **style):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row, **style) + "\n" for row in rows), encoding="utf-8")
    return path


def cells(path, *texts):
    """A .csv of one column."""
    return write_csv(path / "t.csv", {"x": texts})


# --- the same table in three formats

EPOCH = datetime(1970, 1, 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).map(
    lambda text: f"t{text}".strip()  # a .csv keeps no blanks around its cells
)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
KINDS = {
    "category": TEXT,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "day": st.dates(),
    "time": TIMES,
    "set": st.lists(TEXT, max_size=3),
}


@st.composite
def tables(draw):
    n = draw(st.integers(1, 8))
    columns = {}
    for kind, values in KINDS.items():
        drawn = draw(st.lists(st.none() | values, min_size=n, max_size=n))
        drawn[draw(st.integers(0, n - 1))] = ["tag"] if kind == "set" else draw(values)
        columns[kind] = drawn
    return columns


def cell(value):
    if value is None:
        return ""
    if isinstance(value, list):
        return json.dumps(value)
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def expected(kind, value, whole):
    if kind == "set":
        return set(value or ())
    if value is None:
        return None
    if kind == "day":
        return (value - EPOCH.date()).days
    if kind == "time":
        return (value - EPOCH) // timedelta(seconds=1) if whole else (value - EPOCH).total_seconds()
    return str(value).lower() if kind == "boolean" else value


@given(tables())
@settings(max_examples=60)
def test_a_table_is_the_same_in_every_format(tmp_path_factory, columns):
    folder = tmp_path_factory.mktemp("tables")
    files = [
        write_csv(folder / "t.csv", columns, cell),
        write_csv(folder / "t.tsv", columns, cell, delimiter="\t"),
        write_jsonl(folder / "t.jsonl", columns, default=lambda day: day.isoformat()),
        folder / "t.parquet",
    ]
    pq.write_table(pa.table(columns), files[-1])
    whole = not any(value.microsecond for value in columns["time"] if value)
    for file in files:
        found = read(file).attributes
        assert list(found) == list(columns) and found.n == len(columns["set"])
        for kind, values in columns.items():
            assert [found[kind].value(i) for i in range(found.n)] == [
                expected(kind, v, whole) for v in values
            ]


# --- what a column is taken for


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "2", ""], "number", [1, 2, None]),
        (["1", "1", "0"], "number", [1, 1, 0]),
        (["+1", " -2 ", "NA", "null"], "number", [1, -2, None, None]),
        (["3000000000", "-9223372036854775808"], "number", [3_000_000_000, -(2**63)]),
        (["1", "2.5", "nan", "-inf", "1e3"], "number", [1.0, 2.5, None, float("-inf"), 1000.0]),
        (["True", "FALSE", "", "true"], "boolean", ["true", "false", None, "true"]),
        (["01067", "80331"], "category", ["01067", "80331"]),
        (["1", "two", "NA"], "category", ["1", "two", "NA"]),
        (["é", "e\u0301", "👩‍🚀", " a "], "category", ["é", "e\u0301", "👩‍🚀", "a"]),
        (["a, b", 'c "d"', "e\nf"], "category", ["a, b", 'c "d"', "e\nf"]),
        (["1970-01-03", "", "1969-12-31"], "days", [2, None, -1]),
        (["1970-01-01", "1970-01-01T00:01", "1970-01-01 01:00:00+01:00"], "seconds", [0, 60, 0]),
        (["1970-01-01T00:00:00.25Z"], "seconds", [0.25]),
        (['["a", "b"]', "[]", "", "['it\\'s', 3]"], "set", [{"a", "b"}, set(), set(), {"it's", "3"}]),
        (["[a", "['a' 'b']"], "category", ["[a", "['a' 'b']"]),
        (["a|b", "c"], "category", ["a|b", "c"]),
        (["red", " red", "red\t", " ", "\u3000"], "category", ["red", "red", "red", None, None]),
        (["1", " ", "N/A", "-", "None", "nan"], "number", [1, None, None, None, None, None]),
        (["1970-01-02", "n/a", "-"], "days", [1, None, None]),
        (["true", "-", "none"], "boolean", ["true", None, None]),
        (["red", "-", "none", "N/A"], "category", ["red", "-", "none", "N/A"]),
    ],
)  # fmt: skip
def test_kinds_of_cells(tmp_path, texts, kind, values):
    assert column(cells(tmp_path, *texts)) == (kind, values)


@pytest.mark.parametrize(
    ("texts", "choice", "kind", "values"),
    [
        (["a|b", "c", "", " a ; d"], "set", "set", [{"a", "b"}, {"c"}, set(), {"a ; d"}]),
        (["a;b", "c"], "set", "set", [{"a", "b"}, {"c"}]),
        (["a, b", '["c, d"]'], "set", "set", [{"a", "b"}, {"c, d"}]),
        (["1", "2"], "category", "category", ["1", "2"]),
        (["007", ""], "number", "number", [7, None]),
        (["1970-01-02"], "date", "days", [1]),
        (["1970-01-02", "n/a"], "date", "days", [1, None]),
        (["1970-01-02", "1970-01-01 00:00:07"], "date", "seconds", [86_400, 7]),
        (["1970-01-02"], "category", "category", ["1970-01-02"]),
        (["true", ""], "category", "category", ["true", None]),
        (["170141183460469231731687303715884105727"], "category", "category", [str(2**127 - 1)]),
    ],
)
def test_kinds_that_are_asked_for(tmp_path, texts, choice, kind, values):
    assert column(cells(tmp_path, *texts), choice) == (kind, values)


@pytest.mark.parametrize(
    ("array", "choice", "kind", "values"),
    [
        (pa.array(["1", "2"]), None, "category", ["1", "2"]),
        (pa.array(["1", "2"]), "number", "number", [1, 2]),
        (pa.array(["b", None, "b"]).dictionary_encode(), None, "category", ["b", None, "b"]),
        (pa.array(["b"], pa.large_string()), None, "category", ["b"]),
        (pa.array([1, None], pa.uint8()), None, "number", [1, None]),
        (pa.array([1.5, float("nan")], pa.float32()), None, "number", [1.5, None]),
        (pa.array([0.5], pa.float16()), None, "number", [0.5]),
        (pa.array([Decimal("1.50")]), None, "number", [1.5]),
        (pa.array([Decimal("12")]), None, "number", [12]),
        (pa.array([True, None]), None, "boolean", ["true", None]),
        (pa.array([True, False]), "number", "number", [1, 0]),
        (pa.array([True, False]), "category", "boolean", ["true", "false"]),
        (pa.array([1, 2]), "category", "category", ["1", "2"]),
        (pa.array([1, None]), "set", "set", [{"1"}, set()]),
        (pa.array([86_400_000 * 3], pa.int64()).cast(pa.date64()), None, "days", [3]),
        (pa.array([date(1970, 1, 3)]), "date", "days", [2]),
        (pa.array([date(1970, 1, 3)]), "category", "category", ["1970-01-03"]),
        (pa.array([7, None], pa.timestamp("s", "Europe/Berlin")), None, "seconds", [7, None]),
        (pa.array([1_500_000_000], pa.timestamp("ns")), None, "seconds", [1.5]),
        (pa.array([["a", None], [], None]), None, "set", [{"a"}, set(), set()]),
        (pa.array([[1, 2]], pa.large_list(pa.int32())), None, "set", [{"1", "2"}]),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), None, "set", [{"a", "b"}]),
        (pa.array(["1970-01-02", None]), None, "days", [1, None]),
        (pa.array(["1970-01-02", "-"]), None, "days", [1, None]),
        (pa.array([" a ", "none"]), None, "category", [" a ", "none"]),
        (pa.array([b"\xc3\xa9", None]), "category", "category", ["é", None]),
    ],
)
def test_kinds_of_parquet(tmp_path, array, choice, kind, values):
    pq.write_table(pa.table({"x": array}), tmp_path / "t.parquet")
    assert column(tmp_path / "t.parquet", choice) == (kind, values)


def test_a_key_may_be_absent_in_json(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"x": NaN, "b": "u"}\n{"x": 2, "a": 2.5}\n')
    assert column(path) == ("number", [None, None, 2.0])
    assert column(path, name="a")[1] == [1.0, None, 2.5]
    assert column(path, name="b")[1] == [None, "u", None]


def test_separators_and_a_byte_order_mark(tmp_path):
    for separator in ",;\t":
        text = separator.join(["x", "y"]) + "\r\n" + separator.join(["1", "a b"]) + "\r\n\r\n"
        (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert column(tmp_path / "t.csv")[1] == [1] and column(tmp_path / "t.csv", name="y")[1] == ["a b"]


def test_an_empty_line_of_a_single_column_is_an_empty_cell(tmp_path):
    (tmp_path / "t.csv").write_text("x\n1\n\n2\n")
    assert column(tmp_path / "t.csv")[1] == [1, None, 2]


# --- names


def test_columns_by_names_that_filters_can_write(tmp_path):
    names = ["price (EUR)", "class", "2020", "größe", "_x", "a\u0301", "", "मूल्य", "$%"]
    found = read(write_csv(tmp_path / "t.csv", {name: ["1"] for name in names}))
    assert list(found.attributes) == ["price_EUR", "class_", "_2020", "größe", "_x", "á", "मूल्य", "_"]
    assert [note for note in found.notes if "price (EUR)" in note and "price_EUR" in note]
    assert [note for note in found.notes if "without a name is left out" in note]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_is_one_that_filters_can_write(text):
    name = attribute_name(text)
    assert Filter.parse(f"{name} == 1").attributes == (name,)
    assert attribute_name(name) == name


def test_columns_are_left_out_by_either_name(tmp_path):
    path = write_csv(tmp_path / "t.csv", {"a b": ["1"], "c d": ["1|2"], "e": [""]})
    assert list(read(path, ["a_b", "c d", "e"]).attributes) == []
    found = read(path, ["e", "a b"], c_d="set")
    assert list(found.attributes) == ["c_d"] and found.attributes["c_d"].value(0) == {"1", "2"}


def test_a_blank_after_a_comma(tmp_path):
    (tmp_path / "t.csv").write_text('x, y z ,w\n1, red, "a, b"\n2,red,"a, b"\n')
    assert column(tmp_path / "t.csv", name="y_z") == ("category", ["red", "red"])
    assert column(tmp_path / "t.csv", name="w") == ("category", ["a, b", "a, b"])


@pytest.mark.parametrize(
    ("texts", "note", "choice", "message"),
    [
        (["1.5"] * 9 + ["ca. 2"], "1 of 10 values is no number: 'ca. 2' in row 10; if that is a slip: "
         "--kind x=number", "number", "row 10, column 'x': 'ca. 2' is no number; correct it, or let"),
        (["5", "", "-", "unknown", "?"] + ["7"] * 20, "2 of 24 values are no number: 'unknown' in row 4 "
         "is the first; if", "number", "row 4, column 'x': 'unknown' is no number"),
        (["2020-01-31"] * 12 + ["soon"], "1 of 13 values is no date: 'soon' in row 13; if that is a slip: "
         "--kind x=date", "date", "row 13, column 'x': 'soon' is no date; correct it, or let it be empty"),
    ],
)  # fmt: skip
def test_a_few_odd_cells_among_numbers_or_dates_are_told(tmp_path, texts, note, choice, message):
    path = cells(tmp_path, *texts)
    found = read(path)
    assert found.kinds["x"] == "category" and len(found.notes) == 1 and note in found.notes[0]
    with pytest.raises(DatasetError, match=message):
        read(path, x=choice)
    assert read(path, x="category").notes == []


@pytest.mark.parametrize(
    "texts", [["1"] * 8 + ["a"], ["01067"] * 20 + ["x"], ["80331"] * 20 + ["01067"], ["a", "b"]]
)
def test_of_other_categories_nothing_is_told(tmp_path, texts):
    assert read(cells(tmp_path, *texts)).notes == []
    assert read(write_jsonl(tmp_path / "t.jsonl", {"x": ["-", "none"]})).notes == []


@pytest.mark.parametrize(
    ("texts", "note"),
    [
        (["1,50", "-1.234,5", ""], "numbers, if they were written with a decimal point"),
        (["31.12.2020", "1.2.2021", "-"], "dates, if they were written as 2020-01-31"),
        (["12/31/2020"], "dates, if they were written as 2020-01-31"),
    ],
)
def test_numbers_and_dates_of_other_countries_are_told(tmp_path, texts, note):
    found = read(cells(tmp_path, *texts))
    assert found.notes == [f"x: is a category; the values would be {note}"]
    assert found.kinds["x"] == "category" and read(cells(tmp_path, *texts, "a")).notes == []


def test_dates_but_not_numbers_in_the_texts_of_other_files(tmp_path):
    path = write_jsonl(tmp_path / "t.jsonl", {"n": ["1"] * 19 + ["a"], "d": ["2020-01-31"] * 19 + ["soon"]})
    (note,) = read(path).notes
    assert note.startswith("d: is a category, since 1 of 20 values is no date: 'soon' in row 20")


@pytest.mark.parametrize(
    ("texts", "kinds", "kind", "notes"),
    [
        (["a|b", "c"], {}, "set", ["x: members of a set are what |", "x: is a set, since a filter"]),
        (["a", "b", ""], {}, "set", ["x: each text is a set of one member", "x: is a set, since a filter"]),
        (["1", "2"], {}, "set", ["x: each text is a set of one member", "x: is a set, since a filter"]),
        (["['a']", "[]"], {}, "set", ["x: is a set, since a filter"]),
        (["a|b", "c"], {"x": "category"}, "category", ["x: some values hold |"]),
    ],
)  # fmt: skip
def test_what_filters_ask_the_members_of_is_a_set(tmp_path, texts, kinds, kind, notes):
    found = read_attributes(cells(tmp_path, *texts), kinds, (), as_sets={"x", "other"})
    assert found.kinds["x"] == kind and len(found.notes) == len(notes)
    for shown, expected in zip(found.notes, notes, strict=True):
        assert shown.startswith(expected)


def test_notes_tell_of_dates_and_sets(tmp_path):
    found = read(write_csv(tmp_path / "t.csv", {"d": ["2020-02-29"], "t": ["a|b"], "u": ["a|b"]}), t="set")
    assert found.notes[0].startswith("d: dates from 2020-02-29 to 2020-02-29, kept as days since 1970-01-01")
    assert found.notes[1:] == [
        "t: members of a set are what | separates",
        "u: some values hold |; if they are sets of several: --kind u=set",
    ]


# --- what is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"a,b\n1,2\n1\n", "t.csv, line 3: 1 cells; the first line has 2"),
        ("t.csv", b'a,b\n"x\ny",2\n1,2,3\n', "t.csv, line 4: 3 cells"),
        ("t.csv", b'a,b\n1,"2\n', "t.csv, line 2: unexpected end of data"),
        ("t.csv", b"a,b\n1,2\n1,\xff\n", "t.csv, line 3: is not UTF-8"),
        ("t.csv", b"", "first line must name the columns"),
        ("t.csv", b"a,a\n1,2\n", "two columns 'a'"),
        ("t.csv", b"a\n", "column 'a': no row has a value; leave it out: --without 'a'"),
        ("t.csv", b"a,b\n1,\n", "column 'b': no row has a value; leave it out: --without 'b'"),
        ("t.csv", b"a\nNaN\n", "column 'a': no row has a value"),
        ("t.csv", b"a\n9223372036854775808\n", "column 'a': .*beyond 64 bits.*--kind 'a=category'"),
        ("t.csv", b"a\n2020-01-31\n2020-02-30\n", "row 2, column 'a': '2020-02-30' is no date"),
        ("t.csv", b"a b,a_b\n1,2\n", "'a b' and 'a_b' would both be called a_b"),
        ("t.csv", b"a\n9007199254740993\n0.5\n", "row 1, column 'a': 9007199254740993 has more digits"),
        (
            "t.csv",
            b"a\n0.5\n-9223372036854775809\n",
            "row 2, column 'a': -9223372036854775809 has more digits",
        ),
        ("t.csv", b"a\n1\ninf\n-1e400\n", "row 3, column 'a': '-1e400' is too large for a number"),
        ("t.csv", b"a\n0.5\n1" + b"0" * 5000 + b"\n", "row 2, column 'a': '10.* is too large for a number"),
        ("t.jsonl", b'{"a": 9007199254740993}\n{"a": 0.5}\n', "row 1, column 'a': 9007199254740993 has more"),
        ("t.jsonl", b'{"a": 0.5}\n{"a": 9007199254740993}\n', "row 2, column 'a': 9007199254740993 has more"),
        ("t.jsonl", b'{"a": 1}\n{"a": 1e400}\n', "t.jsonl, line 2: 1e400 is too large for a number"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "t.jsonl, line 2: no JSON"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "t.jsonl, line 2: "),
        ("t.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "t.jsonl, line 2: "),
        ("t.jsonl", b'{"a": 1}\n{"a": "b"}\n', "'a': a number in row 1, a text in row 2"),
        ("t.jsonl", b'{"a": true}\n{}\n{"a": 1}\n', "'a': true or false in row 1, a number in row 3"),
        ("t.jsonl", b'{"a": {"b": 1}}\n', "column 'a': holds struct.*--without 'a'"),
        ("t.jsonl", b'{"a": 9223372036854775808}\n', "column 'a': .*beyond 64 bits.*--kind 'a=category'"),
        ("t.jsonl", b'{"a": 1' + b"0" * 90 + b"}\n", "column 'a': .*--without 'a'"),
        ("t.jsonl", b'{"a": "\\ud800"}\n', "column 'a': .*surrogate.*--without 'a'"),
        ("t.jsonl", b'{"a": "x\\u0000"}\n', "row 1, column 'a': .*NUL"),
        ("t.jsonl", b'{"a": ["x\\u0000"]}\n', "column 'a': .*NUL"),
        ("t.jsonl", b'{"a": [1, "b"]}\n', "column 'a': .*--without 'a'"),
        ("t.jsonl", b'{"a": [0.5]}\n', "column 'a': holds lists of double.*--without 'a'"),
        ("t.jsonl", b'{"a": []}\n', "column 'a': no row has a value"),
        ("t.jsonl", b'{"a": null}\n', "column 'a': no row has a value"),
        ("t.parquet", b"x", "no sound Parquet file"),
        ("t.xlsx", b"x", "t.xlsx: not known as a table; known suffixes: .csv"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("texts", "choice", "message"),
    [
        (["1", "a"], "number", "row 2, column 'x': 'a' is no number"),
        (["2020-01-31", "soon"], "date", "row 2, column 'x': 'soon' is no date"),
        (["a|b", "['a' 'b']"], "set", r"row 2, column 'x': \"\['a' 'b'\]\" is no list of texts or integers"),
        (["a"], "text", "'text' is no kind; known: category, number, set, date"),
    ],
)
def test_cells_that_are_not_what_is_asked_for(tmp_path, texts, choice, message):
    with pytest.raises(DatasetError, match=message):
        column(cells(tmp_path, *texts), choice)


@pytest.mark.parametrize(
    ("array", "choice", "message"),
    [
        (pa.array([b"a"]), None, "holds binary"),
        (pa.array([1], pa.time32("s")), None, "holds time32"),
        (pa.array([2**64 - 1], pa.uint64()), None, "beyond 64 bits"),
        (pa.array([1]), "date", "row 1, column 'x': 1 is no date"),
        (pa.array([date(2020, 1, 1)]), "number", "holds date32.*, not numbers"),
        (pa.array([["a"]]), "category", "holds lists; it can only be a set"),
        (pa.array([None], pa.int64()), None, "no row has a value"),
        (
            pa.array([b"a", b"\xff" * 30]),
            "category",
            r"row 2, column 'x': b'(\\xff){20}'... is no text in UTF-8",
        ),
        (
            pa.array([b"\xff"]),
            "set",
            "row 1, column 'x': .* is no text in UTF-8; leave it out: --without 'x'",
        ),
        (pa.array([b"a", b"\xff"]).view(pa.string()), None, "column 'x': .*UTF8.*--without 'x'"),
        (pa.array([[b"a", b"\xff"]]).view(pa.list_(pa.string())), None, "column 'x': .*UTF8"),
    ],
)
def test_parquet_that_is_not_what_is_asked_for(tmp_path, array, choice, message):
    pq.write_table(pa.table({"x": array}), tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match=message):
        column(tmp_path / "t.parquet", choice)


def test_long_integers_beside_fractions_that_lose_nothing(tmp_path):
    texts = ["9007199254740992", "-9223372036854775808", "1e300", "inf", "+1180591620717411303424"]
    values = [2.0**53, -(2.0**63), 1e300, float("inf"), 2.0**70]
    assert column(cells(tmp_path, *texts)) == ("number", values)
    path = write_jsonl(tmp_path / "t.jsonl", {"x": [2**53, -(2**63), 1e300, float("inf"), 2**70]})
    assert column(path) == ("number", values)


def test_columns_that_are_not_there(tmp_path):
    path = cells(tmp_path, "1")
    with pytest.raises(DatasetError, match=r"unknown column of .*t.csv: 'price'; known: x"):
        read(path, price="number")
    with pytest.raises(DatasetError, match="'y'"):
        read(path, ["y"])
    with pytest.raises(DatasetError, match="no such file"):
        read(tmp_path / "none.csv")

"""`fannsbench datasets import table`, from a user's files to a data set."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from click.testing import CliRunner

from fannsbench.cli.datasets import datasets
from fannsbench.data.draft import write
from fannsbench.data.importers import table
from fannsbench.dataset import Dataset, find
from fannsbench.errors import DatasetError, FilterError, UserError

N, D = 240, 6
RNG = np.random.default_rng(3)
VECTORS = RNG.normal(size=(N, D)).astype(np.float32)
DAYS = np.datetime64("2020-01-01") + RNG.integers(0, 900, N)
ROWS = [
    {
        "category": str(RNG.choice(["shoes", "hats", "Mützen"])),
        "price (EUR)": round(float(RNG.lognormal(3, 1)), 2),
        "tags": [str(tag) for tag in RNG.choice(["new", "sale", "bio"], RNG.integers(0, 4), replace=False)],
        "released": str(day),
        "in_stock": bool(RNG.random() < 0.7),
    }
    for day in DAYS
]
"""Row i is that of vector i."""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with vectors.npy and items.csv, to be in."""
    np.save(tmp_path / "vectors.npy", VECTORS)
    write_csv(tmp_path / "items.csv", [{**row, "tags": "|".join(row["tags"])} for row in ROWS])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def invoke(*arguments):
    result = CliRunner().invoke(datasets, ["import", "table", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows_of(vectors):
    """Which row of VECTORS each is."""
    return [int(np.flatnonzero((vector == VECTORS).all(axis=1))[0]) for vector in vectors]


def item_of(row):
    """What filters see of a row."""
    released = int((np.datetime64(row["released"]) - np.datetime64("1970-01-01")).astype(int))
    renamed = {"price_EUR": row["price (EUR)"], "tags": set(row["tags"]), "released": released}
    return {**row, **renamed, "in_stock": str(row["in_stock"]).lower()}


def check_truth(opened, name, text):
    """Against a brute force over the rows that were written."""
    workload = opened.workload(name)
    items, queries = opened.items().vectors, opened.queries()
    rows = [item_of(ROWS[row]) for row in rows_of(items)]
    values = [
        {parameter: reference.plain(v[j]) for parameter, v in workload.parameters.items()}
        for j in range(len(queries))
    ]
    masks = np.array([[reference.evaluate(text, row, value) for row in rows] for value in values])
    ids, _ = reference.brute_force(items, queries, workload.depth, "euclidean", masks)
    np.testing.assert_array_equal(workload.neighbors, ids)
    np.testing.assert_array_equal(workload.matches, masks.sum(axis=1))
    return values


FILTERS = {
    "em": "category == $category",
    "r": "$low <= price_EUR <= $high",
    "emis": "$tag in tags",
    "c": "in_stock == 'true' and released >= $day",
    "cheap": "price_EUR <= 20 and not $tag in tags",
}


def test_from_a_csv_and_an_npy_to_a_data_set(shop):
    options = [option for name in ("em", "r", "emis", "c") for option in ("--filter", FILTERS[name])]
    options += ["--filter", f"cheap: {FILTERS['cheap']}", "--kind", "tags=set"]
    result = invoke("vectors.npy", "--attributes", "items.csv", "--name", "shop", *options, "--depth", 10)
    assert result.exit_code == 0
    for shown in ("items:        216", "queries:      24", "price_EUR   number", "tags        set"):
        assert shown in result.stdout
    for shown in ("'price (EUR)' is called price_EUR", "dates from 2020", "--algo all --dataset shop"):
        assert shown in result.stdout
    with Dataset.open(find("shop")) as opened:
        assert opened.workload_names == ["none", "c", "cheap", "em", "emis", "r"]
        for name, text in FILTERS.items():
            check_truth(opened, name, text)
        assert opened.about("source") == "vectors.npy, items.csv"


def test_queries_are_held_out(shop):
    drawn = {}
    for seed in (0, 0, 1):
        with table.read(
            "vectors.npy", shop / "items.csv", queries=30, seed=seed, kinds={"tags": "set"}
        ) as draft:
            rows, asked = rows_of(draft.items[0:N]), rows_of(draft.queries)
            assert len(asked) == 30 and sorted(rows + asked) == list(range(N)) and rows == sorted(rows)
            for place, row in enumerate(rows):
                item = {name: column.value(place) for name, column in draft.attributes.items()}
                assert item == {name: item_of(ROWS[row])[name] for name in item}
            assert asked not in (drawn[s] for s in drawn if s != seed)
            assert drawn.setdefault(seed, asked) == asked


def test_queries_and_values_of_ones_own(shop):
    queries = RNG.normal(size=(5, D))
    pq.write_table(pa.table({"q": list(queries)}), shop / "queries.parquet")
    values = {"most": ["20", "1e9", "3.5", "20", "20"], "tag": ["new", "none", "bio", "sale", "new"],
              "day": ["2021-01-01", "2020-05-05T12:00", "1999-01-01", "2021-01-01", "2021-01-01"],
              "stock": ["True", "true", "false", "FALSE", "true"], "unused": [""] * 5}  # fmt: skip
    write_csv(
        shop / "values.csv",
        [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)],
    )
    text = "price_EUR <= $most and not $tag in tags or released >= $day and in_stock == $stock"
    options = (
        "--queries",
        "queries.parquet",
        "--values",
        "values.csv",
        "--kind",
        "tags=set",
        "--filter",
        text,
    )
    result = invoke("vectors.npy", "--attributes", "items.csv", "--name", "own.h5", *options, "--depth", 10)
    assert "items:        240" in result.stdout and "queries:      5" in result.stdout
    with Dataset.open("own.h5") as opened:
        np.testing.assert_array_equal(opened.queries(), queries.astype(np.float32))
        assert rows_of(opened.items().vectors) == list(range(N))
        found = check_truth(opened, "c", text)
        assert [row["day"] for row in found[:3]] == [18628, 18387.5, 10592]
        assert [row["stock"] for row in found] == ["true", "true", "false", "false", "true"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_values_of_other_tables(shop, suffix):
    rows = [{"most": 20, "tag": "new"}, {"most": 30.5, "tag": "bio"}]
    if suffix == "jsonl":
        (shop / "v.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), shop / "v.parquet")
    filters = ["price_EUR <= $most and $tag in tags"]
    options = {"filters": filters, "values": shop / f"v.{suffix}", "kinds": {"tags": "set"}, "queries": 2}
    with table.read("vectors.npy", shop / "items.csv", **options) as draft:
        parameters = draft.workloads["c"].parameters
        assert parameters["most"].tolist() == [20, 30.5] and parameters["tag"].tolist() == ["new", "bio"]


def test_dates_in_a_filter_s_text(shop):
    text = (
        "released >= '2020-06-01' and not released in [\"2021-01-01\", '2021-01-02T12:00'] or category == 'x'"
    )
    with table.read("vectors.npy", shop / "items.csv", filters=[text, "released < $day"]) as draft:
        rows = [ROWS[row] for row in rows_of(draft.items[0:N])]
        assert draft.workloads["c"].filter.text == (
            "released >= 18414 and not released in [18628, 18629.5] or category == 'x'"
        )
        expected = sum("2020-06-01" <= row["released"] != "2021-01-01" for row in rows)
        assert draft.matches["c"].tolist() == [expected] * 24
        assert set(draft.workloads["r"].parameters["day"]) <= set(
            (DAYS - np.datetime64("1970-01-01")).astype(int)
        )
        write(draft, shop / "dates.h5", depth=5)
    with Dataset.open(shop / "dates.h5") as opened:
        assert opened.about("description") == (
            f"released is in days since 1970-01-01 (UTC); c was written as {text}"
        )
    with table.read("vectors.npy", shop / "items.csv", without=["released"]) as draft:
        assert draft.description == ""


@pytest.mark.parametrize("values", [None, "values.csv"])
def test_a_parameter_of_two_kinds_is_refused(shop, values):
    write_csv(shop / "values.csv", [{"x": 20}] * 24)
    write_csv(shop / "items.csv", [{**row, "updated": row["released"] + "T12:00"} for row in ROWS])
    for text, uses in (
        ("price_EUR <= $x or category == $x", "price_EUR (number) and with category (category)"),
        ("released <= $x and not price_EUR == $x", "released (date) and with price_EUR (number)"),
        ("released <= $x or updated >= $x", "released (date) and with updated (date with time)"),
        ("in_stock == $x or category == $x", "in_stock (boolean) and with category (category)"),
    ):
        with pytest.raises(FilterError, match=rf"\$x is compared with {re.escape(uses)}"):
            invoke(
                "vectors.npy", "--attributes", "items.csv", "--name", "s", "--filter", text,
                *(("--values", values) if values else ()),
            )  # fmt: skip


def test_booleans_in_a_filter_s_text(shop):
    for text in ("in_stock == True", "in_stock == 'true'", "in_stock in [True]", "not in_stock == False"):
        with table.read("vectors.npy", shop / "items.csv", filters=[text]) as draft:
            expected = sum(ROWS[row]["in_stock"] for row in rows_of(draft.items[0:N]))
            assert draft.matches["em" if "not" not in text else "c"].tolist() == [expected] * 24
    for text, wrong in (("in_stock == 'True'", "'True'"), ("category == 'hats' or in_stock == 1", "1")):
        message = f"in_stock is true or false, {wrong} is neither; write in_stock == True, or False"
        with pytest.raises(FilterError, match=message):
            invoke("vectors.npy", "--attributes", "items.csv", "--name", "s", "--filter", text)


def test_what_a_filter_asks_the_members_of_is_a_set(shop):
    text = "price_EUR <= $most and $tag in tags"
    result = invoke("vectors.npy", "--attributes", "items.csv", "--name", "shop", "--filter", text)
    assert "- tags: members of a set are what | separates" in result.stdout
    assert "- tags: is a set, since a filter asks what is in it" in result.stdout
    with Dataset.open(find("shop")) as opened:
        assert check_truth(opened, "c", text)[0]["tag"] in ("new", "sale", "bio")


def test_queries_that_match_nothing_are_told(shop):
    write_csv(shop / "values.csv", [{"tag": tag, "most": 1e9} for tag in ("new", "nwe", "bio", "slae")])
    options = ("--attributes", "items.csv", "--name", "shop", "--preview", "--queries", 4)
    options += ("--values", "values.csv", "--filter", "$tag in tags", "--filter", "price_EUR <= $most")
    told = "workload emis: 2 of 4 queries match no item; the first has the values of row 2 in values.csv"
    result = invoke("vectors.npy", *options)
    assert told in result.stdout and "workload r: " not in result.stdout


def test_a_preview_writes_nothing_and_proposes_filters(shop):
    command = (
        "vectors.npy",
        "--attributes",
        "items.csv",
        "--name",
        "shop",
        "--preview",
        "--kind",
        "tags=set",
    )
    result = invoke(*command)
    proposed = re.findall(r"--filter '([^']*)'", result.stdout)
    assert proposed == ["category == $value", "$low <= price_EUR <= $high", "$member in tags"]
    with pytest.raises(UserError, match="unknown data set 'shop'"):
        find("shop")
    options = [option for text in proposed for option in ("--filter", text)]
    assert re.search(r"emis +EMIS +\$member in tags", invoke(*command, *options).stdout)


def test_vectors_alone(shop):
    np.save("unit.npy", VECTORS.astype(np.float64) / np.linalg.norm(VECTORS, axis=1, keepdims=True))
    result = invoke("unit.npy", "--name", "unit", "--queries", 7, "--metric", "cosine")
    assert "float64 in unit.npy, stored as float32" in result.stdout
    with Dataset.open(find("unit")) as opened:
        assert (opened.n, opened.num_queries, opened.metric, opened.workload_names) == (
            233,
            7,
            "cosine",
            ["none"],
        )
    assert "queries have length 1" in invoke("unit.npy", "--name", "unit-l2", "--preview").stdout


def test_one_parquet_file_with_vectors_and_attributes(shop):
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    pq.write_table(pa.table({"id": range(N), "embedding": list(VECTORS), **columns}), "all.parquet")
    alone = invoke("all.parquet", "--name", "all", "--preview").stdout
    assert (
        "has other columns too (id, category, price (EUR), tags, released): --attributes all.parquet" in alone
    )
    with table.read("all.parquet", shop / "all.parquet", filters=["$tag in tags"], without=["id"]) as draft:
        assert list(draft.attributes) == ["category", "price_EUR", "tags", "released", "in_stock"]
        write(draft, shop / "all.h5", depth=10)
    with Dataset.open(shop / "all.h5") as opened:
        check_truth(opened, "emis", "$tag in tags")


# --- what is refused


def test_a_vector_that_is_not_finite_is_named_by_its_row_in_the_file(shop):
    vectors = VECTORS.copy()
    vectors[200, 2] = np.nan
    np.save("vectors.npy", vectors)
    with pytest.raises(DatasetError, match=r"vectors.npy: row 200 \(the first is 0\)"):
        invoke("vectors.npy", "--name", "shop", "--queries", 100)
    with pytest.raises(UserError, match="unknown data set 'shop'"):
        find("shop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--attributes", "few.csv"), "vectors.npy has 240 vectors, few.csv 239 rows"),
        (("--queries", "wide.npy"), "the items have 6 dimensions and the queries 7"),
        (("--queries", 240), "240 of the 240 vectors in vectors.npy cannot be held out"),
        (("--queries", 0), "0 of the 240 vectors"),
        (("--queries", "none.npy"), "none.npy: there is no such file"),
        (("--kind", "tags=set"), "no file of attributes is given"),
        (("--values", "values.csv"), "values.csv: values are of filters"),
        (("--attributes", "items.csv", "--filter", "prise <= $x"), "'prise'; did you mean"),
        (
            ("--attributes", "items.csv", "--filter", "$x in tags", "--kind", "tags=category"),
            "tags is a category",
        ),
        (
            ("--attributes", "items.csv", "--filter", "$x in price_EUR and price_EUR < 3"),
            "price_EUR is a set",
        ),
        (("--attributes", "items.csv", "--filter", "category == 'x'"), "no item matches"),
        (
            ("--attributes", "items.csv", "--filter", "released == 'soon'"),
            "released is a date, 'soon' is none",
        ),
        (
            ("--attributes", "items.csv", "--filter", "released == '2020-01-01' or category == '2020-01-01'"),
            "attributes of different kinds",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(shop, options, message):
    write_csv(shop / "few.csv", [{"a": i} for i in range(N - 1)])
    write_csv(shop / "values.csv", [{"a": 1}])
    np.save("wide.npy", np.ones((5, D + 1)))
    with pytest.raises(UserError, match=message) as error:
        invoke("vectors.npy", "--name", "shop", *options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"most": "1"}], "values.csv has 1 rows; there are 2 queries"),
        ([{"mots": "1"}] * 2, r"there must be one for \$most: unknown column 'most'; did you mean mots"),
        ([{"most": "1"}, {"most": "dear"}], "values.csv, row 2, column 'most': 'dear' is no number"),
        ([{"most": "1", "b": "1"}, {"most": "", "b": "1"}], "row 2, column 'most': no value"),
    ],
)
def test_values_that_do_not_fit_are_one_line(shop, rows, message):
    write_csv(shop / "values.csv", rows)
    options = {"filters": ["price_EUR <= $most"], "values": shop / "values.csv", "queries": 2}
    with pytest.raises(DatasetError, match=message), table.read("vectors.npy", shop / "items.csv", **options):
        pass


def test_a_kind_is_a_pair(shop):
    result = invoke("vectors.npy", "--name", "shop", "--kind", "tags")
    assert result.exit_code == 2 and "'tags' must be COLUMN=KIND, as in tags=set" in result.output

"""Names of new workloads."""

from __future__ import annotations

import pytest

from fannsbench.data.naming import free_name, named_filters
from fannsbench.errors import DatasetError, FilterError


def test_a_name_is_given_or_follows_from_the_kind():
    texts = ["price == $x", "em: price < 3", "cheap.1+2 :  price < $x ", "$t in tags", "'a: b' in tags"]
    named = named_filters([*texts, "price == 1"], taken=["emis", "emis-2"])
    assert {name: filter_.text for name, filter_ in named.items()} == {
        "em-2": "price == $x", "em": "price < 3", "cheap.1+2": "price < $x", "emis-3": "$t in tags",
        "emis-4": "'a: b' in tags", "em-3": "price == 1",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "none", "a/b", "-a", "price == 1", "a b"])
def test_a_name_that_no_workload_can_have(name):
    with pytest.raises(DatasetError, match="a name is made of letters"):
        named_filters([f"{name}: price == 1"])


def test_a_name_that_is_there_already():
    with pytest.raises(DatasetError, match=r"'b' already.*'price == 2'"):
        named_filters(["b: price == 1", "b: price == 2"])
    with pytest.raises(DatasetError, match="'b' already"):
        named_filters(["b: price == 1"], taken=["a", "b"])


def test_a_filter_that_cannot_be_read():
    with pytest.raises(FilterError, match="column 1: empty"):
        named_filters(["cheap: "])
    with pytest.raises(FilterError, match="'price =='"):
        named_filters(["price =="])


def test_a_free_name():
    assert free_name("r", []) == "r"
    assert free_name("r", ["r", "r-2", "r-4"]) == "r-3"
    assert free_name("r", ["r", "r-2"], "_") == "r_2"

"""Filter values drawn from the items: each is one that items have, and together they match something."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import tiny

from fannsbench.attributes import Attributes, Category, LabelSet
from fannsbench.data.draw import draw
from fannsbench.errors import DatasetError, FilterError
from fannsbench.filters import Filter

N, Q = 200, 400
COLUMNS = tiny.attributes(N)
ITEMS = reference.items_of(COLUMNS, N)


def drawn(text, seed=0, count=Q):
    return draw(Filter.parse(text), COLUMNS, count, np.random.default_rng(seed))


def test_equal_values_and_labels_are_those_of_one_item():
    values = drawn("colour == $c and $t in tags and price == $p")
    asked = set(zip(values["c"], values["t"], values["p"].tolist(), strict=True))
    having = {(item["colour"], tag, item["price"]) for item in ITEMS for tag in item["tags"]}
    assert asked <= having
    assert len(asked) > len(having) / 2, "many items take part"


def test_every_query_has_a_match():
    text = "colour == $c and $t in tags"
    assert reference.masks(text, COLUMNS, drawn(text)).any(axis=1).all()


def test_ranges_run_from_the_lower_to_the_higher_value_of_two_items():
    values = drawn("$low <= weight < $high")
    present = {item["weight"] for item in ITEMS if item["weight"] is not None}
    assert set(values["low"].tolist()) | set(values["high"].tolist()) <= present
    assert (values["low"] <= values["high"]).all()
    assert (values["low"] < values["high"]).mean() > 0.9
    # Of two uniform numbers the lower one is 1/3 on average, the higher one 2/3.
    ranks = np.searchsorted(sorted(present), [values["low"], values["high"]]) / len(present)
    np.testing.assert_allclose(ranks.mean(axis=1), [1 / 3, 2 / 3], atol=0.05)


def test_a_range_open_on_one_side_takes_the_value_of_one_item():
    values = drawn("price > $p")
    ranks = np.searchsorted(np.sort(COLUMNS["price"].values), values["p"]) / N
    assert abs(ranks.mean() - 0.5) < 0.05


def test_a_parameter_used_twice_has_one_value_and_constants_none():
    values = drawn("price == $p or weight > $p and colour == 'red'")
    assert values.keys() == {"p"}
    assert set(values["p"].tolist()) <= {item["price"] for item in ITEMS}


def test_a_parameter_of_two_kinds_is_refused():
    with pytest.raises(
        FilterError, match=r"\$x is compared with price \(number\) and with colour \(category\)"
    ):
        drawn("price == $x or colour == $x")
    with pytest.raises(FilterError, match=r"\$x is compared with tags \(set\) and with weight \(number\)"):
        drawn("$x in tags or not ($y < weight <= $x and price == $y)")
    values = drawn("colour == $x or $x in tags")
    assert set(values["x"]) <= {item["colour"] for item in ITEMS}


def test_the_same_seed_gives_the_same_values():
    one, same, other = (drawn("colour == $c and $a <= price <= $b", seed) for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)


def test_what_cannot_be_drawn():
    with pytest.raises(FilterError, match="unknown attribute 'prise'; did you mean price"):
        drawn("prise == $p")
    lonely = Attributes({"a": Category.from_values(["x", None]), "b": LabelSet.from_values([[], ["y"]])}, 2)
    with pytest.raises(DatasetError, match="no item has a value of a and b"):
        draw(Filter.parse("a == $a and $b in b"), lonely, 3, np.random.default_rng(0))

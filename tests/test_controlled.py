"""Attributes of given selectivity, distribution and correlation: exact counts for any n, and what
correlation means in distances."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fannsbench.attributes import Attributes, Category, LabelSet
from fannsbench.data.make import controlled
from fannsbench.data.make.windows import Order, zipf_sizes
from fannsbench.errors import DatasetError

WHOLE_RANGE = [0.001, 0.01, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 0.99]


def masks_of(attributes, workloads):
    """(q, n) bool by workload, from the items' plain values."""
    found = {}
    for name, workload in workloads.items():
        (attribute,) = workload.filter.attributes
        column, given_values = attributes[attribute], workload.parameters
        values = [column.value(item) for item in range(attributes.n)]
        rows = zip(*given_values.values(), strict=True)
        if "label" in given_values:
            found[name] = np.array([[label in value for value in values] for (label,) in rows])
        elif "value" in given_values:
            found[name] = np.array([[value == asked for value in values] for (asked,) in rows])
        else:
            found[name] = np.array([[low <= value <= high for value in values] for low, high in rows])
    return found


def make(wanted, order, seed=0, **taken):
    columns, workloads = controlled.make(wanted, order, seed, **taken)
    return Attributes(columns, len(order.ranks)), workloads


@settings(max_examples=60)
@given(
    n=st.integers(1, 150),
    share=st.one_of(st.floats(0.001, 1), st.sampled_from(WHOLE_RANGE)),
    correlation=st.sampled_from([-1.0, -0.3, 0.0, 0.7, 1.0]),
    seed=st.integers(0, 5),
)
def test_every_filter_keeps_exactly_that_many(n, share, correlation, seed):
    size = round(share * n)
    kinds = controlled.KINDS if not correlation or 2 * size <= n else ("r", "emis")
    order = Order.drawn(n, 6, np.random.default_rng(seed))
    if size == 0:
        with pytest.raises(DatasetError, match="one at least"):
            controlled.of_selectivity(share, n)
        return
    wanted = controlled.of_selectivity(share, n, kinds, correlation)
    masks = masks_of(*make(wanted, order, seed))
    assert len(masks) == len(kinds)
    for mask in masks.values():
        assert mask.sum(axis=1).tolist() == [size] * 6


@pytest.mark.parametrize("share", WHOLE_RANGE)
def test_the_bound_filters_count_the_same(share):
    n = 4000
    order = Order.drawn(n, 30, np.random.default_rng(1))
    attributes, workloads = make(controlled.of_selectivity(share, n), order)
    for workload in workloads.values():
        counts = workload.filter.bind(attributes, dict(workload.parameters), 30).counts(1)
        assert counts.tolist() == [round(share * n)] * 30
    distinct = {name: len(set(zip(*w.parameters.values(), strict=True))) for name, w in workloads.items()}
    assert distinct[f"emis-{share:g}"] > 5 and distinct[f"r-{share:g}"] > 1
    assert distinct[f"em-{share:g}"] == 1 if share > 0.5 else distinct[f"em-{share:g}"] > 1


def test_a_correlated_exact_match_of_more_than_half_is_refused():
    controlled.of_selectivity(0.5, 10, correlation=-1)
    with pytest.raises(DatasetError, match=r"em of selectivity 0.6 has no correlation -1: .* r or emis"):
        controlled.of_selectivity(0.6, 10, correlation=-1)
    with pytest.raises(DatasetError, match=r"selectivity 0.01 of 10 items is 0 items"):
        controlled.of_selectivity(0.01, 10)


@given(n=st.integers(1, 3000), data=st.data())
def test_zipf_sizes_are_those_of_largest_remainders(n, data):
    count = data.draw(st.integers(1, min(n, 200)))
    total = sum(Fraction(1, rank) for rank in range(1, count + 1))
    exact = [n * Fraction(1, rank) / total for rank in range(1, count + 1)]
    sizes = zipf_sizes(n, count)
    assert sizes.sum() == n
    assert all(int(share) <= size <= int(share) + 1 for share, size in zip(exact, sizes, strict=True))
    raised = [share % 1 for share, size in zip(exact, sizes, strict=True) if size > int(share)]
    left = [share % 1 for share, size in zip(exact, sizes, strict=True) if size == int(share)]
    assert not raised or not left or float(min(raised)) >= float(max(left)) - 1e-9


def test_distributions_are_asked_for_as_often_as_items_have_the_value():
    n, q = 5000, 20_000
    order = Order.drawn(n, q, np.random.default_rng(1))
    wanted = [controlled.of_distribution(name, 20, n) for name in ("zipf", "uniform")]
    attributes, workloads = make(wanted, order)
    items = Counter(attributes["zipf"].value(item) for item in range(n))
    assert list(items.values()).count(items["v00"]) == 1 and items["v00"] == round(n / 3.59774)
    assert items["v01"] == pytest.approx(items["v00"] / 2, abs=1) and items["v19"] == pytest.approx(
        items["v00"] / 20, abs=1
    )
    asked = Counter(workloads["em-zipf"].parameters["value"])
    for value, count in items.items():
        assert asked[value] / q == pytest.approx(count / n, abs=0.02)
    uniform = Counter(attributes["uniform"].value(item) for item in range(n))
    assert set(uniform.values()) == {250}
    with pytest.raises(DatasetError, match="6 values of 5 items"):
        controlled.of_distribution("zipf", 6, 5)


def test_values_that_no_item_would_have_are_left_out():
    attributes, _ = make(
        [controlled.of_distribution("zipf", 30, 30)], Order.drawn(30, 1, np.random.default_rng(0))
    )
    column = attributes["zipf"]
    assert isinstance(column, Category)
    assert {column.value(item) for item in range(30)} == set(column.vocabulary)


def test_names_tell_the_correlation_and_avoid_others():
    order = Order.drawn(100, 3, np.random.default_rng(0))
    wanted = [
        one
        for correlation in (-0.5, 0.0, 0.5)
        for share in (0.1, 0.2)
        for one in controlled.of_selectivity(share, 100, correlation=correlation)
    ]
    attributes, workloads = make(
        wanted, order, taken_attributes={"rank", "rank_2"}, taken_workloads={"em-0.1", "r-0.2-c0.5"}
    )
    assert {name for name in workloads if name.startswith("em-0.1")} == {
        "em-0.1-2", "em-0.1-c0.5", "em-0.1-c-0.5"
    }  # fmt: skip
    assert "r-0.2-c0.5-2" in workloads and "r-0.2" in workloads
    assert {name for name in attributes if name.startswith("rank")} == {"rank_3", "rank_c0_5"}
    for sign in ("", "-"):
        assert workloads[f"em-0.1-c{sign}0.5"].filter.text == "part_0_1_c0_5 == $value"
    assert isinstance(attributes["groups_0_1"], LabelSet)


def test_all_is_drawn_from_the_seed():
    order = Order.drawn(200, 5, np.random.default_rng(0))
    wanted = controlled.of_selectivity(0.1, 200)
    one, again, other = (make(wanted, order, seed)[0]["rank"].values for seed in (0, 0, 1))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_share_of_the_items_moves():
    n = 1000
    order = Order(np.arange(n), np.zeros(1, np.int64))
    for share in (0.0, 0.3, 1.0):
        ranks = order.loosened(share, np.random.default_rng(0)).ranks
        assert sorted(ranks) == list(range(n))
        assert (ranks != order.ranks).sum() == pytest.approx(share * n, abs=6)


def test_an_order_by_keys():
    order = Order.by_keys(np.array([0.5, 0.1, 0.9, 0.5]), np.array([0.0, 0.4, 0.5, 0.95]))
    assert order.ranks.tolist() == [1, 0, 3, 2]
    assert order.places.tolist() == [0, 1, 1, 3]


def test_the_items_that_parts_leave_over_are_spread_evenly():
    n = 1000
    order = Order(np.arange(n), np.arange(n))
    attributes, workloads = make(controlled.of_selectivity(0.3, n, ["em"], 1.0), order)
    values = [attributes["part_0_3_c1"].value(item) for item in range(n)]
    others = np.flatnonzero(np.array(values) == "other")
    assert len(others) == 100 and set(np.diff(others)) == {10}
    asked = workloads["em-0.3-c1"].parameters["value"]
    assert all(value in (own, "other") for value, own in zip(values, asked, strict=True))
    assert max(Counter(asked).values()) <= 334


@pytest.mark.parametrize("kind", controlled.KINDS)
def test_windows_lie_at_the_query_or_half_the_order_away(kind):
    """On items in their own order, so that a rank is an item's number."""
    n, size = 400, 40
    order = Order(np.arange(n), np.arange(0, n, 7))
    for correlation in (1.0, -1.0):
        attributes, workloads = make(controlled.of_selectivity(size / n, n, [kind], correlation), order)
        for place, mask in zip(order.places, *masks_of(attributes, workloads).values(), strict=True):
            away = np.abs(np.flatnonzero(mask) - place)
            around = np.minimum(away, n - away)
            if correlation > 0:
                assert mask[place] and around.max() <= size
            else:
                assert around.min() >= n // 2 - size

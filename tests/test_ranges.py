"""What every range method promises, whatever its graph is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from graph_cases import bound, built, masks_of, recall
from range_cases import BOTH, World, answered

from fannsbench import registry
from fannsbench.algorithms._ranges import RangeAlgorithm
from fannsbench.algorithms._ranges.levels import row_of
from fannsbench.attributes import Category, Number
from fannsbench.errors import FilterError
from fannsbench.filters import Filter
from fannsbench.parameters import defaults

NONE: dict[str, Any] = {}


class Method(NamedTuple):
    """A plugin with parameters for little data."""

    name: str
    small: dict[str, Any]
    variant: dict[str, Any] = NONE
    least: float = 0.9  # recall of ranges of all widths

    @property
    def kind(self) -> type[RangeAlgorithm]:
        kind = registry.find(self.name).load()
        assert issubclass(kind, RangeAlgorithm)
        return kind

    def made(self, items: np.ndarray, columns: Any, ef: int = 64) -> Any:
        """Built and configured."""
        declaration = registry.find(self.name).declaration
        given = self.small | self.variant
        build, search = (
            usual | {name: value for name, value in given.items() if name in usual}
            for usual in (defaults(declaration.build), defaults(declaration.search))
        )
        index = built(self.kind, items, columns, 2, **build)
        index.configure(**search | {"ef": ef})
        return index


SERF = {"index_k": 12, "ef_construction": 40, "ef_max": 200, "batch": 64}
IRANGE = {"M": 12, "ef_construction": 60, "exact_merge_below": 30}
DIGRA = {"M": 12, "ef_construction": 60}
DSG = {"M": 8, "ef_construction": 60, "ef_max": 300}
WINDOWS = {"R": 16, "L": 40, "cutoff": 100}
UNIFY = {"segments": 4, "M": 8, "ef_construction": 60}
METHODS = [
    Method("serf", SERF, least=0.93),
    Method("serf", SERF, {"one_sided": "1d"}, least=0.93),
    Method("irangegraph", IRANGE),
    Method("digra", DIGRA),
    Method("dsg", DSG),
    Method("dsg", DSG, {"variant": "incremental"}),
    Method("window-tree", WINDOWS),
    Method("window-tree", WINDOWS, {"strategy": "post", "overlapping": True}),
    Method("window-tree", WINDOWS, {"strategy": "post", "mult": 2}),
    Method("window-tree", WINDOWS, {"strategy": "three-split", "beta": 3}),
    Method("unify", UNIFY),
    Method("unify", UNIFY, {"strategy": "hybrid", "m": 32}),
    Method("unify", UNIFY, {"strategy": "post"}),
]
every = pytest.mark.parametrize(
    "method", METHODS, ids=[" ".join([m.name, *map(str, m.variant.values())]) for m in METHODS]
)


@pytest.fixture(scope="module")
def world() -> World:
    return World.of(3000)


@every
@pytest.mark.parametrize("name", ["along", "against", "independent"])
def test_ranges_of_all_widths(world: World, method: Method, name: str) -> None:
    index = method.made(world.items, {name: world.columns[name]})
    for text in (BOTH, "number <= $high", "number > $low", "number >= 0"):
        for share in (0.03, 0.1, 0.3, 0.8):
            assert world.recall(index, world.asked(name, text, share)) > method.least, (text, share)
    assert recall(index.search(world.queries, 10, None), world.items, world.queries) > max(method.least, 0.92)


@every
def test_few_values_and_one(world: World, method: Method) -> None:
    n = len(world.items)
    for values in (np.arange(n) % 4, np.zeros(n, np.int64), (np.arange(n) > 5) * 7):
        number = {"number": Number(values)}
        index = method.made(world.items, number, ef=100)
        for text in ("number == 0", "number >= 1", "0 <= number <= 2", "number > 7", "number <= 3"):
            filters = bound(text, number, n, len(world.queries))
            assert answered(index, filters, world.items, world.queries) > 0.9, text


@every
def test_missing_values_are_in_no_range_and_found_without_one(world: World, method: Method) -> None:
    items, queries, columns = world
    values: Any = columns["independent"]
    missing = np.random.default_rng(8).random(len(items)) < 0.3
    for lost in (missing, np.ones(len(items), bool)):
        number = Number(values.values, lost)
        index = method.made(items, {"number": number})
        for text in ("number <= 700", "number >= 300", "200 <= number <= 800", "number >= 0"):
            filters = bound(text, {"number": number}, len(items), len(queries))
            assert not masks_of(filters)[:, lost].any()
            assert answered(index, filters, items, queries) > 0.93
        assert recall(index.search(queries, 10, None), items, queries) > 0.93


@every
def test_no_value_or_one_between_the_bounds(world: World, method: Method) -> None:
    n = 400
    number = {"number": Number(np.random.default_rng(3).permutation(n) * 2)}
    index = method.made(world.items[:n], number)
    asked = len(world.queries)
    for text in ("$high < number < $low", "number > 2000", "number < -1", "number == 3", "5 <= number <= 5"):
        filters = bound(text, number, n, asked, **bounds_in(text, asked))
        assert (index.search(world.queries, 10, index.select(filters)) == -1).all(), text
    only = bound("8 <= number < 10", number, n, asked)
    found = index.search(world.queries, 10, index.select(only))
    assert (found[:, 0] == np.flatnonzero(number["number"].values == 8)).all()
    assert (found[:, 1:] == -1).all()


def bounds_in(text: str, asked: int) -> dict[str, Any]:
    return {
        name: np.full(asked, value) for name, value in (("low", 100), ("high", 300)) if f"${name}" in text
    }


@every
def test_every_match_of_a_short_range_is_returned(world: World, method: Method) -> None:
    number = {"independent": world.columns["independent"]}
    index = method.made(world.items, number, ef=1)
    filters = world.asked("independent", BOTH, 0.01)
    found = index.search(world.queries, 60, index.select(filters))
    for ids, mask in zip(found, masks_of(filters), strict=True):
        assert set(ids[ids >= 0].tolist()) == set(np.flatnonzero(mask).tolist())


@every
def test_further_predicates(world: World, method: Method) -> None:
    texts = [
        "$low <= number <= $high and along >= $other",
        "number <= $high and along < 500",
        "number >= $low and along < 800 and number <= 900",
        "along < $other and number >= 0",
        "number >= $low and (along < $other or along > 600)",
        "number <= $high and not (along < $other)",
    ]
    served = [text for text in texts if Filter.parse(text).kind in method.kind.filters]
    used = {name: world.columns[name] for name in ("independent", "along")}
    other = np.full(len(world.queries), 300)
    for text in served:
        first = "along" if text.startswith("along") else "independent"
        ordered = {name: used[name] for name in sorted(used, key=lambda name: name != first)}
        index = method.made(world.items, ordered)
        filters = world.asked("independent", text, 0.5, **({"other": other} if "$other" in text else {}))
        assert world.recall(index, filters) > 0.95, text


def test_a_filter_without_the_number_that_orders_is_an_error(world: World) -> None:
    columns = {"a": Number(np.arange(50)), "b": Number(np.arange(50))}
    index = METHODS[0].made(world.items[:50], columns)
    for text in ("b >= 3", "a >= 3 or b >= 3"):
        with pytest.raises(FilterError, match="has no range of a, by which Serf orders"):
            index.select(bound(text, columns, 50, 2))


def test_what_is_no_range_is_skipped() -> None:
    class Data:
        attributes = {"letter": Category.from_values(["a"]), "number": Number(np.arange(1))}  # noqa: RUF012

    class Task:
        def __init__(self, text: str | None) -> None:
            self.filter = Filter.parse(text) if text else None

    def reason(text: str | None) -> str:
        return str(METHODS[0].kind.skip(Data, Task(text)))  # type: ignore[arg-type]

    assert "letter is no number" in reason("letter == 'a'")
    assert "not all that matches is in one range of number" in reason("number > 3 or letter == 'a'")
    assert "not all that matches is in one range of number" in reason("not number > 3")
    for text in ("number > 3", "number == 3", "letter == 'a' and number > 3", None):
        assert reason(text) == "None"


@pytest.mark.parametrize("item", [2_700_000, np.int32(2_700_000)])
def test_links_are_found_beyond_two_to_the_31st(item: Any) -> None:
    """2.7 million items have 22 levels; at 40 links a level their places do not fit into 32 bits."""
    links, levels = 40, 22
    row = row_of(levels, item, 21)
    assert row == 2_700_000 * 22 + 21
    assert int(row) * links > 2**31
    assert np.asarray(row).dtype == np.int64

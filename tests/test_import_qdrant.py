"""qdrant's filtered data sets, as an independent writer makes them: with json and numpy alone."""

from __future__ import annotations

import json
import random
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.cli.datasets.import_qdrant import qdrant as command
from fannsbench.data.draft import write
from fannsbench.data.importers import qdrant
from fannsbench.data.importers.qdrant_conditions import read_conditions
from fannsbench.data.importers.qdrant_payloads import read_columns
from fannsbench.dataset import UNFILTERED, Dataset
from fannsbench.errors import DatasetError, FilterError
from fannsbench.filters import Filter

N, DIMENSION, TOP = 200, 6, 5
OPERATORS = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def holds(condition, payload):
    """Whether a payload satisfies one {field: {kind: ...}}."""
    ((field, kinds),) = condition.items()
    ((kind, what),) = kinds.items()
    value = payload.get(field)
    if value is None:
        return False
    if kind == "match":
        values = value if isinstance(value, list) else [value]
        return any(type(each) is type(what["value"]) and each == what["value"] for each in values)
    return all(OPERATORS[operator](value, bound) for operator, bound in what.items())


def matches(conditions, payload):
    conditions = conditions or {}
    every, some = conditions.get("and") or [], conditions.get("or") or []
    return all(holds(each, payload) for each in every) and (
        not some or any(holds(each, payload) for each in some)
    )


def closest(vectors, payloads, query, conditions):
    """Ids of the TOP matching items, by float64 cosine."""
    cosine = vectors.astype(float) @ query / np.linalg.norm(vectors.astype(float), axis=1)
    ids = [i for i in np.argsort(-cosine) if matches(conditions, payloads[i])]
    return [int(i) for i in ids[:TOP]]


def payload(rng):
    made = {
        "colour": rng.choice(["red", "grün", None, "blue"]),
        "size": rng.choice([1, 2, 3, None]),
        "price": rng.choice([rng.random(), rng.randint(0, 1)]),
        "new": rng.random() < 0.5,
        "tags": rng.sample(["a", "b", "c"], rng.randint(0, 3)),
        "where": {"lon": 1.0, "lat": 2.0},
        "title": f"t{rng.random()}",
    }
    if rng.random() < 0.2:
        del made["tags"]
    return made


def match(field, value):
    return {field: {"match": {"value": value}}}


CONDITIONS = {
    "em": lambda rng: {"and": [match("colour", rng.choice(["red", "grün"]))]},
    "r": lambda rng: {"and": [{"price": {"range": {"gt": rng.random() / 2, "lt": 0.5 + rng.random() / 2}}}]},
    "emis": lambda rng: {"and": [match("tags", rng.choice("abc"))]},
    "number": lambda rng: {"and": [match("size", rng.randint(1, 3))]},
    "boolean": lambda rng: {"and": [match("new", rng.random() < 0.5)]},
    "open": lambda rng: {"and": [{"price": {"range": {"gte": rng.random()}}}]},
    "several": lambda rng: {"and": rng.sample([match("colour", "red"), match("size", rng.randint(1, 3))], 2)},
    "or": lambda rng: {"or": [match("size", rng.randint(1, 2)), match("size", 3)]},
    "both": lambda rng: {
        "and": [match("tags", "a"), match("tags", rng.choice("bc"))],
        "or": [{"size": {"range": {"lte": 1}}}, match("colour", rng.choice(["red", "blue"]))],
    },
    "none": lambda rng: rng.choice([None, {}, {"and": []}]),
}
TEXTS = {
    "em": "colour == $value",
    "r": "$low < price < $high",
    "emis": "$value in tags",
    "number": "size == $value",
    "boolean": "new == $value",
    "open": "price >= $low",
    "several": "colour == $value and size == $value_2",
    "or": "size == $value or size == $value_2",
    "both": "$value in tags and $value_2 in tags and (colour == $value_3 or size <= $high)",
}


def make(folder, kinds, queries=20, seed=1):
    """A folder in the format, tests of the kinds in turn. Returns vectors, payloads and tests."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    vectors = numbers.standard_normal((N, DIMENSION)).astype(np.float32)
    payloads = [payload(rng) for _ in range(N)]
    tests = []
    for i in range(queries):
        query = numbers.standard_normal(DIMENSION).astype(np.float32)
        conditions = CONDITIONS[kinds[i % len(kinds)]](rng)
        ids = closest(vectors, payloads, query, conditions)
        tests.append({"query": query.tolist(), "conditions": conditions, "closest_ids": ids,
                      "closest_scores": [0.0] * len(ids)})  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", vectors)
    write_lines(folder / "payloads.jsonl", payloads)
    write_lines(folder / "tests.jsonl", tests)
    return vectors, payloads, tests


def write_lines(path, objects):
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))


def imported(folder, target, structure=1):
    with qdrant.read(folder, structure) as draft:
        write(draft, target)
        return draft


@pytest.mark.parametrize("kind", TEXTS)
def test_conditions_of_one_structure_are_a_workload_with_the_truth_that_was_brought(tmp_path, kind):
    vectors, payloads, tests = make(tmp_path / "source", [kind])
    draft = imported(tmp_path / "source", tmp_path / "x.h5")
    assert not [note for note in draft.notes if "structure" in note]
    with Dataset.open(tmp_path / "x.h5") as opened:
        assert opened.metric is Metric.COSINE
        np.testing.assert_array_equal(opened.vectors, vectors)
        np.testing.assert_array_equal(opened.queries(), [test["query"] for test in tests])
        _, name = opened.workload_names
        assert name == Filter.parse(TEXTS[kind]).kind.lower()
        workload = opened.workload(name)
        assert workload.filter.text == TEXTS[kind]
        bound = workload.filter.bind(opened.attributes, workload.parameters)
        for query, test in enumerate(tests):
            expected = [matches(test["conditions"], each) for each in payloads]
            assert bound.mask(query).tolist() == expected
            brought = test["closest_ids"]
            assert workload.neighbors[query].tolist()[: len(brought)] == brought
            assert (workload.neighbors[query, len(brought) :] == -1).all()
        assert opened.workload(UNFILTERED).depth == 100


def test_attributes_are_of_the_kinds_of_the_values(tmp_path):
    _, payloads, _ = make(tmp_path / "source", ["both", "r", "boolean"])
    with qdrant.read(tmp_path / "source") as draft:
        columns = draft.attributes
        kinds = {name: column.kind for name, column in columns.items()}
        assert kinds == {
            "tags": "set", "size": "number", "colour": "category", "price": "number", "new": "category",
        }  # fmt: skip
        assert columns["size"].values.dtype == np.int64 and columns["price"].values.dtype == np.float64
        for item, made in enumerate(payloads):
            assert columns["tags"].value(item) == set(made.get("tags", []))
            assert columns["size"].value(item) == made["size"]
            assert columns["new"].value(item) == str(made["new"]).lower()
        assert "no test asks for them: where, title" in draft.notes[0]


def test_of_several_structures_the_most_frequent_is_taken_or_the_one_asked_for(tmp_path):
    _, _, tests = make(tmp_path / "source", ["em", "r", "emis", "em", "none"])
    taken = {1: ("em", 0, 3), 2: ("r", 1), 3: ("emis", 2)}
    for structure, (kind, *places) in taken.items():
        with qdrant.read(tmp_path / "source", structure) as draft:
            (workload,) = draft.workloads.values()
            assert workload.filter.text == TEXTS[kind]
            mine = [test for i, test in enumerate(tests) if i % 5 in places]
            np.testing.assert_array_equal(draft.queries, [test["query"] for test in mine])
            text = "\n".join(draft.notes)
            assert f"{len(mine)} of 20 tests" in text
            assert f"--structure {structure}:" not in text and "--structure 4: no condition (4 tests)" in text
    with (
        pytest.raises(DatasetError, match="its tests have 4 structures; there is no 5"),
        qdrant.read(tmp_path / "source", 5),
    ):
        pass


def test_tests_without_conditions_are_the_unfiltered_truth(tmp_path):
    _, _, tests = make(tmp_path / "source", ["none"])
    imported(tmp_path / "source", tmp_path / "x.h5")
    with Dataset.open(tmp_path / "x.h5") as opened:
        assert opened.workload_names == [UNFILTERED]
        found = opened.workload(UNFILTERED).neighbors
        np.testing.assert_array_equal(found, [test["closest_ids"] for test in tests])


def test_truth_that_is_not_brought_is_computed(tmp_path):
    _, _, tests = make(tmp_path / "source", ["em"])
    write_lines(tmp_path / "source" / "tests.jsonl", [{**test, "closest_ids": None} for test in tests])
    imported(tmp_path / "source", tmp_path / "x.h5")
    with Dataset.open(tmp_path / "x.h5") as opened:
        found = opened.workload("em").neighbors[:, :TOP]
        np.testing.assert_array_equal(found, [test["closest_ids"] for test in tests])


@pytest.mark.parametrize("lacking", [None, "closest_ids"])
def test_truth_that_only_some_tests_bring_is_computed_for_all(tmp_path, lacking):
    _, _, tests = make(tmp_path / "source", ["em"])
    written = [{**test, "closest_ids": None} if i < 3 else test for i, test in enumerate(tests)]
    if lacking:
        del written[0][lacking]
    write_lines(tmp_path / "source" / "tests.jsonl", written)
    draft = imported(tmp_path / "source", tmp_path / "x.h5")
    assert "3 of 20 tests have no closest_ids: the ground truth of all is computed" in draft.notes
    with Dataset.open(tmp_path / "x.h5") as opened:
        found = opened.workload("em").neighbors
        assert found.shape == (20, 100)
        np.testing.assert_array_equal(found[:, :TOP], [test["closest_ids"] for test in tests])


def test_blank_lines_may_end_a_file_but_not_stand_in_it(tmp_path):
    source = tmp_path / "source"
    make(source, ["em"])
    for name in ("payloads.jsonl", "tests.jsonl"):
        text = (source / name).read_text()
        (source / name).write_text(text + "\n  \n")
    imported(source, tmp_path / "x.h5")
    (tmp_path / "x.h5").unlink()
    head, _, rest = (source / "payloads.jsonl").read_text().partition("\n")
    (source / "payloads.jsonl").write_text(f"{head}\n\n{rest}")
    refused(tmp_path, r"payloads\.jsonl, line 2: is blank")


@pytest.mark.parametrize("inner", ["", "deep/folder/"])
def test_an_archive_is_read_like_its_folder(tmp_path, inner):
    make(tmp_path / "source", ["r"])
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        for path in (tmp_path / "source").iterdir():
            archive.add(path, f"./{inner}{path.name}")
    imported(tmp_path / "source", tmp_path / "a.h5")
    imported(tmp_path / "x.tgz", tmp_path / "b.h5")
    with Dataset.open(tmp_path / "a.h5") as one, Dataset.open(tmp_path / "b.h5") as other:
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.workload("r").neighbors, other.workload("r").neighbors)


def test_order_within_and_or_makes_no_structure(tmp_path):
    a, b = match("a", 1), {"b": {"range": {"lt": 2, "gt": 0.5}}}
    one, values = read_conditions({"and": [b, a]})
    assert (one, values) == read_conditions({"and": [a, b], "or": []}) and values == [1, 0.5, 2]
    assert read_conditions({"or": [a]}) == read_conditions({"and": [a], "or": None})
    assert read_conditions({"and": [a, b]})[0] != read_conditions({"or": [a, b]})[0]
    assert read_conditions({"and": [{**a, **b}]}) == read_conditions({"and": [a, b]})
    assert read_conditions({"or": [{**a, **b}]}) == read_conditions({"and": [a, b]})


COMPARISON = st.one_of(
    st.builds(match, st.sampled_from("ab"), st.integers(0, 2)),
    st.builds(
        lambda field, bounds: {field: {"range": bounds}},
        st.sampled_from("ab"),
        st.dictionaries(st.sampled_from(list(OPERATORS)), st.integers(0, 4), min_size=1),
    ),
)


@given(st.lists(COMPARISON, max_size=3), st.lists(COMPARISON, max_size=3))
def test_any_conditions_match_as_they_say(every, some):
    conditions = {"and": every, "or": some}
    structure, values = read_conditions(conditions)
    if not structure.comparisons:
        assert values == []
        return
    payloads = [{"a": a, "b": b} for a in [None, 0, 1, 2, 3] for b in [None, 0, 1, 2, 3]]
    columns = {name: Number.from_values([each[name] for each in payloads]) for name in "ab"}
    filter_ = Filter.parse(structure.filter_text({"a": "a", "b": "b"}, frozenset()))
    names = [name for _, _, name in structure.parameters()]
    parameters = {name: np.array([value]) for name, value in zip(names, values, strict=True)}
    bound = filter_.bind(Attributes(columns, len(payloads)), parameters)
    assert bound.mask(0).tolist() == [matches(conditions, each) for each in payloads]


BOTH = {"match": {"value": 1}, "range": {"lt": 9}}
BROKEN_TESTS = {
    "geo": ({"conditions": {"and": [{"where": {"geo": {"lon": 1, "lat": 2, "radius": 3}}}]}},
            r"line 2: a 'geo' condition on 'where'; only match and range"),
    "must": ({"conditions": {"must": []}}, r"line 2: conditions have 'must'; .* 'and' and 'or'"),
    "list": ({"conditions": {"and": {"a": 1}}}, r"line 2: conditions 'and' must be a list"),
    "flat": ({"conditions": {"and": [{"colour": "red"}]}}, r"line 2: the condition on 'colour' must be"),
    "any": ({"conditions": {"and": [{"colour": {"match": {"any": ["x"]}}}]}}, r"line 2: match of 'colour'"),
    "range": ({"conditions": {"and": [{"price": {"range": {"gt": "x"}}}]}}, r"line 2: range of 'price'"),
    "no range": ({"conditions": {"and": [{"price": {"range": {}}}]}}, r"line 2: range of 'price'"),
    "several fields": ({"conditions": {"or": [{**match("a", 1), **match("b", 1)}, match("a", 2)]}},
                       r"tests\.jsonl, line 2: an entry of 'or' must be one comparison"),
    "match and range": ({"conditions": {"or": [match("b", 2), {"a": BOTH}]}},
                        r"tests\.jsonl, line 2: an entry of 'or' must be one comparison"),
    "short": ({"query": [1.0]}, r"line 2: a query of shape \(1,\); the vectors have 6"),
    "text": ({"query": "x"}, r"line 2: 'query' must be a list of numbers"),
    "missing": ({"query": None}, r"line 2: "),
    "ids": ({"closest_ids": [1.5]}, r"line 2: 'closest_ids' must be a list of row numbers"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN_TESTS)
def test_a_test_of_another_form_is_one_line(tmp_path, broken):
    change, message = BROKEN_TESTS[broken]
    _, _, tests = make(tmp_path / "source", ["em"])
    tests[1] |= change
    write_lines(tmp_path / "source" / "tests.jsonl", tests)
    refused(tmp_path, message)


def refused(tmp_path, message):
    with pytest.raises((DatasetError, FilterError), match=message) as caught:
        imported(tmp_path / "source", tmp_path / "x.h5")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.h5").exists()


def test_files_that_do_not_fit_together_are_one_line(tmp_path):
    source = tmp_path / "source"
    _, payloads, tests = make(source, ["em"])
    write_lines(source / "payloads.jsonl", payloads[:-1])
    refused(tmp_path, r"payloads\.jsonl: 199 payloads for 200 vectors")
    (source / "payloads.jsonl").write_text('{"colour": "red"}\n{"colour: 1}\n')
    refused(tmp_path, r"payloads\.jsonl, line 2: no JSON")
    write_lines(source / "payloads.jsonl", [*payloads[:7], {"colour": {"lon": 1, "lat": 2}}, *payloads[8:]])
    refused(tmp_path, r"payloads\.jsonl, line 8: field 'colour' holds \{'lon'")
    write_lines(source / "payloads.jsonl", payloads)
    write_lines(source / "tests.jsonl", [{**tests[0], "closest_ids": [N]}])
    refused(tmp_path, r"tests\.jsonl: em truth, query 0: names item 200; there are 200")
    (source / "tests.jsonl").write_text("")
    refused(tmp_path, r"tests\.jsonl: holds no tests")
    (source / "tests.jsonl").unlink()
    refused(tmp_path, r"tests\.jsonl: cannot be read: No such file")


def test_values_of_another_kind_than_the_fields_are_one_line(tmp_path):
    source = tmp_path / "source"
    _, _, tests = make(source, ["number"])
    for condition, message in [
        (match("size", "x"), r"compares 'size' with 'x'; its values are numbers"),
        ({"colour": {"range": {"gt": 1}}}, r"colour is a category"),
        ({"nowhere": {"range": {"gt": 1}}}, r"no item has a value of 'nowhere'"),
        (match("nowhere", 1), r"no item has a value of 'nowhere'"),
    ]:
        write_lines(source / "tests.jsonl", [{**tests[0], "conditions": {"and": [condition]}}])
        refused(tmp_path, message)


def test_fields_get_names_that_filters_can_use(tmp_path):
    source = tmp_path / "source"
    _, _, tests = make(source, ["em"])
    write_lines(source / "payloads.jsonl", [{"the colour": "red", "class": i} for i in range(N)])
    conditions = {"and": [match("the colour", "red"), match("class", 3)]}
    write_lines(source / "tests.jsonl", [{**tests[0], "conditions": conditions, "closest_ids": [3]}])
    with qdrant.read(source) as draft:
        assert draft.workloads["mem"].filter.text == "_class == $value and the_colour == $value_2"
        assert set(draft.attributes) == {"the_colour", "_class"}
    both = {"and": [match("a b", 1), match("a.b", 1)]}
    write_lines(source / "tests.jsonl", [{**tests[0], "conditions": both}])
    refused(tmp_path, r"field 'a\.b' and another would both be the attribute 'a_b'")


def test_the_command_shows_the_structures_and_imports_one(tmp_path):
    make(tmp_path / "source", ["em", "r", "em"])
    arguments = [str(tmp_path / "source"), "--name", str(tmp_path / "x.h5")]
    shown = CliRunner().invoke(command, [*arguments, "--preview"])
    assert shown.exit_code == 0, shown.output
    assert "--structure 2: $low < price < $high (7 tests)" in " ".join(shown.output.split())
    assert not (tmp_path / "x.h5").exists()
    made = CliRunner().invoke(command, [*arguments, "--structure", "2"])
    assert made.exit_code == 0, made.output
    with Dataset.open(tmp_path / "x.h5") as opened:
        assert opened.workload_names == [UNFILTERED, "r"] and opened.num_queries == 7


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 9007199254740993}', '{"a": 0.5}'], "line 2: 9007199254740993 has more digits"),
        (['{"a": 0.5}', '{"a": 9007199254740993}'], "line 2: 9007199254740993 has more digits"),
        (['{"a": 1}', '{"a": 1e400}'], "line 2: 1e400 is too large for a number"),
    ],
)
def test_numbers_that_would_lose_digits(tmp_path, lines, message):
    path = tmp_path / "payloads.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=message):
        read_columns(path, 2, {"a": True})

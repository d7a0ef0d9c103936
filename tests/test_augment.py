"""Variants of data sets: what stays, what changes, and that the truth is that of what is written."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import reference
import tiny
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.algorithm import Metric
from fannsbench.cli.datasets import datasets
from fannsbench.data.draft import write
from fannsbench.data.make.augment import Change, augment
from fannsbench.dataset import Dataset, DatasetWriter, find
from fannsbench.errors import DatasetError, FilterError, UnknownNameError, UserError

DEPTH = 20


def invoke(*arguments):
    result = CliRunner().invoke(datasets, ["make", "augment", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def source(tiny_dataset):
    with Dataset.open(tiny_dataset) as opened:
        yield opened


def written(draft, path):
    write(draft, path, depth=DEPTH)
    return Dataset.open(path)


def assert_sound(opened, workloads):
    """Every workload has the truth that a sort of all distances gives."""
    assert opened.workload_names == ["none", *workloads]
    vectors, queries = opened.vectors[:].astype(np.float32), opened.queries()
    for name in opened.workload_names:
        workload, masks = opened.workload(name), None
        if workload.filter is not None:
            parameters = workload.parameters
            if not parameters:
                parameters = {"no": np.zeros(len(queries))}
            masks = reference.masks(workload.filter.text, opened.attributes, parameters)
            np.testing.assert_array_equal(workload.matches, masks.sum(axis=1))
        ids, distances = reference.brute_force(vectors, queries, DEPTH, opened.metric, masks)
        np.testing.assert_allclose(workload.distances, distances, rtol=1e-5, atol=1e-5)
        if len(np.unique(vectors, axis=0)) == len(vectors) and vectors.dtype.kind == "f":
            differing = workload.neighbors != ids
            np.testing.assert_allclose(workload.distances[differing], distances[differing], rtol=1e-5)


def test_new_workloads_leave_everything_else(source, tmp_path):
    draft = augment(
        source,
        selectivities=[0.2, 0.001 * 5],
        kinds=["em", "r", "emis"],
        filters=["price == $p", "cheap: price < 10", "$t in tags and colour == $c"],
        depth=DEPTH,
    )
    assert draft.items is source.vectors and draft.notes == ["the ground truth is taken over"]
    new = ["em-0.2", "r-0.2", "emis-0.2", "em-0.005", "r-0.005", "emis-0.005", "em-2", "cheap", "c-2"]
    with written(draft, tmp_path / "more.h5") as opened:
        assert_sound(opened, sorted([*tiny.WORKLOADS, *new]))
        for name in new[:6]:
            assert set(opened.workload(name).matches) == {60 if "0.2" in name else round(0.005 * 300)}
        np.testing.assert_array_equal(opened.vectors[:], source.vectors[:])
        assert [opened.about(key) for key in ("source", "license", "description")] == ["", "CC0", "tiny"]
        assert len(set(opened.workload("em-2").parameters["p"])) > 3
        before, after = (reference.items_of(x.attributes, 300) for x in (source, opened))
        assert before == [{name: item[name] for name in before[0]} for item in after]
        for name in tiny.WORKLOADS:
            np.testing.assert_array_equal(opened.workload(name).neighbors, source.workload(name).neighbors)


def test_names_that_are_there_already_are_avoided(source, tmp_path):
    with written(augment(source, selectivities=[0.5], depth=DEPTH), tmp_path / "one.h5") as once:
        twice = augment(once, selectivities=[0.5], seed=1, filters=["em-0.5-2: price == 3"])
        assert {"em-0.5", "em-0.5-2", "em-0.5-3", "r-0.5-2"} <= set(twice.workloads)
        assert {"rank", "rank_2", "part_0_5", "part_0_5_2"} <= set(twice.attributes)
        assert twice.workloads["r-0.5-2"].filter.text == "$low <= rank_2 <= $high"
        assert twice.attributes["rank"].values.tolist() != twice.attributes["rank_2"].values.tolist()
        twice.check()


@given(fewer=st.integers(20, 300), more=st.integers(0, 280), seed=st.integers(0, 3))
def test_a_smaller_subset_is_part_of_a_larger_one(tiny_dataset, fewer, more, seed):
    with Dataset.open(tiny_dataset) as source:
        rows = {tuple(row): i for i, row in enumerate(source.vectors[:])}
        chosen = []
        for count in (fewer, min(300, fewer + more)):
            draft = augment(source, Change(items=count), keep=[], seed=seed)
            chosen.append([rows[tuple(row)] for row in draft.items[:]])
            assert chosen[-1] == sorted(set(chosen[-1])) and len(chosen[-1]) == count
            items = reference.items_of(source.attributes, 300)
            assert reference.items_of(draft.attributes, count) == [items[i] for i in chosen[-1]]
        assert set(chosen[0]) <= set(chosen[1])


def test_a_part_of_the_queries_keeps_its_truth(source, tmp_path):
    draft = augment(source, Change(queries=5), depth=DEPTH)
    assert draft.notes == ["5 of 12 queries", "the ground truth is taken over"]
    with written(draft, tmp_path / "few.h5") as opened:
        assert_sound(opened, sorted(tiny.WORKLOADS))
        queries = source.queries().tolist()
        rows = [queries.index(query) for query in opened.queries().tolist()]
        assert rows == sorted(set(rows)) and len(rows) == 5
        for name in source.workload_names:
            kept, before = opened.workload(name), source.workload(name)
            np.testing.assert_array_equal(kept.neighbors, before.neighbors[rows])
            for parameter, values in kept.parameters.items():
                assert values.tolist() == before.parameters[parameter][rows].tolist()


def test_truth_that_is_not_deep_enough_is_computed_anew(source):
    shallow = augment(source, Change(queries=5), depth=DEPTH)
    deeper = augment(source, Change(queries=5), depth=DEPTH + 1)
    assert shallow.neighbors is not None and deeper.neighbors is None
    assert deeper.notes[-1] == "the ground truth is computed anew"
    assert all(workload.neighbors is None for workload in deeper.workloads.values())


CHANGES = {
    "items": (Change(items=150), 8, np.float32),
    "pca": (Change(pca=3), 3, np.float32),
    "rotate": (Change(rotate=13), 13, np.float32),
    "float16": (Change(dtype="float16"), 8, np.float16),
    "int8": (Change(dtype="int8"), 8, np.int8),
    "all": (Change(items=200, queries=7, pca=5, rotate=9, dtype="int8"), 9, np.int8),
}


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("name", CHANGES)
def test_changed_vectors_have_a_truth_of_their_own(name, metric, tmp_path):
    change, dimension, dtype = CHANGES[name]
    with Dataset.open(tiny.write(tmp_path / "tiny.h5", metric=metric)) as source:
        draft = augment(source, change, depth=DEPTH, selectivities=[0.1], kinds=["r"])
        assert draft.notes[-1] == "the ground truth is computed anew"
        with written(draft, tmp_path / f"{name}.h5") as opened:
            assert opened.metric is metric
            assert (opened.n, opened.num_queries) == (change.items or 300, change.queries or 12)
            assert opened.dimension == dimension and opened.vectors.dtype == dtype
            with h5py.File(opened.path) as file:
                assert file["test"].dtype == dtype
            assert_sound(opened, sorted([*tiny.WORKLOADS, "r-0.1"]))
            assert opened.about("description").startswith("tiny; ")
            if name in ("rotate", "float16", "int8"):  # the neighbours are those of before, but for rounding
                before, _ = reference.brute_force(source.vectors[:], source.queries(), DEPTH, metric)
                pairs = zip(opened.workload("none").neighbors, before, strict=True)
                assert np.mean([len(set(one) & set(other)) / DEPTH for one, other in pairs]) > 0.95


def test_int8_uses_the_whole_range(source):
    draft = augment(source, Change(dtype="int8"))
    assert np.abs(np.concatenate([draft.items[:], draft.queries]).astype(int)).max() == 127
    scale = 127 / max(np.abs(source.vectors[:]).max(), np.abs(source.queries()).max())
    assert f"times {scale:g}, rounded to int8" in draft.notes


def test_workloads_to_keep(source):
    assert list(augment(source, keep=["r", "em"]).workloads) == ["r", "em"]
    assert list(augment(source, keep=["none"], filters=["price == 1"]).workloads) == ["em"]
    with pytest.raises(UnknownNameError, match=r"unknown workload of tiny 'emi'; did you mean emis"):
        augment(source, keep=["emi"])


def test_what_cannot_be_done(source, tmp_path):
    for change, message in [
        (Change(), "nothing to change"),
        (Change(items=301), "301 items asked for; tiny has 300"),
        (Change(queries=13), "13 queries asked for; tiny has 12"),
        (Change(pca=9), "9 principal components of 8 dimensions"),
        (Change(rotate=7), "8 dimensions to 7"),
        (Change(rotate=2**31), "2,147,483,648 dimensions; a data set has 2,147,483,647 at most"),
        (Change(pca=4, rotate=3), "4 dimensions to 3"),
    ]:
        with pytest.raises(DatasetError, match=message):
            augment(source, change)
    with pytest.raises(FilterError, match="unknown attribute 'prise'; did you mean price"):
        augment(source, filters=["prise == $p"])
    with pytest.raises(FilterError, match=r"price is a number; .* is for sets"):
        augment(source, filters=["$p in price"])
    with pytest.raises(FilterError, match=r"tags is a set; .* is for sets"):
        augment(source, filters=["tags == $p"])
    with pytest.raises(FilterError, match="colour is a category"):
        augment(source, filters=["$p < colour"]).check()
    with pytest.raises(DatasetError, match="'em' already"):
        augment(source, filters=["em: price == $p"])
    with (
        written(augment(source, Change(dtype="float16"), depth=DEPTH), tmp_path / "half.h5") as half,
        pytest.raises(DatasetError, match="vectors of half are float16 already"),
    ):
        augment(half, Change(dtype="float16"))
    with pytest.raises(DatasetError, match="'nothing': no item matches"):
        written(augment(source, filters=["nothing: price > 1000"]), tmp_path / "nothing.h5")
    assert not (tmp_path / "nothing.h5").exists()


def test_numbers_too_large_for_float16_leave_no_file(tmp_path):
    with DatasetWriter(tmp_path / "large.h5", name="large", metric=Metric.EUCLIDEAN) as writer:
        writer.items(np.array([[1.0], [1e5]], np.float32))
        writer.queries(np.array([[1.0]], np.float32))
        writer.truth(np.array([[0]]), np.array([[0.0]]))
    with Dataset.open(tmp_path / "large.h5") as source:
        draft = augment(source, Change(dtype="float16"))
        with pytest.raises(DatasetError, match="beyond 65,504"):
            write(draft, tmp_path / "half.h5")
    assert not (tmp_path / "half.h5").exists()


def test_the_command(tiny_dataset):
    made = invoke(
        tiny_dataset, "--name", "variant", "--items", 250, "--rotate", 16, "--selectivity", "0.1", "--kind",
        "emis,r", "--filter", "cheap: price < $most", "--keep", "em", "--depth", DEPTH,
    )  # fmt: skip
    assert made.exit_code == 0
    assert "- 250 of 300 items\n- rotated to 16 dimensions" in made.stdout
    with Dataset.open(find("variant")) as opened:
        assert_sound(opened, sorted(["em", "emis-0.1", "r-0.1", "cheap"]))
    with pytest.raises(UserError, match="--kind is that of filters of a --selectivity"):
        invoke(tiny_dataset, "--name", "other", "--kind", "r")
    with pytest.raises(DatasetError, match="nothing to change"):
        invoke(tiny_dataset, "--name", "other")
    assert "em-0.8" in invoke(tiny_dataset, "--name", "p", "--selectivity", "study", "--preview").stdout
    with pytest.raises(UnknownNameError):
        find("p")
    assert invoke(tiny_dataset, "--name", "p", "--dtype", "int4").exit_code == 2


def test_a_data_set_may_take_the_place_of_its_source(tiny_dataset, tmp_path):
    invoke(tiny_dataset, "--name", tmp_path / "own.h5", "--items", 100, "--depth", DEPTH)
    invoke(tmp_path / "own.h5", "--name", tmp_path / "own.h5", "--replace", "--items", 50, "--depth", DEPTH)
    with Dataset.open(tmp_path / "own.h5") as opened:
        assert opened.n == 50
        assert_sound(opened, sorted(tiny.WORKLOADS))

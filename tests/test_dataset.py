"""Data set files: what is written is read, by us and by plain h5py, and what is wrong is said in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import reference
import tiny

from fannsbench import dataset as datasets
from fannsbench import folders
from fannsbench.algorithm import Metric
from fannsbench.attributes import Category, LabelSet, Number
from fannsbench.dataset import Dataset, DatasetWriter
from fannsbench.errors import DatasetError, FilterError, UnknownNameError

ALL_KINDS = {
    "category": Category.from_values(["b", None, "ü", "b", ""]),
    "nothing_known": Category.from_values([None] * 5),
    "integer": Number.from_values([2**63 - 1, -(2**63), 2**53 + 1, 0, 0]),
    "gaps": Number.from_values([1, None, 3, None, 5]),
    "real": Number.from_values([0.1, None, np.inf, -0.0, 1e300]),
    "labels": LabelSet.from_values([["日本", "a"], [], ["a"], [], ["'", "b"]]),
    "no_labels": LabelSet.from_values([[]] * 5),
}
METRICS = {Metric.EUCLIDEAN: "euclidean", Metric.COSINE: "angular", Metric.INNER_PRODUCT: "ip"}


def write_all_kinds(path, dtype=np.float32, compress=False, metric=Metric.EUCLIDEAN):
    about = {"description": "d", "source": "s", "license": "l"}
    with DatasetWriter(path, name="all", metric=metric, compress=compress, **about) as writer:
        writer.items(np.arange(15, dtype=dtype).reshape(5, 3) / 4)
        writer.queries(np.arange(6, dtype=dtype).reshape(2, 3) / 4)
        for name, column in ALL_KINDS.items():
            writer.attribute(name, column)
        writer.truth(np.array([[0, 1], [1, 0]]), np.array([[0.0, 0.5], [0.25, 2.0]]))
        texts = {"x": ["b", "nowhere"], "y": np.array([b"a", "日本".encode()])}
        numbers = {"low": np.array([0, 1]), "high": np.array([2.5, np.inf])}
        truth = np.array([[4, -1], [-1, -1]]), np.array([[0.5, np.inf], [np.inf, np.inf]]), np.array([1, 0])
        writer.workload("texts", "category == $x or $y in labels", texts, *truth)
        writer.workload("numbers", "$low <= gaps < $high", numbers, *truth)
        writer.workload("fixed", "integer == 0", {}, *truth)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_round_trip(tmp_path, dtype, compress):
    path = tmp_path / "all.h5"
    write_all_kinds(path, dtype, compress)
    vectors = np.arange(15, dtype=np.float32).reshape(5, 3) / 4
    with Dataset.open(path) as dataset:
        assert (dataset.name, dataset.metric, dataset.path) == ("all", Metric.EUCLIDEAN, path)
        assert (dataset.n, dataset.dimension, dataset.num_queries) == (5, 3, 2)
        about = [dataset.about(key) for key in ("description", "source", "license", "nothing")]
        assert about == ["d", "s", "l", ""]
        assert dataset.vectors.dtype == dtype
        items = dataset.items()
        queries = dataset.queries()
        assert list(dataset.attributes) == sorted(ALL_KINDS)
        for name, column in ALL_KINDS.items():
            found = dataset.attributes[name]
            assert (type(found), found.kind) == (type(column), column.kind)
            assert [found.value(i) for i in range(5)] == [column.value(i) for i in range(5)]
        assert dataset.workload_names == ["none", "fixed", "numbers", "texts"]
        workloads = {name: dataset.workload(name) for name in dataset.workload_names}
    for array, expected in ((items.vectors, vectors), (queries, np.arange(6).reshape(2, 3) / 4)):
        assert (type(array), array.dtype, array.flags.c_contiguous) == (np.ndarray, np.float32, True)
        np.testing.assert_array_equal(array, expected)
    assert not items.vectors.flags.writeable
    assert items.attributes["gaps"].value(2) == 3
    assert (workloads["none"].filter, workloads["none"].kind, workloads["none"].depth) == (None, None, 2)
    assert workloads["none"].matches.tolist() == [5, 5]
    assert workloads["none"].bind(items.attributes) is None
    assert workloads["texts"].filter.text == "category == $x or $y in labels"
    assert workloads["texts"].kind == "C"
    assert {p: values.tolist() for p, values in workloads["texts"].parameters.items()} == {
        "x": ["b", "nowhere"],
        "y": ["a", "日本"],
    }
    assert workloads["numbers"].parameters["low"].tolist() == [0, 1]
    assert workloads["numbers"].parameters["low"].dtype == np.int64
    assert workloads["numbers"].parameters["high"].tolist() == [2.5, np.inf]
    for name in ("texts", "numbers", "fixed"):
        workload = workloads[name]
        assert workload.neighbors.tolist() == [[4, -1], [-1, -1]]
        assert workload.distances.tolist() == [[0.5, np.inf], [np.inf, np.inf]]
        assert workload.matches.tolist() == [1, 0]
        types = (workload.neighbors.dtype, workload.distances.dtype, workload.matches.dtype)
        assert types == (np.int32, np.float32, np.int64)
    for name, counts in {"texts": [3, 1], "numbers": [1, 3], "fixed": [2, 2]}.items():
        assert workloads[name].bind(items.attributes).counts().tolist() == counts


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_plain_h5py_finds_everything_under_the_documented_names(tmp_path, compress, metric):
    path = tmp_path / "all.h5"
    write_all_kinds(path, compress=compress, metric=metric)
    found = reference.read_file(path)
    assert re.fullmatch(r"fannsbench \d+\.\d+\.\d+", found.pop("@created_with"))
    assert {key: found.pop(key) for key in list(found) if key.startswith("@")} == {
        "@schema": "fannsbench/1",
        "@name": "all",
        "@distance": METRICS[metric],
        "@description": "d",
        "@source": "s",
        "@license": "l",
    }
    expected = {
        "train": (np.float32, np.arange(15).reshape(5, 3) / 4),
        "test": (np.float32, [[0, 0.25, 0.5], [0.75, 1, 1.25]]),
        "neighbors": (np.int32, [[0, 1], [1, 0]]),
        "distances": (np.float32, [[0, 0.5], [0.25, 2]]),
        "attributes/category/codes": (np.int32, [1, -1, 2, 1, 0]),
        "attributes/nothing_known/codes": (np.int32, [-1] * 5),
        "attributes/integer/values": (np.int64, [2**63 - 1, -(2**63), 2**53 + 1, 0, 0]),
        "attributes/gaps/values": (np.int64, [1, 0, 3, 0, 5]),
        "attributes/gaps/missing": (bool, [False, True, False, True, False]),
        "attributes/real/values": (np.float64, [0.1, 0, np.inf, -0.0, 1e300]),
        "attributes/real/missing": (bool, [False, True, False, False, False]),
        "attributes/labels/indptr": (np.int64, [0, 2, 2, 3, 3, 5]),
        "attributes/labels/indices": (np.int32, [1, 3, 1, 0, 2]),
        "attributes/no_labels/indptr": (np.int64, [0] * 6),
        "attributes/no_labels/indices": (np.int32, []),
        "workloads/numbers/parameters/low": (np.int64, [0, 1]),
        "workloads/numbers/parameters/high": (np.float64, [2.5, np.inf]),
    }
    for name in ("texts", "numbers", "fixed"):
        expected[f"workloads/{name}/neighbors"] = (np.int32, [[4, -1], [-1, -1]])
        expected[f"workloads/{name}/distances"] = (np.float32, [[0.5, np.inf], [np.inf, np.inf]])
        expected[f"workloads/{name}/matches"] = (np.int64, [1, 0])
    texts = {
        "attributes/category/vocabulary": ["", "b", "ü"],
        "attributes/nothing_known/vocabulary": [],
        "attributes/labels/vocabulary": ["'", "a", "b", "日本"],
        "attributes/no_labels/vocabulary": [],
        "workloads/texts/parameters/x": ["b", "nowhere"],
        "workloads/texts/parameters/y": ["a", "日本"],
    }
    marks = {f"attributes/{name}@kind": column.kind for name, column in ALL_KINDS.items()} | {
        "workloads/texts@filter": "category == $x or $y in labels",
        "workloads/numbers@filter": "$low <= gaps < $high",
        "workloads/fixed@filter": "integer == 0",
    }
    assert found.keys() == expected.keys() | texts.keys() | marks.keys()
    for key, (dtype, values) in expected.items():
        assert found[key].dtype == dtype, key
        np.testing.assert_array_equal(found[key], values, key)
    assert {key: found[key] for key in texts | marks} == texts | marks


def test_compression_packs_everything_that_is_large(tmp_path):
    sizes = []
    for compress in (False, True):
        path = tmp_path / f"{compress}.h5"
        with DatasetWriter(path, name="x", metric=Metric.EUCLIDEAN, compress=compress) as writer:
            writer.items(np.ones((20_000, 8), np.float16))
            writer.queries(np.ones((1, 8)))
            writer.attribute("a", Category.from_values(f"some text {i:06d}" for i in range(20_000)))
        sizes.append(path.stat().st_size)
        with Dataset.open(path) as dataset:
            assert dataset.attributes["a"].value(19_999) == "some text 019999"
            assert dataset.vectors.dtype == np.float16
            assert dataset.items().vectors.sum() == 160_000
    assert sizes[1] < sizes[0] / 5


def test_vectors_are_memory_mapped_where_they_are_stored_as_they_are_used(tmp_path):
    path = tmp_path / "blocks.h5"
    with DatasetWriter(path, name="x", metric=Metric.EUCLIDEAN) as writer:
        writer.items(np.arange(400, dtype=np.float32).reshape(100, 4))
        writer.queries(np.zeros((1, 4), np.float32))
    with Dataset.open(path) as dataset:
        vectors = dataset.items().vectors
    assert isinstance(vectors.base, np.memmap)
    np.testing.assert_array_equal(vectors, np.arange(400).reshape(100, 4))


def test_the_tiny_data_set_is_sound(tiny_dataset):
    with Dataset.open(tiny_dataset) as dataset:
        for name in dataset.workload_names[1:]:
            workload = dataset.workload(name)
            masks = reference.masks(workload.filter.text, dataset.attributes, workload.parameters)
            bound = workload.bind(dataset.attributes)
            np.testing.assert_array_equal(bound.counts(), workload.matches)
            np.testing.assert_array_equal([bound.mask(j) for j in range(len(bound))], masks)
            assert not bound.violations(workload.neighbors).any()


# Files of others


def ann_benchmarks_file(path: Path, distance: object = "angular") -> Path:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs.update(type="dense", distance=distance, dimension=6, point_type="float")
        file["train"] = rng.standard_normal((50, 6)).astype(np.float32)
        file["test"] = rng.standard_normal((4, 6)).astype(np.float32)
        file["neighbors"] = rng.integers(0, 50, (4, 10))
        file["distances"] = rng.random((4, 10))
    return path


@pytest.mark.parametrize("distance", ["angular", np.bytes_(b"angular"), "cosine", "normalized"])
def test_a_file_of_ann_benchmarks_opens_as_it_is(tmp_path, distance):
    path = ann_benchmarks_file(tmp_path / "glove-6-angular.hdf5", distance)
    plain = reference.read_file(path)
    with Dataset.open(path) as dataset:
        assert (dataset.name, dataset.metric) == ("glove-6-angular", Metric.COSINE)
        assert dataset.workload_names == ["none"]
        assert len(dataset.attributes) == 0
        np.testing.assert_array_equal(dataset.items().vectors, plain["train"])
        workload = dataset.workload("none")
        np.testing.assert_array_equal(workload.neighbors, plain["neighbors"])
        np.testing.assert_array_equal(workload.distances, plain["distances"].astype(np.float32))
        assert workload.neighbors.dtype == np.int32
        assert workload.matches.tolist() == [50] * 4
        assert workload.bind(dataset.attributes) is None
        assert dataset.checksum


def test_the_unit_of_dates_comes_back_and_stays_with_some_of_the_items(tmp_path):
    with DatasetWriter(tmp_path / "x.h5", name="x", metric=Metric.EUCLIDEAN) as writer:
        writer.items(np.eye(3, dtype=np.float32))
        writer.queries(np.eye(3, dtype=np.float32))
        writer.attribute("day", Number(np.arange(3), None, "days"))
        writer.attribute("plain", Number(np.arange(3)))
        writer.truth(np.zeros((3, 1), np.int32), np.zeros((3, 1), np.float32))
    with Dataset.open(tmp_path / "x.h5") as dataset:
        assert [dataset.attributes[name].unit for name in ("day", "plain")] == ["days", None]
        assert dataset.attributes["day"].take(np.array([2, 0])).unit == "days"
    with pytest.raises(DatasetError, match="dates in 'weeks'; known: days, seconds"):
        Number(np.arange(3), None, "weeks")


def test_missing_marks_of_another_type_and_texts_of_fixed_length_are_read(tiny_dataset, tmp_path):
    def edit(file):
        file["attributes/price/missing"] = np.arange(300, dtype=np.uint8) % 2
        vocabulary = np.array([text.encode() for text in file["attributes/tags/vocabulary"].asstr()[:]])
        del file["attributes/tags/vocabulary"]
        file["attributes/tags/vocabulary"] = vocabulary
        file["attributes/tags"].attrs["kind"] = np.bytes_(b"set")

    with Dataset.open(tiny_dataset) as one, Dataset.open(edited(tiny_dataset, tmp_path, edit)) as other:
        prices, tags = (
            [column[name] for column in (one.attributes, other.attributes)] for name in ("price", "tags")
        )
        assert [prices[1].value(i) for i in range(4)] == [prices[0].value(0), None, prices[0].value(2), None]
        assert [tags[1].value(i) for i in range(300)] == [tags[0].value(i) for i in range(300)]


# What is wrong is said

COLOUR, PRICE, EM = "attributes/colour", "attributes/price", "workloads/em"


def edited(path: Path, folder: Path, edit) -> Path:
    """A copy of a file, changed with plain h5py."""
    copy = folder / "edited.h5"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        edit(file)
    return copy


def use_everything(path: Path) -> None:
    """Read all that a run would read."""
    with Dataset.open(path) as dataset:
        _ = dataset.checksum
        dataset.items()
        dataset.queries()
        for name in dataset.workload_names:
            dataset.workload(name)


def replace(name, value):
    def edit(file):
        content = value(file) if callable(value) else value
        if name in file:
            del file[name]
        if content is not None:
            file[name] = content

    return edit


def attribute(name, key, value):
    def edit(file):
        file[name].attrs[key] = value

    return edit


def without_attribute(name, key):
    def edit(file):
        del file[name].attrs[key]

    return edit


def put(name, place, value):
    def edit(file):
        array = file[name][:]
        array[place] = value
        file[name][:] = array

    return edit


FAULTS = {
    "no train": (replace("train", None), "there is no /train"),
    "no test": (replace("test", None), "there is no /test"),
    "train is a group": (replace("train", lambda file: file["attributes"]), "there is no /train"),
    "flat train": (replace("train", np.zeros(9, "f4")), r"/train is float32 \(9,\).*non-empty matrix"),
    "three dimensions": (replace("train", np.zeros((3, 8, 2))), "non-empty matrix"),
    "no items": (replace("train", np.zeros((0, 8))), "non-empty matrix"),
    "no queries": (replace("test", np.zeros((0, 8))), "/test is .* non-empty matrix"),
    "int vectors": (replace("train", np.zeros((300, 8), "i2")), "/train is int16.*matrix of floats"),
    "bit vectors": (replace("train", np.zeros((300, 8), bool)), "/train is bool.*matrix of floats"),
    "other dimension": (replace("test", np.zeros((12, 9))), "/test has 9 dimensions and /train 8"),
    "schema": (attribute("/", "schema", "fannsbench/2"), "schema 'fannsbench/2'; this version reads"),
    "distance": (attribute("/", "distance", "l3"), "distance 'l3'; it must be one of euclidean"),
    "distance of bits": (attribute("/", "distance", "hamming"), "'hamming' is between bits; .* compare vect"),
    "distance of sets": (attribute("/", "distance", "jaccard"), "'jaccard' is between sets; .* compare vect"),
    "no distance": (without_attribute("/", "distance"), "distance ''; it must be one of"),
    "NaN item": (put("train", (7, 3), np.nan), "/train row 7 holds NaN or infinite"),
    "infinite query": (put("test", (11, 0), -np.inf), "/test row 11 holds NaN or infinite"),
    "too large for float32": (replace("train", np.full((300, 8), 1e300)), "/train row 0 holds NaN or inf"),
    "no truth": (replace("neighbors", None), "there is no /neighbors"),
    "no distances": (replace("distances", None), "there is no /distances"),
    "neighbor too high": (put("neighbors", (3, 5), 300), r"'none': neighbors \d+\.\.300 of 300 items"),
    "neighbor too low": (put("neighbors", (3, 5), -2), r"'none': neighbors -2\.\.\d+ of 300 items"),
    "neighbors of floats": (replace("neighbors", np.zeros((12, 20))), r"/neighbors is float64 \(12, 20\)"),
    "flat neighbors": (replace("neighbors", np.zeros(12, int)), r"/neighbors is int64 \(12,\)"),
    "beyond int32": (replace("neighbors", np.full((12, 20), 2**40)), "/neighbors holds numbers too large"),
    "single distance": (replace("distances", 3.0), "slic"),
    "distances are texts": (replace("distances", [b"x"] * 12), "could not convert"),
    "distances of other shape": (replace("distances", np.zeros((12, 19))), r"distances \(12, 19\)"),
    "attributes is no group": (replace("attributes", np.zeros(3)), "/attributes must be a group of groups"),
    "attribute is no group": (replace("attributes/x", np.zeros(3)), "/attributes must be a group of groups"),
    "attribute kind": (attribute(PRICE, "kind", "date"), "'price' is of kind 'date'; known: category"),
    "no attribute kind": (without_attribute(PRICE, "kind"), "'price' is of kind ''"),
    "attribute of fewer": (replace(f"{PRICE}/values", np.zeros(9)), "'price' has 9 values for 300 items"),
    "set for fewer items": (
        replace("attributes/tags/indptr", lambda file: file["attributes/tags/indptr"][:-1]),
        "attribute 'tags': a set attribute's indptr",
    ),
    "no values": (replace(f"{PRICE}/values", None), "'price': there is no /attributes/price/values"),
    "values are texts": (replace(f"{PRICE}/values", [b"x"] * 300), "'price': .*int64 or float64"),
    "single value": (replace(f"{PRICE}/values", 3), "attribute 'price': "),
    "no vocabulary": (replace(f"{COLOUR}/vocabulary", None), "there is no /attributes/colour/vocabulary"),
    "vocabulary of numbers": (replace(f"{COLOUR}/vocabulary", np.zeros(3)), "attribute 'colour': "),
    "vocabulary not utf-8": (
        replace(f"{COLOUR}/vocabulary", np.array([b"a", b"\xff"])),
        "'colour': .*decode",
    ),
    "code without text": (put(f"{COLOUR}/codes", 0, 3), r"attribute 'colour': .*codes -1\.\.3"),
    "codes of floats": (replace(f"{COLOUR}/codes", np.zeros(300)), "codes is float64"),
    "workload is no group": (replace("workloads/x", np.zeros(3)), "/workloads must be a group of groups"),
    "workload without neighbors": (replace(f"{EM}/neighbors", None), "there is no /workloads/em/neighbors"),
    "workload without distances": (replace(f"{EM}/distances", None), "there is no /workloads/em/distances"),
    "no matches": (replace(f"{EM}/matches", None), "there is no /workloads/em/matches"),
    "matches of fewer": (replace(f"{EM}/matches", np.zeros(11, int)), r"'em': .*matches \(11,\) must"),
    "matches of floats": (replace(f"{EM}/matches", np.zeros(12)), "/workloads/em/matches is float64"),
    "no filter": (without_attribute(EM, "filter"), "filter '', column 1: empty"),
    "unreadable filter": (attribute(EM, "filter", "colour = $colour"), "column 8: not a filter"),
    "parameters of fewer": (
        replace("workloads/r/parameters/low", np.zeros(11, int)),
        r"workload 'r': \$low has \(11,\) values for \(12,\) queries",
    ),
    "parameters is no group": (replace(f"{EM}/parameters", np.zeros(12)), "must be a group of datasets"),
    "workload's neighbor too high": (put(f"{EM}/neighbors", (0, 0), 300), "workload 'em': neighbors"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_names_the_file(tiny_dataset, tmp_path, fault):
    edit, says = FAULTS[fault]
    path = edited(tiny_dataset, tmp_path, edit)
    with pytest.raises(DatasetError, match=says) as error:
        use_everything(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert message.count(str(path)) == 1
    assert "\n" not in message


@pytest.mark.parametrize("rows", [11, 300])
def test_the_truth_of_other_queries_is_refused(tiny_dataset, tmp_path, rows):
    def edit(file):
        replace("neighbors", np.zeros((rows, 20), int))(file)
        replace("distances", np.zeros((rows, 20)))(file)

    path = edited(tiny_dataset, tmp_path, edit)
    with pytest.raises(DatasetError, match=rf"neighbors \({rows}, 20\), .* must agree with 12 queries"):
        use_everything(path)


@pytest.mark.parametrize("size", [0, 7, 100, 5000, -1])
def test_a_truncated_file_is_refused(tiny_dataset, tmp_path, size):
    path = tmp_path / "cut.h5"
    path.write_bytes(tiny_dataset.read_bytes()[:size])
    assert_unreadable(path)


def test_foreign_files_are_refused(tmp_path):
    for name, content in {"text.h5": b"hello\n" * 100, "zeros.h5": bytes(4096)}.items():
        (tmp_path / name).write_bytes(content)
        assert_unreadable(tmp_path / name)
    with pytest.raises(DatasetError, match="is a folder; a data set is one file"):
        Dataset.open(tmp_path)


def assert_unreadable(path):
    with pytest.raises(DatasetError, match="is no readable HDF5 file") as error:
        Dataset.open(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match=f"no data set file at {tmp_path / 'none.h5'}"):
        Dataset.open(tmp_path / "none.h5")


@pytest.mark.parametrize("part", ["train", "attributes/price/values", "workloads/em/neighbors", "neighbors"])
def test_damage_inside_a_file_is_found_when_it_is_read(tmp_path, part):
    path = tiny.write(tmp_path / "packed.h5", compress=True)
    with h5py.File(path) as file:
        chunk = file[part].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xa5" * chunk.size
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"packed\.h5: ") as error:
        use_everything(path)
    assert "\n" not in str(error.value)


def test_an_unknown_workload(tiny_dataset):
    says = "unknown workload of tiny 'emi'; did you mean emis or em"
    with Dataset.open(tiny_dataset) as dataset, pytest.raises(UnknownNameError, match=says):
        dataset.workload("emi")


def test_a_workload_whose_values_do_not_fit_the_attributes(tiny_dataset, tmp_path):
    path = edited(tiny_dataset, tmp_path, replace("workloads/r/parameters/low", None))
    with Dataset.open(path) as dataset:
        workload = dataset.workload("r")
        with pytest.raises(FilterError, match=r"no values for \$low"):
            workload.bind(dataset.attributes)


# Checksums


def checksum(path: Path) -> str:
    with Dataset.open(path) as dataset:
        return dataset.checksum


@pytest.fixture
def copy(tiny_dataset, tmp_path):
    return shutil.copy(tiny_dataset, tmp_path / "copy.h5")


def test_the_checksum_is_that_of_the_content(tiny_dataset, copy, tmp_path):
    before = checksum(copy)
    assert re.fullmatch("[0-9a-f]{32}", before)
    assert checksum(copy) == before == checksum(tiny_dataset)
    edited(copy, tmp_path, put("train", (0, 0), 0.5)).replace(copy)
    assert checksum(copy) != before


def test_the_checksum_changes_with_the_file_and_is_remembered_otherwise(copy):
    before, stat = checksum(copy), copy.stat()
    with h5py.File(copy, "r+") as file:
        put("train", (0, 0), 0.5)(file)
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert copy.stat().st_size == stat.st_size
    assert checksum(copy) == before, "what is looked at has not changed, so the content is not read again"
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert checksum(copy) != before


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[1]", b'{"identity": 3}', b"null"])
def test_a_damaged_memory_of_checksums_is_repaired(copy, damage):
    before = checksum(copy)
    (record,) = (folders.cache() / "checksums").iterdir()
    sound = record.read_bytes()
    record.write_bytes(damage)
    assert checksum(copy) == before
    assert record.read_bytes() == sound
    assert json.loads(sound)["checksum"] == before


def test_a_memory_that_lacks_the_checksum_is_repaired(copy):
    before = checksum(copy)
    (record,) = (folders.cache() / "checksums").iterdir()
    record.write_text(json.dumps({"identity": json.loads(record.read_text())["identity"]}))
    assert checksum(copy) == before


def test_the_checksum_needs_no_cache(copy, tmp_path, monkeypatch):
    before = checksum(copy)
    (tmp_path / "file").touch()
    impossible = tmp_path / "file" / "cache"  # for root too
    monkeypatch.setenv("FANNSBENCH_CACHE", str(impossible))
    assert checksum(copy) == before


def test_a_refused_file_is_refused_again(tiny_dataset, tmp_path):
    path = edited(tiny_dataset, tmp_path, put("train", (7, 3), np.nan))
    for _ in range(2):
        with pytest.raises(DatasetError, match="row 7"):
            checksum(path)


# Writing


UNUSABLE = "a-b 1a a.b a/b and not None True class lambda \ufb01 $a f()"


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, Interruption])
def test_an_error_while_writing_leaves_what_was_there(tmp_path, error):
    for content in (None, b"the old file"):
        if content is not None:
            (tmp_path / "x.h5").write_bytes(content)
        with pytest.raises(error), DatasetWriter(tmp_path / "x.h5", name="x", metric=Metric.COSINE) as writer:
            writer.items(np.zeros((3, 2), np.float32))
            raise error
        assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if content is None else [content])


def test_a_folder_that_cannot_be_written_leaves_nothing_open(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), DatasetWriter(tmp_path / "file" / "x.h5", name="x", metric=Metric.COSINE):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new folder" / "x.h5"
    with DatasetWriter(path, name="x", metric=Metric.COSINE) as writer:
        writer.items(np.zeros((3, 2), np.float32))
        assert not path.exists()
    assert path.exists()
    assert list(path.parent.iterdir()) == [path]


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path, monkeypatch):
    code = f"""
import numpy as np, sys, time
from pathlib import Path
from fannsbench.algorithm import Metric
from fannsbench.dataset import DatasetWriter
with DatasetWriter(Path({str(tmp_path / "x.h5")!r}), name="x", metric=Metric.COSINE) as writer:
    writer.items(np.zeros((1000, 20), np.float32))
    print("writing", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "x.h5").exists()
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(tmp_path))
    assert tmp_path not in {path.parent for path in datasets.available().values()}


@pytest.mark.parametrize("name", ["", "a b", *UNUSABLE.split(" ")])
def test_attributes_that_no_filter_could_name_are_refused(tmp_path, name):
    with pytest.raises(DatasetError, match=re.escape(f"attribute {name!r}")):
        write_attribute(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "größe", "_x1", "match", "日本"])
def test_other_names_of_attributes_are_fine(tmp_path, name):
    write_attribute(tmp_path, name)
    with h5py.File(tmp_path / "x.h5") as file:
        assert list(file["attributes"]) == [name]


def write_attribute(folder, name):
    with DatasetWriter(folder / "x.h5", name="x", metric=Metric.COSINE) as writer:
        writer.attribute(name, Number.from_values([1]))


@pytest.mark.parametrize("name", ["none", "", "a/b", ".", "..", "a b", "a,b"])
def test_workloads_that_no_command_could_name_are_refused(tmp_path, name):
    truth = np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1)
    with (
        pytest.raises(DatasetError, match=re.escape(f"workload {name!r}")),
        DatasetWriter(tmp_path / "x.h5", name="x", metric=Metric.COSINE) as writer,
    ):
        writer.workload(name, "a == 1", {}, *truth)


def test_a_workload_with_an_unreadable_filter_is_refused(tmp_path):
    with (
        pytest.raises(FilterError, match="column 3"),
        DatasetWriter(tmp_path / "x.h5", name="x", metric=Metric.COSINE) as writer,
    ):
        writer.workload("w", "a = 1", {}, np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1))


# Names


def test_data_sets_are_found_by_name_in_the_users_folder(tiny_dataset, monkeypatch):
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(tiny_dataset.parent))
    assert datasets.available()["tiny"] == tiny_dataset == datasets.find("tiny")
    assert datasets.find("wordnet-10k").parent == folders.bundled("datasets")
    says = "unknown data set 'tinny'; did you mean tiny.*or give the path of"
    with pytest.raises(UnknownNameError, match=says):
        datasets.find("tinny")


def test_the_users_file_comes_before_a_bundled_one_of_the_same_name(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(tmp_path))
    shutil.copy(tiny_dataset, tmp_path / "wordnet-10k.hdf5")
    assert datasets.find("wordnet-10k") == tmp_path / "wordnet-10k.hdf5"


def test_only_data_sets_are_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("FANNSBENCH_DATASETS", str(tmp_path))
    for name in ("b.h5", "a.hdf5", ".c.h5", ".d.h5.x1.part", "catalogue.toml", "e.h5.md"):
        (tmp_path / name).touch()
    names = datasets.available()
    assert list(names) == sorted(names)
    assert {name for name, path in names.items() if path.parent == tmp_path} == {"a", "b"}


def test_the_bundled_file_is_told_whatever_path_leads_to_it(tiny_dataset, tmp_path, monkeypatch):
    path = datasets.find("wordnet-10k")
    monkeypatch.chdir(path.parent.parent)
    (tmp_path / "link.h5").symlink_to(path)
    for given in (path, Path("datasets/wordnet-10k.h5"), Path("datasets/../datasets/wordnet-10k.h5")):
        assert datasets.is_bundled(given)
    assert datasets.is_bundled(tmp_path / "link.h5")
    assert not datasets.is_bundled(tiny_dataset) and not datasets.is_bundled(tmp_path / "wordnet-10k.h5")


@pytest.mark.parametrize("given", ["a" * 300, "a" * 300 + ".h5", "a" * 300 + "/x.h5", "/a" * 3000 + ".h5"])
def test_a_name_that_no_file_can_have_is_one_line(given):
    with pytest.raises(DatasetError, match="too long for the path of a file"):
        datasets.place_of(given)


@pytest.mark.parametrize("given", ["some.h5", "some.hdf5", "folder/some", "/absolute/some.h5", "./some"])
def test_paths_are_taken_as_they_are(given):
    assert datasets.find(given) == Path(given)

"""A draft becomes a data set file, whole or not at all; what is unsound is told before anything long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference

from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes, Category, LabelSet, Number
from fannsbench.data import draft as drafts
from fannsbench.data.draft import Draft, DraftWorkload, draft_of, write
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError, FilterError
from fannsbench.filters import Filter
from fannsbench.vectors import blocks

N, Q, D = 120, 9, 6


def workload(text, neighbors=None, **parameters):
    return DraftWorkload(Filter.parse(text), {k: np.array(v) for k, v in parameters.items()}, neighbors)


def draft(**changes):
    rng = np.random.default_rng(0)
    columns = {
        "price": Number.from_values(rng.integers(0, 10, N).tolist()),
        "colour": Category.from_values(["red", None] * (N // 2)),
        "tags": LabelSet.from_values([[]] * N),
    }
    whole = Draft(
        Metric.COSINE,
        rng.normal(size=(N, D)).astype(np.float32),
        rng.normal(size=(Q, D)).astype(np.float32),
        Attributes(columns, N),
        {"r": workload("price <= $p", p=np.arange(Q))},
        description="made of noise",
    )
    return replace(whole, **changes)


def test_all_of_it_is_written_and_the_truth_is_exact(tmp_path):
    whole, done = draft(), {}

    class Bar:
        def __init__(self, what, total):
            done[what] = [0, total]
            self.what = what

        def __enter__(self):
            return self.advance

        def advance(self, count):
            done[self.what][0] += count

        def __exit__(self, *_):
            pass

    write(whole, tmp_path / "x.h5", depth=7, progress=Bar)
    with Dataset.open(tmp_path / "x.h5") as dataset:
        np.testing.assert_array_equal(dataset.vectors[:], whole.items)
        np.testing.assert_array_equal(dataset.queries(), whole.queries)
        assert (dataset.name, dataset.metric) == ("x", Metric.COSINE)
        assert dataset.about("description") == "made of noise"
        for name, text in (("none", "price >= 0"), ("r", "price <= $p")):
            found = dataset.workload(name)
            masks = reference.masks(text, whole.attributes, {"p": np.arange(Q)})
            ids, distances = reference.brute_force(whole.items, whole.queries, 7, "cosine", masks)
            np.testing.assert_array_equal(found.neighbors, ids)
            np.testing.assert_allclose(found.distances, distances.astype(float), rtol=1e-6)
            np.testing.assert_array_equal(found.matches, masks.sum(axis=1))
    assert done.keys() == {"items", "truth without filter", "truth of workload r"}
    assert all(advanced == total for advanced, total in done.values())


def test_truth_that_the_source_brings_is_kept(tmp_path):
    """Even where it is not the truth: it is the source's; `verify` is for telling."""
    rng = np.random.default_rng(1)
    shipped = {
        name: rng.permuted(np.tile(np.arange(N, dtype=np.int32), (Q, 1)), axis=1)[:, :5] for name in "ab"
    }
    asked = np.arange(Q)
    asked[3] = -1  # no item matches
    shipped["b"][3] = -1
    whole = draft(neighbors=shipped["a"], workloads={"r": workload("price <= $p", shipped["b"], p=asked)})
    write(whole, tmp_path / "x.h5", depth=7)
    with Dataset.open(tmp_path / "x.h5") as dataset:
        for name, neighbors in (("none", shipped["a"]), ("r", shipped["b"])):
            found = dataset.workload(name)
            np.testing.assert_array_equal(found.neighbors, neighbors)
            for j, row in enumerate(neighbors):
                expected = [
                    reference.distance(
                        *np.asarray([whole.queries[j], whole.items[i]], np.longdouble), "cosine"
                    )
                    if i >= 0
                    else np.inf
                    for i in row
                ]
                np.testing.assert_allclose(found.distances[j], np.array(expected, float), rtol=1e-6)
        np.testing.assert_array_equal(dataset.workload("r").matches, whole.matches["r"])


def test_a_data_set_made_into_a_draft_and_back_is_the_same(tiny_dataset, tmp_path):
    with Dataset.open(tiny_dataset) as dataset:
        write(draft_of(dataset), tmp_path / "tiny.h5")
    before, after = reference.read_file(tiny_dataset), reference.read_file(tmp_path / "tiny.h5")
    assert before.keys() == after.keys()
    for key, value in before.items():
        if key.endswith("distances"):
            np.testing.assert_allclose(after[key], value, rtol=1e-6)
        else:
            np.testing.assert_array_equal(after[key], value, key)


class Many:
    shape, dtype = (2**31, D), np.dtype(np.float32)


def truth(**changes):
    """Of Q queries, 5 items each, but for some rows."""
    rows = np.tile(np.arange(5, dtype=np.int32), (Q, 1))
    for row, ids in changes.items():
        rows[int(row.removeprefix("row"))] = ids
    return rows


def filtered(neighbors):
    """Of queries that 0, 1 and 2 of the items match, in turn."""
    columns = {"number": Number(np.array([1, 2, 2] + [9] * (N - 3)))}
    return {
        "attributes": Attributes(columns, N),
        "workloads": {"em": workload("number == $x", neighbors, x=np.arange(Q) % 3)},
    }


NAN = np.full((Q, D), 1, np.float32)
NAN[4, 2] = np.nan
UNSOUND = {
    "no items": ({"items": np.zeros((0, D), "f4")}, "0 items of 6 dimensions and 9 queries"),
    "dimension": ({"queries": np.zeros((Q, 5), "f4")}, "items have 6 dimensions and the queries 5"),
    "rows": ({"items": np.zeros((N - 1, D), "f4")}, "119 vectors, but attributes of 120 items"),
    "nan query": ({"queries": NAN}, "query 4 holds NaN"),
    "unknown attribute": ({"workloads": {"x": workload("prize <= 3")}}, "'prize'; did you mean price"),
    "no value": (
        {"workloads": {"x": workload("'a' in tags")}},
        "workload 'x': no item has a value of 'tags'",
    ),
    "no match": (
        {"workloads": {"x": workload("price > $p", p=[99] * Q)}},
        r"workload 'x': no item matches 'price > \$p', whatever the query",
    ),
    "values": ({"workloads": {"x": workload("price > $p", p=[1, 2])}}, "2 values for 9 queries"),
    "workload name": ({"workloads": {"a/b": workload("price > 3")}}, "workload 'a/b': a name is made of"),
    "attribute name": (
        {"attributes": Attributes({"a b": Number(np.zeros(N))}, N), "workloads": {}},
        "attribute 'a b': a name is made of",
    ),
    "truth of fewer": ({"neighbors": np.zeros((3, 5), "i4")}, "unfiltered truth of 3 queries; there are 9"),
    "truth of none": ({"neighbors": np.zeros((Q, 0), "i4")}, "unfiltered truth names no items at all"),
    "truth twice": (
        {"neighbors": truth(row4=[7, 1, 3, 7, 5])},
        "unfiltered truth, query 4: item 7 more than once",
    ),
    "truth too short": (
        {"neighbors": truth(row6=[7, 1, 3, 2, -1])},
        "unfiltered truth, query 6: 4 ids, but 120 items match, so 5 must be",
    ),
    "truth with a gap": (
        {"neighbors": truth(row2=[7, 1, -1, 2, 3])},
        "unfiltered truth, query 2: -1, no item, stands before an id",
    ),
    "filtered truth too long": (
        filtered(np.array([[-1, -1, -1], [0, -1, -1], [1, 2, 3]] * 3)),
        "em truth, query 2: 3 ids, but 2 items match, so 2 must be",
    ),
    "truth of a file": (
        {"neighbors": truth(row1=-1), "truth_source": Path("x/gt.ivecs")},
        "x/gt.ivecs: unfiltered truth, query 1: 0 ids",
    ),
    "too many items": (
        {"items": Many(), "workloads": {}},
        "2,147,483,648 items; a data set has 2,147,483,647",
    ),
    "truth beyond": (
        {"neighbors": np.full((Q, 5), N, "i4")},
        "unfiltered truth, query 0: names item 120; there are 120",
    ),
    "dtype": ({"items": np.zeros((N, D), "i2"), "workloads": {}}, "vectors are int16; they are stored as"),
}


def test_truth_with_as_many_ids_as_items_match_is_sound(tmp_path):
    neighbors = np.array([[-1, -1, -1], [0, -1, -1], [2, 1, -1]] * 3)
    write(draft(**filtered(neighbors)), tmp_path / "x.h5")
    with Dataset.open(tmp_path / "x.h5") as dataset:
        np.testing.assert_array_equal(dataset.workload("em").neighbors, neighbors)


@pytest.mark.parametrize("what", UNSOUND)
def test_what_is_unsound_is_one_line_and_leaves_nothing(what, tmp_path):
    changes, says = UNSOUND[what]
    with pytest.raises((DatasetError, FilterError), match=says) as error:
        write(draft(**changes), tmp_path / "new" / "x.h5")
    assert "\n" not in str(error.value)
    assert list(tmp_path.rglob("*.*")) == []


def test_an_item_that_is_not_finite_is_named(tmp_path):
    items = draft().items.copy()
    items[77, 3] = np.inf
    with pytest.raises(DatasetError, match="item 77 holds NaN, or numbers that are infinite as float32"):
        write(draft(items=items), tmp_path / "x.h5")
    with pytest.raises(DatasetError, match="item 5 holds"):
        write(
            draft(items=np.where(np.arange(N)[:, None] == 5, 1e300, 1.0) * np.ones((N, D))), tmp_path / "x.h5"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before(tmp_path):
    class Huge:
        shape, dtype = (10**9, 10**5), np.dtype(np.float32)

        def __getitem__(self, rows):
            raise AssertionError("read although there is no room")

    queries = np.ones((1, 10**5), np.float32)
    whole = draft(items=Huge(), queries=queries, workloads={}, attributes=Attributes({}, 10**9))
    with pytest.raises(DatasetError, match=r"400,000\.00 GB needed, .* GB free; make room"):
        write(whole, tmp_path / "deeper" / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_late_leaves_what_was_there_before(tmp_path, monkeypatch):
    write(draft(), tmp_path / "x.h5", depth=3)
    before = (tmp_path / "x.h5").read_bytes()

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafts, "exact_knn", full_disk)
    with pytest.raises(OSError, match="No space"):
        write(draft(), tmp_path / "x.h5", depth=5)
    assert (tmp_path / "x.h5").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "x.h5"]


def test_a_killed_import_is_never_visible_under_its_name(tmp_path):
    """With a real kill, while items are being written."""
    program = """
import time, numpy as np
from pathlib import Path
from fannsbench.algorithm import Metric
from fannsbench.attributes import Attributes
from fannsbench.data.draft import Draft, write
class Slow:
    shape, dtype = (10**6, 64), np.dtype(np.float32)
    def __getitem__(self, rows):
        print("reading", flush=True)
        time.sleep(60)
write(Draft(Metric.EUCLIDEAN, Slow(), np.ones((1, 64), np.float32), Attributes({}, 10**6)), Path("big.h5"))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "reading\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "big.h5").exists()
    assert list(tmp_path.glob("[!.]*")) == []


def test_vectors_of_other_types_are_stored_as_they_are(tmp_path):
    rng = np.random.default_rng(2)
    for dtype in (np.uint8, np.int8, np.float16):
        items = rng.integers(0, 100, (N, D)).astype(dtype)
        write(draft(items=items, queries=items[:Q], metric=Metric.EUCLIDEAN), tmp_path / "x.h5", depth=4)
        with Dataset.open(tmp_path / "x.h5") as dataset:
            assert dataset.vectors.dtype == dataset.stored_queries().dtype == dtype
            assert dataset.items().vectors.dtype == dataset.queries().dtype == np.float32
            np.testing.assert_array_equal(dataset.items().vectors, items)
            expected = reference.brute_force(items, items[:Q], 4, "euclidean")[0]
            np.testing.assert_array_equal(dataset.workload("none").neighbors, expected)


def test_big_endian_and_strided_arrays_are_the_same_data_set(tmp_path):
    plain = draft()
    write(plain, tmp_path / "a.h5", depth=4)
    strided = np.zeros((N, 2 * D), ">f4", order="F")
    strided[:, ::2] = plain.items
    write(draft(items=strided[:, ::2], queries=plain.queries.astype(">f4")), tmp_path / "b.h5", depth=4)
    one, other = (reference.read_file(tmp_path / name) for name in ("a.h5", "b.h5"))
    for key in one.keys() - {"@name"}:
        np.testing.assert_array_equal(one[key], other[key], key)


def test_many_blocks_make_the_same_file(tmp_path, monkeypatch):
    write(draft(), tmp_path / "a" / "x.h5", depth=4)
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 7 * 4 * D)
    assert len(list(blocks(draft().items))) == 18
    write(draft(), tmp_path / "b" / "x.h5", depth=4, memory=1)
    assert (tmp_path / "a" / "x.h5").read_bytes() == (tmp_path / "b" / "x.h5").read_bytes()

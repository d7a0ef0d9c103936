"""Other projects' formats, each written here with struct, numpy and json alone."""

from __future__ import annotations

import json
import struct
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import reference

from fannsbench.algorithm import Metric
from fannsbench.data.draft import write
from fannsbench.data.importers import ann_benchmarks, arxiv, big_ann, vecs
from fannsbench.dataset import Dataset
from fannsbench.errors import DatasetError

N, Q, D, K = 60, 7, 5, 4


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    return rng, rng.integers(0, 200, (N, D)), rng.integers(0, 200, (Q, D))


def write_vecs(path: Path, rows, letter: str) -> Path:
    path.write_bytes(b"".join(struct.pack(f"<i{len(row)}{letter}", len(row), *row) for row in rows))
    return path


def write_bin(path: Path, rows: np.ndarray, dtype: str) -> Path:
    path.write_bytes(struct.pack("<II", *rows.shape) + rows.astype(dtype).tobytes())
    return path


def write_spmat(path: Path, rows: list[list[int]], columns: int) -> Path:
    count = sum(map(len, rows))
    starts = np.cumsum([0, *map(len, rows)]).astype("<i8")
    indices = np.array([tag for row in rows for tag in row], "<i4")
    head = struct.pack("<qqq", len(rows), columns, count)
    path.write_bytes(head + starts.tobytes() + indices.tobytes() + np.ones(count, "<f4").tobytes())
    return path


def opened(draft_of, path: Path) -> Dataset:
    with draft_of as draft:
        write(draft, path, depth=K)
    return Dataset.open(path)


def check(dataset: Dataset, items, queries, masks, name: str) -> None:
    workload = dataset.workload(name)
    np.testing.assert_array_equal(dataset.items().vectors, items)
    np.testing.assert_array_equal(dataset.queries(), queries)
    ids, distances = reference.brute_force(items, queries, workload.depth, "euclidean", masks)
    np.testing.assert_array_equal(workload.neighbors, ids)
    np.testing.assert_allclose(workload.distances, distances.astype(float), rtol=1e-6)


@pytest.mark.parametrize(("suffix", "letter"), [("fvecs", "f"), ("bvecs", "B")])
def test_vecs_with_their_truth(tmp_path, numbers, suffix, letter):
    _, items, queries = numbers
    write_vecs(tmp_path / f"x_base.{suffix}", items, letter)
    write_vecs(tmp_path / f"x_query.{suffix}", queries, letter)
    truth = reference.brute_force(items, queries, K, "euclidean")[0]
    write_vecs(tmp_path / "x_groundtruth.ivecs", truth, "i")
    with opened(vecs.read(tmp_path), tmp_path / "x.h5") as dataset:
        check(dataset, items, queries, None, "none")


def test_a_truncated_file_and_other_dimensions_are_one_line(tmp_path, numbers):
    _, items, queries = numbers
    base = write_vecs(tmp_path / "base.fvecs", items, "f")
    other = write_vecs(tmp_path / "other.fvecs", queries[:, :3], "f")
    with pytest.raises(DatasetError, match="3"):
        opened(vecs.read(base, other), tmp_path / "x.h5")
    base.write_bytes(base.read_bytes()[:-6])
    with pytest.raises(DatasetError, match=r"base\.fvecs"):
        opened(vecs.read(base, write_vecs(tmp_path / "q.fvecs", queries, "f")), tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("size", [0, 10, 200, -1])
def test_an_archive_that_is_cut_is_one_line(tmp_path, numbers, size):
    _, items, queries = numbers
    whole = tmp_path / "whole.tgz"
    with tarfile.open(whole, "w:gz") as archive:
        for name, rows in (("x_base.fvecs", items), ("x_query.fvecs", queries)):
            archive.add(write_vecs(tmp_path / name, rows, "f"), name)
    (tmp_path / "x.tgz").write_bytes(whole.read_bytes()[:size])
    with pytest.raises(DatasetError, match=r"x\.tgz: cannot be unpacked: ") as caught:
        opened(vecs.read(tmp_path / "x.tgz"), tmp_path / "x.h5")
    assert "\n" not in str(caught.value)


def test_a_file_of_items_without_one_of_queries_is_one_line(tmp_path, numbers):
    base = write_vecs(tmp_path / "base.fvecs", numbers[1], "f")
    with pytest.raises(DatasetError, match=r"base\.fvecs: name the file of the queries as well"):
        opened(vecs.read(base), tmp_path / "x.h5")


def test_truth_that_cannot_be_is_told_with_its_file(tmp_path, numbers):
    _, items, queries = numbers
    write_vecs(tmp_path / "x_base.fvecs", items, "f")
    write_vecs(tmp_path / "x_query.fvecs", queries, "f")
    rows = reference.brute_force(items, queries, K, "euclidean")[0].tolist()
    write_vecs(tmp_path / "x_groundtruth.ivecs", [*rows[:3], rows[3][:2], *rows[4:]], "i")
    with pytest.raises(DatasetError, match=r"x_groundtruth\.ivecs: unfiltered truth, query 3: 2 ids"):
        opened(vecs.read(tmp_path), tmp_path / "x.h5")


def test_big_ann_tags_must_all_be_in_the_items_set(tmp_path, numbers):
    rng, items, queries = numbers
    tags = [sorted(rng.choice(6, rng.integers(0, 5), replace=False).tolist()) for _ in range(N)]
    wanted = [sorted(rng.choice(4, 1 + j % 2, replace=False).tolist()) for j in range(Q)]
    masks = np.array([[set(want) <= set(have) for have in tags] for want in wanted])
    ids, distances = reference.brute_force(items, queries, K, "euclidean", masks)
    write_bin(tmp_path / "base.60.u8bin", items, "u1")
    write_bin(tmp_path / "query.public.7.u8bin", queries, "u1")
    write_spmat(tmp_path / "base.metadata.60.spmat", tags, 6)
    write_spmat(tmp_path / "query.metadata.public.7.spmat", wanted, 6)
    head = struct.pack("<II", Q, K)
    body = ids.astype("<i4").tobytes() + distances.astype("<f4").tobytes()
    (tmp_path / "GT.public.ibin").write_bytes(head + body)
    with opened(big_ann.read(tmp_path), tmp_path / "x.h5") as dataset:
        assert dataset.vectors.dtype == np.uint8
        assert dataset.workload("tags").kind == "MEMIS"
        check(dataset, items, queries, masks, "tags")
        check(dataset, items, queries, None, "none")
        np.testing.assert_array_equal(dataset.workload("tags").matches, masks.sum(axis=1))


@pytest.mark.parametrize("suffix", ["fbin", "i8bin"])
def test_plain_bin_files(tmp_path, numbers, suffix):
    _, items, queries = (part // 2 if index else part for index, part in enumerate(numbers))
    dtype = {"fbin": "<f4", "i8bin": "i1"}[suffix]
    base = write_bin(tmp_path / f"b.{suffix}", items, dtype)
    with opened(
        big_ann.read(base, write_bin(tmp_path / f"q.{suffix}", queries, dtype)), tmp_path / "x.h5"
    ) as d:
        check(d, items, queries, None, "none")


def write_ann_benchmarks(path: Path, items, queries, distance: str) -> Path:
    ids, distances = reference.brute_force(items, queries, K, "euclidean")
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = distance
        file["train"], file["test"] = items.astype("f8"), queries.astype("f8")
        file["neighbors"], file["distances"] = ids.astype("i4"), distances.astype("f4")
    return path


def test_ann_benchmarks_there_and_back(tmp_path, numbers):
    _, items, queries = numbers
    source = write_ann_benchmarks(tmp_path / "s.hdf5", items, queries, "euclidean")
    with opened(ann_benchmarks.read(source), tmp_path / "x.h5") as dataset:
        assert dataset.vectors.dtype == np.float32
        check(dataset, items, queries, None, "none")
    with h5py.File(source) as theirs, h5py.File(tmp_path / "x.h5") as ours:
        assert ours.attrs["distance"] == "euclidean"
        for key in ("train", "test", "neighbors", "distances"):
            np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.parametrize(
    ("spelling", "metric"),
    [
        ("l2", "euclidean"), ("L2", "euclidean"), ("Squared Euclidean", "euclidean"), ("Angular", "cosine"),
        ("Cosine-Similarity", "cosine"), ("dot", "inner_product"), ("Dot-Product", "inner_product"),
        ("InnerProduct", "inner_product"), ("MIPS", "inner_product"), ("IP", "inner_product"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("change", ["as ours", "squared", "negated"])
def test_a_metric_is_known_in_any_spelling_and_distances_in_any_form(
    tmp_path, numbers, spelling, metric, change
):
    _, items, queries = numbers
    ids, distances = reference.brute_force(items, queries, K, metric)
    applies = {"as ours": True, "squared": metric == "euclidean", "negated": metric == "inner_product"}
    theirs = {"as ours": distances, "squared": distances**2, "negated": -distances}
    if not applies[change]:
        return
    with h5py.File(tmp_path / "s.hdf5", "w") as file:
        file.attrs["distance"] = spelling
        file["train"], file["test"] = items.astype("f4"), queries.astype("f4")
        file["neighbors"], file["distances"] = ids.astype("i4"), theirs[change].astype("f4")
    with Dataset.open(tmp_path / "s.hdf5") as as_it_is:
        assert as_it_is.metric == metric
        np.testing.assert_allclose(as_it_is.workload("none").distances, distances, rtol=1e-4, atol=1e-4)
    with opened(ann_benchmarks.read(tmp_path / "s.hdf5"), tmp_path / "x.h5") as dataset:
        assert dataset.metric == metric
        np.testing.assert_array_equal(dataset.workload("none").neighbors, ids)
        np.testing.assert_allclose(dataset.workload("none").distances, distances, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("left_out", [["neighbors"], ["distances"], ["neighbors", "distances"]])
def test_truth_that_is_missing_is_computed(tmp_path, numbers, left_out):
    _, items, queries = numbers
    source = write_ann_benchmarks(tmp_path / "s.hdf5", items, queries, "l2")
    with h5py.File(source, "r+") as file:
        for part in left_out:
            del file[part]
    with Dataset.open(source) as as_it_is, pytest.raises(DatasetError, match="import ann-benchmarks"):
        as_it_is.workload("none")
    with opened(ann_benchmarks.read(source), tmp_path / "x.h5") as dataset:
        check(dataset, items, queries, None, "none")


def test_a_metric_that_is_given_overrides_and_must_fit_the_neighbors(tmp_path, numbers):
    _, items, queries = numbers
    for distance in ("angular", "hyperbolic", ""):
        source = write_ann_benchmarks(tmp_path / "s.hdf5", items, queries, distance)
        with opened(ann_benchmarks.read(source, Metric.EUCLIDEAN), tmp_path / "x.h5") as dataset:
            assert dataset.metric == "euclidean"
        if distance != "angular":
            with pytest.raises(DatasetError, match=r"--metric euclidean\|cosine\|inner_product"):
                opened(ann_benchmarks.read(source), tmp_path / "y.h5")
        with pytest.raises(DatasetError, match="not in order of inner_product distance; name the metric"):
            opened(ann_benchmarks.read(source, Metric.INNER_PRODUCT), tmp_path / "y.h5")


def test_sets_of_ann_benchmarks_are_refused(tmp_path, numbers):
    source = write_ann_benchmarks(tmp_path / "s.hdf5", *numbers[1:], "jaccard")
    with pytest.raises(DatasetError, match="jaccard"):
        opened(ann_benchmarks.read(source), tmp_path / "x.h5")


def arxiv_row(rng, comment: str) -> dict[str, object]:
    categories = rng.choice(["cs", "math", "ph"], rng.integers(1, 3), replace=False).tolist()
    authors = rng.choice(["Ä. One", "B. Two", "C. Three"], 2, replace=False).tolist()
    return {
        "submitter": "Someone", comment: bool(rng.integers(2)), "main_categories": categories,
        "sub_categories": ["cs.DB"], "number_of_main_categories": len(categories),
        "number_of_sub_categories": int(rng.integers(1, 4)),
        "license": None if rng.integers(2) else "CC", "number_of_versions": 1,
        "update_date": int(rng.integers(13655, 20216)), "authors": authors, "number_of_authors": 2,
    }  # fmt: skip


@pytest.mark.parametrize("comment", ["has_comments", "has_comment"])
def test_arxiv_for_fanns(tmp_path, numbers, comment):
    rng, items, queries = numbers
    rows = [arxiv_row(rng, comment) for _ in range(N)]
    asked = {
        "em": [{"label": int(rng.integers(1, 4))} for _ in range(Q)],
        "r": [{"range_start": 15000, "range_end": 15100 + 800 * j} for j in range(Q)],
        "emis": [{"label": str(rng.choice(["cs", "math"]))} for _ in range(Q)],
    }
    tests = {
        "em": lambda row, a: row["number_of_sub_categories"] == a["label"],
        "r": lambda row, a: a["range_start"] <= row["update_date"] <= a["range_end"],
        "emis": lambda row, a: a["label"] in row["main_categories"],
    }
    write_vecs(tmp_path / "database_vectors.fvecs", items, "f")
    write_vecs(tmp_path / "query_vectors.fvecs", queries, "f")
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "database_attributes.jsonl").write_text("\n".join(lines) + "\n")
    masks = {"none": None}
    for name, values in asked.items():
        text = "".join(json.dumps(value) + "\n" for value in values)
        (tmp_path / f"{name}_query_attributes.jsonl").write_text(text)
        masks[name] = np.array([[tests[name](row, value) for row in rows] for value in values])
    for name, mask in masks.items():
        found = reference.brute_force(items, queries, K, "euclidean", mask)[0]
        short = [[item for item in row if item >= 0] for row in found.tolist()]
        suffix = "" if name == "none" else f"_{name}"
        write_vecs(tmp_path / f"ground_truth{suffix}.ivecs", short, "i")
    with opened(arxiv.read(tmp_path), tmp_path / "x.h5") as dataset:
        for name, mask in masks.items():
            check(dataset, items, queries, mask, name)
        assert [dataset.attributes["license"].value(i) for i in range(N)] == [r["license"] for r in rows]
        assert dataset.attributes["authors"].value(3) == set(rows[3]["authors"])
        assert dataset.attributes["has_comments"].value(5) == str(rows[5][comment]).lower()
    broken = "\n".join([*lines[:9], "{nonsense", *lines[10:]])
    (tmp_path / "database_attributes.jsonl").write_text(broken)
    with pytest.raises(DatasetError, match=r"database_attributes\.jsonl.*10"):
        opened(arxiv.read(tmp_path), tmp_path / "y.h5")

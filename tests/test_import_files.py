"""Plain files of vectors and of ground truth, written here with struct and numpy alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fannsbench.data.importers.files import as_stored, open_items_and_queries, open_vectors, read_all
from fannsbench.data.importers.truths import read_truth_of
from fannsbench.errors import DatasetError
from fannsbench.vectors import blocks

VECS = {"fvecs": "<f4", "bvecs": "u1", "ivecs": "<i4"}
BIN = {"fbin": "<f4", "f16bin": "<f2", "u8bin": "u1", "i8bin": "i1", "ibin": "<i4"}
STORED = {"f2": "f2", "f4": "f4", "f8": "f4", "i1": "i1", "u1": "u1"}
"""All other integers are stored as f4."""


def vecs_bytes(rows: np.ndarray) -> bytes:
    return b"".join(struct.pack("<i", len(row)) + row.tobytes() for row in rows)


def bin_bytes(rows: np.ndarray) -> bytes:
    return struct.pack("<II", *rows.shape) + rows.tobytes()


def small(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Matrices of numbers that every type can hold."""
    shapes = st.tuples(st.integers(1, 9), st.integers(1, 5))
    return arrays.arrays(np.dtype("i2"), shapes, elements=st.integers(0, 127)).map(lambda x: x.astype(dtype))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def check(path, rows: np.ndarray, stored: str) -> None:
    vectors = open_vectors(path)
    assert (vectors.shape, np.dtype(vectors.dtype)) == (rows.shape, np.dtype(stored))
    whole = read_all(vectors)
    assert whole.flags.c_contiguous and whole.dtype == np.dtype(stored)
    np.testing.assert_array_equal(whole, rows)
    for first in range(len(rows)):
        part = vectors[first : first + 2]
        assert part.dtype == np.dtype(stored)
        np.testing.assert_array_equal(part, rows[first : first + 2])


@given(st.data(), st.sampled_from(sorted(VECS)))
def test_vecs(folder, data, suffix):
    rows = data.draw(small(VECS[suffix]))
    path = folder / f"x.{suffix}"
    path.write_bytes(vecs_bytes(rows))
    check(path, rows, "u1" if suffix == "bvecs" else "f4")


@given(st.data(), st.sampled_from(sorted(BIN)))
def test_bin(folder, data, suffix):
    rows = data.draw(small(BIN[suffix]))
    path = folder / f"x.{suffix}"
    path.write_bytes(bin_bytes(rows))
    check(path, rows, "f4" if suffix == "ibin" else BIN[suffix])


@given(
    st.data(),
    st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    st.sampled_from("<>"),
    st.sampled_from("CF"),
)
def test_npy_of_any_type_byte_order_and_memory_order(folder, data, dtype, byte_order, memory_order):
    rows = data.draw(small(byte_order + dtype))
    np.save(folder / "x.npy", np.asarray(rows, order=memory_order))
    check(folder / "x.npy", rows, STORED.get(dtype, "f4"))


def test_all_rows_come_in_blocks(tmp_path, monkeypatch):
    rows = np.arange(60, dtype="<f4").reshape(20, 3)
    (tmp_path / "x.fvecs").write_bytes(vecs_bytes(rows))
    monkeypatch.setattr("fannsbench.vectors.BLOCK_BYTES", 7 * 3 * 4)
    vectors = open_vectors(tmp_path / "x.fvecs")
    assert [part.shape for _, part in blocks(vectors)] == [(7, 3), (7, 3), (6, 3)]
    np.testing.assert_array_equal(read_all(vectors), rows)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
def test_integers_are_refused_only_where_float32_is_not_exact(dtype):
    info = np.iinfo(dtype)
    exact = np.array([[2**24, 2**24 + 2], [2 ** (info.bits - 2), info.min]], dtype)
    assert [int(number) for number in as_stored(exact, "x")[:].ravel()] == exact.ravel().tolist()
    for number in (2**24 + 1, info.max):
        rows = np.zeros((5, 2), dtype)
        rows[3, 1] = number
        with pytest.raises(DatasetError, match=f"^x: row 3 holds {number}, which is not exact as float32"):
            as_stored(rows, "x")[1:5]


def test_float64_beyond_float32_is_infinite_as_the_writer_will_find():
    assert as_stored(np.array([[1e300, 0.1]]), "x")[0:1].tolist() == [[np.inf, np.float32(0.1)]]


ROWS = np.ones((4, 3), "<f4")
TORN = vecs_bytes(ROWS[:2]) + struct.pack("<i", 2) + ROWS[0].tobytes() + vecs_bytes(ROWS[:1])
BAD_VECTORS = {
    "unknown suffix": ("x.txt", b"1 2 3", r"x\.txt: not known .*known suffixes: \.fvecs, .*\.npy"),
    "empty vecs": ("x.fvecs", b"", "is empty"),
    "no dimension": ("x.fvecs", struct.pack("<i", 0), "row 0 claims 0 dimensions"),
    "negative dimension": ("x.ivecs", struct.pack("<i", -3), "row 0 claims -3 dimensions"),
    "truncated vecs": ("x.fvecs", vecs_bytes(ROWS)[:-1], "ends within row 3"),
    "no whole row": ("x.bvecs", struct.pack("<i", 9), "ends within row 0"),
    "another dimension": ("x.fvecs", TORN, "row 2 claims 2 dimensions, row 0 3"),
    "short head": ("x.fbin", b"\1\0\0\0\2", "ends within the 8 bytes of its head"),
    "truncated bin": ("x.fbin", bin_bytes(ROWS)[:-2], "54 bytes, but 4 rows of 3 float32 would be 56; trunc"),
    "too long bin": ("x.u8bin", bin_bytes(ROWS), "56 bytes, but 4 rows of 3 uint8 would be 20; the head is"),
    "no npy": ("x.npy", b"PK\3\4 an archive", r"no sound \.npy file"),
    "empty npy": ("x.npy", b"", r"no sound \.npy file"),
}


@pytest.mark.parametrize("name", BAD_VECTORS)
def test_bad_files_of_vectors(tmp_path, name):
    file, content, message = BAD_VECTORS[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_all(open_vectors(tmp_path / file))
    assert str(caught.value).startswith(str(tmp_path / file)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(9), r"an array of shape \(9,\)"),
        (np.zeros((2, 3, 4)), r"an array of shape \(2, 3, 4\)"),
        (np.zeros((2, 3), bool), "holds bool; vectors are made of floats or integers"),
        (np.zeros((2, 3), complex), "holds complex128"),
        (np.array([["a"]]), "holds <U1"),
        (np.array([[None]], object), "no sound .npy"),
    ],
)
def test_npy_that_holds_no_vectors(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DatasetError, match=message):
        open_vectors(tmp_path / "x.npy")


def test_a_truncated_npy_and_one_that_is_not_there(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"x\.npy: no sound"):
        open_vectors(tmp_path / "x.npy")
    with pytest.raises(DatasetError, match=r"y\.npy: there is no such file"):
        open_vectors(tmp_path / "y.npy")


@pytest.mark.parametrize("name", ["x.npy", "x.fvecs", "x.ivecs", "x"])
def test_a_folder_is_said_to_be_one(tmp_path, name):
    (tmp_path / name).mkdir()
    for reader in (open_vectors, lambda path: read_truth_of(path, 3)):
        with pytest.raises(DatasetError, match=f"{name}: is a folder$"):
            reader(tmp_path / name)


def test_items_and_queries_must_be_of_one_dimension_and_type(tmp_path):
    (tmp_path / "items.fvecs").write_bytes(vecs_bytes(ROWS))
    for file, content, message in (
        ("q.fvecs", vecs_bytes(ROWS[:, :2]), r"items\.fvecs has 3 dimensions, .*q\.fvecs 2; they must agree"),
        (
            "q.bvecs",
            vecs_bytes(ROWS.astype("u1")),
            r"items\.fvecs holds float32, .*q\.bvecs uint8; they must",
        ),
    ):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(DatasetError, match=message):
            open_items_and_queries(tmp_path / "items.fvecs", tmp_path / file)


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=6), min_size=1, max_size=8))
def test_truth_in_ivecs_of_rows_of_any_length(folder, rows):
    path = folder / "x.ivecs"
    path.write_bytes(b"".join(struct.pack(f"<{1 + len(row)}i", len(row), *row) for row in rows))
    depth = max(map(len, rows))
    found = read_truth_of(path, len(rows))
    assert (found.dtype, found.shape) == (np.int32, (len(rows), depth))
    assert found.tolist() == [row + [-1] * (depth - len(row)) for row in rows]


@pytest.mark.parametrize("with_distances", [True, False])
@pytest.mark.parametrize("suffix", ["ibin", "bin"])
def test_truth_in_ibin(tmp_path, suffix, with_distances):
    ids = np.array([[5, 2, -1], [1, 0, 3]], "<i4")
    distances = np.ones((2, 3), "<f4").tobytes() if with_distances else b""
    (tmp_path / f"gt.{suffix}").write_bytes(bin_bytes(ids) + distances)
    np.testing.assert_array_equal(read_truth_of(tmp_path / f"gt.{suffix}", 2), ids)


IDS = np.zeros((2, 3), "<i4")
BAD_TRUTH = {
    "unknown suffix": ("x.csv", b"", r"not known as a file of ground truth; known: \.ivecs, "),
    "torn number": ("x.ivecs", vecs_bytes(IDS)[:-1], "no multiple of 4 bytes; truncated"),
    "torn row": ("x.ivecs", vecs_bytes(IDS)[:-4], "row 1 claims 3 ids, and 2 are left"),
    "negative length": ("x.ivecs", struct.pack("<2i", -1, 4), "row 0 claims -1 ids"),
    "truncated bin": ("x.ibin", bin_bytes(IDS)[:-4], "28 bytes, but 2 queries of 3 ids would be 32, .* 56"),
    "half the distances": ("x.ibin", bin_bytes(IDS) + bytes(12), "44 bytes, but 2 queries"),
    "other queries": ("x.ivecs", vecs_bytes(IDS[:1]), "truth of 1 queries; there are 2"),
}


@pytest.mark.parametrize("name", BAD_TRUTH)
def test_bad_files_of_truth(tmp_path, name):
    file, content, message = BAD_TRUTH[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_truth_of(tmp_path / file, 2)
    assert str(caught.value).startswith(str(tmp_path / file))

"""Vectors in the files that users have, for `fannsbench datasets import table`."""

from __future__ import annotations

import re
import struct
from contextlib import ExitStack

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fannsbench.data.importers.table import parquet_vectors
from fannsbench.data.importers.table.vectors import Place, open_place
from fannsbench.errors import DatasetError

MATRIX = np.random.default_rng(0).normal(size=(23, 3))


def read(path):
    with ExitStack() as stack:
        opened = open_place(Place.of(path), stack)
        return opened.vectors[0 : opened.vectors.shape[0]]


def lists(matrix, kind=None):
    return pa.array(list(matrix), kind)


def write_fvecs(path, matrix):
    path.write_bytes(b"".join(struct.pack("<i3f", 3, *row) for row in matrix))
    return path


def write_npz(path, save=np.savez, **arrays):
    save(path, **arrays)
    return path


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array
    return path


def write_parquet(path, row_group_size=7, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda p, m: write_fvecs(p / "v.fvecs", m),
        lambda p, m: write_npz(p / "v.npz", anything=m),
        lambda p, m: write_npz(p / "v.npz", np.savez_compressed, v=m),
        lambda p, m: f"{write_npz(p / 'v.npz', v=m, w=m[::-1], ids=np.arange(3))}:v",
        lambda p, m: write_h5(p / "v.h5", deep__v=m, ids=np.arange(3)),
        lambda p, m: f"{write_h5(p / 'v.hdf5', v=m, w=m[::-1])}:v",
        lambda p, m: f"{write_h5(p / 'v.hdf5', deep__v=m, w=m[::-1])}:/deep/v",
        lambda p, m: write_parquet(p / "v.parquet", id=list("abc") * 7 + ["d", "e"], v=lists(m)),
        lambda p, m: write_parquet(p / "v.parquet", v=lists(m, pa.large_list(pa.float64()))),
        lambda p, m: write_parquet(p / "v.parquet", v=lists(m, pa.list_(pa.float32(), 3))),
        lambda p, m: f"{write_parquet(p / 'v.parquet', v=lists(m), w=lists(m[::-1]))}:v",
        lambda p, m: write_parquet(p / "v.parquet", x=m[:, 0], y=m[:, 1], z=m[:, 2]),
        lambda p, m: f"{write_parquet(p / 'v.parquet', id=range(23), d0=m[:, 0], d1=m[:, 1], d2=m[:, 2])}:d*",
    ],
)  # fmt: skip
def test_every_format(tmp_path, monkeypatch, write):
    monkeypatch.setattr(parquet_vectors, "_BATCH_BYTES", 100)
    found = read(write(tmp_path, MATRIX))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, MATRIX.astype(np.float32))


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (MATRIX, "<f4"), (MATRIX.astype(">f8"), "<f4"), (MATRIX.astype(">f4"), "<f4"),
        (MATRIX.astype("<f2"), "<f2"), (MATRIX.astype(">f2"), "<f2"), (np.asfortranarray(MATRIX), "<f4"),
        (MATRIX[::-2, ::2], "<f4"), (np.int8(9 * MATRIX), "i1"), (np.uint8(abs(9 * MATRIX)), "u1"),
        (np.int64(9 * MATRIX), "<f4"), (np.uint16(abs(9 * MATRIX)).astype(">u2"), "<f4"),
    ],
)  # fmt: skip
def test_every_type(tmp_path, written, stored):
    np.save(tmp_path / "v.npy", written)
    np.savez(tmp_path / "v.npz", written)
    write_h5(tmp_path / "v.h5", v=written)
    for name in ("v.npy", "v.npz", "v.h5"):
        found = read(tmp_path / name)
        assert found.dtype == stored
        np.testing.assert_array_equal(found, written.astype(stored))


@given(
    st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23)), max_size=8),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_rows_of_parquet_in_any_order(tmp_path_factory, spans, row_group_size, batch_rows):
    path = tmp_path_factory.mktemp("parquet") / "v.parquet"
    write_parquet(path, row_group_size, v=lists(MATRIX))
    before, parquet_vectors._BATCH_BYTES = parquet_vectors._BATCH_BYTES, batch_rows * 24
    try:
        with ExitStack() as stack:
            vectors = open_place(Place.of(path), stack).vectors
            for start, stop in spans:
                np.testing.assert_array_equal(vectors[start:stop], MATRIX[start:stop].astype(np.float32))
    finally:
        parquet_vectors._BATCH_BYTES = before


def test_a_colon_may_be_part_of_a_file_s_name(tmp_path):
    np.save(tmp_path / "a:v.npy", MATRIX)
    assert read(tmp_path / "a:v.npy").shape == (23, 3)


def test_an_unpacked_archive_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("FANNSBENCH_CACHE", str(tmp_path / "cache"))
    read(write_npz(tmp_path / "v.npz", v=MATRIX))
    assert list((tmp_path / "cache" / "unpacked").iterdir()) == []


def with_bad(value):
    matrix = MATRIX.copy()
    matrix[17, 1] = value
    return matrix


RAGGED = pa.array([*MATRIX[:17].tolist(), [1.0], *MATRIX[18:].tolist()])
HOLES = pa.array([*MATRIX[:17].tolist(), None, *MATRIX[18:].tolist()])
HOLE = pa.array([*MATRIX[:17].tolist(), [1.0, None, 2.0], *MATRIX[18:].tolist()])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: write_npz(p / "v.npz", v=with_bad(np.nan)), r"v.npz: row 17 \(the first is 0\) holds NaN"),
        (lambda p: write_parquet(p / "v.parquet", v=lists(with_bad(1e39))), "row 17 .* infinite as float32"),
        (lambda p: write_parquet(p / "v.parquet", v=RAGGED), "row 17 .* v has 1 numbers where row 0 has 3"),
        (lambda p: write_parquet(p / "v.parquet", v=HOLES), "row 17 .* of v has no value"),
        (lambda p: write_parquet(p / "v.parquet", v=HOLE), "row 17 .* of v has a number missing"),
        (lambda p: write_parquet(p / "v.parquet", v=pa.array([[], [1.0]])), "no numbers in its first row"),
        (lambda p: write_parquet(p / "v.parquet", v=lists(MATRIX), w=lists(MATRIX)), "parquet:v; .* in v, w"),
        (lambda p: write_parquet(p / "v.parquet", x=[1.0], t=["a"]), r"v.parquet:dim_\*; no column is"),
        (lambda p: f"{write_parquet(p / 'v.parquet', vec=lists(MATRIX))}:vex", "'vex'; did you mean vec"),
        (lambda p: f"{write_parquet(p / 'v.parquet', a=['x'])}:a", "column 'a' holds string, not numbers"),
        (lambda p: write_npz(p / "v.npz", v=MATRIX, w=MATRIX), "holds v, w; say which, as in .*v.npz:v"),
        (lambda p: f"{write_npz(p / 'v.npz', vec=MATRIX)}:vex", "'vex'; did you mean vec"),
        (lambda p: write_npz(p / "v.npz", v=np.array([{}, None])), "/v.npz:v.npy: no sound .npy file"),
        (lambda p: write_npz(p / "v.npz", v=MATRIX[0]), r"/v.npz:v.npy: .* shape \(3,\)"),
        (lambda p: write_h5(p / "v.h5", v=MATRIX[0]), "holds no matrix of numbers"),
        (lambda p: write_h5(p / "v.h5", v=MATRIX, w=MATRIX), "v.h5: holds v, w; say which"),
        (lambda p: (p / "v.h5").write_text("x") and p / "v.h5", "v.h5: no readable HDF5 file"),
        (lambda p: (p / "v.npz").write_text("x") and p / "v.npz", "v.npz: no sound .npz file"),
        (lambda p: (p / "v.parquet").write_text("x") and p / "v.parquet", "v.parquet: no sound Parquet file"),
        (lambda p: (p / "v.txt").write_text("x") and p / "v.txt", r"not known .* \.npy, \.npz, .*\.fvecs"),
        (lambda p: p / "v.h5", "v.h5: there is no such file"),
        (lambda p: p / "v.npy", "v.npy: there is no such file"),
        (lambda p: f"{p / 'v.npy'}:key", "only .npz, .parquet, .h5, .hdf5"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(tmp_path, write, message):
    with pytest.raises(DatasetError) as error:
        read(write(tmp_path))
    assert re.search(message, str(error.value)) and "\n" not in str(error.value)

"""Vectors in the files that users have."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fannsbench import folders
from fannsbench.data.importers.files import SUFFIXES, as_stored, open_file
from fannsbench.data.importers.table.parquet_vectors import open_parquet
from fannsbench.errors import DatasetError, UnknownNameError, one_line
from fannsbench.vectors import Vectors, not_finite


@dataclass(frozen=True)
class Place:
    """A file and, of several things in it, the name of the one that is meant; "" if there is only one."""

    file: Path
    key: str = ""

    @classmethod
    def of(cls, text: str | Path) -> Place:
        """FILE, or FILE:KEY where there is no file of that whole name."""
        name, colon, key = str(text).rpartition(":")
        if not colon or Path(text).exists():
            return cls(Path(text))
        return cls(Path(name), key)

    def __str__(self) -> str:
        return f"{self.file}:{self.key}" if self.key else str(self.file)


@dataclass(frozen=True, eq=False)
class Opened:
    """Vectors as a data set stores them. `columns`: of a table, the ones that they are made of; `dtype`: in
    the file."""

    vectors: Vectors
    dtype: np.dtype[Any]
    columns: tuple[str, ...] = ()


_OF_SEVERAL = (".npz", ".parquet", ".h5", ".hdf5")


def open_place(place: Place, stack: ExitStack) -> Opened:
    """The vectors of a file, read in blocks until `stack` is closed.

    Raises DatasetError if it has none, or several and none is named; and, when they are read, at a row that
    is not finite."""
    suffix = place.file.suffix.lower()
    if suffix not in (*SUFFIXES, *_OF_SEVERAL):
        raise DatasetError(
            f"{place.file}: not known as a file of vectors; known suffixes: .npy, {', '.join(_OF_SEVERAL)}, "
            f"{', '.join(suffix for suffix in SUFFIXES if suffix != '.npy')}"
        )
    if suffix not in _OF_SEVERAL:
        if place.key:
            raise DatasetError(
                f"{place}: only {', '.join(_OF_SEVERAL)} files hold several matrices to choose from by name"
            )
    elif not place.file.is_file():
        raise DatasetError(f"{place.file}: there is no such file")
    columns: tuple[str, ...] = ()
    if suffix == ".npz":
        vectors = _open_npz(place, stack)
    elif suffix == ".parquet":
        vectors, columns = open_parquet(place.file, place.key, stack)
    elif suffix in _OF_SEVERAL:
        vectors = _open_hdf5(place, stack)
    else:
        vectors = open_file(place.file)
    return Opened(_Finite(as_stored(vectors, place), place), np.dtype(vectors.dtype), columns)


@dataclass(frozen=True, eq=False)
class _Finite:
    """Vectors whose rows are checked as they are read, so that what is wrong is said of the file's row."""

    vectors: Vectors
    place: Place

    @property
    def shape(self) -> tuple[int, ...]:
        return self.vectors.shape

    @property
    def dtype(self) -> Any:
        return self.vectors.dtype

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        block = self.vectors[rows]
        if (bad := not_finite(block)) is not None:
            first, _, _ = rows.indices(self.shape[0])
            raise DatasetError(
                f"{self.place}: row {first + bad:,} (the first is 0) holds NaN, or numbers that are infinite "
                "as float32"
            )
        return block


def _open_npz(place: Place, stack: ExitStack) -> Vectors:
    """An array in the archive is unpacked to a temporary file: it cannot be read from the middle."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(place.file))
        members = {name.removesuffix(".npy"): archive.getinfo(name) for name in archive.namelist()}
        member = _chosen(place, members)
        folders.require_space(folders.cache(), member.file_size)
        folder = stack.enter_context(folders.unpacking())
        extracted = Path(archive.extract(member, folder))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DatasetError(f"{place}: no sound .npz file: {one_line(error)}") from None
    try:
        return open_file(extracted)
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(extracted), f"{place.file}:{member.filename}")) from None


def _open_hdf5(place: Place, stack: ExitStack) -> Vectors:
    try:
        file = stack.enter_context(h5py.File(place.file, "r"))
    except OSError as error:
        raise DatasetError(f"{place.file}: no readable HDF5 file: {one_line(error)}") from None
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim == 2 and node.dtype.kind in "fiu":
            found[name] = node

    file.visititems(visit)
    chosen: Vectors = _chosen(Place(place.file, place.key.strip("/")), found)
    return chosen


def _chosen(place: Place, found: Mapping[str, Any]) -> Any:
    if place.key:
        if place.key not in found:
            raise DatasetError(str(UnknownNameError(f"matrix in {place.file}:", place.key, found)))
        return found[place.key]
    if not found:
        raise DatasetError(f"{place.file}: holds no matrix of numbers")
    if len(found) > 1:
        names = list(found)
        raise DatasetError(
            f"{place.file}: holds {', '.join(names[:9])}; say which, as in {place.file}:{names[0]}"
        )
    return next(iter(found.values()))

"""Writing a data set file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from fannsbench import __version__, folders
from fannsbench.attributes import Category, Column, LabelSet, Number, text_of
from fannsbench.dataset.read import SCHEMA, UNFILTERED, storable
from fannsbench.errors import DatasetError, FilterError
from fannsbench.filters import Filter
from fannsbench.metric import Metric
from fannsbench.vectors import Vectors, blocks, not_finite, slices

_DISTANCE_NAMES = {Metric.EUCLIDEAN: "euclidean", Metric.COSINE: "angular", Metric.INNER_PRODUCT: "ip"}
_CHUNK_BYTES = 1 << 20
_TEXTS_AT_ONCE = 1 << 16
_WORKLOAD_NAME = re.compile(r"\w[\w.+-]*")


def check_workload_name(name: str) -> None:
    """Raises DatasetError if no workload can be called so."""
    if name == UNFILTERED or not _WORKLOAD_NAME.fullmatch(name):
        raise DatasetError(
            f"workload {name!r}: a name is made of letters, digits, . _ + - and is not {UNFILTERED!r}"
        )


def check_attribute_name(name: str) -> None:
    """Raises DatasetError if no filter could name an attribute so."""
    try:
        usable = Filter.parse(f"{name} == 0").attributes == (name,)
    except FilterError:
        usable = False
    if not usable:
        raise DatasetError(
            f"attribute {name!r}: a name is made of letters, digits and _, as in `price_eur`, "
            "and no word of Python"
        )


class DatasetWriter:
    """Writes a data set file; it appears whole when the `with` block ends, and not at all on an error.

    `compress`: smaller (gzip with byte shuffle) but not memory-mapped, for small files that travel.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        metric: Metric,
        description: str = "",
        source: str = "",
        license: str = "",
        compress: bool = False,
    ) -> None:
        self._path = path
        self._storage: dict[str, Any] = {}
        if compress:
            self._storage = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        self._about = {
            "schema": SCHEMA,
            "name": name,
            "distance": _DISTANCE_NAMES[metric],
            "description": description,
            "source": source,
            "license": license,
            "created_with": f"fannsbench {__version__}",
        }

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(folders.whole_file(self._path))
            self._file = stack.enter_context(h5py.File(temporary, "w"))
            self._file.attrs.update(self._about)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def items(self, vectors: Vectors, advance: Callable[[int], None] = lambda _: None) -> h5py.Dataset:
        """(n, d) of a float dtype, int8 or uint8, to be stored as that; read and written in blocks, after
        each of which `advance` is called with its rows. Returns them as stored.

        Raises DatasetError if a number is not finite as float32, or the dtype cannot be stored."""
        dtype = np.dtype(vectors.dtype).newbyteorder("=")
        if not storable(dtype):
            raise DatasetError(f"vectors are {dtype}; they are stored as floats, int8 or uint8")
        stored = self._file.create_dataset(
            "train", vectors.shape, dtype, **self._storage_of(vectors.shape, dtype.itemsize)
        )
        for rows, block in blocks(vectors):
            if (bad := not_finite(block)) is not None:
                raise DatasetError(
                    f"item {rows.start + bad:,} holds NaN, or numbers that are infinite as float32"
                )
            stored[rows] = block
            advance(rows.stop - rows.start)
        return stored

    def queries(self, vectors: np.ndarray) -> None:
        """(q, d) of the dtype to store, as of the items."""
        self._write(self._file, "test", vectors)

    def attribute(self, name: str, column: Column) -> None:
        """Raises DatasetError if the name could not be used in a filter."""
        check_attribute_name(name)
        group = self._file.create_group(f"attributes/{name}")
        group.attrs["kind"] = column.kind
        match column:
            case Category():
                self._write(group, "codes", column.codes.astype(np.int32))
                self._write_texts(group, "vocabulary", column.vocabulary)
            case Number():
                self._write(group, "values", column.values)
                if column.unit:
                    group.attrs["unit"] = column.unit
                if column.missing is not None:
                    self._write(group, "missing", column.missing)
            case LabelSet():
                self._write(group, "indptr", column.indptr.astype(np.int64))
                self._write(group, "indices", column.indices.astype(np.int32))
                self._write_texts(group, "vocabulary", column.vocabulary)

    def truth(self, neighbors: np.ndarray, distances: np.ndarray) -> None:
        """The unfiltered truth, (q, K) each."""
        self._write_truth(self._file, neighbors, distances)

    def workload(
        self,
        name: str,
        filter_text: str,
        parameters: Mapping[str, np.ndarray],
        neighbors: np.ndarray,
        distances: np.ndarray,
        matches: np.ndarray,
    ) -> None:
        """A filtered workload; see `Workload`. Raises FilterError if the filter cannot be read, DatasetError
        if the workload cannot be called so."""
        Filter.parse(filter_text)
        check_workload_name(name)
        group = self._file.create_group(f"workloads/{name}")
        group.attrs["filter"] = filter_text
        for parameter, values in parameters.items():
            stored, array = group.require_group("parameters"), np.asarray(values)
            if array.dtype.kind in "OUS":
                self._write_texts(stored, parameter, array)
            else:
                self._write(stored, parameter, array)
        self._write_truth(group, neighbors, distances)
        self._write(group, "matches", matches.astype(np.int64))

    def _write_truth(self, group: h5py.Group, neighbors: np.ndarray, distances: np.ndarray) -> None:
        self._write(group, "neighbors", neighbors.astype(np.int32))
        self._write(group, "distances", distances.astype(np.float32))

    def _write(self, group: h5py.Group, name: str, data: np.ndarray, dtype: Any = None) -> None:
        storage = self._storage_of(data.shape, data.dtype.itemsize)
        group.create_dataset(name, data=data, dtype=dtype, **storage)

    def _storage_of(self, shape: tuple[int, ...], itemsize: int) -> dict[str, Any]:
        size = math.prod(shape) * itemsize
        if not (self._storage and size):
            return {}
        # Whole rows: the chunks that h5py chooses compress worse.
        rows = max(1, _CHUNK_BYTES * shape[0] // size)
        return {**self._storage, "chunks": (min(rows, shape[0]), *shape[1:])}

    def _write_texts(self, group: h5py.Group, name: str, values: Sequence[Any] | np.ndarray) -> None:
        if not self._storage:
            stored = group.create_dataset(name, (len(values),), h5py.string_dtype())
            for some in slices(len(values), _TEXTS_AT_ONCE):
                stored[some] = np.array([text_of(value) for value in values[some]], object)
            return
        # Texts of fixed length are the ones that HDF5 can compress.
        encoded = [text_of(value).encode() for value in values]
        length = max([1, *map(len, encoded)])
        self._write(group, name, np.array(encoded, h5py.string_dtype("utf-8", length)))

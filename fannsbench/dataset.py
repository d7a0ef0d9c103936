"""A data set: one HDF5 file with items, attributes, queries, workloads and ground truth.

Schema `fannsbench/1`, a superset of ann-benchmarks' files, which open as they are (unfiltered):

    /train (n, d)  /test (q, d)  /neighbors (q, K) int32  /distances (q, K) float32
       root attrs: schema, name, distance, description, source, license, created_with
    /attributes/<name>  attrs: kind
       category: codes (n,) int32, -1 missing; vocabulary (v,) utf-8
       number:   values (n,) int64 or float64; missing (n,) bool where any is
       set:      indptr (n + 1,) int64, indices (nnz,) int32 sorted; vocabulary (v,)
    /workloads/<name>  attrs: filter
       parameters/<p> (q,)  neighbors (q, K) int32, -1 padded  distances (q, K) float32, inf padded
       matches (q,) int64

Distances are true (square-rooted) Euclidean, 1 - cosine, or the negated inner product.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from fannsbench import __version__, folders
from fannsbench.algorithm import Items, Metric
from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number
from fannsbench.errors import DatasetError, UnknownNameError
from fannsbench.filters import BoundFilters, Filter, FilterKind

SCHEMA = "fannsbench/1"
DEFAULT = "wordnet-10k"
UNFILTERED = "none"
"""The name of the workload that every data set has."""

_METRICS = {
    "euclidean": Metric.EUCLIDEAN,
    "angular": Metric.COSINE,
    "cosine": Metric.COSINE,
    "ip": Metric.INNER_PRODUCT,
    "inner_product": Metric.INNER_PRODUCT,
}
_DISTANCE_NAMES = {Metric.EUCLIDEAN: "euclidean", Metric.COSINE: "angular", Metric.INNER_PRODUCT: "ip"}
_BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Workload:
    """Queries' filters and truth: neighbors (q, K) int32, -1 padded; distances (q, K) float32, inf padded;
    matches (q,) int64, the number of items that satisfy each query's filter."""

    name: str
    filter: Filter | None
    parameters: dict[str, np.ndarray]
    neighbors: np.ndarray
    distances: np.ndarray
    matches: np.ndarray

    @property
    def kind(self) -> FilterKind | None:
        return self.filter.kind if self.filter else None

    @property
    def depth(self) -> int:
        """The largest k that the truth can judge."""
        return int(self.neighbors.shape[1])

    def bind(self, attributes: Attributes) -> BoundFilters | None:
        """The filters of all queries; None for the unfiltered workload."""
        if self.filter is None:
            return None
        return self.filter.bind(attributes, self.parameters, len(self.matches))


class Dataset:
    """An open data set file. Structure is checked on opening, each part's content when it is read."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        self.vectors = self._matrix("train")
        """The items' vectors, (n, d) of a float dtype, still on disk."""
        self._test = self._matrix("test")
        if self._test.shape[1] != self.dimension:
            self._fail(f"test has {self._test.shape[1]} dimensions and train {self.dimension}")
        schema = file.attrs.get("schema", SCHEMA)
        if schema != SCHEMA:
            self._fail(f"schema {schema!r}; this version reads {SCHEMA!r}")
        distance = str(file.attrs.get("distance", "euclidean"))
        if distance not in _METRICS:
            self._fail(f"distance {distance!r}; known: {', '.join(_METRICS)}")
        self.metric = _METRICS[distance]
        self.name = str(file.attrs.get("name", path.stem))

    @classmethod
    def open(cls, path: Path | str) -> Dataset:
        """Raises DatasetError if there is no such file, or it is not a sound data set."""
        path = Path(path)
        try:
            file = h5py.File(path, "r")
        except FileNotFoundError:
            raise DatasetError(f"no data set file at {path}") from None
        except OSError as error:
            raise DatasetError(f"{path} is not a readable HDF5 file (truncated or foreign): {error}") from None
        try:
            return cls(path, file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def n(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def num_queries(self) -> int:
        return int(self._test.shape[0])

    def about(self, key: str) -> str:
        """One of the root attributes description, source, license, created_with; "" if absent."""
        return str(self._file.attrs.get(key, ""))

    def items(self) -> Items:
        """The items, vectors as float32: memory-mapped if they are stored so, else read."""
        vectors = self.vectors
        offset = vectors.id.get_offset()
        if vectors.dtype == np.dtype("<f4") and offset is not None:
            mapped = np.memmap(self.path, np.float32, "r", offset, vectors.shape)
            return Items(mapped, self.attributes)
        return Items(np.ascontiguousarray(vectors[:], np.float32), self.attributes)

    def queries(self) -> np.ndarray:
        """(q, d) float32, C-contiguous."""
        return np.ascontiguousarray(self._test[:], np.float32)

    @cached_property
    def attributes(self) -> Attributes:
        groups = self._file.get("attributes", {})
        return Attributes({name: self._column(name, groups[name]) for name in groups}, self.n)

    @property
    def workload_names(self) -> list[str]:
        return [UNFILTERED, *self._file.get("workloads", {})]

    def workload(self, name: str) -> Workload:
        """Raises UnknownNameError, or DatasetError if its parts do not fit together."""
        if name == UNFILTERED:
            if "neighbors" not in self._file:
                self._fail("there is no ground truth (/neighbors)")
            matches = np.full(self.num_queries, self.n, np.int64)
            return self._workload(UNFILTERED, self._file, None, {}, matches)
        groups = self._file.get("workloads", {})
        if name not in groups:
            raise UnknownNameError(f"workload of {self.name}", name, self.workload_names)
        group = groups[name]
        for part in ("neighbors", "distances", "matches"):
            if part not in group:
                self._fail(f"workload {name!r} has no {part}")
        filter_ = Filter.parse(str(group.attrs["filter"]))
        stored = group.get("parameters", {})
        parameters = {p: _texts_or_numbers(stored[p]) for p in stored}
        for p, values in parameters.items():
            if len(values) != self.num_queries:
                self._fail(f"workload {name!r}: ${p} has {len(values)} values for {self.num_queries} queries")
        return self._workload(name, group, filter_, parameters, group["matches"][:].astype(np.int64))

    def _workload(
        self, name: str, group: Any, filter_: Filter | None, parameters: dict[str, np.ndarray], matches: Any
    ) -> Workload:
        neighbors = np.ascontiguousarray(group["neighbors"][:], np.int32)
        if "distances" not in group:
            self._fail(f"workload {name!r} has no distances")
        distances = np.ascontiguousarray(group["distances"][:], np.float32)
        if neighbors.shape != distances.shape or len(neighbors) != self.num_queries != len(matches):
            self._fail(
                f"workload {name!r}: neighbors {neighbors.shape}, distances {distances.shape} and matches "
                f"{matches.shape} must agree with {self.num_queries} queries"
            )
        if neighbors.size and (neighbors.min() < -1 or neighbors.max() >= self.n):
            self._fail(f"workload {name!r}: neighbors {neighbors.min()}..{neighbors.max()} of {self.n} items")
        return Workload(name, filter_, parameters, neighbors, distances, matches)

    @cached_property
    def checksum(self) -> str:
        """A hash of the whole file's bytes; remembered until the file changes. The first time, all vectors
        are read as well and DatasetError is raised if one is not finite."""
        stat = self.path.stat()
        identity = [str(self.path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino]
        name = hashlib.blake2b(identity[0].encode(), digest_size=12).hexdigest()  # type: ignore[attr-defined]
        record = folders.cache() / "checksums" / f"{name}.json"
        try:
            known = json.loads(record.read_text())
            if known["identity"] == identity:
                return str(known["checksum"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # unknown, stale or damaged: compute it again
        self._check_finite("train", self.vectors)
        self._check_finite("test", self._test)
        with self.path.open("rb") as stream:
            checksum = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        try:
            with folders.whole_file(record) as temporary:
                temporary.write_text(json.dumps({"identity": identity, "checksum": checksum}))
        except OSError:
            pass  # a cache that cannot be written costs time only
        return checksum

    def _check_finite(self, name: str, vectors: h5py.Dataset) -> None:
        rows = max(1, _BLOCK_BYTES // (self.dimension * 4))
        for first in range(0, vectors.shape[0], rows):
            finite = np.isfinite(vectors[first : first + rows]).all(axis=1)
            if not finite.all():
                self._fail(f"/{name} row {first + int(np.argmin(finite))} holds NaN or infinite numbers")

    def _matrix(self, name: str) -> h5py.Dataset:
        matrix = self._file.get(name)
        if not isinstance(matrix, h5py.Dataset):
            self._fail(f"there is no /{name}; a data set has train, test, neighbors and distances")
        if matrix.ndim != 2 or matrix.dtype.kind != "f" or 0 in matrix.shape:
            self._fail(f"/{name} is {matrix.dtype} {matrix.shape}; it must be a non-empty matrix of floats")
        return matrix

    def _column(self, name: str, group: h5py.Group) -> Column:
        kind = group.attrs.get("kind")
        try:
            if kind == "category":
                return Category(group["codes"][:].astype(np.int32), list(group["vocabulary"].asstr()[:]))
            if kind == "number":
                return Number(group["values"][:], group["missing"][:] if "missing" in group else None)
            if kind == "set":
                indptr, indices = group["indptr"][:].astype(np.int64), group["indices"][:].astype(np.int32)
                return LabelSet(indptr, indices, list(group["vocabulary"].asstr()[:]))
        except (KeyError, TypeError, DatasetError) as error:
            self._fail(f"attribute {name!r}: {error}")
        self._fail(f"attribute {name!r} is of kind {kind!r}; known: category, number, set")

    def _fail(self, message: str) -> Any:
        raise DatasetError(f"{self.path}: {message}")


def _texts_or_numbers(stored: h5py.Dataset) -> np.ndarray:
    if h5py.check_string_dtype(stored.dtype):
        return np.asarray(stored.asstr()[:], object)
    return np.asarray(stored[:])


def find(name_or_path: str) -> Path:
    """The file of a data set, given its path or its name in the bundled or the user's folder."""
    path = Path(name_or_path)
    if path.suffix in (".h5", ".hdf5") or len(path.parts) > 1:
        return path
    known = available()
    if name_or_path not in known:
        raise UnknownNameError("data set", name_or_path, known, "or give the path of an .h5 or .hdf5 file")
    return known[name_or_path]


def available() -> dict[str, Path]:
    """All data sets in the bundled and the user's folder, by name."""
    files = [p for folder in (folders.bundled("datasets"), folders.user_datasets()) for p in folder.glob("*.h*5")]
    return {path.stem: path for path in sorted(files)}


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
        self._stack = ExitStack()
        self._storage: dict[str, Any] = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        if not compress:
            self._storage = {}
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
        temporary = self._stack.enter_context(folders.whole_file(self._path))
        self._file = self._stack.enter_context(h5py.File(temporary, "w"))
        self._file.attrs.update(self._about)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def items(self, vectors: np.ndarray) -> None:
        """(n, d) of the float dtype to store."""
        self._write(self._file, "train", vectors)

    def items_blocks(self, shape: tuple[int, int], dtype: Any = np.float32) -> h5py.Dataset:
        """The items' empty dataset, to be filled in blocks of rows."""
        return self._file.create_dataset("train", shape, dtype, **self._storage)

    def queries(self, vectors: np.ndarray) -> None:
        """(q, d) of the float dtype to store."""
        self._write(self._file, "test", vectors)

    def attribute(self, name: str, column: Column) -> None:
        """Raises DatasetError if the name could not be used in a filter."""
        if not name.isidentifier() or name in ("and", "or", "not", "in", "is", "True", "False", "None"):
            raise DatasetError(f"attribute {name!r}: a name is made of letters, digits and _, as in `price_eur`")
        group = self._file.create_group(f"attributes/{name}")
        group.attrs["kind"] = column.kind
        match column:
            case Category():
                self._write(group, "codes", column.codes.astype(np.int32))
                self._write_texts(group, "vocabulary", column.vocabulary)
            case Number():
                self._write(group, "values", column.values)
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
        """A filtered workload; see `Workload`. Raises FilterError if the filter cannot be read."""
        Filter.parse(filter_text)
        if name == UNFILTERED:
            raise DatasetError(f"a filtered workload cannot be called {UNFILTERED!r}")
        group = self._file.create_group(f"workloads/{name}")
        group.attrs["filter"] = filter_text
        for parameter, values in parameters.items():
            stored = group.require_group("parameters")
            if np.asarray(values).dtype.kind in "OUS":
                self._write_texts(stored, parameter, values)
            else:
                self._write(stored, parameter, np.asarray(values))
        self._write_truth(group, neighbors, distances)
        self._write(group, "matches", matches.astype(np.int64))

    def _write_truth(self, group: h5py.Group, neighbors: np.ndarray, distances: np.ndarray) -> None:
        self._write(group, "neighbors", neighbors.astype(np.int32))
        self._write(group, "distances", distances.astype(np.float32))

    def _write(self, group: h5py.Group, name: str, data: np.ndarray) -> None:
        group.create_dataset(name, data=data, **(self._storage if data.size else {}))

    def _write_texts(self, group: h5py.Group, name: str, texts: Any) -> None:
        if not self._storage:
            group.create_dataset(name, data=np.asarray(texts, object), dtype=h5py.string_dtype())
            return
        # Texts of fixed length are the ones that HDF5 can compress.
        encoded = [str(text).encode() for text in texts]
        length = max([1, *map(len, encoded)])
        group.create_dataset(
            name, data=np.array(encoded, f"S{length}"), dtype=h5py.string_dtype("utf-8", length), **self._storage
        )


@contextmanager
def open_named(name_or_path: str) -> Iterator[Dataset]:
    """The data set of that name or path, open for the block."""
    with Dataset.open(find(name_or_path)) as dataset:
        yield dataset

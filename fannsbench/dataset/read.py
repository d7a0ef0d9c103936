"""Reading a data set file. Its structure is checked on opening, each part's content when it is read."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from fannsbench import folders
from fannsbench.attributes import Attributes, Category, Column, LabelSet, Number, text_of
from fannsbench.dataset.items import Items
from fannsbench.errors import DatasetError, FilterError, UnknownNameError, one_line
from fannsbench.filters import BoundFilters, Filter, FilterKind
from fannsbench.metric import Metric, distances, metric_of
from fannsbench.vectors import blocks, not_finite

SCHEMA = "fannsbench/1"
UNFILTERED = "none"
"""The name of the workload that every data set has."""

_OF_NO_VECTORS = {"hamming": "bits", "jaccard": "sets"}
_IMPORT = "bring it in by `fannsbench datasets import ann-benchmarks`"
_SAMPLED = 10
"""Queries that tell how the distances of another benchmark's file are written."""
_ALIKE = 1e-3
"""Relative; such distances may have been computed in float32, by a formula that cancels."""


@dataclass(frozen=True, eq=False)
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
    """An open data set file. Reading a part raises DatasetError where it is damaged or inconsistent."""

    def __init__(self, path: Path, file: h5py.File, metric: Metric | None = None) -> None:
        self.path = path
        self._file = file
        with self._reading():
            if (schema := self.about("schema") or SCHEMA) != SCHEMA:  # ann-benchmarks' files name none
                raise DatasetError(f"schema {schema!r}; this version reads {SCHEMA!r}")
            self.metric = metric or self._named_metric()
            self.name = self.about("name") or path.stem
            self.vectors = _matrix(file, "train")
            """The items' vectors, (n, d) of a float dtype, int8 or uint8, still on disk."""
            self._test = _matrix(file, "test")
            if self._test.shape[1] != self.dimension:
                raise DatasetError(f"/test has {self._test.shape[1]} dimensions and /train {self.dimension}")

    def _named_metric(self) -> Metric:
        distance = self.about("distance")
        if distance in _OF_NO_VECTORS:
            raise DatasetError(
                f"distance {distance!r} is between {_OF_NO_VECTORS[distance]}; algorithms here compare "
                f"vectors, by {', '.join(Metric)}"
            )
        metric = metric_of(distance)
        if metric is None and self.about("schema"):
            raise DatasetError(f"distance {distance!r}; it must be one of {', '.join(Metric)}")
        if metric is None:
            named = f"distance {distance!r} is not known" if distance else "it names no distance"
            raise DatasetError(f"{named}; {_IMPORT} with --metric {'|'.join(Metric)}")
        return metric

    @classmethod
    def open(cls, path: Path | str, metric: Metric | None = None) -> Dataset:
        """`metric` overrides what the file says. Raises DatasetError if there is no such file, or it is not a
        sound data set."""
        path = Path(path)
        try:
            file = h5py.File(path, "r")
        except FileNotFoundError:
            raise DatasetError(f"no data set file at {path}") from None
        except IsADirectoryError:
            raise DatasetError(f"{path} is a folder; a data set is one file") from None
        except OSError as error:
            raise DatasetError(
                f"{path} is no readable HDF5 file (truncated or foreign): {one_line(error)}"
            ) from None
        try:
            return cls(path, file, metric)
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
        """One of the root attributes, such as description, source or license; "" if absent."""
        return text_of(self._file.attrs.get(key, ""))

    def items(self) -> Items:
        """The items, vectors as float32: memory-mapped if they are stored so, else read."""
        return Items(self._items_vectors(), self.attributes)

    def _items_vectors(self) -> np.ndarray:
        stored = self.vectors
        offset = stored.id.get_offset()
        with self._reading():
            if stored.dtype == np.dtype("<f4") and offset is not None:
                return np.memmap(self.path, np.float32, "r", offset, stored.shape).view(np.ndarray)
            vectors = np.ascontiguousarray(stored[:], np.float32)
            vectors.flags.writeable = False
            return vectors

    def queries(self) -> np.ndarray:
        """(q, d) float32, C-contiguous."""
        return np.ascontiguousarray(self.stored_queries(), np.float32)

    def stored_queries(self) -> np.ndarray:
        """(q, d) of the dtype in the file."""
        with self._reading():
            stored: np.ndarray = self._test[:]
            return stored

    @cached_property
    def attributes(self) -> Attributes:
        return Attributes({name: self.attribute(name) for name in self.attribute_names}, self.n)

    @property
    def attribute_names(self) -> list[str]:
        with self._reading():
            return list(_members(self._file, "attributes", h5py.Group))

    def attribute(self, name: str) -> Column:
        """One of the attributes, by itself: another's damage does not matter. Raises DatasetError."""
        with self._reading():
            column = _column(name, _members(self._file, "attributes", h5py.Group)[name])
            return Attributes({name: column}, self.n)[name]

    @property
    def workload_names(self) -> list[str]:
        """All workloads, the unfiltered one first."""
        with self._reading():
            return [UNFILTERED, *_members(self._file, "workloads", h5py.Group)]

    def workload(self, name: str) -> Workload:
        """Raises UnknownNameError, or DatasetError if its parts do not fit together."""
        with self._reading():
            if name == UNFILTERED:
                return self._unfiltered()
            groups = _members(self._file, "workloads", h5py.Group)
            if name not in groups:
                raise UnknownNameError(f"workload of {self.name}", name, self.workload_names)
            group = groups[name]
            filter_ = Filter.parse(text_of(group.attrs.get("filter", "")))
            stored = _members(group, "parameters", h5py.Dataset)
            parameters = {parameter: _texts_or_numbers(part) for parameter, part in stored.items()}
            return self._workload(name, group, filter_, parameters, _integers(group, "matches", np.int64))

    def _unfiltered(self) -> Workload:
        foreign = not self.about("schema")
        for part in ("neighbors", "distances"):
            if foreign and part not in self._file:
                raise DatasetError(f"there is no /{part}; {_IMPORT}, which computes it")
        matches = np.full(self.num_queries, self.n, np.int64)
        workload = self._workload(UNFILTERED, self._file, None, {}, matches)
        return self._with_our_distances(workload) if foreign else workload

    def _with_our_distances(self, workload: Workload) -> Workload:
        """Where they are squared, or inner products without the minus sign, as a sample of them tells."""
        found = workload.neighbors[:_SAMPLED, :1]
        if not found.size or found.min() < 0:
            return workload
        vectors = np.stack([self.vectors[item] for item in found[:, 0]])
        ours = distances(self.metric, self._test[: len(found)], vectors)
        theirs = workload.distances[: len(found), 0].astype(np.float64)
        if self.metric is Metric.EUCLIDEAN and not np.allclose(theirs, ours, rtol=_ALIKE):
            if np.allclose(theirs, ours**2, rtol=_ALIKE):
                return replace(workload, distances=np.sqrt(workload.distances))
        elif self.metric is Metric.INNER_PRODUCT and np.allclose(theirs, -ours, rtol=_ALIKE):
            return replace(workload, distances=-workload.distances)
        return workload

    def stored_neighbors(self) -> np.ndarray | None:
        """The unfiltered truth of a file, (q, K) int32, if there is one; its distances may be missing."""
        with self._reading():
            if "neighbors" not in self._file:
                return None
            return _integers(self._file, "neighbors", np.int32, ndim=2)

    def _workload(
        self,
        name: str,
        group: h5py.Group,
        filter_: Filter | None,
        parameters: dict[str, np.ndarray],
        matches: np.ndarray,
    ) -> Workload:
        neighbors = _integers(group, "neighbors", np.int32, ndim=2)
        far = np.ascontiguousarray(_part(group, "distances")[:], np.float32)
        expected = (self.num_queries,)
        if neighbors.shape != far.shape or not neighbors.shape[:1] == matches.shape == expected:
            raise DatasetError(
                f"workload {name!r}: neighbors {neighbors.shape}, distances {far.shape} and matches "
                f"{matches.shape} must agree with {self.num_queries} queries"
            )
        for parameter, values in parameters.items():
            if values.shape != expected:
                raise DatasetError(
                    f"workload {name!r}: ${parameter} has {values.shape} values for {expected} queries"
                )
        if neighbors.size and (neighbors.min() < -1 or neighbors.max() >= self.n):
            raise DatasetError(
                f"workload {name!r}: neighbors {neighbors.min()}..{neighbors.max()} of {self.n} items"
            )
        return Workload(name, filter_, parameters, neighbors, far, matches)

    @cached_property
    def checksum(self) -> str:
        """A hash of the whole file's bytes; remembered until the file changes. The first time, all vectors
        are read as well and DatasetError is raised if one is not finite."""
        stat = self.path.stat()
        place = str(self.path.resolve())
        identity = [place, stat.st_size, stat.st_mtime_ns, stat.st_ino]
        name = hashlib.blake2b(place.encode(), digest_size=12).hexdigest()
        record = folders.cache() / "checksums" / f"{name}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # unknown or damaged: once more
            known = json.loads(record.read_text())
            if known["identity"] == identity:
                return str(known["checksum"])
        with self._reading():
            _check_finite(self.vectors)
            _check_finite(self._test)
            with self.path.open("rb") as stream:
                checksum = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        # A cache that cannot be written costs time only.
        with contextlib.suppress(OSError), folders.whole_file(record) as temporary:
            temporary.write_text(json.dumps({"identity": identity, "checksum": checksum}))
        return checksum

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Puts the file's name before whatever turns out to be wrong in it."""
        try:
            yield
        except (OSError, ValueError, FilterError, DatasetError) as error:
            raise DatasetError(f"{self.path}: {one_line(error)}") from None


def storable(dtype: np.dtype[Any]) -> bool:
    """Whether vectors may be stored as this: any float, int8 or uint8."""
    return dtype.kind == "f" or dtype in (np.int8, np.uint8)


def _part(group: h5py.Group, name: str) -> h5py.Dataset:
    part = group.get(name)
    if not isinstance(part, h5py.Dataset):
        raise DatasetError(f"there is no {group.name.rstrip('/')}/{name}")
    return part


def _members(group: h5py.Group, name: str, wanted: type) -> dict[str, Any]:
    """What lies in a subgroup, which may be absent."""
    if name not in group:
        return {}
    subgroup = group[name]
    if not isinstance(subgroup, h5py.Group) or not all(isinstance(m, wanted) for m in subgroup.values()):
        raise DatasetError(f"{subgroup.name} must be a group of {wanted.__name__.lower()}s")
    return dict(subgroup)


def _matrix(file: h5py.File, name: str) -> h5py.Dataset:
    matrix = _part(file, name)
    if matrix.ndim != 2 or not storable(matrix.dtype) or 0 in matrix.shape:
        raise DatasetError(
            f"/{name} is {matrix.dtype} {matrix.shape}; it must be a non-empty matrix of floats, int8 "
            "or uint8"
        )
    return matrix


def _check_finite(vectors: h5py.Dataset) -> None:
    for rows, block in blocks(vectors):
        if (bad := not_finite(block)) is not None:
            raise DatasetError(f"{vectors.name} row {rows.start + bad} holds NaN or infinite numbers")


def _integers(group: h5py.Group, name: str, dtype: type[np.integer[Any]], ndim: int = 1) -> np.ndarray:
    part = _part(group, name)
    if part.dtype.kind not in "iu" or part.ndim != ndim:
        raise DatasetError(
            f"{part.name} is {part.dtype} {part.shape}; it must be {np.dtype(dtype)} of {ndim} dimension(s)"
        )
    values = part[:]
    converted = np.ascontiguousarray(values, dtype)
    if not np.array_equal(values, converted):
        raise DatasetError(f"{part.name} holds numbers too large for {np.dtype(dtype)}")
    return converted


def _texts_or_numbers(part: h5py.Dataset) -> np.ndarray:
    texts = h5py.check_string_dtype(part.dtype)
    return np.asarray(part.asstr()[:], object) if texts else np.asarray(part[:])


def _column(name: str, group: h5py.Group) -> Column:
    def vocabulary() -> list[str]:
        return list(_part(group, "vocabulary").asstr()[:])

    kind = text_of(group.attrs.get("kind", ""))
    try:
        match kind:
            case Category.kind:
                return Category(_integers(group, "codes", np.int32), vocabulary())
            case Number.kind:
                missing = _part(group, "missing")[:].astype(bool) if "missing" in group else None
                return Number(
                    _part(group, "values")[:], missing, text_of(group.attrs.get("unit", "")) or None
                )
            case LabelSet.kind:
                indptr, indices = _integers(group, "indptr", np.int64), _integers(group, "indices", np.int32)
                return LabelSet(indptr, indices, vocabulary())
    except (DatasetError, TypeError, ValueError) as error:
        raise DatasetError(f"attribute {name!r}: {error}") from None
    raise DatasetError(f"attribute {name!r} is of kind {kind!r}; known: category, number, set")

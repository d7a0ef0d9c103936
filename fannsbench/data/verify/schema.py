"""The parts of a data set file: whether each can be read, and is as the schema has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from fannsbench.attributes import Attributes, Category, Column, LabelSet
from fannsbench.data.verify.findings import NOTE, OK, WRONG, Finding
from fannsbench.dataset import UNFILTERED, Dataset, Workload
from fannsbench.errors import DatasetError, FilterError

Read = TypeVar("Read")
_ABOUT = ("schema", "name", "distance", "description", "source", "license", "created_with")
_TYPES = {
    "neighbors": np.int32, "distances": np.float32, "matches": np.int64,
    "codes": np.int32, "indptr": np.int64, "indices": np.int32, "missing": np.bool_,
}  # fmt: skip


class Parts:
    """Reads parts, and keeps what is wrong with those that cannot be read as findings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.findings: list[Finding] = []

    def read(self, check: str, subject: str, part: Callable[[], Read]) -> Read | None:
        """The part, or None, and a finding why."""
        try:
            return part()
        except (DatasetError, FilterError) as error:
            message = str(error).removeprefix(f"{self._path}: ")
            self.findings.append(Finding(check, subject, WRONG, message))
            return None


def check_about(path: Path) -> Iterator[Finding]:
    """The root's attributes and the types of numbers: what we can read, but others could stumble over. A file
    that names no schema, as those of ann-benchmarks, breaks none."""
    with h5py.File(path) as file:
        breach = WRONG if "schema" in file.attrs else NOTE
        absent = [key for key in _ABOUT if key not in file.attrs]
        detail = f"there is no {', '.join(absent)}" if absent else ", ".join(_ABOUT)
        yield Finding("about", "file", breach if absent else OK, detail)
        odd: list[str] = []

        def look(place: str, part: h5py.Group | h5py.Dataset) -> None:
            wanted = _TYPES.get(place.rpartition("/")[2])
            known = place.count("/") in (0, 2) and isinstance(part, h5py.Dataset) and wanted is not None
            if known and part.dtype.newbyteorder("=") != wanted:
                odd.append(f"/{place} is {part.dtype}, {np.dtype(wanted)} by the schema")

        file.visititems(look)
        yield Finding("types", "file", breach if odd else OK, "; ".join(odd) or "as in the schema")


def read_attributes(dataset: Dataset, parts: Parts) -> Attributes:
    """Those that can be read."""
    columns: dict[str, Column] = {}
    for name in parts.read("readable", "attributes", lambda: dataset.attribute_names) or []:
        subject = f"attribute {name}"
        column = parts.read("readable", subject, partial(dataset.attribute, name))
        if column is not None:
            columns[name] = column
            parts.findings.append(_values(subject, column))
    return Attributes(columns, dataset.n)


def _values(subject: str, column: Column) -> Finding:
    if isinstance(column, Category | LabelSet):
        codes = column.codes if isinstance(column, Category) else column.indices
        used = np.bincount(codes[codes >= 0], minlength=len(column.vocabulary)) > 0
        if not used.all():
            unused = f"{np.sum(~used):,} of {len(used):,} values, e.g. {column.vocabulary[np.argmin(used)]!r}"
            return Finding("values", subject, NOTE, f"no item has {unused}")
        number = len(used)
    else:
        number = len(column.distinct)
    if not number:
        return Finding("values", subject, NOTE, "no item has any")
    return Finding("values", subject, OK, f"{column.kind}, {number:,} values")


def read_workloads(dataset: Dataset, attributes: Attributes, parts: Parts) -> list[Workload]:
    """Those that can be read, and whose filters fit the attributes."""
    names = parts.read("readable", "workloads", lambda: dataset.workload_names) or [UNFILTERED]
    if names.count(UNFILTERED) > 1:
        detail = f"one is called {UNFILTERED}, the name of the unfiltered one, and cannot be used"
        parts.findings.append(Finding("readable", "workloads", WRONG, detail))
    found = []
    for name in dict.fromkeys(names):
        workload = parts.read("readable", f"workload {name}", partial(dataset.workload, name))
        if workload is not None and (workload.filter is None or _fits(workload, attributes, parts)):
            found.append(workload)
    return found


def _fits(workload: Workload, attributes: Attributes, parts: Parts) -> bool:
    assert workload.filter is not None
    subject = f"workload {workload.name}"
    damaged = {finding.subject for finding in parts.findings if finding.check == "readable"}
    if needed := damaged & {"attributes", *(f"attribute {name}" for name in workload.filter.attributes)}:
        detail = f"not looked at, as {min(needed)} cannot be read"
        parts.findings.append(Finding("filter", subject, NOTE, detail))
        return False
    if parts.read("filter", subject, lambda: workload.bind(attributes)) is None:
        return False
    unasked = sorted(set(workload.parameters) - set(workload.filter.parameters))
    detail = f"{workload.filter.text} does not ask for ${unasked[0]}" if unasked else workload.filter.text
    parts.findings.append(Finding("filter", subject, NOTE if unasked else OK, detail))
    return True

"""Attributes as users know them, for programs that take them over: databases, above all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from fannsbench.attributes.category import Category
from fannsbench.attributes.label_set import LabelSet
from fannsbench.attributes.number import DATE_UNITS, Number
from fannsbench.vectors import slices

if TYPE_CHECKING:
    import pyarrow as pa

_MICROSECONDS = 1_000_000


def batches(
    columns: Mapping[str, Category | Number | LabelSet], n: int, rows: int
) -> Iterator[pa.RecordBatch]:
    """Of n items; see `Attributes.batches`."""
    import pyarrow as pa  # an engine's environment may do without

    part_of = {name: _parts(column) for name, column in columns.items()}
    for some in slices(n, rows):
        yield pa.RecordBatch.from_pydict({name: part(some) for name, part in part_of.items()})


def _parts(column: Category | Number | LabelSet) -> Callable[[slice], pa.Array]:
    """What gives some rows of the column."""
    import pyarrow as pa

    if isinstance(column, Number):
        return lambda rows: _numbers(column, rows)
    vocabulary = pa.array(column.vocabulary, pa.string())
    if isinstance(column, Category):
        return lambda rows: vocabulary.take(pa.array(column.codes[rows], mask=column.codes[rows] < 0))

    def sets(rows: slice) -> pa.Array:
        starts = column.indptr[rows.start : rows.stop + 1]
        members = vocabulary.take(pa.array(column.indices[starts[0] : starts[-1]]))
        return pa.ListArray.from_arrays(pa.array((starts - starts[0]).astype(np.int32)), members)

    return sets


def _numbers(column: Number, rows: slice) -> pa.Array:
    import pyarrow as pa

    values, missing = column.values[rows], ~column.present[rows]
    if column.unit is None:
        return pa.array(values, mask=missing)
    if values.dtype == np.int64:
        if column.unit == "days":
            return pa.array(values, mask=missing).cast(pa.int32()).cast(pa.date32())
        return pa.array(values, mask=missing).cast(pa.timestamp("s", "UTC"))
    ticks = np.where(missing, 0, values) * (DATE_UNITS[column.unit] * _MICROSECONDS)
    return pa.array(np.rint(ticks).astype(np.int64), mask=missing).cast(pa.timestamp("us", "UTC"))

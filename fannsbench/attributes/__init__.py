"""Attributes of items: the three kinds of column, and the integer codes that filters are evaluated on.

Every column is coded the same way, whatever its kind: a category's codes are places in its vocabulary, a
number's are its rank among the distinct values, a set has several codes per item. A comparison with a
value then is "code in [low, high]", and every column has an inverted index from code to items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from fannsbench.attributes.batches import batches
from fannsbench.attributes.category import Category, CategoryBuilder
from fannsbench.attributes.label_set import LabelSet, LabelSetBuilder
from fannsbench.attributes.number import DATE_UNITS, Number, NumberBuilder, as_float
from fannsbench.attributes.postings import Postings
from fannsbench.attributes.texts import check_text, text_of
from fannsbench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DATE_UNITS",
    "Attributes",
    "Category",
    "CategoryBuilder",
    "Column",
    "LabelSet",
    "LabelSetBuilder",
    "Number",
    "NumberBuilder",
    "Postings",
    "as_float",
    "check_text",
    "text_of",
]

Column = Category | Number | LabelSet
BATCH_ROWS = 10_000


class Attributes(Mapping[str, Column]):
    """The attributes of n items, by name."""

    def __init__(self, columns: Mapping[str, Column], n: int) -> None:
        for name, column in columns.items():
            if len(column) != n:
                raise DatasetError(f"attribute {name!r} has {len(column)} values for {n} items")
        self.n = n
        self._columns = dict(columns)

    def take(self, items: np.ndarray) -> Attributes:
        """Of these items (m,) alone, in their order; texts that none of them has are dropped."""
        return Attributes({name: column.take(items) for name, column in self.items()}, len(items))

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The items as their user knows them, `rows` at a time: texts, numbers, lists of texts and dates
        (date32, or timestamp where they have a time), null where missing. Nothing is made of all at once.
        Needs pyarrow."""
        return batches(self, self.n, rows)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

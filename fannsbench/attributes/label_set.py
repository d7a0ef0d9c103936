"""A set of texts per item."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from fannsbench.attributes.builder import Builder
from fannsbench.attributes.postings import Postings
from fannsbench.attributes.texts import Numbering, Vocabulary, check_codes
from fannsbench.errors import DatasetError
from fannsbench.vectors import slices

_ROWS_SORTED_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class LabelSet(Vocabulary):
    """A set of texts per item: item i has the codes indices[indptr[i]:indptr[i + 1]], ascending and
    distinct. indptr (n + 1,) int64, indices (nnz,) int32 into vocabulary."""

    indptr: np.ndarray
    indices: np.ndarray
    vocabulary: list[str]
    kind: ClassVar[str] = "set"

    def __post_init__(self) -> None:
        check_codes("set", self.indices, self.vocabulary, lowest=0)
        indptr = self.indptr
        rising = len(indptr) > 0 and indptr[0] == 0 and (np.diff(indptr) >= 0).all()
        if not rising or indptr[-1] != len(self.indices):
            raise DatasetError("a set attribute's indptr must rise from 0 to the number of its indices")
        rises = np.diff(self.indices) > 0
        first_of_row = indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(self.indices))]
        rises[first_of_row - 1] = True
        if not rises.all():
            raise DatasetError("a set attribute's indices must rise within each item")

    @classmethod
    def from_values(cls, values: Iterable[Iterable[str]]) -> LabelSet:
        """Code sets of texts in sorted order of the vocabulary."""
        return LabelSetBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def value(self, item: int) -> set[str]:
        codes = self.indices[self.indptr[item] : self.indptr[item + 1]]
        return {self.vocabulary[code] for code in codes}

    def take(self, items: np.ndarray) -> LabelSet:
        """Of these items alone; texts that none of them has are dropped."""
        sizes = np.diff(self.indptr)[items]
        indptr = np.zeros(len(items) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        places = np.arange(indptr[-1]) + np.repeat(self.indptr[items] - indptr[:-1], sizes)
        used, indices = np.unique(self.indices[places], return_inverse=True)
        return LabelSet(indptr, indices.astype(np.int32), [self.vocabulary[code] for code in used])

    @cached_property
    def postings(self) -> Postings:
        items = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.indptr))
        return Postings.of(self.indices, items, len(self.vocabulary))


class LabelSetBuilder(Builder):
    """Takes collections of texts; see `LabelSet.from_values`."""

    def __init__(self) -> None:
        self._numbering, self._numbers, self._ends = Numbering(), array("i"), array("q", [0])

    def append(self, value: Iterable[str]) -> None:
        self._numbers.extend({self._numbering.number(text): None for text in value})
        self._ends.append(len(self._numbers))

    def finish(self) -> LabelSet:
        vocabulary, place = self._numbering.finish()
        indptr = np.asarray(self._ends)
        indices = place[np.asarray(self._numbers)]
        for rows in slices(len(indptr) - 1, _ROWS_SORTED_AT_ONCE):
            ends = indptr[rows.start : rows.stop + 1]
            row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
            part = indices[ends[0] : ends[-1]]
            part[:] = part[np.lexsort((part, row))]
        return LabelSet(indptr, indices, vocabulary)

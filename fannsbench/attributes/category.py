"""One text per item."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from fannsbench.attributes.builder import Builder
from fannsbench.attributes.postings import Postings, postings_of_scalar
from fannsbench.attributes.texts import Numbering, Vocabulary, check_codes


@dataclass(frozen=True, eq=False)
class Category(Vocabulary):
    """One of a fixed set of texts per item: codes (n,) int32 into vocabulary, -1 where missing."""

    codes: np.ndarray
    vocabulary: list[str]
    kind: ClassVar[str] = "category"

    def __post_init__(self) -> None:
        check_codes("category", self.codes, self.vocabulary, lowest=-1)

    @classmethod
    def from_values(cls, values: Iterable[str | None]) -> Category:
        """Code texts in sorted order of the vocabulary; None is missing."""
        return CategoryBuilder().extend(values).finish()

    def __len__(self) -> int:
        return len(self.codes)

    def value(self, item: int) -> str | None:
        code = int(self.codes[item])
        return None if code < 0 else self.vocabulary[code]

    def take(self, items: np.ndarray) -> Category:
        """Of these items alone; texts that none of them has are dropped."""
        codes = self.codes[items]
        used = np.unique(codes[codes >= 0])
        new = np.searchsorted(used, codes).astype(np.int32)
        new[codes < 0] = -1
        return Category(new, [self.vocabulary[code] for code in used])

    @cached_property
    def postings(self) -> Postings:
        return postings_of_scalar(self.codes, len(self.vocabulary))


class CategoryBuilder(Builder):
    """Takes texts, or None where one is missing; see `Category.from_values`."""

    def __init__(self) -> None:
        self._numbering, self._numbers = Numbering(), array("i")

    def append(self, value: str | None) -> None:
        self._numbers.append(-1 if value is None else self._numbering.number(value))

    def finish(self) -> Category:
        vocabulary, place = self._numbering.finish()
        return Category(np.append(place, np.int32(-1))[np.asarray(self._numbers)], vocabulary)

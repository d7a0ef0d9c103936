"""Values that are texts, and their codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fannsbench.errors import DatasetError

_NUMBERS_AT_ONCE = 1 << 16


def text_of(value: Any) -> str:
    """A filter's value as vocabularies spell it: booleans as "true" and "false", numbers in decimal."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else str(value)


def check_text(text: str) -> None:
    """Raises DatasetError if an HDF5 file cannot hold the text."""
    try:
        storable = b"\0" not in text.encode()
    except UnicodeEncodeError:
        storable = False
    if not storable:
        raise DatasetError(f"{text!r} holds a NUL or half a surrogate pair, which no file can keep")


class Vocabulary:
    """Text values and their codes."""

    vocabulary: list[str]

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return {value: code for code, value in enumerate(self.vocabulary)}

    def code_intervals(self, values: Iterable[Any]) -> np.ndarray:
        """(q, 2) int32 closed code intervals, one for each value; empty (1, 0) for an unknown value."""
        codes = [self._code_of.get(text_of(value), -1) for value in values]
        return np.array([(c, c) if c >= 0 else (1, 0) for c in codes], np.int32).reshape(-1, 2)


def check_codes(kind: str, codes: np.ndarray, vocabulary: Sequence[str], lowest: int) -> None:
    """Raises DatasetError for codes (m,) below `lowest` or beyond the vocabulary, or a text twice in it."""
    if len(codes) and (codes.min() < lowest or codes.max() >= len(vocabulary)):
        raise DatasetError(
            f"a {kind} attribute has codes {codes.min()}..{codes.max()}; its vocabulary allows "
            f"{lowest}..{len(vocabulary) - 1}"
        )
    if len(set(vocabulary)) < len(vocabulary):
        raise DatasetError(f"a {kind} attribute has a vocabulary with the same text twice")


def _consecutive() -> Iterator[int]:
    # Made many at a time they lie together, not among the texts that stay, so their memory is freed whole.
    first = 0
    while True:
        some = list(range(first, first + min(max(first, 256), _NUMBERS_AT_ONCE)))
        yield from some
        first += len(some)


class Numbering:
    """Numbers texts as they first come, and then in sorted order."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._unused = _consecutive()

    def number(self, text: str) -> int:
        found = self._number_of.get(text)
        if found is None:
            check_text(text)
            found = self._number_of[text] = next(self._unused)
        return found

    def finish(self) -> tuple[list[str], np.ndarray]:
        """The texts in order, and for each number the place of its text in it. No more can be numbered."""
        vocabulary = sorted(self._number_of)
        place = np.empty(len(vocabulary), np.int32)
        place[[self._number_of[text] for text in vocabulary]] = np.arange(len(vocabulary))
        self._number_of.clear()  # half of the memory, before the column is made
        return vocabulary, place

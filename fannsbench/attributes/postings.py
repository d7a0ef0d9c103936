"""Which items have a code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Postings:
    """Inverted index: items having code c are ids[starts[c]:starts[c + 1]], ascending.

    starts (codes + 1,) int64, ids int32. For codes low..high the slice from starts[low] to starts[high + 1]
    holds each item once if items have one code each.
    """

    starts: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, items: np.ndarray, num_codes: int) -> Postings:
        """Postings of (code, item) pairs given in ascending order of items."""
        starts = np.zeros(num_codes + 1, np.int64)
        np.cumsum(np.bincount(codes, minlength=num_codes), out=starts[1:])
        return cls(starts, items[np.argsort(codes, kind="stable")].astype(np.int32, copy=False))


def postings_of_scalar(codes: np.ndarray, num_codes: int) -> Postings:
    """Of items with one code each: codes (n,) int32, -1 where missing."""
    present = np.flatnonzero(codes >= 0).astype(np.int32)
    return Postings.of(codes[present], present, num_codes)

"""What a check of a data set says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """What one check saw in one part of the data set, such as "queries" or "workload em".

    `outcome`: OK; NOTE, what one should know and may be as wanted; or WRONG."""

    check: str
    subject: str
    outcome: str
    detail: str = ""


def of_queries(bad: np.ndarray, numbers: np.ndarray | None = None) -> str:
    """The true ones of `bad` (q,), as "2 of 100 queries, first query 17"; `numbers`: which queries these are,
    if not all."""
    first = int(np.argmax(bad))
    return (
        f"{bad.sum():,} of {len(bad):,} queries, first query {first if numbers is None else numbers[first]:,}"
    )

"""The vectors themselves: one pass over the items, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fannsbench.data.duplicates import DIGEST, digests_of, duplicates, rows_equal_to
from fannsbench.data.verify.distances import lengths_of
from fannsbench.data.verify.findings import NOTE, OK, WRONG, Finding, of_queries
from fannsbench.errors import DatasetError, one_line
from fannsbench.metric import Metric
from fannsbench.vectors import BLOCK_BYTES, Vectors, as_float32, not_finite, rows_within, slices


@dataclass(frozen=True, eq=False)
class Rows:
    """What is kept of vectors: lengths (n,) float64, `digests_of` them, the first one that is not finite."""

    lengths: np.ndarray
    digests: np.ndarray
    not_finite: int | None

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        most_rows: int,
        see: Callable[[slice, np.ndarray, np.ndarray], None] = lambda *_: None,
    ) -> Rows:
        """Reads them in blocks of `most_rows` or less. `see` is called with each, as long as all were finite:
        its slice of rows, its vectors (rows, d) float64, and their lengths. Raises DatasetError where one
        cannot be read."""
        n = vectors.shape[0]
        lengths, digests, bad = np.empty(n), np.empty(n, DIGEST), None
        for rows in slices(n, min(most_rows, rows_within(BLOCK_BYTES, vectors))):
            try:
                block = vectors[rows]
            except OSError as error:
                raise DatasetError(f"rows from {rows.start:,} on: {one_line(error)}") from None
            if bad is None and (first := not_finite(block)) is not None:
                bad = rows.start + first
            wide = as_float32(block).astype(np.float64)
            digests[rows], lengths[rows] = digests_of(block), lengths_of(wide)
            if bad is None:
                see(rows, wide, lengths[rows])
        return cls(lengths, digests, bad)


def check_rows(subject: str, rows: Rows, metric: Metric) -> Iterator[Finding]:
    """Are they finite, do they have a direction under COSINE, is any there twice?"""
    if rows.not_finite is not None:
        detail = f"row {rows.not_finite:,} holds NaN, or numbers that are infinite as float32"
        yield Finding("finite", subject, WRONG, detail)
    else:
        yield Finding("finite", subject, OK, f"{len(rows.lengths):,} vectors")
        shortest, longest = rows.lengths.min(), rows.lengths.max()
        if metric is Metric.COSINE and not shortest:
            zero = rows.lengths == 0
            detail = f"{zero.sum():,} of length zero, first row {np.argmax(zero):,}; their cosine counts as 0"
            yield Finding("lengths", subject, NOTE, detail)
        else:
            yield Finding("lengths", subject, OK, f"{shortest:.6g} to {longest:.6g}")
    found = duplicates(rows.digests)
    if found.repeats:
        groups = "; ".join(", ".join(f"{row:,}" for row in group) for group in found.examples)
        detail = f"{found.repeats:,} of {len(rows.digests):,} rows equal an earlier one; "
        detail += f"groups: {found.groups:,}, rows in the largest: {found.largest:,}; e.g. rows {groups}"
        yield Finding("duplicates", subject, NOTE, detail)
    else:
        yield Finding("duplicates", subject, OK, "none")


def check_leaks(items: Rows, queries: Rows) -> Finding:
    """Is any query an item?"""
    equal = rows_equal_to(items.digests, queries.digests)
    if not (leaked := equal >= 0).any():
        return Finding("among items", "queries", OK, "none")
    detail = f"{of_queries(leaked)}, which is item {equal[np.argmax(leaked)]:,}"
    return Finding("among items", "queries", NOTE, detail)

"""Rows that occur more than once, and queries that are items: both found by digests of the rows, in one pass
over vectors of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fannsbench.vectors import Vectors, as_float32, blocks

_DIGEST_BYTES = 16
DIGEST = np.dtype(f"S{_DIGEST_BYTES}")
EXAMPLES = 5


@dataclass(frozen=True)
class Duplicates:
    """Equal rows. A group is all rows that are equal to each other, two or more."""

    repeats: int
    """Rows that are equal to an earlier one: so many could be left out."""
    groups: int
    largest: int
    """Rows in the largest group; 0 where there is no group."""
    examples: list[list[int]]
    """The first rows, ascending, of the largest groups; at most EXAMPLES rows of EXAMPLES groups."""


def digests_of(block: np.ndarray) -> np.ndarray:
    """(rows,) of 16 bytes each, the same for rows (rows, d) that are equal as float32; 0.0 equals -0.0.

    BLAKE2b of 128 bits: that two different rows share one is less likely than 1e-18 among a billion rows, so
    equal digests are taken for equal rows without a second look."""
    block = as_float32(block) + np.float32(0)  # makes 0.0 of -0.0
    digests = b"".join(hashlib.blake2b(row, digest_size=_DIGEST_BYTES).digest() for row in block)
    return np.frombuffer(digests, DIGEST)


def digests_of_all(vectors: Vectors, advance: Callable[[int], None] = lambda _: None) -> np.ndarray:
    """`digests_of` all rows, read in blocks, after each of which `advance` is called with its rows."""
    digests = np.empty(vectors.shape[0], DIGEST)
    for rows, block in blocks(vectors):
        digests[rows] = digests_of(block)
        advance(rows.stop - rows.start)
    return digests


def duplicates(digests: np.ndarray) -> Duplicates:
    """Which rows are equal, by their digests, as `duplicates(digests_of_all(vectors))`."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    sizes = np.diff(np.append(starts, len(ordered)))
    several = np.flatnonzero(sizes > 1)
    # The largest first; among equally large ones that with the lowest row.
    several = several[np.lexsort((order[starts[several]], -sizes[several]))]
    examples = [order[starts[g] : starts[g] + min(sizes[g], EXAMPLES)].tolist() for g in several[:EXAMPLES]]
    return Duplicates(
        repeats=len(ordered) - len(starts),
        groups=len(several),
        largest=int(sizes[several[0]]) if len(several) else 0,
        examples=examples,
    )


def rows_equal_to(digests: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(len(wanted),) int64: the lowest row whose digest is that of each wanted one, -1 where there is none;
    with the digests of items and of queries, the items that the queries are."""
    order = np.argsort(digests, kind="stable")
    places = np.searchsorted(digests, wanted, sorter=order)
    rows = np.append(order, -1)[places]
    found = np.append(digests, b"")[rows] == wanted
    return np.where(found & (rows >= 0), rows, -1)

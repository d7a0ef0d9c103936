"""The windows of the tree, and a Vamana graph for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms.vamana.groups import link_groups
from fannsbench.algorithms.vamana.index import Parameters
from fannsbench.kernels import jit_inline
from fannsbench.kernels.insert import part_of
from fannsbench.kernels.space import halves_of


class WindowTree(NamedTuple):
    """Rows of windows, each of which tiles the positions: first the levels of the tree, from the root down,
    then, if windows overlap, those of every level but the root moved on by half a window.

    The windows of row r begin at the positions bounds[places[r]:places[r + 1]], of which the last is m, where
    none begins; entries lie beside them."""

    links: np.ndarray  # (m * rows, R) int32, -1 padded: as in `Level`
    levels: np.ndarray  # (2,) int64: rows that are levels of the tree, and rows
    places: np.ndarray  # (rows + 1,) int64
    bounds: np.ndarray  # int32
    entries: np.ndarray  # int32: an item of each window, where searches of its graph begin


def levels_of(m: int, beta: int, cutoff: int) -> list[np.ndarray]:
    """Where the windows of each level begin, and m. A window is split into beta parts that differ by one item
    at most, the larger first, until the first of a level holds at most `cutoff` items."""
    levels = [np.array([0, m], np.int32)]
    while levels[-1][1] > max(cutoff, 1):
        starts, sizes = levels[-1][:-1, None], np.diff(levels[-1])[:, None]
        parts = np.arange(beta)
        smaller, larger = sizes // beta, sizes % beta
        begins = starts + parts * smaller + np.minimum(parts, larger)
        levels.append(np.unique(np.append(begins, m)).astype(np.int32))
    return levels


def shifted(bounds: np.ndarray) -> np.ndarray:
    """Windows that begin and end in the middle of these, but for the begin of the first and the end of the
    last."""
    return np.unique(np.r_[bounds[0], (bounds[:-1] + bounds[1:]) // 2, bounds[-1]])


def build(
    vectors: np.ndarray,
    how: Parameters,
    beta: int,
    cutoff: int,
    overlapping: bool,
    threads: int,
    progress: Progress,
) -> WindowTree:
    """Of vectors (m, D) in the space of `fannsbench.kernels.space` and in order of position."""
    m, halves = len(vectors), halves_of(vectors)
    levels = levels_of(m, beta, cutoff)
    rows = levels + [shifted(bounds) for bounds in levels[1:] if overlapping]
    links = np.empty((m, len(rows), how.R), np.int32)
    entries = []
    for row, bounds in enumerate(rows):
        part = part_of(progress, row * m, len(rows) * m)
        links[:, row], begins = link_groups(vectors, halves, bounds.astype(np.int64), how, threads, part)
        entries.append(np.append(begins, np.int32(-1)))
    return WindowTree(
        links.reshape(m * len(rows), how.R),
        np.array([len(levels), len(rows)]),
        np.cumsum([0, *map(len, rows)]),
        np.concatenate(rows),
        np.concatenate(entries),
    )


@jit_inline
def first_from(graph: WindowTree, row: int, position: int) -> int:
    """Where in `bounds` the first window of a row begins that does not begin before a position; that of m is
    the end of the row."""
    low, high = graph.places[row], graph.places[row + 1] - 1
    while low < high:
        middle = (low + high) >> 1
        if graph.bounds[middle] < position:
            low = middle + 1
        else:
            high = middle
    return int(low)

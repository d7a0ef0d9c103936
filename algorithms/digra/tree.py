"""The tree of DIGRA: nodes of two or three children, over positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Digra(NamedTuple):
    """The graphs of all nodes with two items and more.

    The nodes of level l begin at the positions bounds[places[l]:places[l + 1]], of which the last is m, where
    none begins; entries lie beside them. On the level below the last, every item is a node."""

    links: np.ndarray  # (m * levels, M) int32, nearest first, -1 padded: as in `Level`
    levels: np.ndarray  # (1,) int64
    places: np.ndarray  # (levels + 2,) int64
    bounds: np.ndarray  # int32
    entries: np.ndarray  # int32: an item of each node, where searches of its graph begin


def bounds_of(m: int) -> list[np.ndarray]:
    """Of the nodes of m positions, level by level from the root to single items: where each begins, and m.

    Nodes are put together from single items upwards, by twos and threes in turn; what is left at the end of a
    level is put together so that no node has one child (the authors' code)."""
    levels = [np.arange(m + 1, dtype=np.int32)]
    while len(levels[0]) > 2:
        levels.insert(0, levels[0][np.cumsum([0, *_children(len(levels[0]) - 1)])])
    return levels


def _children(nodes: int) -> np.ndarray:
    """How many of so many nodes, at least two, each node above them takes."""
    pairs = max(0, (nodes - 10) // 5)
    taken, left = [2, 3] * pairs, nodes - 5 * pairs
    while left:
        if len(taken) % 2 == 0:
            count = 2 if left >= 4 else left
        else:
            count = 3 if left >= 6 else (left if left <= 3 else left // 2)
        taken.append(count)
        left -= count
    return np.array(taken)


def unlinked(m: int, M: int, seed: int) -> Digra:  # noqa: N803
    """The tree of m positions, with room for M links of an item on a level. A node's entry is that of one of
    its children, which is drawn."""
    bounds = bounds_of(m)
    draw = np.random.default_rng([seed, m])
    entries = [np.append(bounds[-1][:-1], np.int32(-1))]
    for above, below in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        children = np.searchsorted(below, above)
        chosen = draw.integers(children[:-1], children[1:])
        entries.insert(0, np.append(entries[0][chosen], np.int32(-1)))
    levels = len(bounds) - 1
    return Digra(
        np.full((m * levels, M), -1, np.int32),
        np.array([levels]),
        np.cumsum([0, *map(len, bounds)]),
        np.concatenate(bounds),
        np.concatenate(entries).astype(np.int32),
    )

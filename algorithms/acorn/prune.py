"""How ACORN shortens lists: no distances between candidates are looked at, since what stands between two
items may not match a filter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, item_at, size
from fannsbench.kernels.prune import choose


class Nearest(NamedTuple):
    """Keep the nearest candidates: upper layers."""


@choose.register(Nearest)
def _nearest(
    rule: Nearest, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    kept = min(size(candidates), degree)
    for place in range(kept):
        out[place] = item_at(candidates, place)
    return kept


class Compression(NamedTuple):
    """The lowest layer, ACORN's compression: the M_beta nearest candidates are kept, and of those after them
    such as none kept after them leads to, until with what these lead to there are more than `most`."""

    links: np.ndarray  # (n, degree) int32, -1 padded: of the candidates; not written meanwhile
    M_beta: int
    most: int


@choose.register(Compression)
def _by_compression(
    rule: Compression, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    candidates, out, links = borrowed(candidates), borrowed(out), borrowed(rule.links)
    room = 4
    while room < 2 * (rule.most + links.shape[1]):
        room *= 2
    reached = np.full(room, -1, np.int32)
    count = kept = 0
    for place in range(size(candidates)):
        item = item_at(candidates, place)
        if place >= rule.M_beta:
            if _holds(reached, item):
                continue
            for i in range(links.shape[1]):
                if links[item, i] < 0:
                    break
                count += _add(reached, links[item, i])
        out[kept] = item
        kept += 1
        if kept == degree or kept + count > rule.most:
            break
    return kept


_SPREAD = 2654435769
"""2 ** 32 divided by the golden ratio: neighbouring ids come to lie far apart (Knuth, volume 3, section
6.4)."""


@jit_inline
def _slot(slots: np.ndarray, item: int) -> int:
    """Where the item is in a hash table of ids, or may be put; -1 is free."""
    slot = ((np.int64(item) * _SPREAD) >> 8) & (slots.size - 1)
    while slots[slot] >= 0 and slots[slot] != item:
        slot = (slot + 1) & (slots.size - 1)
    return slot


@jit
def _holds(slots: np.ndarray, item: int) -> bool:
    return bool(slots[_slot(slots, item)] == item)


@jit
def _add(slots: np.ndarray, item: int) -> int:
    """Returns 1 if it was not there."""
    slot = _slot(slots, item)
    if slots[slot] == item:
        return 0
    slots[slot] = item
    return 1

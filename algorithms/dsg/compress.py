"""What greedy selection chooses around one item, for all ranges at once.

Ranges that select the same items in the same order are a family: their first position lies in one interval,
their last in another. The next that a family selects splits it, into the ranges that hold the selected item
and those that end before it (Peng et al., PVLDB 18, 2025).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, size
from fannsbench.kernels.space import squared_distance

UNKNOWN, STANDS, FALLS = range(3)


class Family(NamedTuple):
    """Of each number of selected items, up to M: the ranges that have selected these."""

    first: np.ndarray  # (M + 1,) int64: the least first position
    last: np.ndarray  # the greatest last position
    low: (
        np.ndarray
    )  # the least item among those selected and the centre, which is the greatest first position
    high: np.ndarray  # the greatest one
    following: np.ndarray  # the place of the candidate that is looked at next
    selected: np.ndarray  # the place of the candidate that was selected after these

    @classmethod
    def of(cls, M: int) -> Family:  # noqa: N803
        """Scratch for one walk at a time."""
        return cls(*(np.empty(M + 1, np.int64) for _ in range(6)))


class Boxes(NamedTuple):
    """Which ranges select a candidate: those whose first position lies between the first two bounds, and the
    last between the other two."""

    places: np.ndarray  # (b,) int32: of the candidates
    bounds: np.ndarray  # (b, 4) int32


@jit
def compress(
    centre: int,
    candidates: Pool,
    end: int,
    alpha: np.float32,
    vectors: np.ndarray,
    f: Family,
    standing: np.ndarray,
    boxes: Boxes,
) -> tuple[int, Boxes]:
    """Write the boxes of a centre's candidates, given the last position `end`, and return how many; the boxes
    are larger ones if these have no more room.

    A range that holds the centre selects of the candidates in it, nearest first and up to M, those to which
    none selected before is nearer, by the factor alpha, than the centre is, and that are no copy of one.
    Every range that selects a candidate is in just one of its boxes, and no other range is. standing (c, c)
    uint8 is scratch."""
    candidates, vectors, f = borrowed(candidates), borrowed(vectors), borrowed(f)
    standing[: size(candidates), : size(candidates)] = UNKNOWN
    most = f.first.size - 1
    count, depth = 0, 0
    f.first[0], f.last[0], f.low[0], f.high[0], f.following[0] = 0, end, centre, centre, 0
    while depth >= 0:
        place = -1
        if depth < most:
            place = _next(candidates, depth, alpha, vectors, f, standing)
        if place < 0:
            depth -= 1
            if depth >= 0:
                _without_selected(candidates, f, depth)
            continue
        item = candidates.ids[place]
        low, high = min(item, f.low[depth]), max(item, f.high[depth])
        if count == boxes.places.size:
            boxes = _larger(boxes)
        boxes.places[count] = place
        boxes.bounds[count] = f.first[depth], low, high, f.last[depth]
        count += 1
        f.selected[depth] = place
        f.following[depth] = place + 1
        f.first[depth + 1], f.last[depth + 1] = f.first[depth], f.last[depth]
        f.low[depth + 1], f.high[depth + 1], f.following[depth + 1] = low, high, place + 1
        depth += 1
    return count, boxes


@jit_inline
def _without_selected(candidates: Pool, f: Family, depth: int) -> None:
    """Go on with those ranges of a family that end before what it selected."""
    item = candidates.ids[f.selected[depth]]
    if item < f.low[depth]:
        f.first[depth] = item + 1
    elif item > f.high[depth]:
        f.last[depth] = item - 1
    else:  # it is in all of them
        f.following[depth] = size(candidates)


@jit
def _larger(boxes: Boxes) -> Boxes:
    count = boxes.places.size
    larger = Boxes(np.empty(2 * count, np.int32), np.empty((2 * count, 4), np.int32))
    larger.places[:count] = boxes.places
    larger.bounds[:count] = boxes.bounds
    return larger


@jit
def hulls(count: int, boxes: Boxes, candidates: int) -> int:
    """Put the boxes of each of so many candidates together to the smallest that holds them, in place, and
    return how many there are then, in the order of the candidates."""
    hull = np.empty((candidates, 4), np.int32)
    hull[:, 0] = -1
    for i in range(count):
        box, whole = boxes.bounds[i], hull[boxes.places[i]]
        if whole[0] < 0:
            whole[:] = box
        else:
            whole[0], whole[1] = min(whole[0], box[0]), max(whole[1], box[1])
            whole[2], whole[3] = min(whole[2], box[2]), max(whole[3], box[3])
    kept = 0
    for place in range(candidates):
        if hull[place, 0] >= 0:
            boxes.places[kept] = place
            boxes.bounds[kept] = hull[place]
            kept += 1
    return kept


@jit_inline
def _next(
    candidates: Pool,
    depth: int,
    alpha: np.float32,
    vectors: np.ndarray,
    f: Family,
    standing: np.ndarray,
) -> int:
    """The place of the candidate that a family selects next; -1 if there is none."""
    first, last = f.first[depth], f.last[depth]
    for place in range(f.following[depth], size(candidates)):
        item = candidates.ids[place]
        if not first <= item <= last:
            continue
        stands = True
        for before in range(depth):
            other = f.selected[before]
            known = standing[place, other]
            if known == UNKNOWN:
                between = squared_distance(vectors[item], vectors, candidates.ids[other])
                falls = between == 0 or alpha * between < candidates.distances[place]
                known = FALLS if falls else STANDS
                standing[place, other] = known
            if known == FALLS:
                stands = False
                break
        if stands:
            return place
    return -1

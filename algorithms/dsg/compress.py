"""What greedy selection chooses around one item, for all ranges at once.

Ranges that select the same items in the same order are a family: their first position lies in one interval,
their last in another. The next that a family selects splits it, into the ranges that hold the selected item
and those that end before it (Peng et al., PVLDB 18, 2025).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms._ranges.lists import with_room
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, size
from fannsbench.kernels.search import AHEAD
from fannsbench.kernels.space import prefetch, squared_distance

UNKNOWN, STANDS, FALLS = range(3)


class Family(NamedTuple):
    """Of each number of selected items, up to M: the ranges that have selected these."""

    first: np.ndarray  # (M + 1,) int64: the least first position
    last: np.ndarray  # (M + 1,) int64: the greatest last position
    low: np.ndarray  # (M + 1,) int64: the least position among what is selected and the centre
    high: np.ndarray  # (M + 1,) int64: the greatest
    selected: np.ndarray  # (M + 1,) int64: the place of the candidate that is selected next
    standing: np.ndarray  # (M + 1, c) int32: places of the candidates that none of the selected stands in for
    counts: np.ndarray  # (M + 1,) int64: how many
    seen: np.ndarray  # (M + 1,) int64: how many of them have been looked at

    @classmethod
    def of(cls, M: int, candidates: int) -> Family:  # noqa: N803
        """Scratch for one walk at a time, around an item of so many candidates at most."""
        numbers = [np.empty(M + 1, np.int64) for _ in range(7)]
        return cls(*numbers[:5], np.empty((M + 1, candidates), np.int32), *numbers[5:])


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
    pairs: np.ndarray,
    boxes: Boxes,
) -> tuple[int, Boxes]:
    """Write the boxes of a centre's candidates, given the last position `end`, and return how many; the boxes
    are larger ones if these have no more room.

    A range that holds the centre selects of the candidates in it, nearest first and up to M, those to which
    none selected before is nearer, by the factor alpha, than the centre is, and that are no copy of one.
    Every range that selects a candidate is in just one of its boxes, and no other range is. pairs (c, c)
    uint8 is scratch, for what is known of a selected candidate and a later one."""
    candidates, vectors, f, pairs = borrowed(candidates), borrowed(vectors), borrowed(f), borrowed(pairs)
    most, amount = f.first.size - 1, size(candidates)
    known = np.zeros(amount, np.bool_)
    count, depth = 0, 0
    f.first[0], f.last[0], f.low[0], f.high[0] = 0, end, centre, centre
    f.counts[0], f.seen[0] = amount, 0
    for place in range(amount):
        f.standing[0, place] = place
    while depth >= 0:
        place = _next(candidates, f, depth) if depth < most else -1
        if place < 0:
            depth -= 1
            if depth >= 0:
                _without_selected(candidates, f, depth)
            continue
        item = candidates.ids[place]
        low, high = min(item, f.low[depth]), max(item, f.high[depth])
        boxes = Boxes(with_room(boxes.places, count, 1), with_room(boxes.bounds, count, 1))
        boxes.places[count] = place
        boxes.bounds[count] = f.first[depth], low, high, f.last[depth]
        count += 1
        f.selected[depth] = place
        if not known[place]:
            known[place] = True
            pairs[place, place + 1 : amount] = UNKNOWN
        if depth + 1 < most:
            _keep_standing(candidates, alpha, vectors, f, depth, pairs[place])
        f.first[depth + 1], f.last[depth + 1] = f.first[depth], f.last[depth]
        f.low[depth + 1], f.high[depth + 1] = low, high
        depth += 1
    return count, boxes


@jit_inline
def _next(candidates: Pool, f: Family, depth: int) -> int:
    """The place of the candidate that a family selects next; -1 if there is none."""
    first, last = f.first[depth], f.last[depth]
    for i in range(f.seen[depth], f.counts[depth]):
        place = f.standing[depth, i]
        if first <= candidates.ids[place] <= last:
            f.seen[depth] = i + 1
            return int(place)
    return -1


@jit_inline
def _without_selected(candidates: Pool, f: Family, depth: int) -> None:
    """Go on with those ranges of a family that end before what it selected."""
    item = candidates.ids[f.selected[depth]]
    if item < f.low[depth]:
        f.first[depth] = item + 1
    elif item > f.high[depth]:
        f.last[depth] = item - 1
    else:  # it is in all of them
        f.seen[depth] = f.counts[depth]


@jit_inline
def _keep_standing(
    candidates: Pool, alpha: np.float32, vectors: np.ndarray, f: Family, depth: int, pairs: np.ndarray
) -> None:
    """Which of a family's candidates its ranges may select after what they have selected now. pairs (c,) is
    what is known of that one and the others."""
    first, last, selected = f.first[depth], f.last[depth], candidates.ids[f.selected[depth]]
    standing, count = f.standing[depth + 1], 0
    for i in range(f.seen[depth], f.counts[depth]):
        place = f.standing[depth, i]
        if first <= candidates.ids[place] <= last and pairs[place] != FALLS:
            standing[count] = place
            count += 1
    kept = 0
    for i in range(count):
        if i + AHEAD < count and pairs[standing[i + AHEAD]] == UNKNOWN:
            prefetch(vectors, candidates.ids[standing[i + AHEAD]])
        place = standing[i]
        if pairs[place] == UNKNOWN:
            between = squared_distance(vectors[selected], vectors, candidates.ids[place])
            falls = between == 0 or alpha * between < candidates.distances[place]
            pairs[place] = FALLS if falls else STANDS
        if pairs[place] == STANDS:
            standing[kept] = place
            kept += 1
    f.counts[depth + 1], f.seen[depth + 1] = kept, 0


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

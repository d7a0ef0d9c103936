"""How the 2D segment graph is built, over an HNSW graph without upper layers.

Items are inserted in order of their positions, in batches: those of a batch are sought in the graph of all
before it, and the items of the batch that come before one are compared with it outright.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges.lists import starts_of, with_room
from fannsbench.algorithms.serf.index import SEEDS
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import link_back, prefix_doubling, reported, row_length
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Pool, clear, item_at, mark, offer, size
from fannsbench.kernels.prune import choose
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter
from fannsbench.kernels.space import squared_distance

LEAPS = ("max", "mid", "min")
LEAST = LEAPS.index("min")
BACK = 0.7
"""Of an item's neighbours, the share that link back in the graph that is searched while building (the
authors' code)."""


class Relative(NamedTuple):
    """SeRF's selection, that of a relative neighbourhood graph: a candidate falls if one chosen before is
    nearer to it than the item is. One as near as the item does not stand in for it, so copies of a vector
    are all kept. Fewer candidates than `degree` are all kept."""


@jit
def stands(item: int, distance: np.float32, chosen: np.ndarray, kept: int, vectors: np.ndarray) -> bool:
    """Whether none of chosen[:kept] is nearer to the item than `distance`."""
    for place in range(kept):  # noqa: SIM110 - a generator is not compiled
        if squared_distance(vectors[item], vectors, chosen[place]) < distance:
            return False
    return True


@choose.register(Relative)
def _choose(
    rule: Relative, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    candidates, vectors, out = borrowed(candidates), borrowed(vectors), borrowed(out)
    count, kept = size(candidates), 0
    for place in range(count):
        if kept == degree:
            break
        item, distance = item_at(candidates, place), candidates.distances[place]
        if count < degree or stands(item, distance, out, kept, vectors):
            out[kept] = item
            kept += 1
    return kept


@jit
def seek(
    links: np.ndarray,
    vectors: np.ndarray,
    order: np.ndarray,
    start: int,
    rank: int,
    s: Scratch,
    batch: Pool,
) -> None:
    """Fill the pool with the nearest of order[:rank] to order[rank]. The graph `links` (n, degree) holds
    order[:start]; the rest are compared with it one by one. The trail takes what the search came by too, and
    the nearest of the rest, near or not, as far as they find room in `batch`."""
    vector = vectors[order[rank]]
    begin(s)
    clear(batch)
    for seed in range(min(start, SEEDS)):
        enter(vectors, vector, order[seed * start // SEEDS], s)
    best_first(Table(links), vectors, vector, s)
    for earlier in range(start, rank):
        item = order[earlier]
        distance = squared_distance(vector, vectors, item)
        offer(batch, distance, item)
        if offer(s.pool, distance, item):
            mark(s.marks, item)
            offer(s.trail, distance, item)
    for place in range(size(batch)):
        if mark(s.marks, item_at(batch, place)):
            offer(s.trail, batch.distances[place], item_at(batch, place))


class Cut(NamedTuple):
    """How an item's candidates are cut into segments."""

    index_k: int  # neighbours of a segment
    window: int  # candidates that are looked at for one
    leap: int  # of LEAPS
    exhaustive: bool


class Segments(NamedTuple):
    """Those of b consecutive items."""

    counts: np.ndarray  # (b,) int64: of each item
    until: np.ndarray  # (S,) int32
    sizes: np.ndarray  # (S,) int64: neighbours of each
    forward: np.ndarray  # (F,) int32


@jit
def cut(
    item: int, candidates: Pool, how: Cut, vectors: np.ndarray, until: np.ndarray, chosen: np.ndarray
) -> int:
    """Write an item's segments: until (c,) int32 and chosen (c, index_k) int32, -1 padded, nearest first; c
    is at least the number of candidates, which come before the item. Returns how many segments."""
    candidates, vectors, chosen = borrowed(candidates), borrowed(vectors), borrowed(chosen)
    segments, passed, last = 0, -1, np.int64(-1)
    for place in range(size(candidates)):
        last = max(last, item_at(candidates, place))
    while passed < last:
        row = chosen[segments]
        kept, seen, full = 0, 0, False
        for place in range(size(candidates)):
            other = item_at(candidates, place)
            if other <= passed:
                continue
            full = kept == how.index_k or seen == how.window
            if full:
                break
            seen += 1
            if stands(other, candidates.distances[place], row, kept, vectors):
                row[kept] = other
                kept += 1
        row[kept:] = -1
        if how.leap:
            passed = np.sort(row[:kept])[0 if how.leap == LEAST else (kept - 1) // 2]
            until[segments] = passed + 1
        else:
            passed = row[:kept].max() if full or how.exhaustive else last
            until[segments] = passed if passed < last else item
        segments += 1
    return segments


@jit
def _find(
    links: np.ndarray,
    vectors: np.ndarray,
    order: np.ndarray,
    start: int,
    first: int,
    last: int,
    how: Cut,
    s: Scratch,
    batch: Pool,
    until: np.ndarray,
    chosen: np.ndarray,
    selected: np.ndarray,
) -> Segments:
    """The segments of order[first:last], and selected (last - first, index_k): the neighbours of the first of
    each; `until` and `chosen` as in `cut` are scratch."""
    vectors, links, s = borrowed(vectors), borrowed(links), borrowed(s)
    counts = np.zeros(last - first, np.int64)
    all_until = np.empty(4 * counts.size, np.int32)
    sizes = np.empty(all_until.size, np.int64)
    forward = np.empty(all_until.size * how.index_k // 2, np.int32)
    filled = used = 0
    for i in range(counts.size):
        item = order[first + i]
        seek(links, vectors, order, start, first + i, s, batch)
        counts[i] = cut(item, s.trail, how, vectors, until, chosen)
        all_until = with_room(all_until, filled, counts[i])
        sizes = with_room(sizes, filled, counts[i])
        forward = with_room(forward, used, counts[i] * how.index_k)
        for segment in range(counts[i]):
            kept = row_length(chosen, segment)
            all_until[filled] = until[segment]
            sizes[filled] = kept
            forward[used : used + kept] = chosen[segment, :kept]
            filled, used = filled + 1, used + kept
        if counts[i]:
            selected[i] = chosen[0]
    return Segments(counts, all_until[:filled].copy(), sizes[:filled].copy(), forward[:used].copy())


def build_two_sided(
    vectors: np.ndarray, how: Cut, ef_max: int, batch: int, threads: int, progress: Progress
) -> tuple[np.ndarray, ...]:
    """The 2D segment graph of vectors (m, D), in the space of `fannsbench.kernels.space` and in order of
    position: the arrays of `SegmentGraphs` up to `reverse`."""
    m = len(vectors)
    links = np.full((m, how.index_k), -1, np.int32)
    order = np.arange(m, dtype=np.int32)
    most = 2 * ef_max + how.window
    workspaces = Workspaces(
        lambda: (
            Scratch.of(m, ef_max, how.index_k, trail=most),
            Pool.of(how.window),
            np.empty(most, np.int32),
            np.empty((most, how.index_k), np.int32),
        )
    )
    parts: dict[int, Segments] = {}
    for items in reported(prefix_doubling(0, m, m, batch), 0, m, progress):
        selected = np.full((len(items), how.index_k), -1, np.int32)

        def find(
            first: int, last: int, scratch: Any, start: int = items.start, selected: np.ndarray = selected
        ) -> None:
            a, b = start + first, start + last
            parts[a] = _find(links, vectors, order, start, a, b, how, *scratch, selected[first:last])

        workspaces.for_ranges(len(items), threads, find)
        links[items.start : items.stop] = selected
        back = selected[:, : int(BACK * how.index_k) + 1]
        link_back(Relative(), vectors, links, order[items.start : items.stop], back, threads)
    return _joined([parts[first] for first in sorted(parts)], m)


def _joined(parts: list[Segments], m: int) -> tuple[np.ndarray, ...]:
    counts, until, sizes, forward = (
        np.concatenate([part[field] for part in parts] or [np.empty(0, np.int32)]) for field in range(4)
    )
    segments, edges = starts_of(counts), starts_of(sizes)
    items = np.repeat(np.arange(m), np.diff(edges[segments]))
    # By the earlier item, and then the later ones from the last on; in several segments a pair may be twice.
    pairs = np.unique(forward.astype(np.int64) * m + (m - 1 - items))
    earlier, later = pairs // m, m - 1 - pairs % m
    reverse_starts = starts_of(np.bincount(earlier, minlength=m))
    return segments, until, edges, forward, reverse_starts, later.astype(np.int32)

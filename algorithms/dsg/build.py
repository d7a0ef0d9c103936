"""How the segment graph of DSG is built: over an HNSW graph that is done with then, or along with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges.lists import starts_of, with_room
from fannsbench.algorithms.dsg.candidates import collect
from fannsbench.algorithms.dsg.compress import Boxes, Family, compress, hulls
from fannsbench.algorithms.dsg.index import FIELDS, LINE, SegmentGraph
from fannsbench.algorithms.hnsw_native import index as hnsw
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.insert import part_of, reported
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, size
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import Halves, halves_of

STEP = 2048
"""Items between two reports of progress."""
MOST = 4
"""Times ef_max: the candidates of an item, of which these are the nearest."""
PROTECTED = 50
"""Edges to the nearest m / PROTECTED positions on either side are not pruned (the authors' code)."""


class Design(NamedTuple):
    """How a segment graph is built."""

    M: int  # most items that a range selects around one, and links of the HNSW graph
    ef_construction: int
    ef_max: int  # pool of the searches for candidates
    alpha: float
    exact_rectangles: bool
    prune_fraction: float
    seed: int


class Edges(NamedTuple):
    """Edges of some items, one after another."""

    sources: np.ndarray  # (e,) int32
    targets: np.ndarray  # (e,) int32
    bounds: np.ndarray  # (e, 4) int32


class _Work(NamedTuple):
    """What one thread works on."""

    scratch: Scratch
    admitted: Pool
    family: Family
    pairs: np.ndarray

    @classmethod
    def of(cls, m: int, how: Design, degree: int) -> _Work:
        most = min(MOST * how.ef_max, m)
        pairs = np.empty((most, most), np.uint8)
        return cls(Scratch.of(m, how.ef_max, degree), Pool.of(most), Family.of(how.M, most), pairs)


class _Finder:
    """Finds the forward edges of items."""

    def __init__(self, vectors: np.ndarray, halves: Halves, how: Design, degree: int, threads: int) -> None:
        self.vectors, self.halves, self.how, self.threads = vectors, halves, how, threads
        self.workspaces = Workspaces(lambda: _Work.of(len(vectors), how, degree))

    def find(self, graph: Layers, items: np.ndarray, linked: bool) -> Edges:
        """Those of items (i,) int32, among the candidates that the graph has; `linked`: whether it holds the
        items themselves."""
        parts: dict[int, Edges] = {}
        alpha, exact = np.float32(self.how.alpha), self.how.exact_rectangles

        def some(first: int, last: int, work: _Work) -> None:
            parts[first] = _find(
                graph, self.vectors, self.halves, items[first:last], linked, alpha, exact, *work
            )

        self.workspaces.for_ranges(len(items), self.threads, some)
        return _joined([parts[first] for first in sorted(parts)])


def build(vectors: np.ndarray, how: Design, threads: int, progress: Progress) -> SegmentGraph:
    """Of vectors (m, D) in the space of `fannsbench.kernels.space` and in order of position: the static
    variant, in which every item is a candidate of every other's edges."""
    m = len(vectors)
    links = hnsw.build(vectors, how.M, how.ef_construction, how.seed, threads, part_of(progress, 0, 2 * m))
    finder = _Finder(vectors, halves_of(vectors), how, 2 * how.M, threads)
    steps = np.array_split(np.arange(m, dtype=np.int32), -(-m // STEP))
    found = [finder.find(links, items, True) for items in reported(steps, m, 2 * m, progress)]
    return _assembled(_joined(found), m, how, threads)


def build_inserting(vectors: np.ndarray, how: Design, threads: int, progress: Progress) -> SegmentGraph:
    """The incremental variant: the candidates of an item's edges are those inserted before its batch, and an
    item has at most M links in the lowest layer too."""
    m, halves = len(vectors), halves_of(vectors)
    links, batches = hnsw.unlinked(m, how.M, how.M, how.M, how.seed, progress)
    workspaces = Workspaces(lambda: Scratch.of(m, max(how.ef_construction, how.M), how.M))
    finder = _Finder(vectors, halves, how, how.M, threads)
    found = []
    for top, items in batches:
        found.append(finder.find(links, items, False))
        hnsw.link_batch(links, vectors, halves, items, top, how.M, workspaces, threads)
    return _assembled(_joined(found), m, how, threads)


def _joined(parts: list[Edges]) -> Edges:
    none = Edges(np.empty(0, np.int32), np.empty(0, np.int32), np.empty((0, 4), np.int32))
    return Edges(*(np.concatenate(fields) for fields in zip(none, *parts, strict=True)))


@jit
def _find(
    graph: Layers,
    vectors: np.ndarray,
    halves: Halves,
    items: np.ndarray,
    linked: bool,
    alpha: np.float32,
    exact: bool,
    s: Scratch,
    admitted: Pool,
    family: Family,
    pairs: np.ndarray,
) -> Edges:
    sources, targets = np.empty(128 * items.size, np.int32), np.empty(128 * items.size, np.int32)
    bounds = np.empty((sources.size, 4), np.int32)
    boxes = Boxes(np.empty(1024, np.int32), np.empty((1024, 4), np.int32))
    used, end = 0, len(vectors) - 1
    for item in items:
        collect(graph, vectors, halves, item, linked, s, admitted)
        count, boxes = compress(item, admitted, end, alpha, vectors, family, pairs, boxes)
        if not exact:
            count = hulls(count, boxes, size(admitted))
        sources, targets = with_room(sources, used, count), with_room(targets, used, count)
        bounds = with_room(bounds, used, count)
        for i in range(count):
            sources[used + i] = item
            targets[used + i] = admitted.ids[boxes.places[i]]
            bounds[used + i] = boxes.bounds[i]
        used += count
    return Edges(sources[:used].copy(), targets[:used].copy(), bounds[:used].copy())


def _assembled(forward: Edges, m: int, how: Design, threads: int) -> SegmentGraph:
    """The graph of these edges and the reverse of each."""
    both = Edges(
        np.r_[forward.sources, forward.targets],
        np.r_[forward.targets, forward.sources],
        np.r_[forward.bounds, forward.bounds],
    )
    keys = both.sources.astype(np.int64) * m + both.targets
    order = np.argsort(keys, kind="stable")
    keys, bounds = keys[order], both.bounds[order]
    if not how.exact_rectangles and len(keys):  # one box of a pair, where each has chosen the other
        begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        least, most = np.minimum.reduceat(bounds, begins), np.maximum.reduceat(bounds, begins)
        keys, bounds = keys[begins], np.stack([least[:, 0], most[:, 1], least[:, 2], most[:, 3]], axis=1)
    sources, targets = keys // m, (keys % m).astype(np.int32)
    starts = starts_of(np.bincount(sources, minlength=m))
    if how.prune_fraction:
        kept = np.ones(len(targets), bool)
        protected = -(-m // PROTECTED)
        for_ranges(
            m,
            threads,
            lambda first, last: _prune(
                starts, targets, bounds, protected, how.prune_fraction, first, last, kept
            ),
        )
        sources, targets, bounds = sources[kept], targets[kept], bounds[kept]
        starts = starts_of(np.bincount(sources, minlength=m))
    edges = np.zeros(-(-FIELDS * len(targets) // LINE) * LINE, np.int32)
    for_ranges(m, threads, lambda first, last: _lay_out(starts, targets, bounds, first, last, edges))
    return SegmentGraph(starts, edges)


@jit
def _prune(
    starts: np.ndarray,
    targets: np.ndarray,
    bounds: np.ndarray,
    protected: int,
    fraction: float,
    first: int,
    last: int,
    kept: np.ndarray,
) -> None:
    """Leave out that share of an item's edges to positions far off which hold for the fewest ranges, for how
    far they go; and those that hold for as few."""
    for item in range(first, last):
        begin, end = starts[item], starts[item + 1]
        scores = np.empty(end - begin, np.uint64)
        count = 0
        for edge in range(begin, end):
            if _may_go(bounds[edge], item, targets[edge], protected, len(starts) - 1):
                scores[count] = _score(bounds[edge], item, targets[edge])
                count += 1
        dropped = int(count * fraction)
        if dropped == 0:
            continue
        limit = np.sort(scores[:count])[dropped - 1]
        for edge in range(begin, end):
            if (
                _may_go(bounds[edge], item, targets[edge], protected, len(starts) - 1)
                and _score(bounds[edge], item, targets[edge]) <= limit
            ):
                kept[edge] = False


@jit_inline
def _may_go(box: np.ndarray, item: int, other: int, protected: int, m: int) -> bool:
    """Whether an edge leads far off, and does not hold for the range of all m positions, which would fall
    apart without it where items have few dimensions."""
    return bool(abs(other - item) + 1 > protected and (box[0] > 0 or box[3] < m - 1))


@jit_inline
def _score(box: np.ndarray, item: int, other: int) -> np.uint64:
    firsts, lasts = np.uint64(box[1] - box[0] + 1), np.uint64(box[3] - box[2] + 1)
    return (firsts * lasts) // np.uint64(abs(other - item) + 1)


@jit
def _lay_out(
    starts: np.ndarray, targets: np.ndarray, bounds: np.ndarray, first: int, last: int, edges: np.ndarray
) -> None:
    for item in range(first, last):
        begin, count = starts[item], starts[item + 1] - starts[item]
        for place in range(count):
            edges[FIELDS * begin + place] = targets[begin + place]
            for field in range(FIELDS - 1):
                edges[FIELDS * begin + (field + 1) * count + place] = bounds[begin + place, field]

"""How HSIG is built: an HNSW graph of every segment, then links from each item to all other segments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges.levels import offer_links
from fannsbench.algorithms.hnsw_native import index as hnsw
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.algorithms.unify.index import Hsig
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import link_back, part_of
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, clear, item_at, size
from fannsbench.kernels.prune import Heuristic, choose
from fannsbench.kernels.reach import connect
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import halves_of

UNKNOWN = np.array([0.0, 2.0])
"""Thresholds before they are measured: the hybrid for all ranges."""


class Design(NamedTuple):
    """How HSIG is built."""

    segments: int
    M: int  # links to one segment, in the lowest layer up to twice as many
    ef_construction: int
    seed: int


class _Segments(NamedTuple):
    """The HNSW graphs of all segments, as one of unconnected parts."""

    layers: Layers
    level: np.ndarray  # (m,) int64: the highest layer of each item
    bounds: np.ndarray  # (segments + 1,) int64
    entries: np.ndarray  # (segments,) int32
    tops: np.ndarray  # (segments,) int64

    def of(self, segment: int) -> Layers:
        """The graph of one."""
        return self.layers._replace(
            entry=self.entries[segment : segment + 1], starts=self.layers.starts[: self.tops[segment] + 1]
        )

    def rows(self, layer: int) -> np.ndarray:
        """(m,) int64: of every item its row in a layer, if it has one there."""
        m = len(self.level)
        return self.layers.starts[layer] + self.layers.place if layer else np.arange(m)


def build(vectors: np.ndarray, how: Design, threads: int, progress: Progress) -> Hsig:
    """Of vectors (m, D) in the space of `fannsbench.kernels.space` and in order of position. The same for any
    number of threads."""
    m, count = len(vectors), how.segments
    bounds = m * np.arange(count + 1) // count
    segments = _link_segments(vectors, bounds, how, threads, part_of(progress, 0, m * count))
    tables = _link_across(vectors, segments, how, threads, part_of(progress, m, m * count))
    for layer, table in enumerate(tables):
        for one in range(count):
            for other in range(one):
                _link_back(vectors, segments, layer, table, one, other, threads)
        _sort(table, vectors, segments, layer, threads)
    merged = [_merged(table, vectors, segments, layer, threads) for layer, table in enumerate(tables)]
    layers = segments.layers
    connect(merged[0], vectors, int(layers.entry[0]), how.ef_construction)
    width = how.M
    return Hsig(
        tables[0],
        np.concatenate([np.empty((0, width), np.int32), *tables[1:]]),
        merged[0],
        np.concatenate([np.empty((0, width), np.int32), *merged[1:]]),
        layers.starts,
        layers.place,
        layers.entry,
        bounds,
        segments.entries,
        segments.tops,
        UNKNOWN,
    )


def _link_segments(
    vectors: np.ndarray, bounds: np.ndarray, how: Design, threads: int, progress: Progress
) -> _Segments:
    m, total = len(vectors), len(vectors) * how.segments
    level = np.zeros(m, np.int64)
    parts: list[tuple[int, Layers]] = []
    entries = np.full(how.segments, -1, np.int32)
    tops = np.full(how.segments, -1)
    for j, (first, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if first == stop:
            continue
        part = part_of(progress, first, total)
        layers = hnsw.build(vectors[first:stop], how.M, how.ef_construction, how.seed, threads, part)
        for layer in range(1, len(layers.starts)):
            level[first:stop] += layers.place < _size(layers, layer)
        entries[j], tops[j] = first + layers.entry[0], len(layers.starts) - 1
        parts.append((first, layers))
    order = np.argsort(-level, kind="stable").astype(np.int32)
    place = np.empty(m, np.int32)
    place[order] = np.arange(m, dtype=np.int32)
    sizes, starts = hnsw.sizes_and_starts(level)
    links = np.concatenate([_moved(layers.links, first) for first, layers in parts])
    upper = np.full((sum(sizes[1:]), how.M), -1, np.int32)
    for first, layers in parts:
        for layer in range(1, len(layers.starts)):
            items = np.flatnonzero(layers.place < _size(layers, layer))
            rows = layers.upper[layers.starts[layer] + layers.place[items]]
            upper[starts[layer] + place[first + items]] = _moved(rows, first)
    whole = Layers(links, upper, starts, place, order[:1].copy())
    return _Segments(whole, level, bounds, entries, tops)


def _size(layers: Layers, layer: int) -> int:
    """Items of a layer from 1 up."""
    stop = layers.starts[layer + 1] if layer + 1 < len(layers.starts) else len(layers.upper)
    return int(stop - layers.starts[layer])


def _moved(links: np.ndarray, by: int) -> np.ndarray:
    return np.where(links >= 0, links + np.int32(by), np.int32(-1))


def _link_across(
    vectors: np.ndarray, segments: _Segments, how: Design, threads: int, progress: Progress
) -> list[np.ndarray]:
    """The chunks of each layer, as yet without links back from other segments."""
    m, count, layers = len(vectors), how.segments, segments.layers
    halves = halves_of(vectors)
    tables = []
    for layer in range(len(layers.starts)):
        own = layers.upper if layer else layers.links
        table = np.full((len(own) if layer == 0 else _size(layers, layer), count, own.shape[1]), -1, np.int32)
        tables.append(table)
        for j, (first, stop) in enumerate(zip(segments.bounds[:-1], segments.bounds[1:], strict=True)):
            items = first + np.flatnonzero(segments.level[first:stop] >= layer)
            table[_row_in(segments, layer, items), j] = own[segments.rows(layer)[items]]
    workspaces = Workspaces(lambda: Scratch.of(m, max(how.ef_construction, how.M), 2 * how.M))
    done, total = 0, m * (count - 1)
    for j in range(count):
        graph = segments.of(j)
        outside = np.r_[0 : segments.bounds[j], segments.bounds[j + 1] : m].astype(np.int32)
        tops = np.minimum(segments.level[outside], segments.tops[j])
        for top in np.unique(tops[tops >= 0]).tolist():  # to an empty segment nothing leads
            items = outside[tops == top]
            chosen = np.full((len(items), top + 1, how.M), -1, np.int32)

            def find(
                first: int,
                last: int,
                scratch: Scratch,
                graph: Layers = graph,
                items: np.ndarray = items,
                top: int = top,
                chosen: np.ndarray = chosen,
            ) -> None:
                hnsw.find_links(graph, vectors, halves, items[first:last], top, scratch, chosen[first:last])

            workspaces.for_ranges(len(items), threads, find)
            for layer in range(top + 1):
                tables[layer][_row_in(segments, layer, items), j, : how.M] = chosen[:, layer]
        done += len(outside)
        progress(done, total)
    return [table.reshape(-1, table.shape[2]) for table in tables]


def _row_in(segments: _Segments, layer: int, items: np.ndarray) -> np.ndarray:
    """Rows of items in the table of one layer."""
    return segments.layers.place[items] if layer else items


def _link_back(
    vectors: np.ndarray,
    segments: _Segments,
    layer: int,
    table: np.ndarray,
    one: int,
    other: int,
    threads: int,
) -> None:
    """Let what items of either segment link to in the other link back to them."""
    count = len(segments.tops)
    rows = _row_in(segments, layer, np.arange(len(vectors))).astype(np.int64) * count
    sides = []
    for near, away in ((one, other), (other, one)):
        first, stop = segments.bounds[near], segments.bounds[near + 1]
        items = (first + np.flatnonzero(segments.level[first:stop] >= layer)).astype(np.int32)
        sides.append((items, table[rows[items] + away], near))  # before either is changed
    for items, chosen, near in sides:
        link_back(Heuristic(), vectors, table, items, chosen, threads, rows + near)


def _items(segments: _Segments, layer: int) -> np.ndarray:
    """Those of a layer, in the order of its table's rows."""
    items = np.flatnonzero(segments.level >= layer)
    return items[np.argsort(_row_in(segments, layer, items))].astype(np.int32)


def _sort(table: np.ndarray, vectors: np.ndarray, segments: _Segments, layer: int, threads: int) -> None:
    items, count = _items(segments, layer), len(segments.tops)
    for_ranges(
        len(items),
        threads,
        lambda first, last: _sort_rows(table, vectors, items, count, first, last, Pool.of(table.shape[1])),
    )


@jit
def _sort_rows(
    table: np.ndarray, vectors: np.ndarray, items: np.ndarray, count: int, first: int, last: int, pool: Pool
) -> None:
    """Bring the links of the chunks of items into the order of their distance."""
    table, vectors, pool = borrowed(table), borrowed(vectors), borrowed(pool)
    for i in range(first, last):
        for row in range(np.int64(i) * count, np.int64(i + 1) * count):
            clear(pool)
            offer_links(table, row, vectors, items[i], pool)
            for place in range(size(pool)):
                table[row, place] = item_at(pool, place)


def _merged(
    table: np.ndarray, vectors: np.ndarray, segments: _Segments, layer: int, threads: int
) -> np.ndarray:
    """Of each item of a layer what selection keeps of the links to all segments."""
    items, count = _items(segments, layer), len(segments.tops)
    merged = np.full((len(items), table.shape[1]), -1, np.int32)
    for_ranges(
        len(items),
        threads,
        lambda first, last: _merge(
            table, vectors, items, count, first, last, Pool.of(count * table.shape[1]), merged
        ),
    )
    return merged


@jit
def _merge(
    table: np.ndarray,
    vectors: np.ndarray,
    items: np.ndarray,
    count: int,
    first: int,
    last: int,
    pool: Pool,
    merged: np.ndarray,
) -> None:
    table, vectors, pool = borrowed(table), borrowed(vectors), borrowed(pool)
    for i in range(first, last):
        clear(pool)
        for row in range(np.int64(i) * count, np.int64(i + 1) * count):
            offer_links(table, row, vectors, items[i], pool)
        choose(Heuristic(), items[i], pool, merged.shape[1], vectors, merged[i])

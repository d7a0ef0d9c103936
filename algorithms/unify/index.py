"""HSIG: the layers of HNSW, in which the links of an item are kept apart by the segment that they lead to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.pool import Marks, mark
from fannsbench.kernels.search import neighbours, prefetch_links
from fannsbench.kernels.space import prefetch, squared_distance


class Hsig(NamedTuple):
    """Segment j is the positions bounds[j]:bounds[j + 1]. The links of item v to items of segment j are row
    v * segments + j of `chunks` in the lowest layer; in layer c from 1 up, row
    (starts[c] + place[v]) * segments + j of `upper`. What selection keeps of all these is row v of `merged`,
    and starts[c] + place[v] of `upper_merged`: that is an HNSW graph."""

    chunks: np.ndarray  # (m * segments, 2 M) int32, nearest first, -1 padded
    upper: np.ndarray  # (U * segments, M) int32, nearest first, -1 padded
    merged: np.ndarray  # (m, 2 M) int32, -1 padded
    upper_merged: np.ndarray  # (U, M) int32, -1 padded
    starts: np.ndarray  # (layers,) int64; that of the lowest is not used
    place: np.ndarray  # (m,) int32: items of higher layers come first in this order
    entry: np.ndarray  # (1,) int32: an item of the highest layer
    bounds: np.ndarray  # (segments + 1,) int64
    entries: np.ndarray  # (segments,) int32: of each segment an item of its highest layer, -1 if it is empty
    tops: np.ndarray  # (segments,) int64: that layer, -1 if it is empty
    thresholds: np.ndarray  # (2,) float64: the shares of items that strategies are chosen by


class Active(NamedTuple):
    """The lowest layer, as far as it leads to some consecutive segments."""

    chunks: np.ndarray
    segments: int
    first: int  # segment
    last: int  # segment, active too
    most: int  # links that are read of a chunk


@neighbours.register(Active)
def _of_active(graph: Active, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count, row = 0, np.int64(node) * graph.segments
    for segment in range(graph.first, graph.last + 1):
        for place in range(min(graph.most, graph.chunks.shape[1])):
            item = graph.chunks[row + segment, place]
            if item < 0:
                break
            if mark(marks, item):
                fresh[count] = item
                count += 1
    return count


@prefetch_links.register(Active)
def _chunks(graph: Active, node: int) -> None:
    row = np.int64(node) * graph.segments
    for segment in range(graph.first, graph.last + 1):
        prefetch(graph.chunks, row + segment)


@jit_inline
def segment_of(graph: Hsig, item: int) -> int:
    """The segment that an item lies in."""
    return int(np.searchsorted(graph.bounds, item, side="right")) - 1


@jit
def descend(
    graph: Hsig, vectors: np.ndarray, query: np.ndarray, first: int, last: int, most: int
) -> tuple[int, int]:
    """Come greedily down from the entry of that of the segments first..last which has the most layers, to the
    lowest, looking at `most` links to each of the segments. Returns the item that is reached and how many
    distances were computed."""
    segments = graph.tops.size
    begin = first + np.argmax(graph.tops[first : last + 1])
    nearest = graph.entries[begin]
    distance = squared_distance(query, vectors, nearest)
    computed = 1
    for layer in range(graph.tops[begin], 0, -1):
        moved = True
        while moved:
            moved = False
            row = (graph.starts[layer] + graph.place[nearest]) * segments
            for segment in range(first, last + 1):
                for place in range(min(most, graph.upper.shape[1])):
                    item = graph.upper[row + segment, place]
                    if item < 0:
                        break
                    other = squared_distance(query, vectors, item)
                    computed += 1
                    if other < distance:
                        nearest, distance, moved = item, other, True
    return nearest, computed

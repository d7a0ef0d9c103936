"""How a 1D segment graph is built: an HNSW graph without upper layers that forgets no link."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._ranges.lists import starts_of, with_room
from fannsbench.algorithms.serf.build import Relative, seek
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import by_target, prefix_doubling, reported, row_length
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, clear, offer
from fannsbench.kernels.prune import choose
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import squared_distance

NEVER = np.iinfo(np.int32).max
"""The end of links that are never pruned."""


class Pruned(NamedTuple):
    """Links that were pruned when the item of this rank came, so that they live in graphs of at most as many
    items."""

    sources: np.ndarray  # (p,) int32
    targets: np.ndarray  # (p,) int32
    ends: np.ndarray  # (p,) int32


def build_one_sided(
    vectors: np.ndarray,
    order: np.ndarray,
    index_k: int,
    ef_construction: int,
    batch: int,
    threads: int,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 1D segment graph of vectors (m, D), in the space of `fannsbench.kernels.space`, that are inserted
    in this order (m,) int32: starts (m + 1,) int64, and the links of each item and their ends, (E,) int32,
    the last end first (SeRF, section 4)."""
    m = len(vectors)
    links = np.full((m, index_k), -1, np.int32)
    workspaces = Workspaces(lambda: (Scratch.of(m, max(ef_construction, index_k), index_k), Pool.of(0)))
    parts: dict[tuple[int, int], Pruned] = {}
    for items in reported(prefix_doubling(0, m, m, batch), 0, m, progress):
        chosen = np.full((len(items), index_k), -1, np.int32)

        def find(
            first: int, last: int, scratch: Any, start: int = items.start, chosen: np.ndarray = chosen
        ) -> None:
            _find(links, vectors, order, start, start + first, *scratch, chosen[first:last])

        workspaces.for_ranges(len(items), threads, find)
        links[order[items.start : items.stop]] = chosen
        into, edges, ranks = by_target(np.arange(items.start, items.stop, dtype=np.int32), chosen)

        def link(
            first: int,
            last: int,
            batch: int = items.start,
            groups: tuple[np.ndarray, ...] = (into, edges, ranks),
        ) -> None:
            pool = Pool.of(index_k + 1)
            parts[batch, first] = _link_back(vectors, links, order, *groups, first, last, pool)

        for_ranges(len(into), threads, link)
    rows, places = np.nonzero(links >= 0)
    kept = Pruned(rows.astype(np.int32), links[rows, places], np.full(len(rows), NEVER, np.int32))
    sources, targets, ends = (
        np.concatenate([part[field] for part in [*parts.values(), kept]]) for field in range(3)
    )
    arranged = np.lexsort((targets, -ends, sources))
    return starts_of(np.bincount(sources, minlength=m)), targets[arranged], ends[arranged]


@jit
def _find(
    links: np.ndarray,
    vectors: np.ndarray,
    order: np.ndarray,
    start: int,
    first: int,
    s: Scratch,
    none: Pool,
    chosen: np.ndarray,
) -> None:
    """Choose neighbours (b, index_k) of the b items from order[first] on, of a batch from order[start] on."""
    vectors, links, s, chosen = borrowed(vectors), borrowed(links), borrowed(s), borrowed(chosen)
    for i in range(len(chosen)):
        seek(links, vectors, order, start, first + i, s, none)
        choose(Relative(), order[first + i], s.pool, chosen.shape[1], vectors, chosen[i])


@jit
def _link_back(
    vectors: np.ndarray,
    links: np.ndarray,
    order: np.ndarray,
    into: np.ndarray,
    edges: np.ndarray,
    ranks: np.ndarray,
    first: int,
    last: int,
    pool: Pool,
) -> Pruned:
    """Link into[first:last] back, one item after another, as `by_target` groups them."""
    vectors, links, pool = borrowed(vectors), borrowed(links), borrowed(pool)
    width = links.shape[1]
    kept = np.empty(width, np.int32)
    sources, targets, ends = np.empty(64, np.int32), np.empty(64, np.int32), np.empty(64, np.int32)
    count = 0
    for i in range(first, last):
        node = into[i]
        row = links[node]
        held = row_length(links, node)
        for rank in ranks[edges[i] : edges[i + 1]]:
            item = order[rank]
            if held < width:
                row[held] = item
                held += 1
                continue
            clear(pool)
            for place in range(width):
                offer(pool, squared_distance(vectors[node], vectors, row[place]), row[place])
            offer(pool, squared_distance(vectors[node], vectors, item), item)
            held = choose(Relative(), node, pool, width, vectors, kept)
            sources, targets, ends = (
                with_room(sources, count, width),
                with_room(targets, count, width),
                with_room(ends, count, width),
            )
            for place in range(width):
                if not (kept[:held] == row[place]).any():
                    sources[count], targets[count], ends[count] = node, row[place], rank
                    count += 1
            row[:held] = kept[:held]
            row[held:] = -1
    return Pruned(sources[:count].copy(), targets[:count].copy(), ends[:count].copy())

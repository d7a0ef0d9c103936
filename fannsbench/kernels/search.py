"""Best-first search, written once for all graphs.

A method brings a graph, a NamedTuple, and says by `neighbours.register` which items a node leads to. It may
leave out what does not match the query's filter: the graph carries whatever it needs to tell. Where every
item is walked, matching or not, `best_first_matching` keeps the matches apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type, by_type_or_default
from fannsbench.kernels.frontier import Frontier, pop, push
from fannsbench.kernels.pool import (
    Marks,
    Pool,
    clear,
    first_unexpanded,
    is_marked,
    item_at,
    mark,
    next_unexpanded,
    offer,
    size,
    unmark_all,
)
from fannsbench.kernels.space import prefetch, squared_distance

AHEAD = 4
"""Rows are asked for so many items before their turn: more at once than memory can fetch only stall."""
ALL = 2**31 - 1
"""More links than a node can have."""
ANY = np.float32(np.inf)
"""A limit that all distances are below."""
NO_END = 2**62
"""More distances than any search computes."""


class Table(NamedTuple):
    """A graph of one list of neighbours for each node."""

    links: np.ndarray  # (n, degree) int32, -1 padded


class Bitmap(NamedTuple):
    """The filter of one query."""

    bits: np.ndarray  # (ceil(n / 8),) uint8, item i at bit i % 8 of byte i // 8


class Scratch(NamedTuple):
    """What one search at a time works on."""

    marks: Marks
    pool: Pool
    trail: Pool  # the nodes that were expanded, nearest first, as far as they find room
    fresh: np.ndarray  # int32: neighbours about to be scored
    frontier: Frontier  # of `best_first_matching`

    @classmethod
    def of(cls, n: int, ef: int, widest: int, trail: int = 0, matching: bool = False) -> Scratch:
        """For searches of n items with a pool of ef, where a node leads to at most `widest`; trail: how many
        expanded nodes are kept; matching: for `best_first_matching` too."""
        fresh = np.empty(widest, np.int32)
        return cls(Marks.of(n), Pool.of(ef), Pool.of(trail), fresh, Frontier.of(n if matching else 0))


@register_jitable
def with_places(s: Scratch, places: int) -> Scratch:
    """The same, with a pool of so many of its places."""
    pool = Pool(s.pool.distances[:places], s.pool.ids[:places], s.pool.state, s.pool.limit)
    return Scratch(s.marks, pool, s.trail, s.fresh, s.frontier)


@by_type
def neighbours(graph: Any, node: int, marks: Marks, fresh: np.ndarray) -> int:
    """Mark the items that a node leads to and that have not been seen, write them into fresh, and return how
    many."""
    raise NotImplementedError(type(graph))


@by_type
def accepts(filter_: Any, item: int) -> bool:
    """Whether the item matches the filter."""
    raise NotImplementedError(type(filter_))


@by_type_or_default
def prefetch_links(graph: Any, node: int) -> None:
    """Ask the memory for what `neighbours` is going to read of a node. A graph may do without."""


@by_type_or_default
def prefetch_neighbours(graph: Any, node: int, vectors: np.ndarray, marks: Marks) -> None:
    """Ask for the rows of the first AHEAD that `neighbours` is going to find. A graph may do without."""


@neighbours.register(Table)
def _of_table(graph: Table, node: int, marks: Marks, fresh: np.ndarray) -> int:
    return fresh_of_row(graph.links, node, marks, fresh)


@prefetch_links.register(Table)
def _row_of_table(graph: Table, node: int) -> None:
    prefetch(graph.links, node)


@prefetch_neighbours.register(Table)
def _rows_of_table(graph: Table, node: int, vectors: np.ndarray, marks: Marks) -> None:
    prefetch_fresh(graph.links[node], vectors, marks)


@accepts.register(Bitmap)
def _by_bitmap(filter_: Bitmap, item: int) -> bool:
    return bool((filter_.bits[item >> 3] >> (item & 7)) & 1)


@jit_inline
def fresh_of_row(links: np.ndarray, row: int, marks: Marks, fresh: np.ndarray, most: int = ALL) -> int:
    """`neighbours` where they are the first `most` of a row of links, -1 padded, that have not been seen."""
    count = 0
    for place in range(links.shape[1]):
        item = links[row, place]
        if item < 0 or count == most:
            break
        if mark(marks, item):
            fresh[count] = item
            count += 1
    return count


@jit_inline
def prefetch_fresh(links: np.ndarray, vectors: np.ndarray, marks: Marks) -> None:
    """`prefetch_neighbours` where they are in links (m,) int32, -1 padded."""
    asked = 0
    for item in links:
        if item < 0 or asked == AHEAD:
            break
        if not is_marked(marks, item):
            prefetch(vectors, item)
            asked += 1


@jit
def begin(s: Scratch) -> None:
    """Forget the search before."""
    unmark_all(s.marks)
    clear(s.pool)
    clear(s.trail)
    s.frontier.size[0] = 0


@jit_inline
def enter(vectors: np.ndarray, query: np.ndarray, item: int, s: Scratch) -> int:
    """Begin at an item too. Returns the number of distances computed: none if it has been seen."""
    if not mark(s.marks, item):
        return 0
    offer(s.pool, squared_distance(query, vectors, item), item)
    return 1


@jit
def best_first(
    graph: Any,
    vectors: np.ndarray,
    query: np.ndarray,
    s: Scratch,
    least: int = ALL,
    limit: np.float32 = ANY,
) -> int:
    """Expand the nearest item in the pool, until all in it are expanded; or, once the `least` nearest are, no
    other is as near as `limit`. Returns how many distances it computed.

    The same as the search of HNSW (Malkov and Yashunin, TPAMI 2020, algorithm 2) and of Vamana (Subramanya et
    al., NeurIPS 2019, algorithm 1), whose two queues are one sorted pool."""
    graph, vectors, query, s = borrowed(graph), borrowed(vectors), borrowed(query), borrowed(s)
    pool, trail, marks, fresh = s.pool, s.trail, s.marks, s.fresh
    computed = 0
    while True:
        place = next_unexpanded(pool)
        if place < 0 or (place >= least and pool.distances[place] > limit):
            return computed
        node = item_at(pool, place)
        offer(trail, pool.distances[place], node)
        count = neighbours(graph, node, marks, fresh)
        for i in range(min(AHEAD, count)):
            prefetch(vectors, fresh[i])
        following = first_unexpanded(pool)  # unless one of these is nearer
        if following >= 0:
            prefetch_links(graph, item_at(pool, following))
        for i in range(count):
            if i + AHEAD < count:
                prefetch(vectors, fresh[i + AHEAD])
            elif i + AHEAD == count:
                following = first_unexpanded(pool)
                if following >= 0:
                    prefetch_neighbours(graph, item_at(pool, following), vectors, marks)
            offer(pool, squared_distance(query, vectors, fresh[i]), fresh[i])
        computed += count


@jit
def enter_matching(filter_: Any, vectors: np.ndarray, query: np.ndarray, item: int, s: Scratch) -> int:
    """As `enter`, before `best_first_matching`."""
    if not mark(s.marks, item):
        return 0
    distance = squared_distance(query, vectors, item)
    push(s.frontier, distance, item)
    if accepts(filter_, item):
        offer(s.pool, distance, item)
    return 1


@jit
def best_first_matching(
    graph: Any, filter_: Any, vectors: np.ndarray, query: np.ndarray, s: Scratch, most: int = NO_END
) -> int:
    """Walk all items, and keep those in the pool that match, until it is full and nothing nearer than its
    last is left, or more distances than `most` were computed. Returns how many were. As hnswlib's filtered
    search."""
    graph, filter_, vectors, query, s = (
        borrowed(graph),
        borrowed(filter_),
        borrowed(vectors),
        borrowed(query),
        borrowed(s),
    )
    computed = 0
    while s.frontier.size[0] and computed <= most:
        nearest, node = pop(s.frontier)
        if nearest > s.pool.limit[0]:
            break
        computed += expand_matching(graph, filter_, vectors, query, node, s)
    return computed


@jit_inline
def expand_matching(
    graph: Any, filter_: Any, vectors: np.ndarray, query: np.ndarray, node: int, s: Scratch
) -> int:
    """One step of `best_first_matching`: what the node leads to enters the frontier, as far as it is nearer
    than the last in the pool, and the pool if it matches too. Returns how many distances it computed."""
    pool, frontier, marks, fresh = s.pool, s.frontier, s.marks, s.fresh
    count: int = neighbours(graph, node, marks, fresh)
    for i in range(min(AHEAD, count)):
        prefetch(vectors, fresh[i])
    if frontier.size[0]:
        prefetch_links(graph, frontier.ids[0])
    for i in range(count):
        if i + AHEAD < count:
            prefetch(vectors, fresh[i + AHEAD])
        elif i + AHEAD == count and frontier.size[0]:
            prefetch_neighbours(graph, frontier.ids[0], vectors, marks)
        item = fresh[i]
        distance = squared_distance(query, vectors, item)
        if distance < pool.limit[0]:
            push(frontier, distance, item)
            if accepts(filter_, item):
                offer(pool, distance, item)
    return count


@jit
def rescore(vectors: np.ndarray, query: np.ndarray, pool: Pool) -> int:
    """Put in order by their distances here what was found by those of a coarser space. Returns how many."""
    vectors, query, pool = borrowed(vectors), borrowed(query), borrowed(pool)
    filled: int = size(pool)
    clear(pool)
    for place in range(filled):  # those before it are in order, and those from it on are yet to come
        item = item_at(pool, place)
        if place + AHEAD < filled:
            prefetch(vectors, item_at(pool, place + AHEAD))
        offer(pool, squared_distance(query, vectors, item), item)
    return filled


@jit
def scan(vectors: np.ndarray, query: np.ndarray, items: np.ndarray, pool: Pool) -> int:
    """Offer all these items, none of which is in the pool. Returns their number."""
    for i in range(min(AHEAD, items.size)):
        prefetch(vectors, items[i])
    for i in range(items.size):
        if i + AHEAD < items.size:
            prefetch(vectors, items[i + AHEAD])
        offer(pool, squared_distance(query, vectors, items[i]), items[i])
    return int(items.size)


@jit
def scan_range(vectors: np.ndarray, query: np.ndarray, first: int, last: int, pool: Pool) -> int:
    """Offer the items first..last, none of which is in the pool. Returns their number."""
    for item in range(first, min(first + AHEAD, last + 1)):
        prefetch(vectors, item)
    for item in range(first, last + 1):
        if item + AHEAD <= last:
            prefetch(vectors, item + AHEAD)
        offer(pool, squared_distance(query, vectors, item), item)
    return last - first + 1

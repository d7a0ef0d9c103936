"""Building a graph by inserting items, in batches that make the result independent of the number of threads.

The items of a batch are searched for in the graph as it was before the batch, all at once; then their links
are written, and every item that was chosen as a neighbour gets links back, each by one thread. Batches double
in size, so that the first items find one another (ParlayANN, Manohar et al., PPoPP 2024, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

import numpy as np

from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.pool import Pool, clear, item_at, offer, size
from fannsbench.kernels.prune import choose
from fannsbench.kernels.space import squared_distance

LARGEST_BATCH = 0.02
"""As a share of all items (ParlayANN)."""

_Batch = TypeVar("_Batch", bound=Sized)


def prefix_doubling(first: int, last: int, n: int, largest: int | None = None) -> Iterator[range]:
    """Batches that cover the places first..last of an order of n items: as large as what comes before them,
    but at least 1 and at most `largest`, or LARGEST_BATCH of n."""
    largest = max(1, int(LARGEST_BATCH * n)) if largest is None else largest
    while first < last:
        batch = range(first, min(last, first + max(1, min(first, largest))))
        yield batch
        first = batch.stop


def reported(
    batches: Iterable[_Batch], done: int, total: int, progress: Callable[[int, int], None]
) -> Iterator[_Batch]:
    """The batches; whenever one has been inserted, progress(done, total) is told how many items are, of which
    the first `done` were before."""
    for batch in batches:
        yield batch
        done += len(batch)
        progress(done, total)


def part_of(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    """The progress of a part of `total` items, to be inserted when `before` of them are."""
    return lambda done, _: progress(before + done, total)


def insert(
    items: np.ndarray,
    find: Callable[[np.ndarray, np.ndarray, Any], None],
    rule: Any,
    vectors: np.ndarray,
    links: np.ndarray,
    workspaces: Workspaces,
    threads: int,
) -> None:
    """A batch of items (b,) int32 that have no links yet, into links (n, degree) int32, -1 padded.
    find(some, chosen, scratch) chooses the neighbours of some of the items among those that are linked:
    chosen (s, degree), -1 padded. It is called by several threads at once, each with scratch of its own."""
    chosen = np.full((len(items), links.shape[1]), -1, np.int32)
    workspaces.for_ranges(
        len(items),
        threads,
        lambda first, last, scratch: find(items[first:last], chosen[first:last], scratch),
    )
    links[items] = chosen
    link_back(rule, vectors, links, items, chosen, threads)


def link_back(
    rule: Any,
    vectors: np.ndarray,
    links: np.ndarray,
    sources: np.ndarray,
    chosen: np.ndarray,
    threads: int,
    rows: np.ndarray | None = None,
) -> None:
    """Add sources[i] (b,) int32 to the links of each of chosen[i] (b, m) int32, -1 padded. links (r, width)
    int32, -1 padded; where the new ones find no room, the rule chooses among all. The row of item v
    is rows[v], or v."""
    into, edges, back = by_target(sources, chosen)
    most = links.shape[1] + int(np.diff(edges).max(initial=0))
    places = into.astype(np.int64) if rows is None else rows[into].astype(np.int64)
    for_ranges(
        len(into),
        threads,
        lambda first, last: _link_back(
            rule, vectors, links, into, places, edges, back, first, last, Pool.of(most)
        ),
    )


def by_target(sources: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The items that sources (b,) int32 have chosen, (b, m) int32, -1 padded: into (t,), ascending. into[i]
    was chosen by back[edges[i]:edges[i + 1]], in the order of `sources`."""
    back = np.repeat(sources, chosen.shape[1])[chosen.ravel() >= 0]
    targets = chosen.ravel()[chosen.ravel() >= 0]
    order = np.argsort(targets, kind="stable")
    targets, back = targets[order], back[order]
    starts = np.flatnonzero(np.r_[True, targets[1:] != targets[:-1]]) if len(targets) else np.empty(0, int)
    return targets[starts], np.append(starts, len(targets)).astype(np.int64), back


@jit
def _link_back(
    rule: Any,
    vectors: np.ndarray,
    links: np.ndarray,
    into: np.ndarray,
    rows: np.ndarray,
    edges: np.ndarray,
    back: np.ndarray,
    first: int,
    last: int,
    pool: Pool,
) -> None:
    vectors, links, pool = borrowed(vectors), borrowed(links), borrowed(pool)
    for i in range(first, last):
        add_links(rule, vectors, links, into[i], rows[i], back[edges[i] : edges[i + 1]], pool)


@jit
def add_links(
    rule: Any,
    vectors: np.ndarray,
    links: np.ndarray,
    target: int,
    row: int,
    added: np.ndarray,
    pool: Pool,
) -> None:
    """As `link_back`, for one item. The pool must have room for its links and all that are added."""
    rule, vectors, links, pool = borrowed(rule), borrowed(vectors), borrowed(links), borrowed(pool)
    width = links.shape[1]
    held = row_length(links, row)
    new = 0
    for item in added:
        if not holds(links, row, held, item):
            if held + new < width:
                links[row, held + new] = item
            new += 1
    if held + new <= width:
        return
    clear(pool)
    for place in range(held):
        offer(pool, squared_distance(vectors[target], vectors, links[row, place]), links[row, place])
    for item in added:
        if not holds(links, row, held, item):
            offer(pool, squared_distance(vectors[target], vectors, item), item)
    kept = choose(rule, target, pool, width, vectors, links[row])
    links[row, kept:] = -1


@jit
def row_length(links: np.ndarray, row: int) -> int:
    """How many of a row, -1 padded, are links."""
    for place in range(links.shape[1]):
        if links[row, place] < 0:
            return place
    return int(links.shape[1])


@jit
def holds(links: np.ndarray, row: int, held: int, item: int) -> bool:
    """Whether an item is among the first `held` links of a row."""
    for place in range(held):  # noqa: SIM110 - a generator is not compiled
        if links[row, place] == item:
            return True
    return False


@jit
def drop(pool: Pool, item: int) -> None:
    """Take an item out of a pool that no search uses any more."""
    filled, kept = size(pool), 0
    for place in range(filled):
        if item_at(pool, place) != item:
            pool.distances[kept] = pool.distances[place]
            pool.ids[kept] = pool.ids[place]
            kept += 1
    pool.state[0] = kept

"""Cross edges: from rows of a group to rows of the groups that the label navigating graph leads to."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithms.ung.navigating import Navigating, reversed_edges
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.parallel import Workspaces
from fannsbench.kernels.pool import Pool, clear, item_at, offer, size, write_ids
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter
from fannsbench.kernels.space import squared_distance

SCANNED = 1000
"""Rows of a group up to which the nearest of them are found by computing all distances."""


def cross_edges(
    vectors: np.ndarray,
    starts: np.ndarray,
    links: np.ndarray,
    entries: np.ndarray,
    navigating: Navigating,
    delta: int,
    L: int,  # noqa: N803
    rule2: str,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets, (E,) int32 each, ascending: from each row to the delta nearest among all groups
    that its group leads to (rule 1), and (rule 2)
    - "nearest": to each row from the nearest in each of the groups that lead to its group;
    - "paper": as many more as an edge between groups is short of delta;
    - "code": as many only if it has none."""
    n = len(vectors)
    workspaces = Workspaces(lambda: Scratch.of(n, L, links.shape[1]))
    sizes = np.diff(starts)
    group_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    def nearest(graph: Navigating, count: int, each: bool) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and the nearest to them in the groups that theirs leads to: in all, or in each."""
        degrees = np.diff(graph.starts)[group_of]
        rows = np.flatnonzero(degrees)
        first, last = graph.starts[group_of[rows]], graph.starts[group_of[rows] + 1]
        if each:
            ends = np.cumsum(degrees[rows])
            rows = np.repeat(rows, degrees[rows])
            first = np.repeat(first - ends + (last - first), last - first) + np.arange(len(rows))
            last = first + 1
        tasks = np.stack([rows, first, last], axis=1)
        tasks = np.concatenate([tasks[part::threads] for part in range(threads)])  # as hard for each thread
        found = np.full((len(tasks), count), -1, np.int32)

        def some(first: int, last: int, scratch: Scratch) -> None:
            _nearest_in_groups(
                Table(links),
                vectors,
                starts,
                entries,
                graph.groups,
                SCANNED,
                tasks[first:last],
                scratch,
                Pool.of(count),
                found[first:last],
            )

        workspaces.for_ranges(len(tasks), threads, some)
        places, which = np.nonzero(found >= 0)
        return tasks[places, 0], found[places, which]

    out, into = nearest(navigating, delta, each=False)
    if rule2 == "nearest":
        reached, by = nearest(reversed_edges(navigating), 1, each=True)
    else:
        by, reached = _top_up(vectors, starts, navigating, group_of, out, into, delta, rule2 == "paper")
    pairs = np.unique(np.r_[out, by].astype(np.int64) * n + np.r_[into, reached])
    return (pairs // n).astype(np.int32), (pairs % n).astype(np.int32)


@jit
def _nearest_in_groups(
    graph: Table,
    vectors: np.ndarray,
    starts: np.ndarray,
    entries: np.ndarray,
    groups: np.ndarray,
    scanned: int,
    tasks: np.ndarray,
    s: Scratch,
    nearest: Pool,
    found: np.ndarray,
) -> None:
    """tasks (t, 3) int64: a row, and between which places of `groups` are those it is to find the nearest
    in. Groups of up to `scanned` rows are scanned."""
    graph, vectors, s, nearest = borrowed(graph), borrowed(vectors), borrowed(s), borrowed(nearest)
    for i in range(tasks.shape[0]):
        vector = vectors[tasks[i, 0]]
        clear(nearest)
        for other in groups[tasks[i, 1] : tasks[i, 2]]:
            if starts[other + 1] - starts[other] <= scanned:
                for row in range(starts[other], starts[other + 1]):
                    offer(nearest, squared_distance(vector, vectors, row), row)
                continue
            begin(s)
            enter(vectors, vector, entries[other], s)
            best_first(graph, vectors, vector, s)
            for place in range(min(size(s.pool), nearest.ids.size)):
                offer(nearest, s.pool.distances[place], item_at(s.pool, place))
        write_ids(nearest, found[i])


def _top_up(
    vectors: np.ndarray,
    starts: np.ndarray,
    navigating: Navigating,
    group_of: np.ndarray,
    out: np.ndarray,
    into: np.ndarray,
    delta: int,
    always: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets of more cross edges, until a group and another have delta: from the first rows of
    the group to the delta / 2 nearest in the other, if there is no edge yet; or, `always`, to all that it
    takes."""
    total = len(starts) - 1
    groups = np.repeat(np.arange(total), np.diff(navigating.starts))
    edges = groups * total + navigating.groups
    crossed, numbers = np.unique(group_of[out].astype(np.int64) * total + group_of[into], return_counts=True)
    held = np.zeros(len(edges), np.int64)
    order = np.argsort(edges)
    held[order[np.searchsorted(edges[order], crossed)]] = numbers
    short = np.flatnonzero(held < (delta if always else 1))
    pairs = np.sort(out.astype(np.int64) * len(vectors) + into)
    at_once = delta if always else max(1, delta // 2)
    added = np.empty((len(short) * (delta + at_once), 2), np.int32)
    count = _add_edges(
        vectors,
        starts,
        np.stack([groups[short], navigating.groups[short], held[short]], axis=1),
        pairs,
        delta,
        added,
        Pool.of(at_once),
    )
    return added[:count, 0], added[:count, 1]


@jit
def _add_edges(
    vectors: np.ndarray,
    starts: np.ndarray,
    short: np.ndarray,
    pairs: np.ndarray,
    delta: int,
    added: np.ndarray,
    nearest: Pool,
) -> int:
    """short (s, 3): from a group, to another, by so many edges; pairs: all those edges, ascending."""
    vectors, nearest = borrowed(vectors), borrowed(nearest)
    n, count = np.int64(vectors.shape[0]), 0
    for i in range(short.shape[0]):
        group, other, held = short[i, 0], short[i, 1], short[i, 2]
        for row in range(starts[group], starts[group + 1]):
            if held >= delta:
                break
            clear(nearest)
            for target in range(starts[other], starts[other + 1]):
                pair = row * n + target
                place = np.searchsorted(pairs, pair)
                if place == pairs.size or pairs[place] != pair:
                    offer(nearest, squared_distance(vectors[row], vectors, target), target)
            for place in range(size(nearest)):
                added[count, 0], added[count, 1] = row, item_at(nearest, place)
                count += 1
                held += 1
    return count

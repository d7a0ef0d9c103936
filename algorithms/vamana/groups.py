"""A Vamana graph for every group, all built at the same time."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms.vamana.index import MOST_CANDIDATES, Parameters, find_links, medoid
from fannsbench.kernels import jit
from fannsbench.kernels.insert import insert, prefix_doubling, reported
from fannsbench.kernels.parallel import Workspaces, for_ranges
from fannsbench.kernels.prune import RobustPrune
from fannsbench.kernels.reach import connect, reached_from
from fannsbench.kernels.search import Scratch
from fannsbench.kernels.space import Halves


def link_groups(
    vectors: np.ndarray,
    halves: Halves,
    starts: np.ndarray,
    how: Parameters,
    threads: int,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Links (n, R) int32, -1 padded, of rows to rows of their group, and each group's entry (G,) int32.

    vectors (n, D), also as halves; group g is the rows starts[g]..starts[g + 1]. A group of at most R rows is
    a complete graph that is entered at its first row; a larger one is a graph as `vamana` builds it, entered
    at its medoid. Their batches are inserted together: first those of all groups, then the second ones, ...
    """
    n, (R, L, alpha, seed) = len(vectors), how  # noqa: N806
    links = np.full((n, R), -1, np.int32)
    entries = starts[:-1].astype(np.int32)
    sizes = np.diff(starts)
    for_ranges(len(sizes), threads, lambda first, last: _link_completely(starts, first, last, R, links))
    large = np.flatnonzero(sizes > R)
    for_ranges(
        len(large), threads, lambda first, last: _find_medoids(vectors, starts, large[first:last], entries)
    )
    rule = RobustPrune(np.float32(alpha))
    workspaces = Workspaces(lambda: Scratch.of(n, L, R, trail=MOST_CANDIDATES))
    entry_of = np.repeat(entries, sizes)

    def find(rows: np.ndarray, chosen: np.ndarray, scratch: Scratch) -> None:
        find_links(links, entry_of[rows], rule, vectors, halves, rows, scratch, chosen)

    batches = _batches(starts, large, entries, seed)
    done = n - sum(map(len, batches))
    progress(done, n)
    for batch in reported(batches, done, n, progress):
        rows = np.sort(batch)  # neighbours in memory, one after another
        insert(rows, find, rule, vectors, links, workspaces, threads)
    lost = np.flatnonzero(~reached_from(links, entries))
    for g in np.unique(np.searchsorted(starts, lost, side="right") - 1):
        part = slice(starts[g], starts[g + 1])
        local = np.where(links[part] >= 0, links[part] - np.int32(part.start), np.int32(-1))
        connect(local, vectors[part], int(entries[g] - part.start), L)
        links[part] = np.where(local >= 0, local + np.int32(part.start), np.int32(-1))
    return links, entries


def _batches(starts: np.ndarray, large: np.ndarray, entries: np.ndarray, seed: int) -> list[np.ndarray]:
    """The rows of the large groups, but for their entries, which come first, in random order."""
    sizes = np.diff(starts)[large]
    if not len(large):
        return []
    rows = np.concatenate([np.arange(starts[g], starts[g + 1], dtype=np.int32) for g in large])
    keys = np.random.default_rng([seed, int(starts[-1])]).permutation(len(rows))
    keys[np.r_[0, np.cumsum(sizes)[:-1]] + entries[large] - starts[large]] = -1
    rows = rows[np.lexsort((keys, np.repeat(large, sizes)))]
    turns = {size: _turns(size) for size in set(sizes.tolist())}
    turn = np.concatenate([turns[size] for size in sizes.tolist()])
    order = np.argsort(turn, kind="stable")
    edges = np.cumsum(np.bincount(turn))
    return np.split(rows[order], edges[:-1])[1:]


def _turns(size: int) -> np.ndarray:
    """In which batch each place of a group's order is; the entry is alone in batch 0."""
    turns = np.zeros(size, np.int64)
    for turn, batch in enumerate(prefix_doubling(1, size, size), start=1):
        turns[batch.start : batch.stop] = turn
    return turns


@jit
def _link_completely(starts: np.ndarray, first: int, last: int, most: int, links: np.ndarray) -> None:
    for g in range(first, last):
        if starts[g + 1] - starts[g] > most:
            continue
        for row in range(starts[g], starts[g + 1]):
            place = 0
            for other in range(starts[g], starts[g + 1]):
                if other != row:
                    links[row, place] = other
                    place += 1


@jit
def _find_medoids(vectors: np.ndarray, starts: np.ndarray, groups: np.ndarray, entries: np.ndarray) -> None:
    for g in groups:
        entries[g] = starts[g] + medoid(vectors[starts[g] : starts[g + 1]])

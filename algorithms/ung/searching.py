"""Search: scan or walk what lies below the nodes of the trie that contain the wanted labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms.ung.index import Lists, Ung
from fannsbench.algorithms.ung.labels import Groups, Trie, find_subtrees
from fannsbench.algorithms.ung.navigating import first_supersets, keep_minimal, signatures_of
from fannsbench.kernels import jit, jit_inline
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.pool import Pool, clear, item_at, mark, offer, size
from fannsbench.kernels.search import AHEAD, Scratch, begin, best_first, scan_range
from fannsbench.kernels.space import prefetch, squared_distance


class Approach(NamedTuple):
    """How queries are answered."""

    sigma: int  # rows that a walk begins at in a group or branch
    scanned: int  # rows of a branch up to which it is scanned


class Work(NamedTuple):
    """What one thread works on."""

    scratch: Scratch
    nearest: Pool  # k rows, of all that is scanned or walked for a query
    nodes: np.ndarray  # (T,) int32
    candidates: np.ndarray  # (G,) int32
    begins: np.ndarray  # int32: rows where a walk begins
    signatures: np.ndarray  # (G,) uint64

    @classmethod
    def of(cls, index: Ung, ef: int, k: int, sigma: int) -> Work:
        """For pools of ef and k neighbours."""
        widest = int(np.diff(index.link_starts).max(initial=0))
        groups = len(index.starts) - 1
        return cls(
            Scratch.of(len(index.items), max(ef, k), widest),
            Pool.of(k),
            np.empty(len(index.labels), np.int32),
            np.empty(groups, np.int32),
            np.empty((sigma + 1) * max(len(index.entries), 1), np.int32),
            signatures_of(index.groups),
        )


@jit
def count_matches(groups: Groups, trie: Trie, wanted: np.ndarray, counts: np.ndarray) -> None:
    """How many rows have all of the wanted ranks (q, w) int32, into counts (q,) int64."""
    nodes = np.empty(trie.labels.size, np.int32)
    for query in range(wanted.shape[0]):
        counts[query] = 0
        for node in nodes[: find_subtrees(trie, wanted[query], nodes)]:
            first, last = _rows_below(groups, trie, node)
            counts[query] += last - first


@jit_inline
def _rows_below(groups: Groups, trie: Trie, node: int) -> tuple[int, int]:
    return groups.starts[trie.groups_before[node]], groups.starts[trie.groups_before[trie.ends[node]]]


@jit
def search(
    index: Ung,
    groups: Groups,
    trie: Trie,
    vectors: np.ndarray,
    queries: np.ndarray,
    wanted: np.ndarray,
    rows: np.ndarray,
    approach: Approach,
    work: Work,
    neighbors: np.ndarray,
) -> int:
    """The nearest items to queries[rows] with all of the ranks wanted[rows], into neighbors[rows] (q, k).
    Returns the number of distances."""
    vectors, nearest = borrowed(vectors), borrowed(work.nearest)
    computed = 0
    for row in rows:
        query = queries[row]
        clear(nearest)
        nodes = work.nodes[: find_subtrees(trie, wanted[row], work.nodes)]
        if index.entries.size:
            count = _begins_in_groups(index, groups, trie, nodes, approach.sigma, work)
            computed += _walk(index, 0, vectors, query, work.begins[:count], work)
        else:
            for node in nodes:
                computed += _search_branch(index, groups, trie, vectors, query, node, approach, work)
        _write(nearest, index.items, neighbors[row])
    return computed


@jit
def scan(
    items: np.ndarray,
    groups: Groups,
    trie: Trie,
    vectors: np.ndarray,
    queries: np.ndarray,
    wanted: np.ndarray,
    rows: np.ndarray,
    nearest: Pool,
    neighbors: np.ndarray,
) -> int:
    """As `search`, exactly, by computing the distances of all matches."""
    vectors, nearest = borrowed(vectors), borrowed(nearest)
    nodes = np.empty(trie.labels.size, np.int32)
    computed = 0
    for row in rows:
        clear(nearest)
        for node in nodes[: find_subtrees(trie, wanted[row], nodes)]:
            first, last = _rows_below(groups, trie, node)
            computed += scan_range(vectors, queries[row], first, last - 1, nearest)
        _write(nearest, items, neighbors[row])
    return computed


@jit_inline
def _write(nearest: Pool, items: np.ndarray, out: np.ndarray) -> None:
    for place in range(out.size):
        out[place] = items[item_at(nearest, place)] if place < size(nearest) else -1


@jit
def _search_branch(
    index: Ung,
    groups: Groups,
    trie: Trie,
    vectors: np.ndarray,
    query: np.ndarray,
    node: int,
    approach: Approach,
    work: Work,
) -> int:
    first, last = _rows_below(groups, trie, node)
    branch = np.searchsorted(index.branch_nodes, node)
    has_graph = branch < index.branch_nodes.size and index.branch_nodes[branch] == node
    if not has_graph or last - first <= approach.scanned:
        return scan_range(vectors, query, first, last - 1, work.nearest)
    work.begins[0] = index.branch_entries[branch]
    others = min(approach.sigma - 1, last - first)
    for i in range(others):
        work.begins[1 + i] = first + (last - first) * i // others
    return _walk(index, index.branch_shifts[branch], vectors, query, work.begins[: 1 + others], work)


@jit
def _begins_in_groups(
    index: Ung, groups: Groups, trie: Trie, nodes: np.ndarray, sigma: int, work: Work
) -> int:
    """Where a walk of what lies below the nodes begins, into work.begins: of each of the minimal groups that
    match, the entry and sigma - 1 rows spread over it, or all if it has no more. Returns their number.

    Not in other groups, though they match: no edge leads from larger sets to smaller ones."""
    labelless = trie.groups_before[1] > 0 and nodes.size > 0 and nodes[0] == 0  # group 0 has no cross edges
    found = first_supersets(trie, nodes, 0 if labelless else -1, work.candidates)
    found = keep_minimal(groups, work.signatures, work.candidates[:found])
    if labelless:
        work.candidates[found] = 0
        found += 1
    count = 0
    for g in work.candidates[:found]:
        first, size = groups.starts[g], groups.starts[g + 1] - groups.starts[g]
        work.begins[count] = index.entries[g]
        count += 1
        others = size if size <= sigma else sigma - 1
        for i in range(others):
            work.begins[count] = first + size * i // others
            count += 1
    return count


@jit
def _walk(
    index: Ung, shift: int, vectors: np.ndarray, query: np.ndarray, begins: np.ndarray, work: Work
) -> int:
    """Best-first search of the lists from these rows; what is found is offered to work.nearest."""
    vectors, s, nearest = borrowed(vectors), borrowed(work.scratch), borrowed(work.nearest)
    begin(s)
    for i in range(min(AHEAD, begins.size)):
        prefetch(vectors, begins[i])
    computed = 0
    for i in range(begins.size):
        if i + AHEAD < begins.size:
            prefetch(vectors, begins[i + AHEAD])
        if mark(s.marks, begins[i]):
            offer(s.pool, squared_distance(query, vectors, begins[i]), begins[i])
            computed += 1
    computed += best_first(Lists(index.link_starts, index.links, shift), vectors, query, s)
    for place in range(min(size(s.pool), nearest.ids.size)):
        offer(nearest, s.pool.distances[place], item_at(s.pool, place))
    return computed

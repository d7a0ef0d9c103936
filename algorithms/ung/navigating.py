"""The label navigating graph: from each label set to the smallest ones that contain it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithms.ung.labels import Groups, Trie, find_subtrees
from fannsbench.kernels import jit
from fannsbench.kernels.parallel import for_ranges

_ONE = np.uint64(1)


class Navigating(NamedTuple):
    """Edges from group to group."""

    starts: np.ndarray  # (G + 1,) int64 into groups
    groups: np.ndarray  # int32: where the edges of each group lead, ascending by (size of the set, group)


def label_navigating_graph(groups: Groups, trie: Trie, threads: int) -> Navigating:
    """From each group with labels to its minimal supersets: those that contain its set with no group's set
    between. The group without labels has no edges: no filter's matches begin there."""
    total = len(groups.starts) - 1
    signatures = signatures_of(groups)
    parts = max(1, min(threads, total)) * 8
    found: list[tuple[np.ndarray, np.ndarray]] = [None] * parts  # type: ignore[list-item]

    def some(first: int, last: int) -> None:
        for part in range(first, last):
            chosen = np.arange(total * part // parts, total * (part + 1) // parts)
            found[part] = _edges_of(groups, trie, signatures, chosen)

    for_ranges(parts, threads, some)
    sizes = np.concatenate([sizes for sizes, _ in found])
    return Navigating(np.r_[0, np.cumsum(sizes)], np.concatenate([edges for _, edges in found]))


def reversed_edges(graph: Navigating) -> Navigating:
    """The same edges from their ends, ascending by group."""
    count = len(graph.starts) - 1
    sources = np.repeat(np.arange(count, dtype=np.int32), np.diff(graph.starts))
    order = np.argsort(graph.groups, kind="stable")
    sizes = np.bincount(graph.groups, minlength=count)
    return Navigating(np.r_[0, np.cumsum(sizes)], sources[order])


@jit
def signatures_of(groups: Groups) -> np.ndarray:
    """(G,) uint64: one bit for each label, by which most sets that do not contain another are told at
    once."""
    signatures = np.zeros(groups.starts.size - 1, np.uint64)
    for g in range(signatures.size):
        for place in range(groups.set_starts[g], groups.set_starts[g + 1]):
            signatures[g] |= _ONE << np.uint64(groups.set_labels[place] & 63)
    return signatures


@jit
def _edges_of(
    groups: Groups, trie: Trie, signatures: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.zeros(chosen.size, np.int64)
    edges = np.empty(1024, np.int32)
    nodes = np.empty(trie.labels.size, np.int32)
    candidates = np.empty(groups.starts.size, np.int32)
    count = 0
    for i in range(chosen.size):
        g = chosen[i]
        wanted = groups.set_labels[groups.set_starts[g] : groups.set_starts[g + 1]]
        if wanted.size == 0:
            continue
        found = first_supersets(trie, nodes[: find_subtrees(trie, wanted, nodes)], g, candidates)
        kept = keep_minimal(groups, signatures, candidates[:found])
        if count + kept > edges.size:
            longer = np.empty(2 * (count + kept), np.int32)
            longer[:count] = edges[:count]
            edges = longer
        edges[count : count + kept] = candidates[:kept]
        sizes[i] = kept
        count += kept
    return sizes, edges[:count]


@jit
def first_supersets(trie: Trie, nodes: np.ndarray, avoid: int, out: np.ndarray) -> int:
    """The groups met first on each way down from the nodes, but for `avoid`, into out; returns how many.
    All minimal supersets are among them."""
    found = 0
    for top in nodes:
        node = top
        while node < trie.ends[top]:
            g = trie.groups_before[node]
            if trie.groups_before[node + 1] > g and g != avoid:
                out[found] = g
                found += 1
                node = trie.ends[node]
            else:
                node += 1
    return found


@jit
def keep_minimal(groups: Groups, signatures: np.ndarray, candidates: np.ndarray) -> int:
    """Move the groups whose sets contain no other's to the front, ascending by (size, group); returns how
    many they are."""
    sizes = groups.set_starts[candidates + 1] - groups.set_starts[candidates]
    total = np.int64(groups.starts.size)
    order = np.argsort(sizes * total + candidates)
    sorted_ = candidates[order]
    kept = 0
    for i in range(sorted_.size):
        g, size = sorted_[i], sizes[order[i]]
        minimal = True
        for j in range(kept):
            other = candidates[j]
            if groups.set_starts[other + 1] - groups.set_starts[other] >= size:
                break
            if signatures[other] & ~signatures[g] == 0 and _contains(groups, g, other):
                minimal = False
                break
        if minimal:
            candidates[kept] = g
            kept += 1
    return kept


@jit
def _contains(groups: Groups, larger: int, smaller: int) -> bool:
    place, end = groups.set_starts[larger], groups.set_starts[larger + 1]
    for other in range(groups.set_starts[smaller], groups.set_starts[smaller + 1]):
        label = groups.set_labels[other]
        while place < end and groups.set_labels[place] < label:
            place += 1
        if place == end or groups.set_labels[place] != label:
            return False
    return True

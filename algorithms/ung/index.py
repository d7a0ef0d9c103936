"""The index: groups and their trie, and graphs whose edges never lead out of what a filter lets in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms.ung.crossing import cross_edges
from fannsbench.algorithms.ung.labels import Groups, Trie, rows_below, trie
from fannsbench.algorithms.ung.navigating import label_navigating_graph
from fannsbench.algorithms.vamana.groups import link_groups
from fannsbench.algorithms.vamana.index import Parameters
from fannsbench.kernels.insert import part_of
from fannsbench.kernels.pool import Marks, mark
from fannsbench.kernels.search import neighbours
from fannsbench.kernels.space import halves_of


class Ung(NamedTuple):
    """Groups, trie and lists of links; rows are numbered as in `Groups`.

    The lists are those of all rows, where there are cross edges, or those of the rows below each branch, one
    branch after another."""

    items: np.ndarray
    starts: np.ndarray
    set_starts: np.ndarray
    set_labels: np.ndarray
    ranks: np.ndarray
    labels: np.ndarray
    parents: np.ndarray
    ends: np.ndarray
    groups_before: np.ndarray
    node_starts: np.ndarray
    nodes: np.ndarray
    link_starts: np.ndarray  # (lists + 1,) int64 into links
    links: np.ndarray  # int32: rows
    entries: np.ndarray  # (G,) int32: where a search of each group begins; none if there are branches
    branch_nodes: np.ndarray  # (B,) int32: the nodes of the trie that have a graph of all below, ascending
    branch_entries: np.ndarray  # (B,) int32: where a search of each begins
    branch_shifts: np.ndarray  # (B,) int64: the list of a row in each is that of row + shift

    @property
    def groups(self) -> Groups:
        return Groups(*self[: len(Groups._fields)])

    @property
    def trie(self) -> Trie:
        first = len(Groups._fields)
        return Trie(*self[first : first + len(Trie._fields)])


class Lists(NamedTuple):
    """A graph of one list of neighbours for each row, of any length."""

    starts: np.ndarray  # int64 into links
    links: np.ndarray  # int32
    shift: int  # the list of row r is the (r + shift)th


@neighbours.register(Lists)
def _of_lists(graph: Lists, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count = 0
    place = np.int64(node) + graph.shift
    for edge in range(graph.starts[place], graph.starts[place + 1]):
        row = graph.links[edge]
        if mark(marks, row):
            fresh[count] = row
            count += 1
    return count


class Design(NamedTuple):
    """How an index is built."""

    within: Parameters  # the graphs of groups, or of branches
    delta: int  # cross edges of a row, at most; 0: none at all, for equality
    rule2: str  # which pairs of groups get more: see `cross_edges`
    branch: int  # rows of the smallest branch that gets a graph of its own, in place of cross edges; 0: none


def build(vectors: np.ndarray, groups: Groups, design: Design, threads: int, progress: Progress) -> Ung:
    """Of vectors (n, D) in the order of the groups' rows."""
    d, trie_ = design, trie(groups)
    none = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64)
    if d.branch:
        return Ung(*groups, *trie_, *_branches(vectors, groups, trie_, d, threads, progress))
    links, entries = link_groups(vectors, halves_of(vectors), groups.starts, d.within, threads, progress)
    rows, places = np.nonzero(links >= 0)
    into = links[rows, places]
    if d.delta:
        navigating = label_navigating_graph(groups, trie_, threads)
        sources, targets = cross_edges(
            vectors, groups.starts, links, entries, navigating, d.delta, d.within.L, d.rule2, threads
        )
        rows, into = np.r_[rows, sources], np.r_[into, targets]
    return Ung(*groups, *trie_, *_lists(len(vectors), rows, into), entries, *none)


def _lists(n: int, sources: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.r_[0, np.cumsum(np.bincount(sources, minlength=n))].astype(np.int64)
    return starts, targets[np.argsort(sources, kind="stable")].astype(np.int32)


def _branches(
    vectors: np.ndarray, groups: Groups, trie_: Trie, design: Design, threads: int, progress: Progress
) -> tuple[np.ndarray, ...]:
    """A graph of all rows below each node of the trie that has as many as a branch needs, but for the root
    if there are labels."""
    first, last = rows_below(groups, trie_)
    nodes = np.flatnonzero(last - first >= design.branch)
    nodes = nodes[(nodes > 0) | (len(trie_.labels) == 1)]
    total = int((last - first)[nodes].sum())
    halves = halves_of(vectors)
    degrees, links = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    entries, shifts, before = np.empty(len(nodes), np.int32), np.empty(len(nodes), np.int64), 0
    for i, node in enumerate(nodes):
        rows = slice(first[node], last[node])
        size = rows.stop - rows.start
        part = halves._replace(vectors=halves.vectors[rows])
        local, entry = link_groups(
            vectors[rows],
            part,
            np.array([0, size]),
            design.within,
            threads,
            part_of(progress, before, total),
        )
        degrees.append(np.count_nonzero(local >= 0, axis=1))
        links.append(local[local >= 0] + np.int32(rows.start))
        entries[i], shifts[i] = entry[0] + rows.start, before - rows.start
        before += size
    starts = np.r_[0, np.cumsum(np.concatenate(degrees))].astype(np.int64)
    return (
        starts,
        np.concatenate(links),
        np.empty(0, np.int32),
        nodes.astype(np.int32),
        entries,
        shifts,
    )

"""Label sets of items: groups of items with the same set, and the trie of the sets.

Labels are numbered by rank, the most frequent first; a set is its ranks in ascending order. Groups are
numbered in lexicographic order of their sets, and rows are items in order of their groups. So the groups, and
the rows, below a node of the trie are consecutive.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fannsbench.attributes import Attributes, LabelSet, Number
from fannsbench.filters import BoundFilters
from fannsbench.filters.tree import leaves_of
from fannsbench.kernels import jit

_UNKNOWN = np.iinfo(np.int32).max
"""A label that no item has, among ranks."""


class Groups(NamedTuple):
    """The items by label sets; G groups and V labels."""

    items: np.ndarray  # (n,) int32: the item of each row; within a group they ascend
    starts: np.ndarray  # (G + 1,) int64: the rows of group g are starts[g]..starts[g + 1]
    set_starts: np.ndarray  # (G + 1,) int64 into set_labels
    set_labels: np.ndarray  # int32: the ranks of each group's set
    ranks: np.ndarray  # (V,) int32: the rank of each label in the order of `first_labels`


class Trie(NamedTuple):
    """The groups' label sets in pre-order; node 0 is the root. T nodes and V labels."""

    labels: np.ndarray  # (T,) int32: the rank that leads to the node; -1 at the root
    parents: np.ndarray  # (T,) int32; -1 at the root
    ends: np.ndarray  # (T,) int32: what is below node v lies before node ends[v]
    groups_before: (
        np.ndarray
    )  # (T + 1,) int32: node v is the set of group groups_before[v] if the next differs
    node_starts: np.ndarray  # (V + 1,) int64 into nodes
    nodes: np.ndarray  # (T - 1,) int32: the nodes that each rank leads to, ascending


def first_labels(attributes: Attributes) -> dict[str, int]:
    """Where the labels of each attribute begin: a label is a code of an attribute."""
    first, total = {}, 0
    for name, column in attributes.items():
        first[name] = total
        total += len(column.distinct) if isinstance(column, Number) else len(column.vocabulary)
    return first


def group(attributes: Attributes) -> Groups:
    """The groups of the items, whose labels are all codes that they have, in any attribute."""
    owners, labels = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    first = first_labels(attributes)
    for name, column in attributes.items():
        if isinstance(column, LabelSet):
            owners.append(np.repeat(np.arange(attributes.n), np.diff(column.indptr)))
            labels.append(column.indices.astype(np.int64) + first[name])
        else:
            owners.append(np.flatnonzero(column.codes >= 0))
            labels.append(column.codes[owners[-1]].astype(np.int64) + first[name])
    owner, label = np.concatenate(owners), np.concatenate(labels)
    frequencies = np.bincount(label)
    ranks = np.empty(len(frequencies), np.int32)
    ranks[np.argsort(-frequencies, kind="stable")] = np.arange(len(ranks))
    order = np.lexsort((ranks[label], owner))
    ends = np.cumsum(np.bincount(owner, minlength=attributes.n)) * 4
    # As big-endian bytes, sets are ordered as they are as tuples.
    text = ranks[label[order]].astype(">i4").tobytes()
    sets = [text[a:b] for a, b in pairwise([0, *ends.tolist()])]
    distinct = sorted(set(sets))
    number = {labels: i for i, labels in enumerate(distinct)}
    numbers = np.array([number[labels] for labels in sets], np.int64)
    return Groups(
        items=np.argsort(numbers, kind="stable").astype(np.int32),
        starts=_starts(np.bincount(numbers, minlength=len(distinct))),
        set_starts=_starts(np.array([len(labels) // 4 for labels in distinct], np.int64)),
        set_labels=np.frombuffer(b"".join(distinct), ">i4").astype(np.int32),
        ranks=ranks,
    )


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.r_[0, np.cumsum(sizes)].astype(np.int64)


def trie(groups: Groups) -> Trie:
    """Of the label sets of the groups."""
    most = len(groups.set_labels) + 1
    labels, parents, ends, before = np.empty((4, most + 1), np.int32)
    depth = int(np.diff(groups.set_starts).max(initial=0))
    count = _fill_trie(groups, np.zeros(depth + 1, np.int32), labels, parents, ends, before)
    below = labels[1:count]
    return Trie(
        labels[:count].copy(),
        parents[:count].copy(),
        ends[:count].copy(),
        before[: count + 1].copy(),
        _starts(np.bincount(below, minlength=len(groups.ranks))),
        (np.argsort(below, kind="stable") + 1).astype(np.int32),
    )


@jit
def _fill_trie(
    groups: Groups,
    path: np.ndarray,
    labels: np.ndarray,
    parents: np.ndarray,
    ends: np.ndarray,
    before: np.ndarray,
) -> int:
    """path: a node for every depth. Returns the number of nodes."""
    labels[0], parents[0], before[0] = -1, -1, 0
    count, depth = 1, 0
    for g in range(groups.starts.size - 1):
        labels_of_group = groups.set_labels[groups.set_starts[g] : groups.set_starts[g + 1]]
        shared = 0
        while shared < depth and labels[path[shared + 1]] == labels_of_group[shared]:
            shared += 1
        for closed in range(shared + 1, depth + 1):
            ends[path[closed]] = count
        depth = labels_of_group.size
        for place in range(shared, depth):
            labels[count], parents[count], before[count] = labels_of_group[place], path[place], g
            path[place + 1] = count
            count += 1
    for open_ in range(depth + 1):
        ends[path[open_]] = count
    before[count] = groups.starts.size - 1
    return count


def rows_below(groups: Groups, trie: Trie) -> tuple[np.ndarray, np.ndarray]:
    """The first row below each node of the trie, and the row after the last, (T,) int64 each."""
    return groups.starts[trie.groups_before[:-1]], groups.starts[trie.groups_before[trie.ends]]


def wanted_sets(filters: BoundFilters, first: Mapping[str, int], ranks: np.ndarray) -> np.ndarray:
    """(q, width) int32: the ranks that each query wants its matches to have, ascending, -1 before them;
    one that no item has is beyond all ranks. `first`: of the attributes; ranks: of the groups."""
    bounds = filters.predicate.bounds
    wanted = np.full(bounds.shape[:2], -1, np.int32)
    known = np.append(ranks, np.int32(_UNKNOWN))
    for place, leaf in enumerate(leaves_of(filters.filter.tree)):
        low, high = bounds[:, place, 0].astype(np.int64), bounds[:, place, 1]
        label = np.where(low == high, low + first[leaf.attribute], len(ranks))
        wanted[:, place] = known[np.minimum(label, len(ranks))]
    wanted.sort(axis=1)
    wanted[:, 1:][wanted[:, 1:] == wanted[:, :-1]] = -1
    wanted.sort(axis=1)
    return wanted


@jit
def find_subtrees(trie: Trie, wanted: np.ndarray, out: np.ndarray) -> int:
    """The topmost nodes whose sets contain the wanted ranks (w,) int32, ascending and -1 padded before, into
    out (at least as long as the longest row of nodes, or 1), ascending; returns how many. All sets below
    them contain the ranks, and no others do. (Cai et al., section 4: the climb from the rarest label.)"""
    last = wanted.size - 1
    if last < 0 or wanted[last] < 0:
        out[0] = 0
        return 1
    rarest, found = wanted[last], 0
    if rarest >= trie.node_starts.size - 1:
        return 0
    for place in range(trie.node_starts[rarest], trie.node_starts[rarest + 1]):
        node = trie.nodes[place]
        left, above = last - 1, trie.parents[node]
        while left >= 0 and wanted[left] >= 0 and above > 0 and trie.labels[above] >= wanted[left]:
            if trie.labels[above] == wanted[left]:
                left -= 1
            above = trie.parents[above]
        if left < 0 or wanted[left] < 0:
            out[found] = node
            found += 1
    return found

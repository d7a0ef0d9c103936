"""Linking in again what pruning has cut off from where the search for a label begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.algorithms._filtered_diskann.graph import Labelled, Matching
from fannsbench.algorithms._filtered_diskann.labels import OneEach, Sets, labels_at, with_label, with_one_of
from fannsbench.algorithms._filtered_diskann.prune import includes
from fannsbench.attributes import Postings
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import row_length
from fannsbench.kernels.pool import Pool, item_at, size
from fannsbench.kernels.search import Scratch, accepts, begin, best_first, enter


def connect_labels(
    graph: Labelled, labels: OneEach | Sets, postings: Postings, vectors: np.ndarray, ef: int
) -> int:
    """Link in the items that a walk from the start of one of their labels, along items that have it, does not
    come to. Returns how many pairs of a label and an item remain.

    One of the near items that a search of pool `ef` finds links to it: one that has room, or one of whose
    links can be exchanged, since the item leads on to its end for every label that both ends share."""
    n, width = graph.links.shape
    return _connect(
        graph,
        labels,
        postings.starts,
        postings.ids,
        vectors,
        np.full(n, -1, np.int64),
        np.empty(n, np.int32),
        Scratch.of(n, ef, width),
    )


@jit
def _connect(
    graph: Labelled,
    labels: Any,
    first: np.ndarray,
    ids: np.ndarray,
    vectors: np.ndarray,
    reached: np.ndarray,
    waiting: np.ndarray,
    s: Scratch,
) -> int:
    """reached (n,) int64: the last label for which a walk came to the item."""
    graph, labels, vectors, s = borrowed(graph), borrowed(labels), borrowed(vectors), borrowed(s)
    remaining = 0
    for label in range(graph.label_starts.size):
        start = graph.label_starts[label]
        if start < 0:
            continue
        _spread(graph.links, labels, label, start, reached, waiting)
        for place in range(first[label], first[label + 1]):
            item = ids[place]
            if reached[item] == label:
                continue
            begin(s)
            enter(vectors, vectors[item], start, s)
            best_first(Matching(graph.links, with_label(labels, label)), vectors, vectors[item], s)
            if _link_in(graph.links, labels, item, s.pool):
                _spread(graph.links, labels, label, item, reached, waiting)
            else:
                remaining += 1
    return remaining


@jit
def _spread(
    links: np.ndarray, labels: Any, label: int, start: int, reached: np.ndarray, waiting: np.ndarray
) -> None:
    links, labels = borrowed(links), borrowed(labels)
    test = with_label(labels, label)
    reached[start] = label
    waiting[0] = start
    count = 1
    while count:
        count -= 1
        node = waiting[count]
        for place in range(row_length(links, node)):
            item = links[node, place]
            if reached[item] != label and accepts(test, item):
                reached[item] = label
                waiting[count] = item
                count += 1


@jit
def _link_in(links: np.ndarray, labels: Any, item: int, near: Pool) -> bool:
    links, labels, near = borrowed(links), borrowed(labels), borrowed(near)
    width = links.shape[1]
    for place in range(size(near)):
        node = item_at(near, place)
        held = row_length(links, node)
        if held < width:
            links[node, held] = item
            return True
        for slot in range(width - 1, -1, -1):
            other = links[node, slot]
            if includes(labels, item, other, node, True) and _leads_on(links, labels, node, item, other):
                links[node, slot] = item
                return True
    return False


@jit
def _leads_on(links: np.ndarray, labels: Any, node: int, item: int, other: int) -> bool:
    """Link the item to the other, unless the node has no label for which it matters; whether that is so or
    there is room."""
    held = row_length(links, item)
    for place in range(held):
        if links[item, place] == other:
            return True
    if held < links.shape[1]:
        links[item, held] = other
        return True
    return not accepts(with_one_of(labels, labels_at(labels, node)), other)

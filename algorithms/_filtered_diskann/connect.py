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
from fannsbench.kernels.insert import holds, row_length
from fannsbench.kernels.pool import Marks, Pool, is_marked, item_at, size, unmark_all
from fannsbench.kernels.reach import spread
from fannsbench.kernels.search import Scratch, accepts, begin, best_first, enter


def connect_labels(
    graph: Labelled, labels: OneEach | Sets, postings: Postings, vectors: np.ndarray, ef: int
) -> None:
    """Link in the items that a walk from the start of one of their labels, along items that have it, does not
    come to.

    One of the near items that a search of pool `ef` finds links to it: one that has room, or one of whose
    links can be exchanged, since the item leads on to its end for every label that both ends share. Where
    there is none, which short lists and many labels of an item lead to, it stays cut off for that label."""
    n, width = graph.links.shape
    _connect(
        graph,
        labels,
        postings.starts,
        postings.ids,
        vectors,
        Marks.of(n),
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
    reached: Marks,
    waiting: np.ndarray,
    s: Scratch,
) -> None:
    graph, labels, vectors, s = borrowed(graph), borrowed(labels), borrowed(vectors), borrowed(s)
    for label in range(graph.label_starts.size):
        start = graph.label_starts[label]
        if start < 0:
            continue
        labelled = Matching(graph.links, with_label(labels, label))
        unmark_all(reached)
        spread(labelled, start, reached, waiting)
        for place in range(first[label], first[label + 1]):
            item = ids[place]
            if is_marked(reached, item):
                continue
            begin(s)
            enter(vectors, vectors[item], start, s)
            best_first(labelled, vectors, vectors[item], s)
            if _link_in(graph.links, labels, item, s.pool):
                spread(labelled, item, reached, waiting)


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
    if holds(links, item, held, other):
        return True
    if held < links.shape[1]:
        links[item, held] = other
        return True
    return not accepts(with_one_of(labels, labels_at(labels, node)), other)

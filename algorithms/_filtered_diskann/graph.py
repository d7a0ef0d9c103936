"""The graph that FilteredVamana and StitchedVamana build, and its search, which enters where the query's
labels begin and follows only items that have one of them (Filtered-DiskANN, algorithm 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithms._filtered_diskann.labels import OneEach, Sets, with_label
from fannsbench.algorithms._native.unfiltered import entry
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.pool import Marks, Pool, clear, item_at, mark, offer, size, write_ids
from fannsbench.kernels.search import (
    Scratch,
    accepts,
    begin,
    best_first,
    enter,
    neighbours,
    prefetch_fresh,
    prefetch_links,
    prefetch_neighbours,
)
from fannsbench.kernels.space import prefetch


class Labelled(NamedTuple):
    """A list of links for each item, and where searches begin."""

    links: np.ndarray  # (n, degree) int32, -1 padded; if items have one label, links to the same first
    start: np.ndarray  # (1,) int32: without a filter
    label_starts: np.ndarray  # (labels,) int32: for each label an item that has it, -1 if none has


class Matching(NamedTuple):
    """A graph of which a search sees only the items that pass a test."""

    links: np.ndarray
    test: Any


class OwnLabel(NamedTuple):
    """A graph of which a search sees only the items of one label, where items have one label and the links
    of each begin with those to the same label."""

    links: np.ndarray
    codes: np.ndarray
    label: int


@neighbours.register(Matching)
def _of_matching(graph: Matching, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count = 0
    for place in range(graph.links.shape[1]):
        item = graph.links[node, place]
        if item < 0:
            break
        if mark(marks, item) and accepts(graph.test, item):  # so that none is tested twice
            fresh[count] = item
            count += 1
    return count


@neighbours.register(OwnLabel)
def _of_own_label(graph: OwnLabel, node: int, marks: Marks, fresh: np.ndarray) -> int:
    count = 0
    for place in range(graph.links.shape[1]):
        item = graph.links[node, place]
        if item < 0 or graph.codes[item] != graph.label:
            break
        if mark(marks, item):
            fresh[count] = item
            count += 1
    return count


@prefetch_links.register(Matching)
@prefetch_links.register(OwnLabel)
def _row(graph: Any, node: int) -> None:
    prefetch(graph.links, node)


@prefetch_neighbours.register(OwnLabel)
def _rows_of_own_label(graph: OwnLabel, node: int, vectors: np.ndarray, marks: Marks) -> None:
    prefetch_fresh(graph.links[node], vectors, marks)


@by_type
def restricted(labels: Any, links: np.ndarray, label: int) -> Any:
    """The part of a finished graph that has a label."""
    raise NotImplementedError(type(labels))


@restricted.register(OneEach)
def _to_code(labels: OneEach, links: np.ndarray, label: int) -> OwnLabel:
    return OwnLabel(links, labels.codes, label)


@restricted.register(Sets)
def _to_member(labels: Sets, links: np.ndarray, label: int) -> Matching:
    return Matching(links, with_label(labels, label))


@jit
def own_labels_first(codes: np.ndarray, links: np.ndarray) -> None:
    """Bring links (n, degree) to items of the same code (n,) int32 before the others, each in their order."""
    others = np.empty(links.shape[1], np.int32)
    for node in range(links.shape[0]):
        own = other = 0
        for place in range(links.shape[1]):
            item = links[node, place]
            if item >= 0 and codes[item] == codes[node]:
                links[node, own] = item
                own += 1
            elif item >= 0:
                others[other] = item
                other += 1
        links[node, own : own + other] = others[:other]


@entry.register(Labelled)
def _at_start(graph: Labelled, vectors: np.ndarray, query: np.ndarray) -> tuple[int, int]:
    return graph.start[0], 1


@jit
def search_label(
    graph: Labelled,
    labels: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    wanted: np.ndarray,
    s: Scratch,
    out: np.ndarray,
) -> int:
    """As `search` of an unfiltered graph, among the items that have label wanted[row, 0]."""
    graph, labels, vectors = borrowed(graph), borrowed(labels), borrowed(vectors)
    queries, s = borrowed(queries), borrowed(s)
    computed = 0
    for row in rows:
        label = wanted[row, 0]
        begin(s)
        computed += enter(vectors, queries[row], graph.label_starts[label], s)
        computed += best_first(restricted(labels, graph.links, label), vectors, queries[row], s)
        write_ids(s.pool, out[row])
    return computed


@jit
def search_any(
    graph: Labelled,
    labels: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    rows: np.ndarray,
    wanted: np.ndarray,
    s: Scratch,
    out: np.ndarray,
) -> int:
    """As `search_label`, among the items that have one of the labels wanted[row] (m,) int32, ascending: one
    search for each. In a single one for all, the entry of a label would leave the pool before its turn where
    it is far from the query, and with it the label's items, if no others link to them."""
    graph, labels, vectors = borrowed(graph), borrowed(labels), borrowed(vectors)
    queries, wanted, s = borrowed(queries), borrowed(wanted), borrowed(s)
    k, computed = out.shape[1], 0
    nearest = Pool(
        np.empty(k, np.float32), np.empty(k, np.int32), np.empty(2, np.int64), np.empty(1, np.float32)
    )
    for row in rows:
        clear(nearest)
        before = -1
        for label in wanted[row]:
            if label != before and graph.label_starts[label] >= 0:
                begin(s)
                computed += enter(vectors, queries[row], graph.label_starts[label], s)
                computed += best_first(restricted(labels, graph.links, label), vectors, queries[row], s)
                _take_in(s.pool, nearest)
            before = label
        write_ids(nearest, out[row])
    return computed


@jit
def _take_in(pool: Pool, nearest: Pool) -> None:
    """Offer the items of a pool to another, which may hold some of them already."""
    for place in range(size(pool)):
        item = item_at(pool, place)
        held = False
        for other in range(size(nearest)):
            held |= item_at(nearest, other) == item
        if not held and not offer(nearest, pool.distances[place], item):
            break

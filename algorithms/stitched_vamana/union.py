"""Laying the graphs of all labels over one another (Filtered-DiskANN, algorithm 5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fannsbench.algorithms.stitched_vamana.label_graphs import LabelGraphs
from fannsbench.algorithms.vamana.index import MOST_CANDIDATES
from fannsbench.attributes import Postings
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.parallel import for_ranges
from fannsbench.kernels.pool import Marks, Pool, clear, mark, offer, unmark_all
from fannsbench.kernels.prune import choose
from fannsbench.kernels.space import squared_distance


def united(
    rule: Any, vectors: np.ndarray, postings: Postings, graphs: LabelGraphs, degree: int, threads: int
) -> np.ndarray:
    """(n, at most degree) int32, -1 padded: the links of each item in all graphs, in the order of its labels;
    where they are more than `degree`, the rule chooses."""
    n = len(vectors)
    pairs = np.argsort(postings.ids, kind="stable")  # by item, then label
    first = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(postings.ids, minlength=n), out=first[1:])
    begins = np.repeat(postings.starts[:-1], np.diff(postings.starts))[pairs]
    most = int(np.diff(first).max(initial=0)) * graphs.links.shape[1]
    links = np.full((n, min(degree, most)), -1, np.int32)

    def unite(start: int, stop: int) -> None:
        marks, pool = Marks.of(n), Pool.of(min(most, MOST_CANDIDATES))
        found = np.empty(most, np.int32)
        _unite(
            rule,
            vectors,
            postings.ids,
            graphs.links,
            pairs,
            first,
            begins,
            start,
            stop,
            marks,
            pool,
            found,
            links,
        )

    for_ranges(n, threads, unite)
    return links


@jit
def _unite(
    rule: Any,
    vectors: np.ndarray,
    ids: np.ndarray,
    label_links: np.ndarray,
    pairs: np.ndarray,
    first: np.ndarray,
    begins: np.ndarray,
    start: int,
    stop: int,
    marks: Marks,
    pool: Pool,
    found: np.ndarray,
    links: np.ndarray,
) -> None:
    """For the items start..stop; found is scratch, begins (pairs,) where the postings of a pair's label
    begin."""
    vectors, marks, pool, links = borrowed(vectors), borrowed(marks), borrowed(pool), borrowed(links)
    for item in range(start, stop):
        unmark_all(marks)
        count = 0
        for i in range(first[item], first[item + 1]):
            for local in label_links[pairs[i]]:
                if local < 0:
                    break
                other = ids[begins[i] + local]
                if mark(marks, other):
                    found[count] = other
                    count += 1
        if count <= links.shape[1]:
            links[item, :count] = found[:count]
            continue
        clear(pool)
        for other in found[:count]:
            offer(pool, squared_distance(vectors[item], vectors, other), other)
        choose(rule, item, pool, links.shape[1], vectors, links[item])

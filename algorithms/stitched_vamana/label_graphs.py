"""The graphs of all labels: of large labels with all threads, one after another; of small ones, of which
there may be many thousands, each with one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms.vamana import index as vamana
from fannsbench.algorithms.vamana.index import MOST_CANDIDATES, Parameters, medoid
from fannsbench.attributes import Postings
from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.insert import add_links, part_of
from fannsbench.kernels.parallel import for_ranges
from fannsbench.kernels.pool import Pool
from fannsbench.kernels.prune import RobustPrune, choose
from fannsbench.kernels.search import Scratch, Table, begin, best_first, enter

SMALL = 5000
"""Items of a label; in graphs of fewer, batches would be too small for several threads."""


class LabelGraphs(NamedTuple):
    """For each pair of a label and an item that has it, in the order of the postings."""

    links: np.ndarray  # (pairs, R) int32: places of neighbours among the label's items, -1 padded
    medoids: np.ndarray  # (labels,) int32 items, -1 where none has the label


def label_graphs(
    vectors: np.ndarray, postings: Postings, how: Parameters, threads: int, progress: Progress
) -> LabelGraphs:
    """Of vectors (n, D): a Vamana graph for the items of each label."""
    starts, ids = postings.starts, postings.ids
    sizes = np.diff(starts)
    graphs = LabelGraphs(np.full((len(ids), how.R), -1, np.int32), np.full(len(sizes), -1, np.int32))
    done = 0
    for label in np.flatnonzero(sizes >= SMALL):
        pairs = slice(starts[label], starts[label + 1])
        part = vectors[ids[pairs]]
        part.flags.writeable = False
        graph = vamana.build(part, how, threads, part_of(progress, done, len(ids)))
        done += len(part)
        graphs.links[pairs] = graph.links
        graphs.medoids[label] = ids[pairs][graph.start[0]]
    small = np.flatnonzero((sizes > 0) & (sizes < SMALL))
    order = insertion_order(postings, how.seed)
    rule = RobustPrune(np.float32(how.alpha))
    ends = np.cumsum(sizes[small])
    shares = np.linspace(0, sizes[small].sum(), threads + 1)[1:-1]
    edges = np.r_[0, np.searchsorted(ends, shares), len(small)]
    most = int(sizes[small].max(initial=1))

    def build_some(first: int, last: int) -> None:
        scratch = Scratch.of(most, how.L, how.R, trail=MOST_CANDIDATES)
        part = np.empty((most, vectors.shape[1]), np.float32)
        some = small[edges[first] : edges[last]]
        _build_small(rule, vectors, starts, ids, order, some, part, scratch, Pool.of(how.R + 1), graphs)

    for_ranges(threads, threads, build_some)
    if len(small):
        progress(len(ids), len(ids))
    return graphs


def insertion_order(postings: Postings, seed: int) -> np.ndarray:
    """(pairs,) int32: the places of each label's items among them, in the order in which they are inserted
    into its graph."""
    sizes = np.diff(postings.starts)
    label_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    pairs = np.random.default_rng([seed, len(label_of)]).permutation(len(label_of))
    pairs = pairs[np.argsort(label_of[pairs], kind="stable")]
    return (pairs - postings.starts[label_of]).astype(np.int32)


@jit
def _build_small(
    rule: RobustPrune,
    vectors: np.ndarray,
    starts: np.ndarray,
    ids: np.ndarray,
    order: np.ndarray,
    some: np.ndarray,
    part: np.ndarray,
    s: Scratch,
    pool: Pool,
    graphs: LabelGraphs,
) -> None:
    """The graphs of some labels, one item after another, the medoid first."""
    vectors, part, s, pool = borrowed(vectors), borrowed(part), borrowed(s), borrowed(pool)
    ids, order, graphs = borrowed(ids), borrowed(order), borrowed(graphs)
    for label in some:
        first, last = starts[label], starts[label + 1]
        size = last - first
        for place in range(size):
            part[place] = vectors[ids[first + place]]
        start = medoid(part[:size])
        graphs.medoids[label] = ids[first + start]
        links = graphs.links[first:last]
        for i in range(first, last):
            item = order[i]
            if item == start:
                continue
            begin(s)
            enter(part, part[item], start, s)
            best_first(Table(links), part, part[item], s)
            choose(rule, item, s.trail, links.shape[1], part, links[item])
            for place in range(links.shape[1]):
                target = links[item, place]
                if target < 0:
                    break
                add_links(rule, part, links, target, target, order[i : i + 1], pool)

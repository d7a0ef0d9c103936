"""How StitchedVamana is made: a Vamana graph of each label's items, laid over one another and pruned."""

from __future__ import annotations

import numpy as np

from fannsbench.algorithm import Progress
from fannsbench.algorithms._filtered_diskann.connect import connect_labels
from fannsbench.algorithms._filtered_diskann.graph import Labelled
from fannsbench.algorithms._filtered_diskann.labels import OneEach, Sets
from fannsbench.algorithms._filtered_diskann.prune import FilteredRobustPrune
from fannsbench.algorithms.stitched_vamana.label_graphs import label_graphs
from fannsbench.algorithms.stitched_vamana.union import united
from fannsbench.algorithms.vamana.index import Parameters, medoid
from fannsbench.attributes import Postings


def build(
    vectors: np.ndarray,
    labels: OneEach | Sets,
    postings: Postings,
    small: Parameters,
    R_stitched: int,  # noqa: N803
    final_alpha: float,
    entry: str,
    threads: int,
    progress: Progress,
) -> Labelled:
    """Of vectors (n, D) in the space of `fannsbench.kernels.space`: `small` graphs for each label, together
    pruned to R_stitched links. entry: where the search for a label begins, at a "random" item or at the
    "medoid"."""
    graphs = label_graphs(vectors, postings, small, threads, progress)
    starts = graphs.medoids
    if entry == "random":
        sizes = np.diff(postings.starts)
        drawn = (np.random.default_rng([small.seed, len(vectors), 2]).random(len(sizes)) * sizes).astype(
            np.int64
        )
        starts = np.full(len(sizes), -1, np.int32)
        starts[sizes > 0] = postings.ids[(postings.starts[:-1] + drawn)[sizes > 0]]
    rule = FilteredRobustPrune(np.float32(final_alpha), labels, False)
    links = united(rule, vectors, postings, graphs, R_stitched, threads)
    graph = Labelled(links, np.array([medoid(vectors)], np.int32), starts)
    connect_labels(graph, labels, postings, vectors, small.L)
    return graph

"""Pruning where an item stands in for another only if it has the labels by which the other is reached."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.algorithms._filtered_diskann.labels import OneEach, Sets
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.pool import Pool
from fannsbench.kernels.prune import choose, may_stand_in, robust_prune


@by_type
def includes(labels: Any, one: int, other: int, node: int, shared_alone: bool) -> bool:
    """Whether the first item has all labels of the other; or, `shared_alone`, all of those that the other
    shares with the node."""
    raise NotImplementedError(type(labels))


@includes.register(OneEach)
def _includes_code(labels: OneEach, one: int, other: int, node: int, shared_alone: bool) -> bool:
    code = labels.codes[other]
    return bool(code < 0 or code == labels.codes[one] or (shared_alone and code != labels.codes[node]))


@includes.register(Sets)
def _includes_set(labels: Sets, one: int, other: int, node: int, shared_alone: bool) -> bool:
    needed = labels.bits[other]
    if shared_alone:
        needed &= labels.bits[node]
        if not needed:
            return True
    elif needed & ~labels.bits[one]:
        return False
    codes, place, last = labels.codes, labels.starts[one], labels.starts[one + 1]
    of_node, end = labels.starts[node], labels.starts[node + 1]
    for i in range(labels.starts[other], labels.starts[other + 1]):
        label = codes[i]
        if shared_alone:
            while of_node < end and codes[of_node] < label:
                of_node += 1
            if of_node == end:
                return True
            if codes[of_node] != label:
                continue
        while place < last and codes[place] < label:
            place += 1
        if place == last or codes[place] != label:
            return False
    return True


class FilteredRobustPrune(NamedTuple):
    """Vamana's pruning where an item stands in for another only if it has all labels that lead there
    (Filtered-DiskANN, algorithm 3): all of the other's, as in DiskANN's code, or, `shared_alone`, those that
    the other shares with the node, as in the paper."""

    alpha: np.float32
    labels: Any
    shared_alone: bool


@may_stand_in.register(FilteredRobustPrune)
def _if_it_includes(rule: FilteredRobustPrune, node: int, chosen: int, candidate: int) -> bool:
    return includes(rule.labels, chosen, candidate, node, rule.shared_alone)


@choose.register(FilteredRobustPrune)
def _by_filtered_robust_prune(
    rule: FilteredRobustPrune, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    rule = borrowed(rule)
    return robust_prune(rule, node, candidates, degree, rule.alpha, vectors, out)

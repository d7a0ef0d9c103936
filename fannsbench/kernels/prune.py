"""Choosing a node's neighbours among candidates: those that no chosen one stands in for.

A rule is a NamedTuple; `choose.register` says how it chooses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fannsbench.kernels import jit
from fannsbench.kernels.borrow import borrowed
from fannsbench.kernels.dispatch import by_type
from fannsbench.kernels.pool import Pool, item_at, size
from fannsbench.kernels.space import squared_distance

_RAMP = np.float32(1.2)
_TOLERANCE = np.float32(1e-6)


@by_type
def choose(rule: Any, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray) -> int:
    """Write at most `degree` of the candidates for the node, which is not among them, into out; return how
    many."""
    raise NotImplementedError(type(rule))


class Heuristic(NamedTuple):
    """HNSW's selection (Malkov and Yashunin, TPAMI 2020, algorithm 4), which is that of a relative
    neighbourhood graph: a candidate falls if it is nearer to one kept before than to the node, or a copy of
    that one. Fewer candidates than `degree` are all kept, as in hnswlib."""


@by_type
def may_stand_in(rule: Any, node: int, chosen: int, candidate: int) -> bool:
    """Whether a rule lets a chosen item stand in for a candidate at all."""
    raise NotImplementedError(type(rule))


@may_stand_in.register(Heuristic)
def _any_may(rule: Heuristic, node: int, chosen: int, candidate: int) -> bool:
    return True


@choose.register(Heuristic)
def _by_heuristic(
    rule: Heuristic, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    return keep_relative(rule, node, candidates, degree, degree - 1, vectors, out)


@jit
def keep_relative(
    rule: Any, node: int, candidates: Pool, degree: int, few: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    """`choose` of `Heuristic`, for every rule that has a `may_stand_in`; at most `few` candidates are all
    kept."""
    candidates, vectors, out = borrowed(candidates), borrowed(vectors), borrowed(out)
    kept = 0
    keeps_all = size(candidates) <= few
    for place in range(size(candidates)):
        if kept == degree:
            break
        item = item_at(candidates, place)
        distance = candidates.distances[place]
        stands = True
        if not keeps_all:
            for other in range(kept):
                if not may_stand_in(rule, node, out[other], item):
                    continue
                between = squared_distance(vectors[item], vectors, out[other])
                if between < distance or between == 0:
                    stands = False
                    break
        if stands:
            out[kept] = item
            kept += 1
    return kept


class RobustPrune(NamedTuple):
    """Vamana's rule as in DiskANN's code (Subramanya et al., NeurIPS 2019, algorithm 2, with a threshold that
    rises from 1 by factors of 1.2 to alpha): a candidate falls at a threshold if a chosen one is nearer to it
    than the node is, by more than that factor in squared distance. alpha is in effect 1, 1.2, 1.44, ..."""

    alpha: np.float32


@may_stand_in.register(RobustPrune)
def _always(rule: RobustPrune, node: int, chosen: int, candidate: int) -> bool:
    return True


@choose.register(RobustPrune)
def _by_robust_prune(
    rule: RobustPrune, node: int, candidates: Pool, degree: int, vectors: np.ndarray, out: np.ndarray
) -> int:
    return robust_prune(rule, node, candidates, degree, rule.alpha, vectors, out)


@jit
def robust_prune(
    rule: Any,
    node: int,
    candidates: Pool,
    degree: int,
    alpha: np.float32,
    vectors: np.ndarray,
    out: np.ndarray,
) -> int:
    """`choose` of `RobustPrune`, for every rule that has a `may_stand_in`.

    Distances between candidates are computed when they are needed: a candidate is compared with the chosen
    ones that come before it in the candidates' order, each once, until it falls."""
    candidates, vectors, out = borrowed(candidates), borrowed(vectors), borrowed(out)
    count, kept = size(candidates), 0
    ratio = np.zeros(count, np.float32)  # the largest so far; inf where the candidate is out for good
    compared = np.zeros(count, np.int32)  # with so many of the chosen
    places = np.empty(degree, np.int32)  # of the chosen among the candidates
    threshold = np.float32(1.0)
    while threshold <= alpha + _TOLERANCE and kept < degree:
        for place in range(count):
            if kept == degree:
                break
            if ratio[place] > threshold:
                continue
            item, distance = item_at(candidates, place), candidates.distances[place]
            vector = vectors[item]
            while compared[place] < kept and ratio[place] <= threshold:
                other = places[compared[place]]
                compared[place] += 1
                chosen = item_at(candidates, other)
                if other > place or not may_stand_in(rule, node, chosen, item):
                    continue
                between = squared_distance(vector, vectors, chosen)
                ratio[place] = max(ratio[place], distance / between if between > 0 else np.float32(np.inf))
            if ratio[place] > threshold:
                continue
            ratio[place] = np.inf
            out[kept] = item
            places[kept] = place
            kept += 1
        threshold *= _RAMP
    return kept

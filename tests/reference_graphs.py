"""Naive oracles for graph kernels: sets, lists and heaps of (distance, id), and distances of integers, which
are exact in any order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Near = tuple[float, int]


def squared(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a.astype(np.float64) - b.astype(np.float64)) ** 2).sum())


def search_layer(
    graph: Mapping[int, Sequence[int]],
    vectors: np.ndarray,
    query: np.ndarray,
    entries: Sequence[int],
    ef: int,
) -> tuple[list[Near], set[int], set[int]]:
    """Algorithm 2 of HNSW with its two heaps, whose order is (distance, id): the ef nearest, all that were
    seen, and all that were expanded."""
    seen = set(entries)
    candidates = [(squared(query, vectors[v]), v) for v in seen]
    nearest = sorted(candidates)[:ef]
    heapq.heapify(candidates)
    expanded = set()
    while candidates:
        closest = heapq.heappop(candidates)
        if len(nearest) == ef and closest > nearest[-1]:
            break
        expanded.add(closest[1])
        for v in graph[closest[1]]:
            if v not in seen:
                seen.add(v)
                near = squared(query, vectors[v]), v
                if len(nearest) < ef or near < nearest[-1]:
                    heapq.heappush(candidates, near)
                    nearest = sorted([*nearest, near])[:ef]
    return nearest, seen, expanded


def search_matching(
    graph: Mapping[int, Sequence[int]],
    vectors: np.ndarray,
    query: np.ndarray,
    entry: int,
    ef: int,
    matches: Callable[[int], bool],
) -> list[Near]:
    """hnswlib's filtered search: all are walked, matches are kept."""
    first = squared(query, vectors[entry]), entry
    seen, candidates = {entry}, [first]
    nearest = [first] if matches(entry) else []
    while candidates:
        closest = heapq.heappop(candidates)
        if len(nearest) == ef and closest[0] > nearest[-1][0]:
            break
        for v in graph[closest[1]]:
            if v in seen:
                continue
            seen.add(v)
            near = squared(query, vectors[v]), v
            if len(nearest) < ef or near[0] < nearest[-1][0]:
                heapq.heappush(candidates, near)
                if matches(v):
                    nearest = sorted([*nearest, near])[:ef]
    return nearest


def heuristic(node: int, candidates: Sequence[int], degree: int, vectors: np.ndarray) -> list[int]:
    """Algorithm 4 of HNSW, but copies of one kept fall; fewer candidates than the degree are all kept."""
    ordered = sorted((squared(vectors[node], vectors[v]), v) for v in candidates)
    if len(ordered) < degree:
        return [v for _, v in ordered]
    kept: list[int] = []
    for distance, v in ordered:
        between = [squared(vectors[v], vectors[r]) for r in kept]
        if len(kept) < degree and all(each and each >= distance for each in between):
            kept.append(v)
    return kept


def robust_prune(
    node: int,
    candidates: Sequence[int],
    degree: int,
    alpha: float,
    vectors: np.ndarray,
    may_stand_in: Callable[[int, int], bool] = lambda chosen, candidate: True,
) -> list[int]:
    """DiskANN's, which updates every later candidate as soon as one is chosen."""
    ordered = sorted((squared(vectors[node], vectors[v]), v) for v in candidates)
    ratio = [0.0] * len(ordered)
    chosen: list[int] = []
    threshold = np.float32(1)
    while threshold <= alpha + 1e-6 and len(chosen) < degree:
        for i, (_, v) in enumerate(ordered):
            if len(chosen) == degree:
                break
            if ratio[i] > threshold:
                continue
            ratio[i] = np.inf
            chosen.append(v)
            for j in range(i + 1, len(ordered)):
                distance, w = ordered[j]
                if may_stand_in(v, w):
                    between = squared(vectors[v], vectors[w])
                    ratio[j] = max(
                        ratio[j], np.float32(distance) / np.float32(between) if between else np.inf
                    )
        threshold *= np.float32(1.2)
    return chosen

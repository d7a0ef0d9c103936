"""ACORN on lists and sets, one item at a time, to compare ours with. Coordinates are small integers, so that
all distances are exact."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np


def layers_of(graph):
    """The list of every item, for each layer it is in."""
    starts = [int(start) for start in graph.starts]
    lists: list[dict[int, list[int]]] = [{v: held(row) for v, row in enumerate(graph.links)}]
    for c in range(1, len(starts)):
        size = (starts[c + 1] if c + 1 < len(starts) else len(graph.upper)) - starts[c]
        members = np.flatnonzero(graph.place < size)
        lists.append({int(v): held(graph.upper[starts[c] + graph.place[v]]) for v in members})
    return lists


def held(row):
    links = row[row >= 0].tolist()
    assert (row[len(links) :] == -1).all()
    return links


def exact_items(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 12, (n, 4)).astype(np.float32)


def distances(items, query):
    return ((items.astype(int) - query.astype(int)) ** 2).sum(axis=1).tolist()


def naive_descend(lists, far, start, lowest, M, matches=lambda v: True):  # noqa: N803
    nearest = start
    for layer in range(len(lists) - 1, lowest, -1):
        while True:
            before = nearest
            for v in [v for v in lists[layer][before] if matches(v)][:M]:
                if far[v] < far[nearest] or not matches(nearest):
                    nearest = v
            if nearest == before:
                break
    return nearest


def naive_best_first(leads_to, far, starts, ef):
    """leads_to(node, seen) sees to it that what it returns is seen."""
    pool, expanded = sorted((far[v], v) for v in starts), set()
    seen = set(starts)
    while True:
        pool = sorted(pool)[:ef]
        waiting = [v for _, v in pool if v not in expanded]
        if not waiting:
            return [v for _, v in pool]
        expanded.add(waiting[0])
        pool += [(far[v], v) for v in leads_to(waiting[0], seen)]


def naive_gather(lists, layer, far, start, M, ef, stop):  # noqa: N803
    def first_unseen(node, seen):
        new = [v for v in lists[layer][node] if v not in seen][:M]
        seen.update(new)
        return new

    if stop == "distance":
        return naive_best_first(first_unseen, far, [start], ef)
    frontier, pool, seen = [(far[start], start)], [(far[start], start)], {start}
    while frontier and (layer == 0 or len(pool) < ef):
        _, node = heapq.heappop(frontier)
        for v in first_unseen(node, seen):
            if len(pool) < ef or far[v] < pool[-1][0]:
                heapq.heappush(frontier, (far[v], v))
                pool = sorted([*pool, (far[v], v)])[:ef]
    return [v for _, v in pool]


def naive_compression(candidates, lists, M_beta, degree, most):  # noqa: N803
    kept, two_hops = list(candidates[:M_beta][:degree]), set()
    for v in candidates[M_beta:]:
        if len(kept) == degree or len(kept) + len(two_hops) > most:
            break
        if v not in two_hops:
            kept.append(v)
            two_hops |= set(lists[v])
    return kept


def naive_build(items, order, levels, M, M_beta, gamma, stop):  # noqa: N803
    """One item at a time."""
    degree = M_beta + 3 * M // 2
    lists = [{order[0]: []} for _ in range(levels[order[0]] + 1)]

    def cut(layer, candidates, before):
        if layer:
            return candidates[: M * gamma]
        return naive_compression(candidates, before, M_beta, degree, max(M * gamma, degree))

    for p in order[1:]:
        far = distances(items, items[p])
        nearest = naive_descend(lists, far, order[0], levels[p], M)
        chosen = []
        for layer in range(levels[p], -1, -1):
            found = naive_gather(lists, layer, far, nearest, M, M * gamma, stop)
            chosen.append((layer, cut(layer, found, lists[0])))
            nearest = found[0]
        for layer, own in chosen:
            lists[layer][p] = own
            before = {v: list(links) for v, links in lists[layer].items()}
            for v in own:
                lists[layer][v].append(p)
                if len(lists[layer][v]) > (M * gamma if layer else degree):
                    away = distances(items, items[v])
                    lists[layer][v] = cut(layer, sorted(lists[layer][v], key=lambda u: (away[u], u)), before)
    return lists


def naive_search(lists, items, query, mask, M, direct, ef, seeds, start):  # noqa: N803
    far = distances(items, query)

    def leads_to(node, seen):
        found = [v for v in lists[0][node] if mask[v]][: 2 * M]
        new = [v for v in found if v not in seen]
        seen.update(new)
        met = len(found)
        for between in lists[0][node][direct:]:
            if met >= 2 * M:
                break
            if between not in seen:
                seen.add(between)
                matches = [v for v in lists[0][between] if mask[v]]
                met += len(matches)
                more = [v for v in matches if v not in seen]
                seen.update(more)
                new += more
        return new

    start = naive_descend(lists, far, start, 0, M, lambda v: mask[v])
    seen = {start}
    starts = [start] if mask[start] else leads_to(start, seen)
    starts += [v for v in seeds if v not in seen]
    seen |= set(starts)
    pool, expanded = sorted((far[v], v) for v in starts)[:ef], set()
    while waiting := [v for _, v in pool if v not in expanded]:
        expanded.add(waiting[0])
        pool = sorted(pool + [(far[v], v) for v in leads_to(waiting[0], seen)])[:ef]
    return [v for _, v in pool]

"""What can be told of a workload's truth, for all queries, without the vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fannsbench.data.verify.distances import as_stored, single_error, sizes
from fannsbench.data.verify.findings import NOTE, OK, WRONG, Finding, of_queries
from fannsbench.dataset import Workload
from fannsbench.metric import Metric


def check_form(
    workload: Workload,
    subject: str,
    metric: Metric,
    query_lengths: np.ndarray,
    item_lengths: np.ndarray,
    dimension: int,
) -> Iterator[Finding]:
    """Lengths of all queries (q,) and items (n,)."""
    yield _matches(workload, subject, len(item_lengths))
    yield _padding(workload, subject)
    yield _distinct(workload, subject)
    stored = as_stored(metric, workload.distances)
    slack = single_error(dimension) * sizes(metric, query_lengths[:, None], item_lengths[workload.neighbors])
    yield _order(workload, subject, stored, slack)


def _matches(workload: Workload, subject: str, n: int) -> Finding:
    """Their range, and whether there are any."""
    matches = workload.matches
    if (bad := (matches < 0) | (matches > n)).any():
        detail = f"{of_queries(bad)}: {matches[np.argmax(bad)]:,} matches of {n:,} items"
        return Finding("matches", subject, WRONG, detail)
    if not matches.any():
        return Finding("matches", subject, NOTE, "no query has a match")
    if (none := matches == 0).any():
        return Finding("matches", subject, NOTE, f"no item matches {of_queries(none)}")
    return Finding("matches", subject, OK, f"{matches.min():,} to {matches.max():,} of {n:,} items")


def _padding(workload: Workload, subject: str) -> Finding:
    """Each query has min(K, matches) ids with finite distances, and after them -1 with inf."""
    neighbors, distances = workload.neighbors, workload.distances
    if not workload.depth:
        return Finding("padding", subject, WRONG, "the truth holds no neighbors at all")
    given: np.ndarray = neighbors >= 0
    said = []
    if (bad := (given[:, 1:] & ~given[:, :-1]).any(axis=1)).any():
        said.append(f"{of_queries(bad)}: -1 stands before an id")
    if (bad := np.equal(given, np.isposinf(distances)).any(axis=1)).any():
        said.append(f"{of_queries(bad)}: -1 and inf do not go together")
    wanted, found = np.minimum(workload.matches, workload.depth), given.sum(axis=1)
    if (bad := found != wanted).any():
        first = np.argmax(bad)
        said.append(f"{of_queries(bad)}: number of ids {found[first]:,}, by its matches {wanted[first]:,}")
    detail = "; ".join(said) or f"{workload.depth:,} neighbors a query, fewer where fewer match"
    return Finding("padding", subject, WRONG if said else OK, detail)


def _distinct(workload: Workload, subject: str) -> Finding:
    """No query lists an item twice."""
    ordered = np.sort(workload.neighbors, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if (bad := again.any(axis=1)).any():
        first = int(np.argmax(bad))
        twice = ordered[first, 1:][again[first]][0]
        return Finding("distinct ids", subject, WRONG, f"{of_queries(bad)}: item {twice:,} more than once")
    return Finding("distinct ids", subject, OK, f"{len(ordered):,} queries")


def _order(workload: Workload, subject: str, stored: np.ndarray, slack: np.ndarray) -> Finding:
    """Distances are numbers and do not decrease. `slack` (q, K): what each may be off."""
    given = workload.neighbors >= 0
    if (bad := (given & (np.isnan(stored) | np.isneginf(stored))).any(axis=1)).any():
        return Finding("order", subject, WRONG, f"{of_queries(bad)}: a distance is NaN or -inf")
    finite = given & np.isfinite(stored)
    both = finite[:, 1:] & finite[:, :-1]
    drop = np.subtract(stored[:, :-1], stored[:, 1:], out=np.zeros(both.shape), where=both)
    if (bad := (drop > slack[:, 1:] + slack[:, :-1]).any(axis=1)).any():
        first = np.argmax(bad)
        place = np.argmax(drop[first])
        pair = " then ".join(f"{value:g}" for value in workload.distances[first, place : place + 2])
        return Finding("order", subject, WRONG, f"{of_queries(bad)}: distances {pair}")
    if (near := (drop > 0).any(axis=1)).any():
        return Finding("order", subject, NOTE, f"{of_queries(near)}: decreases within float32 rounding")
    return Finding("order", subject, OK, f"{len(given):,} queries")

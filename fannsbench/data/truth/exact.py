"""Ground truth: the exact nearest neighbours of queries among the items that match their filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fannsbench.data.truth.checkpoint import Checkpoint
from fannsbench.errors import DatasetError
from fannsbench.filters import BoundFilters
from fannsbench.kernels import exact
from fannsbench.kernels.distance import METRIC_CODES, distances_of_pairs
from fannsbench.kernels.exact import Block, Candidates, Nearest
from fannsbench.machine import usable_cores
from fannsbench.metric import Metric
from fannsbench.vectors import Vectors, as_float32, blocks, rows_within

DEFAULT_MEMORY = 2 * 10**9
_MOST_QUERIES = 1024  # of one task
_COPY_COST = 50
"""What copying an item costs a group of queries with equal filters, in scores by BLAS: from
`benchmarks/ground_truth.py`."""
_MASK_COST = 0.15
"""What bitmaps add to a scan, as a share of it."""
_IDLE, _SCAN, _SHARE, _GATHER = range(-1, 3)


class Truth(NamedTuple):
    """neighbors (q, k) int32, nearest first, of equal distances the lower id first, padded with -1;
    distances (q, k) float32, padded with inf; matches (q,) int64, the number of items that match."""

    neighbors: np.ndarray
    distances: np.ndarray
    matches: np.ndarray


def exact_knn(
    vectors: Vectors,
    queries: np.ndarray,
    k: int,
    metric: Metric,
    filters: BoundFilters | None = None,
    threads: int | None = None,
    memory: int = DEFAULT_MEMORY,
    advance: Callable[[int], None] = lambda _: None,
    checkpoints: Path | None = None,
) -> Truth:
    """The k nearest of `vectors` (n, d) for each of `queries` (q, d), exact as float64 tells.

    Vectors of any numeric type are taken as float32. Distances: Euclidean; 1 - cosine (1 for a vector of
    length zero); minus the inner product. `threads` defaults to all cores that the process may use. `memory`:
    bytes for blocks of items and what is computed on them; the queries, filters and results come on top.
    `advance` is called with the number of (query, item) pairs just done. `checkpoints`: a folder where work
    of more than a minute is kept now and then, so that the same call after a kill goes on from there.

    Items are read in blocks, each once. BLAS scores a block for many queries at once where they keep much of
    it or share a filter; the others gather their own matches. The scores only rule out: what is left is
    compared in float64 (see `fannsbench.kernels.exact`).

    Raises DatasetError where a distance is infinite as float32.
    """
    (n, d), q, metric = vectors.shape, len(queries), Metric(metric)
    quarter = memory // 4  # each for items, for tasks and for their fixed buffers; one is left over
    threads = max(1, min(threads or len(usable_cores()), quarter // exact.BUFFER_BYTES))
    queries = as_float32(queries)
    nearest = Nearest.none(q, k)
    matches = np.full(q, n, np.int64) if filters is None else filters.counts(threads)
    block_rows = min(n, rows_within(quarter if vectors.dtype == np.float32 else quarter // 2, vectors))
    tasks = list(_tasks(filters, matches, k, (block_rows, d), quarter // threads))
    checkpoint = Checkpoint.of(checkpoints, vectors, queries, k, metric, filters)
    done = checkpoint.resume(nearest)
    idle = q - sum(len(task.queries) for task in tasks)
    advance(idle * n + (q - idle) * done)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for start in range(done, n, block_rows):
            items = range(start, min(start + block_rows, n))
            search = _search(metric, as_float32(vectors[items.start : items.stop]), items, queries, nearest)
            for count in pool.map(search, tasks):
                advance(count * len(items))
            del search  # and with it the block, before the next one is read
            checkpoint.keep(nearest, items.stop)
    checkpoint.discard()
    return Truth(nearest.ids, _stored(nearest.distances, metric), matches)


def _search(
    metric: Metric, vectors: np.ndarray, items: range, queries: np.ndarray, nearest: Nearest
) -> Callable[[_Task], int]:
    """What lets a block, the `vectors` of the items, into the nearest of a task's queries, and returns how
    many these are."""
    block = exact.block_of(metric, vectors, exact.lengths_of(vectors))

    def search(task: _Task) -> int:
        some = exact.frozen(queries[task.queries])
        part = Nearest(*(array[task.queries] for array in nearest))
        exact.search(
            block,
            some,
            part,
            lambda found: task.offer(items, block, some, found),
            lambda j: task.positions(j, items),
            items.start,
        )
        for whole, array in zip(nearest, part, strict=True):
            whole[task.queries] = array
        return len(some)

    return search


@dataclass(frozen=True)
class _Task:
    """Queries, by number, that are offered a block's items together; `matches` and `filters` are theirs."""

    queries: np.ndarray
    matches: np.ndarray
    filters: BoundFilters | None

    def offer(self, items: range, block: Block, queries: np.ndarray, found: Candidates) -> None:
        """All that match, by a scan of all items."""
        bitmaps = None if self.filters is None else self.filters.bitmaps(items=items)
        exact.scan(block, queries, bitmaps, found)

    def positions(self, query: int, items: range) -> np.ndarray:
        """int32: which of the items match, ascending and counted from the first."""
        if self.filters is None:
            return np.arange(len(items), dtype=np.int32)
        some = slice(query, query + 1)
        return self.filters[some].postings_within(items, self.matches[some])[1]


class _SharingTask(_Task):
    """All queries have the same filter."""

    def offer(self, items: range, block: Block, queries: np.ndarray, found: Candidates) -> None:
        exact.scan_chosen(block, queries, self.positions(0, items), found)


class _GatheringTask(_Task):
    """Each query looks at its own matches alone."""

    def offer(self, items: range, block: Block, queries: np.ndarray, found: Candidates) -> None:
        assert self.filters is not None
        exact.gather(block, queries, *self.filters.postings_within(items, self.matches), found)


def _tasks(
    filters: BoundFilters | None, matches: np.ndarray, k: int, shape: tuple[int, int], memory: int
) -> Iterator[_Task]:
    """Splits the queries by the cheapest way to serve them. shape: of a block; memory: bytes that a task may
    use on it besides buffers of fixed size. Queries without match are left out."""

    def made(kind: type[_Task], queries: np.ndarray) -> _Task:
        return kind(queries, matches[queries], None if filters is None else filters[queries])

    rows, d = shape
    bytes_of_query = 4 * d + 8 * exact.places(k) + 16 * k
    most = int(np.clip(memory // (bytes_of_query + rows // 8), 1, _MOST_QUERIES))
    if filters is None:
        yield from (made(_Task, some) for some in _parts(np.arange(len(matches)), most))
        return
    groups = _groups(filters)
    ways = np.where(matches > 0, _cheapest_ways(groups, matches, filters.n, d), _IDLE)
    yield from (made(_Task, some) for some in _parts(np.flatnonzero(ways == _SCAN), most))
    for group in np.unique(groups[ways == _SHARE]):
        yield from (made(_SharingTask, some) for some in _parts(np.flatnonzero(groups == group), most))
    gathering = np.flatnonzero(ways == _GATHER)
    gathering = gathering[np.argsort(-matches[gathering], kind="stable")]
    bytes_needed = bytes_of_query + 4 * np.minimum(matches[gathering], rows)
    while len(gathering):
        fitting = int(np.searchsorted(np.cumsum(bytes_needed), memory))
        count = int(np.clip(fitting, 1, most))
        yield made(_GatheringTask, gathering[:count])
        gathering, bytes_needed = gathering[count:], bytes_needed[count:]


def _groups(filters: BoundFilters) -> np.ndarray:
    """(q,) equal for queries with equal filters."""
    bounds = filters.predicate.bounds
    _, groups = np.unique(bounds.reshape(len(bounds), -1), axis=0, return_inverse=True)
    return groups.ravel()


def _cheapest_ways(groups: np.ndarray, matches: np.ndarray, n: int, dimension: int) -> np.ndarray:
    """(q,) _SCAN, _SHARE or _GATHER, for n items. Costs are counted in scores by BLAS."""
    sizes = np.bincount(groups)[groups]
    scan = np.full(len(matches), (1 + _MASK_COST) * n)
    share = matches * (1 + _COPY_COST / sizes)
    gather = matches * (n / exact.gathers_below(n, dimension))
    cheapest: np.ndarray = np.argmin([scan, share, gather], axis=0)
    return cheapest


def _parts(queries: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Of at most `most`, and of nearly the same size."""
    if len(queries):
        yield from np.array_split(queries, -(-len(queries) // most))


def distances_of(
    vectors: Vectors,
    queries: np.ndarray,
    neighbors: Sequence[np.ndarray],
    metric: Metric,
    advance: Callable[[int], None] = lambda _: None,
) -> list[np.ndarray]:
    """The distances (q, K) float32 of known neighbors, each (q, K) int32 and padded with -1, which get inf;
    in one pass over the items, after each block of which `advance` is called with its number of items. Raises
    DatasetError where one is infinite as float32."""
    queries = as_float32(queries)
    found = [np.full(ids.shape, np.inf) for ids in neighbors]
    places = [np.argsort(ids, axis=None, kind="stable") for ids in neighbors]
    for rows, block in blocks(vectors):
        items = as_float32(block)
        for ids, place, distances in zip(neighbors, places, found, strict=True):
            first, last = np.searchsorted(ids.ravel(), [rows.start, rows.stop], sorter=place)
            here = place[first:last]
            distances_of_pairs(
                METRIC_CODES[metric],
                queries,
                items,
                here // ids.shape[1],
                ids.ravel()[here] - rows.start,
                here,
                distances.ravel(),
            )
        advance(rows.stop - rows.start)
    return [_stored(distances, metric) for distances in found]


def _stored(distances: np.ndarray, metric: Metric) -> np.ndarray:
    """(q, k) float32 of float64 ones, which are squared for EUCLIDEAN. Raises DatasetError where one is too
    large for that."""
    if metric is Metric.EUCLIDEAN:
        distances = np.sqrt(distances)
    with np.errstate(over="ignore"):
        stored = distances.astype(np.float32)
    if (beyond := np.isinf(stored) & np.isfinite(distances)).any():
        query, place = np.argwhere(beyond)[0]
        raise DatasetError(
            f"query {query:,} has an item at distance {distances[query, place]:g}, which is infinite as "
            "float32; scale the vectors down"
        )
    return stored

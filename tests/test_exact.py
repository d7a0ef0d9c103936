"""`exact`: which queries scan and which gather, what is counted, and where the items are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import threadpoolctl
from exact_cases import GATHER, SCAN, TEMPLATES, K, bound, data, first, numbers, plain_items

from fannsbench.algorithm import Items, Metric
from fannsbench.algorithms.exact import plugin
from fannsbench.algorithms.exact.plugin import Exact
from fannsbench.kernels import exact as kernels
from fannsbench.parameters import defaults
from fannsbench.registry import find


def built(
    items: Items, metric: Metric = Metric.EUCLIDEAN, scan_above: float = 0.3, threads: int = 1
) -> Exact:
    index = Exact(metric, 0)
    index.build(items, threads)
    index.threads = threads
    index.configure(scan_above=scan_above)
    return index


def test_selection_lists_few_matches_and_makes_bitmaps_for_many() -> None:
    n, d = 1000, 60
    index = built(
        plain_items(np.zeros((n, d), np.float32)), scan_above=0.4
    )  # the limit is 0.2 for 60 dimensions
    counts = [0, 200, 201, 3] + [900] * 7
    selection = index.select(first(counts, n))
    assert selection.gathering.tolist() == [0, 1, 3]
    assert selection.indptr.tolist() == [0, 0, 200, 203]
    assert selection.ids.tolist() == [*range(200), *range(3)]
    assert selection.scanning.tolist() == [2, *range(4, 11)]
    assert np.bitwise_count(selection.bitmaps).sum(axis=1).tolist() == [201] + [900] * 7


def test_a_few_queries_never_scan() -> None:
    index = built(plain_items(np.zeros((100, 2), np.float32)), scan_above=SCAN)
    for q, scanning in ((plugin.SCAN_FROM - 1, 0), (plugin.SCAN_FROM, plugin.SCAN_FROM)):
        assert len(index.select(first([100] * q, 100)).scanning) == scanning


def test_distances_are_counted_since_configure() -> None:
    n, counts = 100, [1, 2] + [80] * 8
    index = built(plain_items(numbers(n, 60)), scan_above=0.5)
    queries = numbers(10, 60)
    index.search(queries, K, index.select(first(counts, n)))
    assert index.counters() == {"distances": 3 + 8 * n}
    index.search(queries[:3], K, None)
    assert index.counters() == {"distances": 3 + 11 * n}
    index.configure(scan_above=0.5)
    assert index.counters() == {"distances": 0}


def test_items_are_used_where_they_lie(tmp_path: Path) -> None:
    vectors = numbers(50, 3)
    vectors.tofile(tmp_path / "vectors")
    mapped = np.memmap(tmp_path / "vectors", np.float32, "r", shape=vectors.shape)
    index = built(plain_items(mapped))
    assert np.shares_memory(index._block.vectors, mapped)
    assert np.array_equal(index.search(vectors, 1, None).ravel(), np.arange(50))


def test_nothing_is_compiled_after_the_warm_up(tmp_path: Path) -> None:
    Exact(Metric.EUCLIDEAN, 0).warm_up()
    compiled = (kernels._begin, kernels._scan_tile, kernels._gather, kernels._admit)
    before = [len(kernel.signatures) for kernel in compiled]
    items, queries = data()
    mapped = np.memmap(tmp_path / "vectors", np.float32, "w+", shape=items.vectors.shape)
    mapped[:] = items.vectors
    for vectors in (items.vectors, mapped):
        for scan_above in (SCAN, GATHER):
            index = built(Items(vectors, items.attributes), Metric.COSINE, scan_above, threads=2)
            index.search(queries, K, index.select(bound(TEMPLATES["c"], items.attributes)))
            index.search(queries[::2], 1, None)
    assert [len(kernel.signatures) for kernel in compiled] == before


def test_several_threads_leave_blas_as_it_was() -> None:
    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    items, queries = data()
    before = blas()
    assert before
    built(items, threads=2).search(queries, K, None)
    assert blas() == before


def test_declaration_and_plugin_agree() -> None:
    index = built(*data()[:1])
    index.configure()
    by_default = vars(index).copy()
    index.configure(**defaults(find("exact").declaration.search))
    assert vars(index) == by_default

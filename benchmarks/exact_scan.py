"""The exact scans, float32 (`exact`) and bytes (`exact-int8`): QPS as a share of hnswlib's unfiltered QPS at
a recall, in batches and one query at a time, and what that is of the machine's speed.

One thread, the filter step apart. A batch shares what it reads among queries; a query alone reads all its
matches' rows from memory. The last columns are the bytes of rows that it reads a second, as a share of a
plain read (a dot product of all vectors with themselves), and for unfiltered batches the operations a second
of a float32 scan as a share of a plain sgemm.

    fannsbench datasets build wordnet && python benchmarks/exact_scan.py [--queries 1000] [--recall 0.95]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter

import numpy as np

from fannsbench import registry
from fannsbench.algorithm import Algorithm
from fannsbench.dataset import Dataset, find
from fannsbench.filters import BoundFilters
from fannsbench.kernels.quantised import width_of
from fannsbench.results import pareto
from fannsbench.results.metrics import Judge
from fannsbench.run import threads, timing

WORKLOADS = ("none", "em", "r-correlated", "emis")
EFS = (20, 30, 40, 60, 80, 120)
K, SINGLY, ROUNDS = 10, 200, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--recall", type=float, default=0.95)
    options = parser.parse_args()
    with Dataset.open(find(options.dataset)) as dataset:
        queries, items = dataset.queries()[: options.queries], dataset.items()
        hnsw = registry.find("hnsw").create(dataset.metric, M=16, ef_construction=200)
        hnsw.build(items, 2)
        scans = {name: registry.find(name).create(dataset.metric) for name in ("exact", "exact-int8")}
        judge = Judge(find(options.dataset))
        with threads.limited(1):
            for scan in scans.values():
                scan.warm_up()
                scan.build(items, 1)
                scan.configure()
            read, sgemm = plain_read(items.vectors), plain_sgemm()
            print(f"plain read {read:.1f} GB/s, sgemm {sgemm:.0f} GFLOP/s")
            for name in WORKLOADS:
                unit = yardstick(hnsw, judge, queries, options.recall)
                bound = dataset.workload(name).bind(items.attributes)
                filters = None if bound is None else bound[: len(queries)]
                rows = items.vectors.shape[0]
                matches = np.full(len(queries), rows) if filters is None else filters.counts()
                for label, scan in scans.items():
                    step, batch, alone = speeds(scan, queries, filters)
                    dimension = items.vectors.shape[1]
                    width = 4 * dimension if label == "exact" else width_of(dimension)
                    gigabytes = alone * matches[:SINGLY].mean() * width / 1e9
                    line = f"{name:13} {label:10} filter step {1e6 * step:4.0f} us; batch {batch:6.0f} QPS = "
                    line += f"{batch / unit:.2f}; alone {alone:6.0f} QPS = {alone / unit:.2f}, "
                    line += f"{gigabytes:.1f} GB/s = {gigabytes / read:.2f} of a read"
                    if filters is None and label == "exact":
                        gigaflops = batch * rows * 2 * dimension / 1e9
                        line += f"; {gigaflops:.0f} GFLOP/s = {gigaflops / sgemm:.2f} of sgemm"
                    print(line, flush=True)


def speeds(scan: Algorithm, queries: np.ndarray, filters: BoundFilters | None) -> tuple[float, float, float]:
    """Seconds of the filter step for a query, QPS of a batch, and of queries one at a time."""
    steps, batches, singles = [], [], []
    some = range(min(SINGLY, len(queries)))
    chosen = [None if filters is None else scan.select(filters[i : i + 1]) for i in some]
    for _ in range(ROUNDS):
        _, step, search = timing.batch(scan, queries, K, filters)
        steps.append(step / len(queries))
        batches.append(len(queries) / search)
        began = perf_counter()
        for i in some:
            scan.search(queries[i : i + 1], K, chosen[i])
        singles.append(len(some) / (perf_counter() - began))
    return min(steps), max(batches), max(singles)


def yardstick(hnsw: Algorithm, judge: Judge, queries: np.ndarray, recall: float) -> float:
    recalls, qps = [], []
    for ef in EFS:
        hnsw.configure(ef=ef, oversample=1, scan_matches=False)
        found, _, seconds = min(
            (timing.batch(hnsw, queries, K, None) for _ in range(ROUNDS)), key=lambda run: run[2]
        )
        recalls.append(judge.judge("none", found).mean_recall)
        qps.append(len(queries) / seconds)
    return pareto.at_recall(recalls, qps, recall)


def plain_read(vectors: np.ndarray) -> float:
    flat = np.array(vectors).reshape(-1)
    return flat.nbytes / 1e9 / fastest(lambda: np.dot(flat, flat))


def plain_sgemm(n: int = 2000) -> float:
    matrix = np.ones((n, n), np.float32)
    return 2 * n**3 / 1e9 / fastest(lambda: matrix @ matrix)


def fastest(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(7):
        began = perf_counter()
        call()
        seconds.append(perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()

"""Exact ground truth: against faiss.knn, against this machine's sgemm, filtered against unfiltered, memory.

    fannsbench datasets build wordnet && python benchmarks/ground_truth.py [--dataset wordnet] [-k 100]

Both unfiltered searches and a plain sgemm of the same size run in turn, with all cores; the medians over the
rounds and the median of the ratios are printed. Then each filtered workload, in turn with the unfiltered one.
Last, the peak resident memory of a process of its own that computes the truth of all workloads within
--memory, over that of one which has done the same on a hundredth of the items.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from fannsbench.data.truth.exact import exact_knn
from fannsbench.dataset import Dataset, find
from fannsbench.machine import usable_cores
from fannsbench.run.memory import peak_bytes

SGEMM_BLOCK = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=512_000_000, help="bytes")
    parser.add_argument("--peak-of", type=float, help=argparse.SUPPRESS)  # share of the items: the process
    options = parser.parse_args()
    if options.peak_of:
        print(peak_after_all_workloads(options.dataset, options.k, options.memory, options.peak_of))
        return
    with Dataset.open(find(options.dataset)) as dataset:
        compare(dataset, options.k, options.rounds)
    own = [sys.executable, __file__, "--dataset", options.dataset, "-k", str(options.k)]
    peaks = {}
    for share in (0.01, 1.0):
        command = [*own, "--memory", str(options.memory), "--peak-of", str(share)]
        peaks[share] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"memory limit {options.memory / 1e6:.0f} MB: peak {peaks[1.0] / 1e6:.0f} MB, of which interpreter, "
        f"libraries and a hundredth of the items {peaks[0.01] / 1e6:.0f} MB, ours "
        f"{(peaks[1.0] - peaks[0.01]) / 1e6:.0f} MB"
    )


def compare(dataset: Dataset, k: int, rounds: int) -> None:
    vectors, queries = dataset.items().vectors, dataset.queries()
    pairs = len(vectors) * len(queries)
    flops = 2 * pairs * dataset.dimension
    faiss.omp_set_num_threads(len(usable_cores()))

    def ours(workload: str) -> Callable[[], object]:
        filters = dataset.workload(workload).bind(dataset.attributes)
        return lambda: exact_knn(dataset.vectors, queries, k, dataset.metric, filters)

    unfiltered = ours("none")
    peers = {
        "ours": unfiltered,
        "faiss.knn": lambda: faiss.knn(queries, vectors, k),
        "sgemm": lambda: multiply(vectors, queries),
    }
    seconds = in_turn(peers, rounds)
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{name:10} {middle:6.2f} s {flops / middle / 1e9:6.0f} GFLOP/s")
    print(f"time against faiss.knn: {ratio(seconds['ours'], seconds['faiss.knn']):.2f}")
    print(f"share of sgemm: {ratio(seconds['sgemm'], seconds['ours']):.2f}")
    for name in dataset.workload_names[1:]:
        kept = dataset.workload(name).matches.mean() / dataset.n
        times = in_turn({"filtered": ours(name), "unfiltered": unfiltered}, rounds)
        print(
            f"{name:14} {100 * kept:5.1f} % kept {statistics.median(times['filtered']):6.2f} s, against "
            f"unfiltered {ratio(times['filtered'], times['unfiltered']):.2f}"
        )


def multiply(vectors: np.ndarray, queries: np.ndarray) -> None:
    """All dot products, as fast as BLAS gives them, each tile of them overwritten by the next."""
    out = np.empty((len(queries), SGEMM_BLOCK), np.float32)
    with threadpool_limits(len(usable_cores()), "blas"):
        for first in range(0, len(vectors), SGEMM_BLOCK):
            some = vectors[first : first + SGEMM_BLOCK]
            np.matmul(queries, some.T, out=out[:, : len(some)])


def in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round, after one round that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = perf_counter()
            call()
            if turn:
                seconds[name].append(perf_counter() - began)
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def peak_after_all_workloads(name: str, k: int, memory: int, share: float) -> int:
    """Bytes. A share below 1 searches the first items only, which shows what is there without them."""
    with Dataset.open(find(name)) as dataset:
        queries, vectors = dataset.queries(), dataset.vectors
        if share < 1:
            few = dataset.vectors[: int(share * dataset.n)]
            exact_knn(few, queries, k, dataset.metric, memory=memory)
            for workload in dataset.workload_names[1:]:
                dataset.workload(workload).bind(dataset.attributes)
        else:
            for workload in dataset.workload_names:
                filters = dataset.workload(workload).bind(dataset.attributes)
                exact_knn(vectors, queries, k, dataset.metric, filters, memory=memory)
    return peak_bytes()  # not ru_maxrss, which a process inherits from a larger parent


if __name__ == "__main__":
    main()

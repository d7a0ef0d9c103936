"""`planner` against the strategies that it chooses from, by selectivity of the filter.

For each workload and band of selectivity: the best QPS at the recall, filter step included, of the scan
(exact-int8), of in- and of post-filtering (hnsw-native on the planner's graph), and of the planner, and the
planner's as a share of the best of the three. All settings run in turn, in rounds, on one thread, a batch for
each band; medians are read. With --units, what steps cost beside a distance instead: the numbers that
`algorithms/planner/costs.py` rests on.

    fannsbench datasets build wordnet
    python benchmarks/planner.py [--queries 2000] [--workloads em,r] [--recall 0.95] [--units]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fannsbench import registry
from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.dataset import Dataset, find
from fannsbench.filters import Filter
from fannsbench.results import pareto
from fannsbench.results.bands import EDGES, LABELS
from fannsbench.results.metrics import Judge
from fannsbench.run import threads, timing

K = 10
WORKLOADS = "em,r,r-correlated,emis,mem,mr,memis,c"
EFS = [10, 14, 20, 28, 40, 60, 80, 120, 160, 240, 320]
FEWEST = 15
"""Queries of a band that is measured."""
LONG_ENOUGH = 0.1
"""Seconds for which a batch is repeated, since the fastest is taken."""
SLOWEST = 4e-3
"""Seconds a query from which on a strategy's larger pools are not tried."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--workloads", default=WORKLOADS)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", default="0.9,0.95")
    parser.add_argument("--units", action="store_true")
    options = parser.parse_args()
    if options.units:
        print_units()
        return
    recalls = [float(text) for text in options.recall.split(",")]
    with Dataset.open(find(options.dataset)) as dataset:
        planner = built("planner", dataset)
        scan = built("exact-int8", dataset)
        hnsw = new("hnsw-native", dataset.metric)
        with tempfile.TemporaryDirectory() as folder:
            planner.save(Path(folder))
            hnsw.load(Path(folder), dataset.items())
        strategies: dict[str, tuple[Algorithm, list[dict[str, Any]]]] = {
            "exact": (scan, [{}]),
            "in": (hnsw, [{"ef": ef, "filtering": "in"} for ef in EFS]),
            "post": (hnsw, [{"ef": ef, "filtering": "post"} for ef in EFS]),
            "planner": (planner, [{"ef": ef} for ef in EFS]),
        }
        judge = Judge(find(options.dataset))
        print("QPS at recall; planner / best of the others; its plans at the highest of the recalls")
        with threads.limited(1):
            for name in options.workloads.split(","):
                measure(dataset, judge, name, options.queries, options.rounds, strategies, recalls)


def built(name: str, dataset: Dataset) -> Algorithm:
    algorithm = new(name, dataset.metric)
    began = perf_counter()
    algorithm.build(Items(dataset.items().vectors, Attributes({}, dataset.n)), 2)
    print(f"{name} built in {perf_counter() - began:.1f} s", flush=True)
    return algorithm


def new(name: str, metric: Metric) -> Algorithm:
    algorithm = registry.find(name).create(metric)
    algorithm.warm_up()
    return algorithm


def measure(
    dataset: Dataset,
    judge: Judge,
    name: str,
    num_queries: int,
    rounds: int,
    strategies: dict[str, tuple[Algorithm, list[dict[str, Any]]]],
    recalls: list[float],
) -> None:
    workload = dataset.workload(name)
    queries, filters = dataset.queries()[:num_queries], workload.bind(dataset.attributes)
    assert filters is not None
    kept = workload.matches[: len(queries)] / dataset.n
    band = np.searchsorted(EDGES[1:], kept)
    for order in np.unique(band[kept > 0]):
        rows = np.flatnonzero((band == order) & (kept > 0))
        if len(rows) < FEWEST:
            continue
        seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
        recall: dict[tuple[str, int], float] = {}
        plans: dict[int, dict[str, float]] = {}
        for _ in range(rounds):
            for label, (algorithm, settings) in strategies.items():
                for i, setting in enumerate(settings):
                    algorithm.threads = 1
                    algorithm.configure(**setting)
                    found, select, search = timing.batch(algorithm, queries[rows], K, filters[rows])
                    counters = algorithm.counters()
                    taken = [select + search]
                    while sum(taken) < LONG_ENOUGH:
                        taken.append(sum(timing.batch(algorithm, queries[rows], K, filters[rows])[1:]))
                    seconds[label, i].append(min(taken) / len(rows))
                    if (label, i) not in recall:
                        everything = np.full((len(queries), K), -1, np.int32)
                        everything[rows] = found
                        recall[label, i] = float(judge.judge(name, everything).recall[rows].mean())
                        if label == "planner":
                            plans[i] = counters
                    if recall[label, i] >= max(recalls) + 0.01 or seconds[label, i][-1] > SLOWEST:
                        break
        print(f"{name:13} {LABELS[order]:>10} ({len(rows):4} queries)", end="")
        for target in recalls:
            qps = {label: at(label, recall, seconds, target) for label in strategies}
            best = max((q for label, q in qps.items() if label != "planner" and q == q), default=np.nan)
            shown = " ".join(f"{label} {q:6.0f}" for label, q in qps.items())
            print(f" | {target:g}: {shown} = {qps['planner'] / best:.2f}", end="")
        last = plans[max(plans)]
        taken = " ".join(
            f"{key.removeprefix('queries by ')} {value:.0f}"
            for key, value in last.items()
            if key.startswith("queries by ")
        )
        print(f" | {taken} fallbacks {last['fallbacks']:.0f}", flush=True)


def at(
    label: str,
    recall: dict[tuple[str, int], float],
    seconds: dict[tuple[str, int], list[float]],
    target: float,
) -> float:
    """QPS of a strategy at the recall, by interpolation; NaN where it does not reach it."""
    some = [key for key in recall if key[0] == label]
    qps = [1 / statistics.median(seconds[key]) for key in some]
    return pareto.at_recall([recall[key] for key in some], np.array(qps), target)


def print_units() -> None:
    """Nanoseconds of a distance of a walk and of a match of a scan, one query after another."""
    for dimension, n in ((32, 60_000), (96, 60_000), (384, 40_000), (960, 20_000)):
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((200, dimension), np.float32)
        vectors = centres[rng.integers(0, 200, n)] + rng.standard_normal((n, dimension), np.float32)
        queries = vectors[:200] + 0.1
        attributes = Attributes({"value": Number(rng.permutation(n))}, n)
        filters = Filter.parse("value >= $low").bind(attributes, {"low": np.full(200, n // 2)})
        figures = {}
        for name, counter, settings in (
            ("hnsw-native", "distances", {"ef": 100, "filtering": "in"}),
            ("exact-int8", "estimates", {}),
        ):
            algorithm = new(name, Metric.EUCLIDEAN)
            algorithm.build(Items(vectors, attributes), 2)
            with threads.limited(1):
                figures[name] = nanoseconds(algorithm, counter, settings, queries, filters)
        print(f"{dimension:4} dimensions: distance {figures['hnsw-native']:.0f} ns, ", end="")
        print(f"match {figures['exact-int8']:.1f} ns", flush=True)


def nanoseconds(
    algorithm: Any, counter: str, settings: dict[str, Any], queries: np.ndarray, filters: Any
) -> float:
    call: Callable[[int, Any], Any] = lambda i, s: algorithm.search(queries[i : i + 1], K, s)  # noqa: E731
    selections = [algorithm.configure(**settings) or algorithm.select(filters[i : i + 1]) for i in range(200)]
    measured = []
    for _ in range(4):
        algorithm.configure(**settings)
        began = perf_counter()
        for i, selection in enumerate(selections):
            call(i, selection)
        measured.append((perf_counter() - began) / algorithm.counters()[counter])
    return 1e9 * min(measured[1:])


if __name__ == "__main__":
    main()

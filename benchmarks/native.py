"""The native methods against hnswlib: QPS at a recall, as a share of hnswlib's unfiltered QPS at that recall.

Every method is built once, with 2 threads. Then the search settings of all methods run in turn, in rounds, on
one thread; their medians make a curve for each method and workload, read at the recall by interpolation. The
yardstick is hnswlib with M=16 and ef_construction=200, unfiltered. Printed are the shares without and with
the filter step, distances per query at the recall, build seconds and saved bytes.

    fannsbench datasets build wordnet
    python benchmarks/native.py [--queries 1000] [--methods acorn,serf] [--workloads em,none] [--recall 0.95]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fannsbench import registry
from fannsbench.algorithm import Algorithm, Items
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, find
from fannsbench.filters import BoundFilters
from fannsbench.parameters import defaults
from fannsbench.results import pareto
from fannsbench.results.metrics import Judge
from fannsbench.run import threads, timing

K = 10
EFS = [10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 400, 800, 1600]
ENOUGH = 0.03
"""A curve ends this far above the recall it is read at."""
RANGES = ["r", "r-correlated"]
FILTERED = ["em", "r", "r-correlated", "emis", "mem", "mr", "memis", "c"]


@dataclass(frozen=True)
class Method:
    """An algorithm with these parameters, and the workloads it is measured on."""

    name: str
    algorithm: str
    workloads: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)


YARDSTICK = Method("hnswlib M=16", "hnsw", ["none"], {"M": 16, "ef_construction": 200})
METHODS = [
    Method("faiss-hnsw M=16", "faiss-hnsw", ["none"], {"M": 16, "ef_construction": 200}),
    Method("hnsw-native M=16", "hnsw-native", ["none", *FILTERED], {"M": 16, "ef_construction": 200}),
    Method("hnswlib M=32", "hnsw", ["none"], {"M": 32, "ef_construction": 200}),
    Method("faiss-hnsw M=32", "faiss-hnsw", ["none"], {"M": 32, "ef_construction": 200}),
    Method("hnsw-native M=32", "hnsw-native", ["none"], {"M": 32, "ef_construction": 200}),
    Method("hnsw-native, post", "hnsw-native", FILTERED, {"filtering": "post"}),
    Method("vamana R=64", "vamana", ["none"], {"R": 64, "L": 100}),
    Method("acorn (32, 32, 12)", "acorn", FILTERED, {"M": 32, "M_beta": 32, "gamma": 12}),
    Method("acorn-1", "acorn-1", FILTERED),
    Method("filtered-vamana", "filtered-vamana", ["em", "emis"], {"R": 64, "L": 100}),
    Method("stitched-vamana", "stitched-vamana", ["em", "emis"]),
    Method("ung (R 32, L 100)", "ung", ["em", "emis", "mem", "memis"], {"R": 32, "L": 100}),
    Method("ung, scan 100", "ung", ["emis"], {"R": 32, "L": 100, "scan": 100}),
    Method("ung, branches", "ung", ["emis", "memis"], {"R": 32, "L": 100, "branch": 2000}),
    Method("serf (32, 500)", "serf", [*RANGES, "mr"], {"index_k": 32, "ef_max": 500}),
    Method("irangegraph (32, 200)", "irangegraph", [*RANGES, "mr"], {"M": 32, "ef_construction": 200}),
    Method("digra (24, 200)", "digra", RANGES, {"M": 24, "ef_construction": 200}),
    Method("dsg (16, 500)", "dsg", RANGES, {"M": 16, "ef_max": 500}),
    Method("window-tree", "window-tree", RANGES),
    Method("window-tree, super", "window-tree", RANGES, {"overlapping": True, "strategy": "post"}),
    Method("unify (8, 16, 500)", "unify", RANGES),
    Method("exact", "exact", ["none", *FILTERED]),
    Method("exact-int8", "exact-int8", ["none", *FILTERED]),
    Method("planner", "planner", ["none", *FILTERED]),
]


@dataclass(eq=False)
class Curve:
    """One method on one workload, with the seconds of every round by the value of the swept parameter."""

    method: Method
    workload: str
    algorithm: Algorithm
    filters: BoundFilters | None
    settings: dict[Any, dict[str, Any]]
    select: dict[Any, list[float]] = field(default_factory=lambda: defaultdict(list))
    search: dict[Any, list[float]] = field(default_factory=lambda: defaultdict(list))
    recall: dict[Any, float] = field(default_factory=dict)
    distances: dict[Any, float] = field(default_factory=dict)

    def measure(self, queries: np.ndarray, judge: Judge, enough: float) -> None:
        """One round."""
        for value, settings in self.settings.items():
            self.algorithm.threads = 1
            self.algorithm.configure(**settings)
            neighbors, select, search = timing.batch(self.algorithm, queries, K, self.filters)
            self.select[value].append(select)
            self.search[value].append(search)
            if value not in self.recall:
                self.recall[value] = judge.judge(self.workload, neighbors).mean_recall
                self.distances[value] = self.algorithm.counters().get("distances", np.nan) / len(queries)
            if self.recall[value] >= enough:
                break

    def at(self, recall: float, figures: dict[Any, float]) -> float:
        """What a figure that grows with recall comes to there; NaN where it is not reached."""
        recalls = [self.recall[value] for value in figures]
        return pareto.at_recall(recalls, 1 / np.array(list(figures.values()), float), recall)

    def qps(self, recall: float, queries: int, with_filter_step: bool) -> float:
        seconds = {value: statistics.median(times) for value, times in self.search.items()}
        if with_filter_step:
            seconds = {v: s + statistics.median(self.select[v]) for v, s in seconds.items()}
        return queries * self.at(recall, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--methods", help="names of algorithms, comma-separated")
    parser.add_argument("--workloads", help="comma-separated")
    options = parser.parse_args()
    chosen = [m for m in METHODS if not options.methods or m.algorithm in options.methods.split(",")]
    curves: list[Curve] = []
    with Dataset.open(find(options.dataset)) as dataset:
        for method in [YARDSTICK, *chosen]:
            keep = None if method is YARDSTICK or not options.workloads else options.workloads.split(",")
            workloads = [name for name in method.workloads if keep is None or name in keep]
            curves += curves_of(dataset, method, workloads, options.queries)
        queries = dataset.queries()[: options.queries]
    judge = Judge(find(options.dataset))
    with threads.limited(1):
        for _ in range(options.rounds):
            for curve in curves:
                curve.measure(queries, judge, options.recall + ENOUGH)
    report(curves, options.recall, len(queries))


def curves_of(dataset: Dataset, method: Method, workloads: list[str], queries: int) -> Iterator[Curve]:
    """Of a method, which is built anew for each workload only if it looks at attributes."""
    plugin = registry.find(method.algorithm)
    kind = plugin.load()
    built: Algorithm | None = None
    for name in workloads:
        workload = dataset.workload(name)
        if reason := kind.skip(dataset, workload):
            print(f"{method.name} on {name}: {reason}", flush=True)
            continue
        used = workload.filter.attributes if workload.filter else ()
        attributes = Attributes({a: dataset.attributes[a] for a in used}, dataset.n)
        if built is None or kind.builds_on_attributes:
            built = build(plugin, method, dataset, attributes, name)
        bound = workload.bind(attributes)
        declared = plugin.declaration.search
        given = {key: value for key, value in method.parameters.items() if key in declared}
        usual = defaults(declared) | given
        swept = next((key for key, p in declared.items() if p.sweep), None)
        settings = {ef: usual | {swept: ef} for ef in EFS} if swept else {None: usual}
        yield Curve(method, name, built, None if bound is None else bound[:queries], settings)


def build(
    plugin: registry.Plugin, method: Method, dataset: Dataset, attributes: Attributes, workload: str
) -> Algorithm:
    declared = plugin.declaration.build
    given = {key: value for key, value in method.parameters.items() if key in declared}
    algorithm = plugin.create(dataset.metric, **given)
    with threads.limited(2):
        algorithm.warm_up()
        items = Items(dataset.items().vectors, attributes)
        began = perf_counter()
        algorithm.build(items, 2)
        seconds = perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        algorithm.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{method.name} for {workload}: built in {seconds:.1f} s, {size / 1e6:.1f} MB saved", flush=True)
    return algorithm


def report(curves: list[Curve], recall: float, queries: int) -> None:
    unit = curves[0].qps(recall, queries, with_filter_step=False)
    print(f"{YARDSTICK.name}, unfiltered: {unit:.0f} QPS at recall {recall:g} (one thread, k = {K})")
    print(
        f"{'method':20} {'workload':14} {'share':>7} {'with filter step':>17} {'distances':>10} best recall"
    )
    for curve in curves:
        shares = [curve.qps(recall, queries, step) / unit for step in (False, True)]
        distances = 1 / curve.at(recall, curve.distances)
        print(
            f"{curve.method.name:20} {curve.workload:14} {shares[0]:7.3f} {shares[1]:17.3f} "
            f"{distances:10.0f} {max(curve.recall.values()):.4f}"
        )


if __name__ == "__main__":
    main()

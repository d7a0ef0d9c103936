"""Which method to take for which width of range: QPS of the range methods at a recall, by selectivity.

Every method is built once, with 2 threads. For each band of selectivity, ranges of a number are drawn that
hold such shares of the items and begin anywhere; before the bands stand the workload's own ranges. The search
settings of all methods run in turn, in rounds, on one thread, and their medians make a curve that is read at
the recall. Printed is the QPS, filter step included, as a share of hnswlib's without a filter at that recall
(M=16, ef_construction=200, in the same run); the fastest of each column is marked. A picture of the same is
drawn if --output says where.

    fannsbench datasets build wordnet
    python benchmarks/ranges.py [--workload r-correlated] [--queries 300] [--output ranges.png]
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from native import EFS, ENOUGH, METHODS, YARDSTICK, Method, build

from fannsbench import registry
from fannsbench.algorithm import Algorithm, Items
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, Workload, find
from fannsbench.filters import BoundFilters, Filter
from fannsbench.parameters import defaults
from fannsbench.results import pareto
from fannsbench.run import threads, timing

K = 10
BANDS = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
ALGORITHMS = "serf,irangegraph,digra,dsg,window-tree,unify,planner,exact-int8"


@dataclass(eq=False)
class Task:
    """Queries with ranges of one band, or without any."""

    label: str
    queries: np.ndarray
    filters: BoundFilters | None
    truth: np.ndarray

    def recall(self, found: np.ndarray) -> float:
        hits = (found[:, :, None] == self.truth[:, None, :]) & (self.truth[:, None, :] >= 0)
        return float(hits.sum() / (self.truth >= 0).sum())


@dataclass(eq=False)
class Curve:
    """One method on one band."""

    algorithm: Algorithm
    task: Task
    settings: list[dict[str, Any]]
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    recalls: dict[int, float] = field(default_factory=dict)

    def measure(self, enough: float) -> None:
        """One round."""
        for i, setting in enumerate(self.settings):
            self.algorithm.threads = 1
            self.algorithm.configure(**setting)
            found, select, search = timing.batch(self.algorithm, self.task.queries, K, self.task.filters)
            self.seconds[i].append(select + search)
            self.recalls[i] = self.task.recall(found)
            if self.recalls[i] >= enough:
                break

    def qps(self, recall: float) -> float:
        rates = [len(self.task.queries) / statistics.median(times) for times in self.seconds.values()]
        return pareto.at_recall(list(self.recalls.values()), rates, recall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--workload", default="r-correlated", help="whose number ranges are drawn of")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--methods", default=ALGORITHMS)
    parser.add_argument("--output", help="a picture")
    options = parser.parse_args()
    chosen = [m for m in METHODS if m.algorithm in options.methods.split(",")]
    with Dataset.open(find(options.dataset)) as dataset:
        workload = dataset.workload(options.workload)
        assert workload.filter is not None
        (name,) = workload.filter.attributes
        attributes = Attributes({name: dataset.attributes[name]}, dataset.n)
        tasks = tasks_of(dataset, workload, attributes, options.queries)
        yardstick = curves_of(dataset, YARDSTICK, Attributes({}, dataset.n), tasks[:1], options.workload)
        curves = {
            method.name: curves_of(dataset, method, attributes, tasks[1:], options.workload)
            for method in chosen
        }
    with threads.limited(1):
        for _ in range(options.rounds):
            for curve in [*yardstick, *(curve for some in curves.values() for curve in some)]:
                curve.measure(options.recall + ENOUGH)
    unit = yardstick[0].qps(options.recall)
    print(f"{YARDSTICK.name}, unfiltered: {unit:.0f} QPS at recall {options.recall:g} (one thread, k = {K})")
    shares = {name: [curve.qps(options.recall) / unit for curve in some] for name, some in curves.items()}
    report([task.label for task in tasks[1:]], shares)
    if options.output:
        bands = {name: row[1:] for name, row in shares.items()}
        draw([task.label for task in tasks[2:]], bands, options.recall, options.output)


def tasks_of(dataset: Dataset, workload: Workload, attributes: Attributes, count: int) -> list[Task]:
    """Without a filter, with those of the workload, and of each band."""
    queries = dataset.queries()[:count]
    (name,) = attributes
    exact = registry.find("exact").create(dataset.metric)
    exact.build(Items(dataset.items().vectors, attributes), 2)
    exact.threads = 2
    exact.configure()
    own = workload.bind(attributes)
    assert own is not None
    own = own[:count]
    tasks = [
        Task("none", queries, None, exact.search(queries, K, None)),
        Task(workload.name, queries, own, exact.search(queries, K, exact.select(own))),
    ]
    column: Any = attributes[name]
    ordered, draw = np.sort(column.values[column.present]), np.random.default_rng(0)
    filter_ = Filter.parse(f"$low <= {name} <= $high")
    for low, high in pairwise(BANDS):
        sizes = (draw.uniform(low, high, len(queries)) * len(ordered)).astype(int)
        first = (draw.random(len(queries)) * (len(ordered) - sizes)).astype(int)
        bounds = {"low": ordered[first], "high": ordered[first + sizes - 1]}
        filters = filter_.bind(attributes, bounds, len(queries))
        truth = exact.search(queries, K, exact.select(filters))
        tasks.append(Task(f"{100 * low:g}-{100 * high:g} %", queries, filters, truth))
    return tasks


def curves_of(
    dataset: Dataset, method: Method, attributes: Attributes, tasks: list[Task], workload: str
) -> list[Curve]:
    """A method on each of the tasks."""
    plugin = registry.find(method.algorithm)
    algorithm = build(plugin, method, dataset, attributes, workload)
    declared = plugin.declaration.search
    usual = defaults(declared) | {key: value for key, value in method.parameters.items() if key in declared}
    swept = next((key for key, p in declared.items() if p.sweep), None)
    settings = [usual | {swept: ef} for ef in EFS] if swept else [usual]
    return [Curve(algorithm, task, settings) for task in tasks]


def report(labels: list[str], shares: dict[str, list[float]]) -> None:
    print(f"{'method':24}" + "".join(f"{label:>12}" for label in labels))
    best = np.nanmax(np.array(list(shares.values())), axis=0)
    for name, row in shares.items():
        cells = [
            f"{share:.2f}" + ("*" if share == top else " ") for share, top in zip(row, best, strict=True)
        ]
        print(f"{name:24}" + "".join(f"{cell:>12}" for cell in cells))


def draw(labels: list[str], shares: dict[str, list[float]], recall: float, output: str) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for i, (name, row) in enumerate(shares.items()):
        axes.plot(range(len(row)), row, "osD^v<>Xph"[i % 10] + "-", label=name, markersize=5)
    axes.set_xticks(range(len(labels)), labels, rotation=30)
    axes.set(yscale="log", xlabel="items in the range")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(f"QPS at recall {recall:g}, as a share of unfiltered hnswlib's")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    main()

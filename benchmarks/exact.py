"""`exact` against faiss-flat on one thread: QPS ratios unfiltered, and filtered at 1, 10 and 50 % kept.

The two are called in turn on the same queries, through the harness's own timing (filter step included), and
the median of the ratios is printed. faiss-flat filters through an IDSelector on a bitmap.

    fannsbench datasets build wordnet && python benchmarks/exact.py [--dataset wordnet] [--queries 1000]
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np

from fannsbench import registry
from fannsbench.dataset import Dataset, find
from fannsbench.run import threads, timing

WORKLOADS = ("none", "em-0.01", "em-0.1", "em-0.5")
K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with Dataset.open(find(options.dataset)) as dataset:
        items, queries = dataset.items(), dataset.queries()[: options.queries]
        workloads = {name: dataset.workload(name) for name in WORKLOADS}
        metric = dataset.metric
    pair = {name: registry.find(name).create(metric) for name in ("exact", "faiss-flat")}
    with threads.limited(1):
        for algorithm in pair.values():
            algorithm.warm_up()
            algorithm.build(items, 1)
            algorithm.configure()
        for name, workload in workloads.items():
            bound = workload.bind(items.attributes)
            filters = None if bound is None else bound[: len(queries)]
            qps: dict[str, list[float]] = {algorithm: [] for algorithm in pair}
            answers = {}
            for run in range(options.runs + 1):
                for label, algorithm in pair.items():
                    answers[label], select, search = timing.batch(algorithm, queries, K, filters)
                    if run:  # the first one warms up
                        qps[label].append(len(queries) / (select + search))
            ratio = statistics.median(a / b for a, b in zip(qps["exact"], qps["faiss-flat"], strict=True))
            same = np.mean([set(a) == set(b) for a, b in zip(*answers.values(), strict=True)])
            kept = 1.0 if filters is None else workload.matches.mean() / len(items.vectors)
            print(
                f"{name:8} {100 * kept:5.1f} % kept: exact {statistics.median(qps['exact']):7.0f} QPS, "
                f"faiss-flat {statistics.median(qps['faiss-flat']):7.0f} QPS, ratio {ratio:.2f} "
                f"(same ids for {100 * same:.1f} % of queries)"
            )


if __name__ == "__main__":
    main()

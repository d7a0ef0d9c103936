"""Where `exact` should begin to scan: python benchmarks/exact_scan_above.py

Synthetic data, one thread, 1,000 queries a batch, filter step included. For each dimension and fraction of
items kept it prints the time of a scan over that of a gather (median of interleaved rounds): below 1 the scan
is faster. `scan_above` and FIXED_COST of the plugin are chosen so that scan_above * d / (d + FIXED_COST) lies
where the rows fall below 1.
"""

from __future__ import annotations

import math
import statistics
from time import perf_counter

import numpy as np

from fannsbench import registry
from fannsbench.algorithm import Items, Metric
from fannsbench.attributes import Attributes, Number
from fannsbench.filters import Filter
from fannsbench.run import threads

DIMENSIONS = {16: 500_000, 96: 250_000, 384: 100_000, 960: 50_000}
"""Dimension and number of items: more vectors than a cache holds."""
KEPT = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
QUERIES, K, ROUNDS = 1000, 10, 3
GATHER, SCAN = math.inf, 0.0


def main() -> None:
    exact = registry.find("exact")
    print("dimension" + "".join(f"{kept:8g}" for kept in KEPT))
    with threads.limited(1):
        for dimension, n in DIMENSIONS.items():
            random = np.random.default_rng(0)
            vectors = random.standard_normal((n, dimension), np.float32)
            queries = random.standard_normal((QUERIES, dimension), np.float32)
            # Of 100 values in random order a range of 100 * kept keeps just that fraction.
            attributes = Attributes({"value": Number(random.permutation(np.arange(n) % 100))}, n)
            index = exact.create(Metric.EUCLIDEAN)
            index.warm_up()
            index.build(Items(vectors, attributes), 1)
            print(f"{dimension:9}", end="")
            for kept in KEPT:
                low = random.integers(0, 100 - round(100 * kept), QUERIES)
                filters = Filter.parse("$low <= value < $high").bind(
                    attributes, {"low": low, "high": low + round(100 * kept)}
                )
                seconds: dict[float, list[float]] = {GATHER: [], SCAN: []}
                for _ in range(ROUNDS):
                    for scan_above, measured in seconds.items():
                        index.configure(scan_above=scan_above)
                        began = perf_counter()
                        index.search(queries, K, index.select(filters))
                        measured.append(perf_counter() - began)
                ratio = statistics.median(seconds[SCAN]) / statistics.median(seconds[GATHER])
                print(f"{ratio:8.2f}", end="", flush=True)
            print()


if __name__ == "__main__":
    main()

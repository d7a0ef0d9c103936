"""What the harness costs: QPS of `hnsw` as fannsbench measures it over QPS of a bare hnswlib loop.

Both run in fresh processes under the same conditions (one core, one thread, limited pools), on the same
vectors, with the same M, efConstruction and ef; each pair is run back to back, and the median of the ratios
is printed, together with the cost of an empty call.

    python benchmarks/overhead.py [--dataset NAME] [--pairs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import hnswlib

from fannsbench.dataset import Dataset, find
from fannsbench.run import threads

M, EF_CONSTRUCTION, EFS, K, RUNS = 16, 200, (20, 80, 320), 10, 5


def bare(dataset: str) -> None:
    """A loop as one would write it by hand; prints the median QPS of each ef as JSON."""
    with Dataset.open(find(dataset)) as opened:
        vectors, queries = opened.items().vectors, opened.queries()
    index = hnswlib.Index("l2", vectors.shape[1])
    index.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION, random_seed=0)
    index.add_items(vectors, num_threads=1)
    seconds: dict[int, list[float]] = {ef: [] for ef in EFS}
    with threads.limited(1):
        for _ in range(RUNS):
            for ef in EFS:
                index.set_ef(ef)
                index.knn_query(queries[:100], k=K, num_threads=1)
                began = perf_counter()
                index.knn_query(queries, k=K, num_threads=1)
                seconds[ef].append(perf_counter() - began)
    print(json.dumps({ef: len(queries) / statistics.median(times) for ef, times in seconds.items()}))


def by_fannsbench(dataset: str, results: Path) -> tuple[dict[int, float], float]:
    """QPS of each ef, and milliseconds of an empty call."""
    command = [sys.executable, "-m", "fannsbench", "run", "--algo", "hnsw", "--workload", "none", "--json"]
    command += ["--dataset", dataset, "-k", str(K), "--runs", str(RUNS), "--results", str(results)]
    command += ["--set", f"M={M}", "--set", f"ef_construction={EF_CONSTRUCTION}", "--build-threads", "1"]
    command += ["--sweep", "ef=" + ",".join(map(str, EFS))]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(answer.stdout)
    qps = {int(setting.partition("=")[2]): row["qps"] for row in rows for setting in row["search"].split()
           if setting.startswith("ef=")}  # fmt: skip
    return qps, rows[0]["call_ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet-10k")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.dataset)
        return
    environment = dict(os.environ, **threads.environment(1))
    ratios: dict[int, list[float]] = {ef: [] for ef in EFS}
    calls = []
    for pair in range(options.pairs):
        with tempfile.TemporaryDirectory() as folder:
            measured, call_ms = by_fannsbench(options.dataset, Path(folder))
        answer = subprocess.run(
            [sys.executable, __file__, "--bare", "--dataset", options.dataset],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        loop = {int(ef): qps for ef, qps in json.loads(answer.stdout).items()}
        for ef in EFS:
            ratios[ef].append(measured[ef] / loop[ef])
        calls.append(call_ms)
        print(f"pair {pair + 1}: " + ", ".join(f"ef={ef} {measured[ef]:.0f}/{loop[ef]:.0f}" for ef in EFS))
    for ef in EFS:
        print(f"ef={ef}: {statistics.median(ratios[ef]):.3f} of a bare hnswlib loop (aim: 0.98 or more)")
    print(f"all: {statistics.median([r for rs in ratios.values() for r in rs]):.3f}")
    print(f"empty call: {statistics.median(calls) * 1e3:.2f} microseconds")


if __name__ == "__main__":
    main()

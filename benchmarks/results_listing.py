"""How long listing many results takes: the first time, when every file is read and judged, and the second,
when the cache beside them answers. Whole commands are timed, Python's start included.

    python benchmarks/results_listing.py [--files 10000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from fannsbench.dataset import DEFAULT, Dataset, find
from fannsbench.results import store
from fannsbench.results.store import BuildFigures, Result, Run

QUERIES, K = 100, 10


def write(results: Path, files: int) -> None:
    """Results of the default data set, as `fannsbench run --queries 100` would leave them."""
    rng = np.random.default_rng(0)
    with Dataset.open(find(DEFAULT)) as dataset:
        workloads = dataset.workload_names
        n, name, checksum = dataset.n, dataset.name, dataset.checksum
    for number in range(files):
        workload = workloads[number % len(workloads)]
        identity = {
            "schema": store.SCHEMA, "dataset": name, "checksum": checksum, "workload": workload,
            "queries": QUERIES, "k": K, "algorithm": f"graph-{number % 7}", "source": "0", "libraries": {},
            "build": {"M": 16, "ef_construction": 200}, "search": {"ef": number}, "threads": 1,
            "build_threads": 2, "mode": "batch", "seed": 0,
        }  # fmt: skip
        neighbors = rng.integers(0, n, (QUERIES, K), np.int32)
        runs = [Run(neighbors, 0.1, 0.2, rng.random(QUERIES), 0.0) for _ in range(3)]
        result = Result(identity, dataset_path=str(find(DEFAULT)), machine={"name": "here"}, runs=runs,
                        build=BuildFigures(1.0, 0.0, 10**6, 10**6, 10**8))  # fmt: skip
        store.write(store.path_of(results, "here", name, identity), result)


def seconds(results: Path, *options: str) -> float:
    began = perf_counter()
    command = [sys.executable, "-m", "fannsbench", "results", "--results", str(results), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        write(results, files)
        print(f"{files} result files")
        print(f"first listing   {seconds(results, '--json'):6.2f} s")
        print(f"second, --json  {seconds(results, '--json'):6.2f} s")
        print(f"second, table   {seconds(results):6.2f} s")


if __name__ == "__main__":
    main()

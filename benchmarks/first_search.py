"""How soon a second process searches: the first has compiled the kernels, this one reads them from the cache.

For each method an index of the embedded data set is built and saved. Then fresh processes load it and answer
one query: the median seconds of importing fannsbench and the plugin, of loading, of the first search with its
filter step, and of another one.

    python benchmarks/first_search.py [--methods hnsw-native,acorn] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

METHODS = {
    "hnsw-native": "none",
    "vamana": "none",
    "acorn": "em",
    "acorn-1": "em",
    "filtered-vamana": "em",
    "stitched-vamana": "em",
    "ung": "em",
    "serf": "r",
    "exact": "em",
    "exact-int8": "em",
    "planner": "em",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--methods", help="comma-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)  # a process of its own
    options = parser.parse_args()
    if options.part:
        print(json.dumps(part(*options.part)))
        return
    print(f"{'method':16} {'import':>8} {'load':>8} {'first':>8} {'next':>8}  seconds")
    for method in options.methods.split(",") if options.methods else METHODS:
        with tempfile.TemporaryDirectory() as folder:
            run("build", method, folder)
            rounds = [run("search", method, folder) for _ in range(options.rounds)]
        figures = [statistics.median(each[name] for each in rounds) for name in rounds[0]]
        print(f"{method:16} " + " ".join(f"{figure:8.3f}" for figure in figures), flush=True)


def run(step: str, method: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", step, method, folder]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def part(step: str, method: str, folder: str) -> dict[str, float]:
    """Build and save, and search once so that all is compiled; or load and search."""
    began = perf_counter()
    from fannsbench import registry
    from fannsbench.algorithm import Items
    from fannsbench.attributes import Attributes
    from fannsbench.dataset import Dataset, find
    from fannsbench.parameters import defaults

    plugin = registry.find(method)
    plugin.load()
    imported = perf_counter()
    with Dataset.open(find("wordnet-10k")) as dataset:
        workload = dataset.workload(METHODS[method])
        items, queries = dataset.items(), dataset.queries()[:1]
        filters = workload.bind(dataset.attributes)
    used = workload.filter.attributes if workload.filter else ()
    items = Items(items.vectors, Attributes({name: items.attributes[name] for name in used}, dataset.n))
    algorithm = plugin.create(dataset.metric)
    if step == "build":
        algorithm.warm_up()
        algorithm.build(items, 1)
        algorithm.save(Path(folder))
    opened = perf_counter()
    algorithm.load(Path(folder), items)
    algorithm.configure(**defaults(plugin.declaration.search))
    loaded = perf_counter()
    seconds = []
    for _ in range(2):
        start = perf_counter()
        selection = None if filters is None else algorithm.select(filters[:1])
        algorithm.search(queries, 10, selection)
        seconds.append(perf_counter() - start)
    return {"import": imported - began, "load": loaded - opened, "first": seconds[0], "next": seconds[1]}


if __name__ == "__main__":
    main()

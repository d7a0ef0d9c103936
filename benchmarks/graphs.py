"""What the graphs of the native methods are like: bytes an item beside a formula, degrees, and reach.

The bytes are those that are saved, which leave out the vectors. The formulas count 4 bytes a link that there
is room for, as the methods' papers and codes lay them out, and what goes with it. Reach is the share of a
layer's items that a walk from where searches begin comes to. Of UNG and SeRF only the bytes are shown: what
their walks can come to depends on the query.

    python benchmarks/graphs.py [--dataset wordnet-10k]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fannsbench import registry
from fannsbench.algorithm import Items
from fannsbench.algorithms.hnsw_native.index import Layers
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, find
from fannsbench.kernels.reach import degrees_of, reached_from


def layered(degree: int, upper_degree: int, M: int) -> float:  # noqa: N803
    """Bytes an item of HNSW's layers: its links, its level, and its share of the upper lists."""
    return 4 * degree + 9 + (4 * upper_degree + 4) / (M - 1)


METHODS: dict[str, tuple[str, dict[str, Any], Callable[[int], float] | None]] = {
    "hnsw-native": ("none", {"M": 16}, lambda n: layered(32, 16, 16)),
    "vamana": ("none", {"R": 64}, lambda n: 4 * 64 + 4),
    "acorn": ("em", {"M": 32, "M_beta": 32, "gamma": 12}, lambda n: layered(80, 384, 32)),
    "acorn-1": ("em", {}, lambda n: layered(32, 16, 16)),
    "filtered-vamana": ("em", {"R": 64}, lambda n: 4 * 64 + 4 + 8 + 16),
    "stitched-vamana": ("em", {"R_small": 32, "R_stitched": 64}, lambda n: 4 * 32 + 4 + 8 + 16),
    "ung": ("em", {"R": 32}, lambda n: 4 * 32 + 8 + 4),
    "serf": ("r", {"index_k": 32, "ef_max": 500}, None),
    "irangegraph": ("r", {"M": 32}, lambda n: 4 * 32 * (n - 1).bit_length()),
    "digra": ("r", {"M": 24}, None),
    "dsg": ("r", {"M": 16, "ef_max": 500}, None),
    "window-tree": ("r", {"R": 32, "cutoff": 1000}, None),
    "unify": ("r", {"M": 16, "segments": 8}, lambda n: 8 * (4 * 32 + 4 * 16 / 15) + layered(32, 16, 16)),
}
"""The workload whose attribute is built on, parameters, and the bytes; those of some depend on the data, or
on how a tree turns out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="wordnet-10k")
    options = parser.parse_args()
    with Dataset.open(find(options.dataset)) as dataset:
        print(f"{'method':16} {'bytes':>7} {'formula':>8}  degrees (least, mean, most), reach; by layer")
        for name, (workload, parameters, formula) in METHODS.items():
            graph, size = built(dataset, name, workload, parameters)
            shown = f"{formula(dataset.n):8.0f}" if formula else f"{'-':>8}"
            layers = "; ".join(described(graph, layer) for layer in range(layers_of(graph)))
            print(f"{name:16} {size / dataset.n:7.0f} {shown}  {layers}", flush=True)


def built(dataset: Dataset, name: str, workload: str, parameters: dict[str, Any]) -> tuple[Any, int]:
    """A method's graph, and the bytes saved of it."""
    filter_ = dataset.workload(workload).filter
    columns = {a: dataset.attributes[a] for a in (filter_.attributes if filter_ else ())}
    algorithm: Any = registry.find(name).create(dataset.metric, **parameters)
    algorithm.build(Items(dataset.items().vectors, Attributes(columns, dataset.n)), 2)
    with tempfile.TemporaryDirectory() as folder:
        algorithm.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return algorithm.graph, size


def layers_of(graph: Any) -> int:
    """How many layers have one list of links for each of their items."""
    return len(graph.starts) if isinstance(graph, Layers) else int(hasattr(graph, "start"))


def described(graph: Any, layer: int) -> str:
    starts = graph.entry if isinstance(graph, Layers) else graph.start
    if hasattr(graph, "label_starts"):
        starts = graph.label_starts[graph.label_starts >= 0]
    links = graph.links
    if layer:
        ends = [*graph.starts[1:], len(graph.upper)]
        links = graph.upper[ends[layer - 1] : ends[layer]]
        links = np.where(links < 0, -1, graph.place[links])  # items of a layer come first in this order
        starts = np.zeros(1, np.int64)
    least, mean, most = degrees_of(links)
    return f"{least}, {mean:.1f}, {most}, {100 * reached_from(links, starts).mean():.1f} %"


if __name__ == "__main__":
    main()

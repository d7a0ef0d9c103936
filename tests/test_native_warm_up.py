"""No kernel is compiled, or read from the cache, in the timed build and searches of a native method."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

METHODS: list[tuple[str, dict[str, Any]]] = [
    ("hnsw-native", {}),
    ("vamana", {}),
    ("acorn", {}),
    ("acorn-1", {}),
    ("filtered-vamana", {}),
    ("stitched-vamana", {}),
    ("ung", {}),
    ("ung", {"branch": 200}),
    ("serf", {}),
    ("serf", {"one_sided": "1d"}),
    ("planner", {}),
]
SCRIPT = """
import gc, json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from fannsbench import registry
from fannsbench.algorithm import Items
from fannsbench.attributes import Attributes
from fannsbench.dataset import Dataset, find

name, build = sys.argv[1], json.loads(sys.argv[2])
plugin, n = registry.find(name), 1500
kind = plugin.load()

def specialised():
    kernels = [o for o in gc.get_objects() if isinstance(o, Dispatcher)]
    return {f"{k.py_func.__module__}.{k.py_func.__name__}": len(k.signatures) for k in kernels}

with Dataset.open(find("wordnet-10k")) as dataset:
    declared = {key: p.default for key, p in plugin.declaration.build.items()}
    searched = {key: p.default for key, p in plugin.declaration.search.items()}
    vectors, queries = np.array(dataset.items().vectors[:n]), dataset.queries()[:20]
    vectors.flags.writeable = False  # as mapped ones are
    selections = []
    for workload in map(dataset.workload, ("none", "em", "r", "emis", "mem", "mr", "c")):
        used = workload.filter.attributes if workload.filter else ()
        attributes = Attributes({a: dataset.attributes[a].take(np.arange(n)) for a in used}, n)
        if not kind.skip(dataset, workload):
            bound = workload.bind(attributes)
            if bound is not None:
                bound.counts(), bound.bitmaps(), bound.postings()  # what the harness itself compiles
            selections.append((attributes, bound))
    index = kind(dataset.metric, 0, **declared | build)
    index.warm_up()
    before = specialised()
    for attributes, bound in selections:
        index.threads = 2
        index.build(Items(vectors, attributes), 2)
        index.configure(**searched)
        index.search(queries, 10, None if bound is None else index.select(bound[:20]))
    after = specialised()
print(json.dumps(sorted(k for k in after if after[k] > before.get(k, 0))))
"""


@pytest.mark.parametrize(("name", "build"), METHODS)
def test_nothing_is_compiled_after_the_warm_up(name: str, build: dict[str, Any]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, json.dumps(build)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == []

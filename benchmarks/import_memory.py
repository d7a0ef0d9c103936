"""Peak memory of importing a synthetic arxiv-for-fanns folder, above that of the bare interpreter.

    python benchmarks/import_memory.py --items 2735264 --dimension 64 --folder /tmp/arxiv

The folder is made first, with as many distinct authors and submitters for each item as arXiv has: large ones
need time and disk. The items' vectors pass through in blocks, so their dimension should not matter, but for
that the queries are kept: give the real one, 4096, with fewer items to see that. Beside it stand the bare
interpreter, what libraries add to it, and the peak of a thousand items: compiled kernels and the queries.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

BARE = "print(1024 * int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]))"
QUERIES, DEPTH, SMALL = 10_000, 100, 1000
DISTINCT_AUTHORS, DISTINCT_SUBMITTERS, AUTHORS = 0.55, 0.26, 4.0
"""For each item, about."""
CATEGORIES = [f"{field}.{part:02}" for field in ("astro-ph", "cond-mat", "cs", "math") for part in range(40)]
LICENSES = [None, *(f"http://creativecommons.org/licenses/{i}" for i in range(8))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--folder", type=Path, required=True, help="For the source and the data set.")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(sizes(options.folder))
        return
    bare = int(output_of("-c", BARE))
    peaks = {}
    for items in (SMALL, options.items):
        make(options.folder, items, options.dimension)
        measured = output_of(__file__, "--folder", str(options.folder), "--measure")
        libraries, peaks[items] = map(int, measured.split())
    rows = {
        "bare interpreter": bare,
        "libraries, above it": libraries - bare,
        f"import of {SMALL:,} items, above it": peaks[SMALL] - bare,
        f"import of {options.items:,} items, above it": peaks[options.items] - bare,
    }
    print(f"{options.dimension:,} dimensions, {QUERIES:,} queries; peak resident memory")
    for what, size in rows.items():
        print(f"{what:36} {size / 1e6:7,.0f} MB")


def output_of(*arguments: str) -> str:
    """Of a new Python."""
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def sizes(folder: Path) -> str:
    """Peak resident bytes with all libraries, before the import and after it."""
    from fannsbench.data.draft import write
    from fannsbench.data.importers import arxiv
    from fannsbench.run.memory import peak_bytes

    before = peak_bytes()
    with arxiv.read(folder) as draft:
        write(draft, folder / "imported.h5", depth=1)
    return f"{before} {peak_bytes()}"


def make(folder: Path, items: int, dimension: int) -> None:
    """A source of that size, its vectors and truth at random."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, pick = np.random.default_rng(0), random.Random(0)
    write_fvecs(folder / "database_vectors.fvecs", items, dimension, rng)
    write_fvecs(folder / "query_vectors.fvecs", QUERIES, dimension, rng)
    with (folder / "database_attributes.jsonl").open("w") as file:
        for _ in range(items):
            file.write(json.dumps(attributes_of_item(items, pick)) + "\n")
    values = {
        "em": lambda: {"label": pick.randint(1, 5)},
        "r": lambda: {"range_start": pick.randint(13655, 16000), "range_end": pick.randint(16000, 20216)},
        "emis": lambda: {"label": pick.choice(CATEGORIES).partition(".")[0]},
    }
    for name, value in values.items():
        lines = [json.dumps(value()) for _ in range(QUERIES)]
        (folder / f"{name}_query_attributes.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("", *(f"_{name}" for name in values)):
        truth = rng.integers(0, items, (QUERIES, 1 + DEPTH), np.int32)
        truth[:, 0] = DEPTH
        truth.tofile(folder / f"ground_truth{name}.ivecs")


def write_fvecs(path: Path, rows: int, dimension: int, rng: np.random.Generator) -> None:
    with path.open("wb") as file:
        for start in range(0, rows, 4096):
            block = np.empty((min(4096, rows - start), 1 + dimension), np.float32)
            block[:, 0] = np.array(dimension, np.int32).view(np.float32)
            block[:, 1:] = rng.random((len(block), dimension), np.float32)
            block.tofile(file)


def attributes_of_item(items: int, pick: random.Random) -> dict[str, object]:
    sub = pick.sample(CATEGORIES, pick.choice((1, 1, 2, 3)))
    main = sorted({name.partition(".")[0] for name in sub})
    authors = [person(pick, DISTINCT_AUTHORS * items) for _ in range(1 + int(pick.expovariate(1 / AUTHORS)))]
    return {
        "submitter": person(pick, DISTINCT_SUBMITTERS * items),
        "has_comments": pick.random() < 0.7,
        "main_categories": main,
        "sub_categories": sub,
        "number_of_main_categories": len(main),
        "number_of_sub_categories": len(sub),
        "license": pick.choice(LICENSES),
        "number_of_versions": pick.randint(1, 5),
        "update_date": pick.randint(13655, 20216),
        "authors": authors,
        "number_of_authors": len(authors),
    }


def person(pick: random.Random, people: float) -> str:
    return f"Firstname Lastname {int(pick.random() * people)}"


if __name__ == "__main__":
    main()

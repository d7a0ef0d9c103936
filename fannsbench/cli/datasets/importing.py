"""`fannsbench datasets import`: one command for each format."""

from __future__ import annotations

import click

from fannsbench.cli.lazy import Lazy, LazyGroup

_HERE = "fannsbench.cli.datasets"
_FORMATS = {
    "table": Lazy(
        f"{_HERE}.import_table:table", "Your own vectors and attributes (.npy, .csv, .parquet, ...)."
    ),
    "arxiv-for-fanns": Lazy(f"{_HERE}.import_arxiv:arxiv", "arXiv's abstracts: eleven attributes."),
    "ann-benchmarks": Lazy(f"{_HERE}.import_ann_benchmarks:ann_benchmarks", "HDF5, no filters; also VIBE's."),
    "big-ann": Lazy(f"{_HERE}.import_big_ann:big_ann", ".fbin, .u8bin, .i8bin, .ibin; tags in .spmat."),
    "qdrant": Lazy(f"{_HERE}.import_qdrant:qdrant", "vectors.npy, payloads.jsonl, tests.jsonl; or .tgz."),
    "vecs": Lazy(f"{_HERE}.import_vecs:vecs", ".fvecs, .bvecs, .ivecs, as of TEXMEX."),
}


@click.command("import", cls=LazyGroup, members=_FORMATS)
def import_() -> None:
    """Bring in your own data, or another benchmark's."""

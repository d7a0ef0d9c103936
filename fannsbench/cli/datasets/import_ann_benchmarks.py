"""`fannsbench datasets import ann-benchmarks`."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.options import SOURCE_FILE


@click.command()
@click.argument("source", type=SOURCE_FILE)
@click.option(
    "--metric",
    type=click.Choice(["euclidean", "cosine", "inner_product"]),
    help="How far apart two vectors are.  [default: what the file says]",
)
@output_options
def ann_benchmarks(source: Path, metric: str | None, output: Output) -> None:
    """An HDF5 file of ann-benchmarks or VIBE, with its truth if it has any.

    SOURCE is a file such as glove-100-angular.hdf5. Those of sets or bits (jaccard, hamming) are refused.
    """
    from fannsbench.data.importers import ann_benchmarks as importer
    from fannsbench.metric import Metric

    with importer.read(source, Metric(metric) if metric else None) as draft:
        output.write(draft)

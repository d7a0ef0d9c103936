"""`fannsbench datasets import vecs`."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.options import METRIC, SOURCE_FILE


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--queries", type=SOURCE_FILE, help="File of the queries' vectors, of the same type.")
@click.option("--truth", type=SOURCE_FILE, help="File of the true nearest items, such as .ivecs.")
@METRIC
@output_options
def vecs(source: Path, queries: Path | None, truth: Path | None, metric: str, output: Output) -> None:
    """Vectors in .fvecs, .bvecs or .ivecs files.

    SOURCE is the file of the items, or, without --queries, a folder or .tar.gz archive as of TEXMEX:
    sift_base.fvecs, sift_query.fvecs and sift_groundtruth.ivecs in it are found.
    """
    from fannsbench.data.importers import vecs as importer
    from fannsbench.metric import Metric

    with importer.read(source, queries, truth, Metric(metric)) as draft:
        output.write(draft)

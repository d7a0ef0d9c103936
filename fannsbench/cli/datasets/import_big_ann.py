"""`fannsbench datasets import big-ann`."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.options import METRIC, SOURCE_FILE


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--queries", type=SOURCE_FILE, help="File of the queries' vectors, of the same type.")
@click.option("--metadata", type=SOURCE_FILE, help="The items' tags, .spmat.")
@click.option("--query-metadata", type=SOURCE_FILE, help="The tags that each query asks for, .spmat.")
@click.option("--truth", type=SOURCE_FILE, help="File of the true nearest items, such as GT.public.ibin.")
@METRIC
@output_options
def big_ann(
    source: Path,
    queries: Path | None,
    metadata: Path | None,
    query_metadata: Path | None,
    truth: Path | None,
    metric: str,
    output: Output,
) -> None:
    """Vectors in .fbin, .u8bin, .i8bin or .ibin files, with tags or without.

    SOURCE is the file of the items, or a folder as of the filter track (YFCC-10M), in which base.*bin,
    query.public.*bin, base.metadata.*.spmat, query.metadata.public.*.spmat and GT.public.ibin are found.
    With tags, an item matches a query if it has all of the query's, and --truth is that of the matches.
    """
    from fannsbench.data.importers import big_ann as importer
    from fannsbench.metric import Metric

    with importer.read(source, queries, truth, metadata, query_metadata, Metric(metric)) as draft:
        output.write(draft)

"""`fannsbench datasets import qdrant`."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--structure",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Which tests, where their conditions differ in structure; 1 is that of most. --preview lists them.",
)
@output_options
def qdrant(source: Path, structure: int, output: Output) -> None:
    """A filtered data set of qdrant's, with its truth.

    SOURCE is a folder with vectors.npy, payloads.jsonl and tests.jsonl, or a .tgz archive of them. Conditions
    match and range are filters here; geo is refused.
    """
    from fannsbench.data.importers import qdrant as importer

    with importer.read(source, structure) as draft:
        output.write(draft)

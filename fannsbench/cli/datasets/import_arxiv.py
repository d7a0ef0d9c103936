"""`fannsbench datasets import arxiv-for-fanns`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.datasets.progress import progress_bars


@click.command("arxiv-for-fanns")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@output_options
def arxiv(source: Path, output: Output) -> None:
    """arXiv's abstracts with eleven attributes, and filters EM, R and EMIS.

    SOURCE is the folder of SPCL/arxiv-for-fanns-small, -medium or -large from Hugging Face.
    """
    from fannsbench.data.importers import arxiv as importer

    with ExitStack() as stack:
        with progress_bars() as progress:
            draft = stack.enter_context(importer.read(source, progress))
        output.write(draft)

"""`fannsbench datasets build`: data sets of real texts."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench import folders
from fannsbench.cli.datasets.listing import megabytes
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.errors import DatasetError

WORDNET = "wordnet"


@click.group()
def build() -> None:
    """Embed real texts as a data set."""


@build.command(WORDNET)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="Folder of WordNet 3.0's data files.",
    show_default="Debian's wordnet-base",
)
@click.option(
    "--model",
    help="sentence-transformers model: a name on the hub, or a folder.",
    show_default="all-MiniLM-L6-v2",
)
@click.option(
    "--items", type=click.IntRange(min=100), help="How many synsets, drawn at random.", show_default="all"
)
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="How many search terms, drawn at random.",
)
@click.option("--compact", is_flag=True, help="A small file to pass on: float16 vectors, compressed.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
    show_default="wordnet.h5 among your data sets",
)
def build_wordnet(
    source: Path | None,
    model: str | None,
    items: int | None,
    queries: int,
    compact: bool,
    output: Path | None,
) -> None:
    """Embed WordNet's synsets. An interrupted build goes on where it was when run again."""
    from fannsbench.data.build import wordnet, wordnet_dataset
    from fannsbench.data.build.embed import SentenceEncoder

    path = output or folders.user_datasets() / f"{WORDNET}.h5"
    try:
        with progress_bars() as progress:
            wordnet_dataset.build(
                path,
                lambda: SentenceEncoder(model),
                source or wordnet.DEBIAN_FOLDER,
                progress,
                items,
                queries,
                compact,
            )
    except OSError as error:
        raise DatasetError(f"cannot build {path}: {error}") from None
    click.echo(f"{path} ({megabytes(path)} MB)")

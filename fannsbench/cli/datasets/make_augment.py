"""`fannsbench datasets make augment`."""

from __future__ import annotations

import click

from fannsbench.cli.datasets.make import KIND, SELECTIVITY, distinct
from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import SEED, Names
from fannsbench.errors import UserError

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("dataset", metavar="SOURCE", type=Names("dataset", several=False))
@SELECTIVITY
@KIND
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="[NAME:]FILTER",
    help="A workload of any filter, such as 'cheap: price < $limit', with values drawn from the items.",
)
@click.option(
    "--keep", type=Names("workload"), help="Workloads to keep; none: only new ones.", show_default="all"
)
@click.option("--items", type=_COUNT, help="So many, drawn at random.", show_default="all")
@click.option("--queries", type=_COUNT, help="So many, drawn at random.", show_default="all")
@click.option("--pca", type=_COUNT, metavar="D", help="Reduce the vectors to D principal components.")
@click.option(
    "--rotate",
    type=_COUNT,
    metavar="D",
    help="Rotate the vectors at random, in as many dimensions or more; distances stay the same.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float16", "int8"]),
    help="Round the vectors; for int8, the largest number of all becomes 127.",
)
@SEED
@output_options
def augment(
    output: Output,
    dataset: str,
    selectivities: tuple[tuple[float, ...], ...],
    kinds: tuple[str, ...] | None,
    filters: tuple[str, ...],
    keep: list[str] | None,
    items: int | None,
    queries: int | None,
    pca: int | None,
    rotate: int | None,
    dtype: str | None,
    seed: int,
) -> None:
    """A copy of the data set SOURCE with other workloads, size or vectors.

    \b
    fannsbench datasets make augment wordnet --name steps --selectivity study
    fannsbench datasets make augment wordnet --name tenth --items 11766 --queries 500
    fannsbench datasets make augment wordnet --name wide --rotate 1024

    Changes are made in this order: items and queries, --pca, --rotate, --dtype. Attributes and workloads
    stay, and so does the truth if the items do.
    """
    if kinds and not selectivities:
        raise UserError("--kind is that of filters of a --selectivity; give one, such as 0.1")
    from fannsbench.data.make import augment as maker
    from fannsbench.data.make.kinds import KINDS
    from fannsbench.dataset import Dataset, find

    with Dataset.open(find(dataset)) as source:
        with progress_bars() as progress:
            draft = maker.augment(
                source,
                maker.Change(items, queries, pca, rotate, dtype),
                keep=None if keep in (None, ["all"]) else keep,
                selectivities=distinct(selectivities),
                kinds=kinds or KINDS,
                filters=filters,
                depth=output.depth,
                seed=seed,
                progress=progress,
            )
        output.write(draft)

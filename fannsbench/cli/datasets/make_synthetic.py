"""`fannsbench datasets make synthetic`."""

from __future__ import annotations

from typing import Any

import click

from fannsbench import folders
from fannsbench.cli.datasets.make import KIND, SELECTIVITY, distinct
from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import METRIC, SEED
from fannsbench.errors import UserError

_COUNT = click.IntRange(min=1)


@click.command()
@click.option("--items", "num_items", type=_COUNT, required=True, help="How many vectors to search.")
@click.option("--dimension", type=_COUNT, required=True, help="Of the vectors.")
@click.option("--queries", "num_queries", type=_COUNT, default=1000, show_default=True, help="How many.")
@click.option(
    "--clusters",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Gaussians that the vectors are drawn from; 0: uniform, in a cube.",
)
@METRIC
@SELECTIVITY
@KIND
@click.option(
    "--distribution",
    "distributions",
    multiple=True,
    type=click.Choice(["uniform", "zipf"]),
    help="A category whose values are evenly spread, or have Zipf's frequencies, and a filter on it.",
)
@click.option("--values", "num_values", type=_COUNT, help="Of that category.", show_default="100")
@click.option(
    "--correlation",
    "correlations",
    multiple=True,
    type=click.FloatRange(-1, 1),
    help="Share of a query's matches that are chosen for being near to it or, if negative, far from it; the "
    "others are random. Makes all filters, for each.",
    show_default="0",
)
@SEED
@output_options
def synthetic(
    output: Output,
    num_items: int,
    dimension: int,
    num_queries: int,
    selectivities: tuple[tuple[float, ...], ...],
    kinds: tuple[str, ...] | None,
    distributions: tuple[str, ...],
    num_values: int | None,
    correlations: tuple[float, ...],
    **others: Any,
) -> None:
    """Random vectors, and filters with the selectivity, distribution of values and correlation that you want.

    \b
    fannsbench datasets make synthetic --name hard --items 100000 --dimension 128 \\
        --selectivity 0.001,0.1 --correlation -1 --correlation 0 --kind r,emis

    Without --selectivity and --distribution there are no filters.
    """
    if kinds and not selectivities:
        raise UserError("--kind is that of filters of a --selectivity; give one, such as 0.1")
    if num_values and not distributions:
        raise UserError("--values is for a --distribution; give uniform or zipf")
    if correlations and not (selectivities or distributions):
        raise UserError("--correlation is that of filters; give a --selectivity or a --distribution")
    from fannsbench.data.draft import check_counts
    from fannsbench.data.make import synthetic as maker
    from fannsbench.data.make.kinds import KINDS

    check_counts(num_items, dimension, num_queries)
    folders.require_space(output.path.parent, 4 * (num_items + num_queries) * dimension)
    with progress_bars() as progress:
        draft = maker.synthetic(
            num_items,
            dimension,
            num_queries,
            selectivities=distinct(selectivities),
            kinds=kinds or KINDS,
            distributions=list(dict.fromkeys(distributions)),
            num_values=num_values or maker.NUM_VALUES,
            correlations=list(dict.fromkeys(correlations)) or [0.0],
            progress=progress,
            **others,
        )
    output.write(draft)

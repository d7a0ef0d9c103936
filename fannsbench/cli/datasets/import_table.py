"""`fannsbench datasets import table`."""

from __future__ import annotations

from pathlib import Path

import click

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.options import METRIC, SEED, SOURCE_FILE


class _Queries(click.ParamType):  # type: ignore[type-arg]
    """A number, or a file."""

    name = "queries"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        return int(value) if value.isdecimal() else value


class _Kind(click.ParamType):  # type: ignore[type-arg]
    """COLUMN=KIND as a pair."""

    name = "kind"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        column, equals, kind = value.rpartition("=")
        if not equals:
            self.fail(f"{value!r} must be COLUMN=KIND, as in tags=set", param, ctx)
        return column, kind


@click.command()
@click.argument("vectors", metavar="VECTORS")
@click.option(
    "--attributes",
    type=SOURCE_FILE,
    metavar="FILE",
    help="A row for each vector: .csv, .tsv, .parquet or .jsonl.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Makes a workload, as 'price <= $max and $tag in tags', or with a name, 'cheap: price <= $max'. "
    "Repeatable.",
)
@click.option(
    "--values",
    type=SOURCE_FILE,
    metavar="FILE",
    help="Values of the filters' $parameters: a column for each, a row for each query.",
    show_default="drawn from the items' own",
)
@click.option(
    "--queries",
    type=_Queries(),
    metavar="FILE|N",
    help="Vectors of the queries, or how many of VECTORS are held out as queries.",
    show_default="1000, at most a tenth",
)
@METRIC
@click.option(
    "--kind",
    "kinds",
    type=_Kind(),
    multiple=True,
    metavar="COLUMN=KIND",
    help="What a column is, if not what it looks like: category, number, set or date. Repeatable.",
)
@click.option("--without", multiple=True, metavar="COLUMN", help="Leave out a column. Repeatable.")
@SEED
@output_options
def table(
    vectors: str,
    attributes: Path | None,
    filters: tuple[str, ...],
    values: Path | None,
    queries: int | str | None,
    metric: str,
    kinds: tuple[tuple[str, str], ...],
    without: tuple[str, ...],
    seed: int,
    output: Output,
) -> None:
    """Your own vectors and attributes.

    VECTORS is a .npy, .npz, .parquet, .h5, .fvecs, .fbin, ... file; of several matrices in it, name one as
    FILE:NAME. What each column of the attributes is taken for is shown before anything long begins; see it
    alone with --preview. In a .csv, empty cells are missing, and sets are written as a|b|c or ["a", "b"].
    """
    from fannsbench.data.importers import table as importer
    from fannsbench.metric import Metric

    with importer.read(
        vectors,
        attributes,
        queries=queries,
        filters=filters,
        values=values,
        kinds=dict(kinds),
        without=without,
        metric=Metric(metric),
        seed=seed,
    ) as draft:
        output.write(draft)

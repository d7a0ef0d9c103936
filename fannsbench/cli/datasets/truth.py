"""`fannsbench datasets truth`: compute ground truth anew."""

from __future__ import annotations

from dataclasses import replace

import click

from fannsbench import dataset
from fannsbench.cli.datasets.listing import megabytes
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import MEMORY, Names
from fannsbench.errors import DatasetError, UnknownNameError


@click.command()
@click.argument("name", type=Names("dataset", several=False))
@click.option(
    "--workload",
    "workloads",
    type=Names("workload"),
    help="Only these; the truth of the others stays.",
    show_default="all",
)
@click.option(
    "-k", "depth", type=click.IntRange(min=1), default=100, show_default=True, help="Neighbours a query."
)
@MEMORY
def truth(name: str, workloads: list[str] | None, depth: int, memory: int) -> None:
    """Compute the ground truth of the data set NAME (or the file of that path) and store it there.

    Exact: float64 decides, and of equal distances the lower id. A computation that was interrupted goes on
    where it was when the same command is given again. The file is replaced when all is done."""
    from fannsbench.data.draft import draft_of, write
    from fannsbench.dataset import UNFILTERED, Dataset

    path = dataset.find(name)
    if dataset.is_bundled(path):
        raise DatasetError(
            f"{path} comes with fannsbench and stays as it is; copy the file, and give the path of the copy"
        )
    with Dataset.open(path) as opened:
        wanted = opened.workload_names if workloads is None or workloads == ["all"] else workloads
        for unknown in set(wanted) - set(opened.workload_names):
            raise UnknownNameError(f"workload of {opened.name}", unknown, opened.workload_names)
        draft = draft_of(opened)
        draft = replace(
            draft,
            neighbors=None if UNFILTERED in wanted else draft.neighbors,
            workloads={
                key: replace(workload, neighbors=None if key in wanted else workload.neighbors)
                for key, workload in draft.workloads.items()
            },
        )
        try:
            with progress_bars() as progress:
                write(
                    draft,
                    path,
                    depth=depth,
                    memory=memory,
                    compress=opened.vectors.compression is not None,
                    progress=progress,
                )
        except OSError as error:
            raise DatasetError(f"cannot write {path}: {error}") from None
    click.echo(f"{path} ({megabytes(path)} MB): truth of {', '.join(wanted)} to depth {depth}")

"""What all commands that make a data set share: where it goes, a preview, the writing."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench import dataset
from fannsbench.cli.datasets.listing import attribute_rows, megabytes, workload_row
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import MEMORY
from fannsbench.cli.tables import print_table
from fannsbench.errors import DatasetError

if TYPE_CHECKING:
    from fannsbench.data.draft import Draft


@dataclass(frozen=True)
class Output:
    """Where a data set is to be written, and how."""

    path: Path
    depth: int
    memory: int
    preview: bool

    def write(self, draft: Draft) -> None:
        """Show what the data set will be, and unless that was all that was asked for, make it."""
        from fannsbench import housekeeping
        from fannsbench.data.draft import write

        housekeeping.clear_old()
        draft.check()
        _show(draft)
        if self.preview:
            return
        try:
            with progress_bars() as progress:
                write(draft, self.path, depth=self.depth, memory=self.memory, progress=progress)
        except OSError as error:
            raise DatasetError(f"cannot write {self.path}: {error}") from None
        click.echo(f"{self.path} ({megabytes(self.path)} MB)")
        is_found_by_name = dataset.available().get(self.path.stem) == self.path
        name = self.path.stem if is_found_by_name else str(self.path)
        workloads = " --workload all" if draft.workloads else ""
        click.echo(f"next: fannsbench run --algo all --dataset {shlex.quote(name)}{workloads}")


def output_options(command: Callable[..., Any], *, named_by: str | None = None) -> Callable[..., Any]:
    """The options of a command that takes them as `output`, an `Output`. `named_by`: the command's parameter
    that is the data set's name, unless --name is given; without either, `output` is None."""

    @click.option(
        "--name",
        required=named_by is None,
        metavar="NAME|PATH",
        help="Of the data set, or its .h5 file.",
        show_default=named_by and named_by.upper(),
    )
    @click.option(
        "--depth",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        help="Neighbours a query in the ground truth; the largest k that can be judged.",
    )
    @MEMORY
    @click.option("--preview", is_flag=True, help="Only show what would be made.")
    @click.option("--replace", is_flag=True, help="Write over a data set of that name.")
    @functools.wraps(command)
    def with_output(
        *, name: str | None, depth: int, memory: int, preview: bool, replace: bool, **others: Any
    ) -> Any:
        name = name or (others[named_by] if named_by else None)
        if name is None:
            return command(output=None, **others)
        path = dataset.place_of(name)
        if path.exists() and not (replace or preview):
            raise DatasetError(f"{path} exists already; choose another --name, or give --replace")
        return command(output=Output(path, depth, memory, preview), **others)  # fmt: skip

    return with_output


def _show(draft: Draft) -> None:
    (n, d), q = draft.items.shape, len(draft.queries)
    about = {
        "items": f"{n:,}",
        "dimension": f"{d:,}",
        "queries": f"{q:,}",
        "vectors": f"{draft.items.dtype}, {draft.stored_bytes / 1e6:,.1f} MB",
        "metric": str(draft.metric),
        "source": draft.source,
        "license": draft.license.partition("\n")[0],
    }
    for key, value in about.items():
        if value:
            click.echo(f"{key + ':':14}{value}")
    print_table(attribute_rows(draft.attributes), "Attributes")
    rows = [
        workload_row(name, workload.filter, draft.matches[name], n)
        for name, workload in draft.workloads.items()
    ]
    print_table(rows, "Workloads (selectivity: fraction of items kept, quartiles over the queries)")
    for note in draft.notes:
        click.echo(f"- {note}")

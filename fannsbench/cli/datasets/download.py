"""`fannsbench datasets download`."""

from __future__ import annotations

import functools
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from fannsbench.cli.datasets.output import Output, output_options
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import JSON
from fannsbench.cli.tables import print_table

if TYPE_CHECKING:
    from fannsbench.data.download.catalogue import Entry
    from fannsbench.data.download.public import PublicDataset


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fannsbench.data.download import catalogue

    return [
        CompletionItem(name, help=entry.note)
        for name, entry in catalogue.entries().items()
        if name.startswith(incomplete)
    ]


@click.command()
@click.argument("dataset", required=False, shell_complete=_complete)
@click.option("--keep", is_flag=True, help="Keep the downloaded files, to import them otherwise too.")
@functools.partial(output_options, named_by="dataset")
@JSON
def download(dataset: str | None, keep: bool, output: Output | None, as_json: bool) -> None:
    """Fetch a public data set and import it. Without DATASET, list what there is.

    An interrupted download goes on where it was when run again. With --preview nothing is downloaded. A
    catalogue.toml among your data sets adds to the list, or replaces addresses that have moved.
    """
    from fannsbench.data.download import catalogue

    if dataset is None:
        _list(catalogue.entries(), as_json)
        return
    assert output
    entry = catalogue.find(dataset)

    from fannsbench.data.download.public import PublicDataset

    public = PublicDataset.asked_for(dataset, entry)
    _announce(public)
    public.require_space(output.path)
    if output.preview:
        return
    with progress_bars() as progress:
        notes = public.fetch(progress)
    for note in notes:
        click.echo(note)
    with ExitStack() as stack:
        with progress_bars() as progress:
            draft = stack.enter_context(public.read(progress))
        output.write(draft)
    if keep:
        click.echo(f"kept: {public.source}")
    else:
        public.remove()


def _list(entries: dict[str, Entry], as_json: bool) -> None:
    if as_json:
        rows = [{"name": name, **entry.model_dump(mode="json")} for name, entry in entries.items()]
        click.echo(json.dumps(rows, indent=2))
        return
    for format_ in dict.fromkeys(entry.format for entry in entries.values()):
        rows = [_row(name, entry) for name, entry in entries.items() if entry.format == format_]
        print_table(rows, format_)


def _row(name: str, entry: Entry) -> dict[str, Any]:
    return {
        "name": name,
        "MB": round(entry.about_bytes / 1e6) or None,
        "items": entry.items,
        "dimension": entry.dimension,
        "filters": entry.filters or None,
        "license": entry.license or None,
    }


def _announce(public: PublicDataset) -> None:
    entry, count = public.entry, len(public.files)
    size = f"{public.size / 1e6:,.1f} MB" if public.size else "of unknown size"
    about = {
        "data set": f"{public.name}, {entry.items:,} items of {entry.dimension:,} dimensions, {entry.format}",
        "source": entry.source,
        "filters": entry.filters,
        "license": entry.license or "none stated by its publisher",
        "citation": entry.citation,
        "note": entry.note,
        "download": f"{size}, {count} file{'s' if count > 1 else ''}, to {public.folder}",
        "here already": f"{public.here / 1e6:,.1f} MB" if public.here else "",
    }
    for key, value in about.items():
        if value:
            click.echo(f"{key + ':':14}{value}")

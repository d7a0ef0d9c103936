"""`fannsbench cache`: what lies in the cache folder, and clearing it."""

from __future__ import annotations

import json

import click

from fannsbench.cli.options import JSON


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def cache(context: click.Context, as_json: bool) -> None:
    """What lies in the cache folder. All of it can be made again."""
    if context.invoked_subcommand:
        return
    from fannsbench import folders, housekeeping
    from fannsbench.cli.tables import print_table

    rows = [
        {
            "purpose": p.purpose,
            "what it is": p.meaning,
            "entries": p.entries,
            "megabytes": round(p.size / 1e6, 1),
        }
        for p in housekeeping.parts()
    ]
    if as_json:
        click.echo(json.dumps({"folder": str(folders.cache()), "parts": rows}, indent=1))
        return
    click.echo(folders.cache())
    if rows:
        print_table(rows)


@cache.command()
@click.option("--all", "everything", is_flag=True, help="Environments and downloads as well.")
def clear(everything: bool) -> None:
    """Remove compiled code of other versions, checksums, and what was unpacked, unless others use it."""
    from fannsbench import housekeeping

    click.echo(f"freed {housekeeping.clear(everything) / 1e6:,.1f} MB")

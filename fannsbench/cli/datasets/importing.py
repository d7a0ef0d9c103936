"""`fannsbench datasets import`: one command for each format."""

from __future__ import annotations

import click

from fannsbench.cli.lazy import Lazy, LazyGroup

_HERE = "fannsbench.cli.datasets"
_FORMATS: dict[str, Lazy] = {}


@click.command(cls=LazyGroup, members=_FORMATS)
def import_() -> None:
    """Bring in your own data, or another benchmark's."""

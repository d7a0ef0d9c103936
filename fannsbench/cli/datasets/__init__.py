"""`fannsbench datasets`: import, make, check and describe data sets."""

from __future__ import annotations

import click

from fannsbench.cli.lazy import Lazy, LazyGroup

_HERE = "fannsbench.cli.datasets"
_COMMANDS = {
    "list": Lazy(f"{_HERE}.listing:list_datasets", "All data sets in the bundled folder and in your own."),
    "show": Lazy(f"{_HERE}.listing:show", "What a data set holds."),
    "stats": Lazy(f"{_HERE}.stats:stats", "What a data set is like, in figures and pictures."),
    "truth": Lazy(f"{_HERE}.truth:truth", "Compute ground truth anew."),
    "make": Lazy(f"{_HERE}.make:make", "Make a synthetic data set, or a variant of one."),
    "import": Lazy(f"{_HERE}.importing:import_", "Bring in your own data, or another benchmark's."),
    "download": Lazy(f"{_HERE}.download:download", "Fetch a public data set and import it."),
    "build": Lazy(f"{_HERE}.build:build", "Embed real texts as a data set."),
    "verify": Lazy(f"{_HERE}.verify:verify", "Check a data set, and a sample of its truth."),
}


@click.command(cls=LazyGroup, members=_COMMANDS)
def datasets() -> None:
    """Import, make, check and describe data sets."""

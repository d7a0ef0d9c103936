"""`fannsbench datasets make`, and what its commands share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fannsbench.cli.lazy import Lazy, LazyGroup
from fannsbench.data.make.kinds import KINDS
from fannsbench.errors import UnknownNameError

_HERE = "fannsbench.cli.datasets"
_MEMBERS = {
    "synthetic": Lazy(f"{_HERE}.make_synthetic:synthetic", "Random vectors, and filters as you want them."),
    "augment": Lazy(f"{_HERE}.make_augment:augment", "A data set with other workloads, size or vectors."),
}
_PRESETS = {
    "study": (0.2, 0.4, 0.6, 0.8),  # arXiv 2507.21989, section 5.9
    "wide": (0.001, 0.005, 0.01, 0.05, 0.1, 0.5),
}


@click.command(cls=LazyGroup, members=_MEMBERS)
def make() -> None:
    """Make a synthetic data set, or a variant of one."""


class _Selectivities(click.ParamType):  # type: ignore[type-arg]
    """Comma-separated numbers above 0, up to 1, and names of presets, as a tuple of numbers."""

    name = "selectivities"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        found: list[float] = []
        for part in value.split(","):
            try:
                numbers = _PRESETS.get(part.strip()) or (float(part),)
            except ValueError:
                numbers = ()
            if not numbers or not all(0 < number <= 1 for number in numbers):
                presets = " or ".join(_PRESETS)
                self.fail(f"{part!r} is no fraction of the items, such as 0.01, nor {presets}", param, ctx)
            found += numbers
        return tuple(found)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _PRESETS if name.startswith(incomplete)]


class _Kinds(click.ParamType):  # type: ignore[type-arg]
    """Comma-separated kinds of filter."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        kinds = tuple(dict.fromkeys(part.strip().lower() for part in value.split(",")))
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownNameError("kind of filter", kind, KINDS)
        return kinds

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]


SELECTIVITY = click.option(
    "--selectivity",
    "selectivities",
    multiple=True,
    metavar="S[,S]|PRESET",
    type=_Selectivities(),
    help="Filters that keep exactly this fraction of the items, on a new attribute. "
    + "; ".join(f"{name}: {', '.join(map(str, numbers))}" for name, numbers in _PRESETS.items())
    + ".",
)
KIND = click.option(
    "--kind",
    "kinds",
    metavar="KIND[,KIND]",
    type=_Kinds(),
    help="Of the filters of each selectivity.",
    show_default=",".join(KINDS),
)


def distinct(several: Iterable[tuple[float, ...]]) -> list[float]:
    """The numbers of an option that was given several times."""
    return list(dict.fromkeys(number for numbers in several for number in numbers))

"""Options and completions that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)


SOURCE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Size(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes, such as 512MB or 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", value.strip().upper())
        if not found:
            self.fail(f"{value!r} is no size; write it as 512MB or 2GB", param, ctx)
        return int(float(found[1]) * _UNITS[found[2]])


MEMORY = click.option(
    "--memory", type=Size(), default="2GB", show_default=True, help="For the computation of ground truth."
)


def _as_metric(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    from fannsbench.metric import Metric

    return Metric(value)


METRIC = click.option(
    "--metric",
    type=click.Choice(["euclidean", "cosine", "inner_product"]),
    default="euclidean",
    show_default=True,
    callback=_as_metric,
    help="How far apart two vectors are.",
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn."
)


class Names(click.ParamType):  # type: ignore[type-arg]
    """Comma-separated names, each completed from a list that is made when it is needed. With `several` not
    set, a single name, given as text."""

    def __init__(self, kind: str, several: bool = True) -> None:
        self.kind = kind
        self.several = several
        self.name = "name[,name]" if several else "name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str] | str:
        if isinstance(value, list) or not self.several:
            return value  # type: ignore[no-any-return]
        names = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not names:
            self.fail(f"{value!r} names no {self.kind}; name one, or more with commas between", param, ctx)
        return names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        known = [*(["all"] if self.several and self.kind != "dataset" else []), *self._known(ctx)]
        return [CompletionItem(before + comma + name) for name in known if name.startswith(last)]

    def _known(self, ctx: click.Context) -> list[str]:
        if self.kind == "algorithm":
            from fannsbench import registry

            return list(registry.plugins())
        from fannsbench import dataset

        if self.kind == "dataset":
            return list(dataset.available())
        named = ctx.params.get("dataset") or dataset.DEFAULT
        with dataset.Dataset.open(dataset.find(named if isinstance(named, str) else named[0])) as opened:
            return opened.workload_names

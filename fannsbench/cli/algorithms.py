"""`fannsbench algorithms`: list, show, add, check and install algorithms."""

from __future__ import annotations

import importlib.resources
import itertools
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench.cli.options import Names
from fannsbench.errors import PluginError, UserError, one_line

if TYPE_CHECKING:
    from fannsbench.environments import Environment
    from fannsbench.registry import Plugin

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@click.group()
def algorithms() -> None:
    """List, show, add, check and install algorithms."""


@algorithms.command("list")
@_JSON
def list_algorithms(as_json: bool) -> None:
    """All algorithms by family: what they are, what they serve, and whether they can be used here."""
    from fannsbench import registry
    from fannsbench.parameters import FAMILIES

    entries = [_overview(plugin) for plugin in registry.plugins().values()]
    entries.sort(key=lambda entry: FAMILIES.index(entry["family"]))
    if as_json:
        click.echo(json.dumps(entries, indent=1))
        return
    rows = []
    for entry in entries:
        filters = "all" if entry["filters"] == _kinds() else _joined(entry["filters"])
        shown = {name: entry[name] for name in ("family", "name", "summary")} | {"filters": filters}
        rows.append(shown | {"metrics": _joined(entry["metrics"]), "installed": entry["problem"] or "yes"})
    _print(rows, group="family")


@algorithms.command()
@click.argument("name", type=Names("algorithm", several=False))
@_JSON
def show(name: str, as_json: bool) -> None:
    """One algorithm: its parameters, presets and source."""
    from fannsbench import registry

    plugin = registry.find(name)
    declaration = plugin.declaration
    about = _overview(plugin) | {
        "source": declaration.source,
        "folder": str(plugin.folder),
        "origin": plugin.origin,
        "interpreter": plugin.interpreter,
    }
    if not about["problem"]:
        about["libraries"] = plugin.library_versions()
    parameters = [
        {"parameter": name, "phase": phase, **parameter.model_dump(exclude_none=True)}
        for phase, declared in (("build", declaration.build), ("search", declaration.search))
        for name, parameter in declared.items()
    ]
    if as_json:
        everything = about | {"parameters": parameters, "presets": declaration.presets}
        click.echo(json.dumps(everything, indent=1))
        return
    for key, value in about.items():
        if value:
            click.echo(f"{key + ':':13}{_joined(value)}")
    shown = ("parameter", "phase", "default", "values", "help")
    _print([{column: _joined(parameter[column]) for column in shown} for parameter in parameters])
    for preset, settings in declaration.presets.items():
        click.echo(f"preset {preset}: {_joined(settings)}")


@algorithms.command()
@click.argument("name")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("plugins"),
    show_default=True, help="Folder of your plugins; the new one becomes a folder in it.",
)  # fmt: skip
def new(name: str, folder: Path) -> None:
    """Write a complete, working plugin NAME with its test."""
    from fannsbench import registry

    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r}: a name is made of small letters, digits and -, such as my-index")
    if name in registry.plugins():
        raise UserError(f"there is an algorithm {name!r} already; choose another name")
    target = folder / name.replace("-", "_")
    class_name = "".join(part.capitalize() for part in name.split("-"))
    if target.exists():
        raise UserError(f"{target} exists already; choose another name or --dir")
    template = importlib.resources.files("fannsbench") / "templates" / "plugin"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as temporary:
            made = Path(temporary) / "plugin"
            made.mkdir()
            for source in template.iterdir():
                text = source.read_text().replace("{{name}}", name).replace("{{class}}", class_name)
                (made / source.name.removesuffix(".template")).write_text(text)
            made.rename(target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from None
    click.echo(f"wrote {target}; try it with")
    click.echo(f"  fannsbench algorithms check {shlex.quote(str(target))}")
    click.echo(f"  export FANNSBENCH_PLUGINS={shlex.quote(str(folder.resolve()))}")
    click.echo(f"  fannsbench run --algo {name}")


@algorithms.command()
@click.argument("name", type=Names("algorithm", several=False))
def install(name: str) -> None:
    """Make the environment that algorithm NAME asks for: a Python of its own with what it pins.

    fannsbench's own environment stays as it is. Exit code 1 if the environment cannot be made.
    """
    from fannsbench import registry

    plugin = registry.find(name)
    with _installing():
        _environment(plugin).install(click.echo)
    if problem := plugin.problem():
        click.echo(f"fannsbench: {problem}", err=True)


@algorithms.command()
@click.argument("name", type=Names("algorithm", several=False))
def uninstall(name: str) -> None:
    """Remove the environment that `install` has made for algorithm NAME."""
    from fannsbench import registry

    plugin = registry.find(name)
    with _installing():
        _environment(plugin).uninstall(click.echo)


def _environment(plugin: Plugin) -> Environment:
    if plugin.environment is None:
        raise UserError(
            f"algorithm {plugin.name!r} has no environment of its own; its params.toml names no [environment]"
        )
    return plugin.environment


@contextmanager
def _installing() -> Iterator[None]:
    """Exit code 1 where it fails: nothing was wrong with the command."""
    from fannsbench.environments import InstallationError

    try:
        yield
    except InstallationError as error:
        click.echo(f"fannsbench: {one_line(error)}", err=True)
        raise click.exceptions.Exit(1) from None


@algorithms.command("check")
@click.argument("name_or_folder", metavar="NAME|FOLDER", type=Names("algorithm", several=False))
@_JSON
def check_algorithm(name_or_folder: str, as_json: bool) -> None:
    """Run the compliance suite on an algorithm, or on a plugin's folder. Exit code 1 if a check fails.

    It runs in a process of its own, by the algorithm's interpreter; whatever happens to that is a finding.
    """
    from rich.console import Console

    from fannsbench import registry
    from fannsbench.testing import FAILED, check

    is_folder = Path(name_or_folder).is_dir() or len(Path(name_or_folder).parts) > 1
    found = registry.from_folder(Path(name_or_folder)) if is_folder else registry.find(name_or_folder)
    with Console(stderr=True).status(f"checking {found.name}") as status:
        findings = check(found, lambda finding: status.update(f"checked {found.name}: {finding.check}"))
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        _print([{"check": f.check, "outcome": f.outcome, "detail": f.detail} for f in findings])
    failed = sum(finding.outcome == FAILED for finding in findings)
    if failed:
        click.echo(f"{found.name}: {failed} of {len(findings)} checks failed", err=True)
        raise click.exceptions.Exit(1)


def _overview(plugin: Plugin) -> dict[str, Any]:
    """Name, family, what it is, what it serves, and why it cannot be used, if so."""
    entry: dict[str, Any] = {
        "name": plugin.name,
        "family": "other",
        "summary": "",
        "filters": [],
        "metrics": [],
    }
    entry["problem"] = plugin.problem()
    try:
        entry |= {name: getattr(plugin.declaration, name) for name in ("family", "summary")}
        algorithm = plugin.load()
        entry["filters"] = [kind for kind in _kinds() if kind in algorithm.filters] or ["none"]
        entry["metrics"] = sorted(algorithm.metrics)
    except PluginError:
        pass  # told as the problem
    return entry


def _kinds() -> list[str]:
    from fannsbench.filters import FilterKind

    return list(FilterKind)


def _joined(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_joined(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_joined(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print(rows: list[dict[str, str]], group: str | None = None) -> None:
    """A table with a column for each key but `group`, whose value is a heading above rows that share it."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    columns = [key for key in rows[0] if key != group]
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for heading, members in itertools.groupby(rows, key=lambda row: row.get(group or "")):
        if heading:
            table.add_section()
            table.add_row(f"[bold]{heading}")
        for row in members:
            table.add_row(*(escape(row[column]) for column in columns))
    Console().print(table)

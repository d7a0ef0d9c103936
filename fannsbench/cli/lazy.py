"""Groups of commands, each in a module that is imported when it is used: the others' libraries cost no
start-up time."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from fannsbench.errors import UnknownNameError


class Lazy(NamedTuple):
    """Where a command is, as `module:name`, and what its group says of it."""

    place: str
    help: str


class LazyGroup(click.Group):
    """`members` by name, in the order shown."""

    def __init__(self, members: Mapping[str, Lazy], **settings: Any) -> None:
        super().__init__(**settings)
        self.members = members

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.members)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.members:
            return None
        module, _, attribute = self.members[name].place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.members and not args[0].startswith("-"):
            raise UnknownNameError("command", args[0], self.members)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, member.help) for name, member in self.members.items()])

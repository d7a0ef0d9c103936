"""`fannsbench`: the group of all commands, and where errors that are the user's become one line."""

from __future__ import annotations

import errno
import importlib
import os
import sys

import click

from fannsbench import __version__
from fannsbench.errors import UnknownNameError, UserError

_COMMANDS = {
    "run": "Measure algorithms and store the results.",
    "results": "List stored results.",
    "plot": "Draw stored results.",
    "algorithms": "List, show, add and check algorithms.",
    "datasets": "List, show and build data sets.",
}

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""A folder of the user's takes no more; where it is, the operating system does not always say."""


class _Commands(click.Group):
    """Imports a command's module when it is used: the others' libraries cost no start-up time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"fannsbench.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise UnknownNameError("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fannsbench")
def commands() -> None:
    """Benchmark filtered and unfiltered approximate nearest neighbour search.

    Names complete in the shell: eval "$(_FANNSBENCH_COMPLETE=bash_source fannsbench)" (or zsh_source, or
    _FANNSBENCH_COMPLETE=fish_source fannsbench | source).
    """


def main() -> None:
    """Entry point. Exit code 2: the user can mend it; 1: something failed; 130: interrupted."""
    try:
        sys.exit(commands(prog_name="fannsbench", standalone_mode=False))
    except UserError as error:
        _say(str(error))
        sys.exit(2)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _say(error.format_message(), context.command_path if context else "fannsbench")
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("fannsbench: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough
        sys.exit(0)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _say(
            f"{error.filename or 'a temporary file or the cache'}: {error.strerror}; make room and run again"
        )
        sys.exit(2)


def _say(message: str, who: str = "fannsbench") -> None:
    click.echo(f"{who}: {' '.join(message.split())}", err=True)

"""`fannsbench`: the group of all commands, and where errors that are the user's become one line."""

from __future__ import annotations

import errno
import os
import sys

import click

from fannsbench import __version__
from fannsbench.cli.lazy import Lazy, LazyGroup
from fannsbench.errors import UserError

_COMMANDS = {
    "run": Lazy("fannsbench.cli.run:run", "Measure algorithms and store the results."),
    "results": Lazy("fannsbench.cli.results:results", "List stored results."),
    "plot": Lazy("fannsbench.cli.plot:plot", "Draw stored results."),
    "algorithms": Lazy(
        "fannsbench.cli.algorithms:algorithms", "List, show, add, check and install algorithms."
    ),
    "datasets": Lazy("fannsbench.cli.datasets:datasets", "Import, make, check and describe data sets."),
    "cache": Lazy("fannsbench.cli.cache:cache", "Show and clear what is kept to save time."),
}

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""A folder of the user's takes no more; where it is, the operating system does not always say."""


_FIRST = """\
  fannsbench run --algo hnsw
      measure an index on the data set that comes with fannsbench; table and plot within a minute
  fannsbench datasets import table VECTORS --attributes TABLE --name NAME --preview
      see what your own vectors and attributes would be as a data set
  fannsbench algorithms new NAME
      write a plugin for an index of your own, to fill in

All commands: fannsbench --help"""
"""What most people want."""


@click.command(
    cls=LazyGroup,
    members=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="fannsbench")
@click.pass_context
def commands(context: click.Context) -> None:
    """Benchmark filtered and unfiltered approximate nearest neighbour search.

    Names complete in the shell: eval "$(_FANNSBENCH_COMPLETE=bash_source fannsbench)" (or zsh_source, or
    _FANNSBENCH_COMPLETE=fish_source fannsbench | source).
    """
    if context.invoked_subcommand is None:
        click.echo(_FIRST)


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
    except MemoryError as error:
        what = f" ({error})" if str(error) else ""
        _say(f"out of memory; take less at once, or a machine with more{what}")
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _say(f"{str(error.filename)[:60]}...: too long for the path of a file")
            sys.exit(2)
        if error.errno not in _FULL:
            raise
        _say(
            f"{error.filename or 'a temporary file or the cache'}: {error.strerror}; make room and run again"
        )
        sys.exit(2)


def _say(message: str, who: str = "fannsbench") -> None:
    click.echo(f"{who}: {' '.join(message.split())}", err=True)

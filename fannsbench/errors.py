"""Errors that are the user's to mend: one clear line, never a traceback.

Everything else (a bug of ours, a bug in a plugin) stays an ordinary Python exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Says what is wrong, where, and what would be right; the command line prints it and exits with 2."""


def one_line(error: BaseException) -> str:
    """The message of an error that may be another library's, without line breaks."""
    return " ".join(str(error).split())


class UnknownNameError(UserError):
    """A name that does not exist, with the nearest ones that do.

    kind: what the name stands for ("algorithm", "data set", ...); known: all valid names.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            right = f"did you mean {' or '.join(near)}?"
        elif names:
            right = f"known: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
        else:
            right = "there is none yet"
        super().__init__(f"unknown {kind} {name!r}; {right}{'; ' + hint if hint else ''}")


class FilterError(UserError):
    """A filter template that cannot be read, or that does not fit the attributes or parameters."""


class DatasetError(UserError):
    """A data set file that is missing, damaged, foreign or inconsistent."""


class PluginError(UserError):
    """An algorithm plugin that cannot be found, read or loaded, or whose output cannot be scored."""

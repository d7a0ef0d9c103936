"""Sets that are written as texts: a list in JSON or as Python prints it, or members between separators."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from fannsbench.attributes import text_of

_SEPARATORS = "|;,"
_ONE_STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def read(texts: Sequence[str | None]) -> tuple[list[list[str]], int | None]:
    """The members of each set, none where there is no text; and the first place of what looks like a list
    and is none."""
    separator = separator_of(texts)
    found: list[list[str]] = []
    for place, text in enumerate(texts):
        if text is None:
            found.append([])
        elif not _looks_like_list(text):
            parts = text.split(separator) if separator else [text]
            found.append([part.strip() for part in parts if part.strip()])
        elif (members := listed(text)) is not None:
            found.append([text_of(member) for member in members if member is not None])
        else:
            return [], place
    return found, None


def separator_of(texts: Iterable[str | None]) -> str | None:
    """The first of | ; , that is in any text that is no list."""
    used = {
        mark for text in texts if text and not _looks_like_list(text) for mark in _SEPARATORS if mark in text
    }
    return next((mark for mark in _SEPARATORS if mark in used), None)


def listed(text: str) -> list[Any] | None:
    """The list that a text is; None if it is not one of texts, integers and booleans."""
    if not _looks_like_list(text):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _python_list(text.strip())
    is_set = isinstance(found, list) and all(isinstance(member, str | int | None) for member in found)
    return found if is_set else None


def _looks_like_list(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith("[") and stripped.endswith("]")


def _python_list(text: str) -> list[Any] | None:
    try:
        node = ast.parse(text, mode="eval").body
        found = ast.literal_eval(node)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not isinstance(node, ast.List):
        return None
    # ['a' 'b'], as numpy prints an array, would be read as the one text 'ab'.
    for element, member in zip(node.elts, found, strict=True):
        if isinstance(member, str) and not _ONE_STRING.fullmatch(ast.get_source_segment(text, element) or ""):
            return None
    return list(found)

"""Files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fannsbench.errors import DatasetError, one_line


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number, from 1, and object, one at a time.

    Raises DatasetError that names the line if it holds no JSON object or is not UTF-8."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        for number, line in enumerate(file, 1):
            with naming(path, number):
                try:
                    found = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DatasetError(f"no JSON: {one_line(error)}") from None
                if not isinstance(found, dict):
                    raise DatasetError(f"holds {type(found).__name__}; each line must be an object, {{...}}")
            yield number, found


@contextmanager
def naming(path: Path, line: int) -> Iterator[None]:
    """Puts the file and line before whatever turns out to be wrong in it."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{path}, line {line:,}: {error}") from None

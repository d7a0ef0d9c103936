"""Files of one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fannsbench.errors import DatasetError, one_line


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number, from 1, and object, one at a time. Blank lines may end the file.

    Raises DatasetError that names the line if it holds no JSON object, is not UTF-8, or is blank."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    blank = 0
    with file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                blank = blank or number
                continue
            if blank:
                raise DatasetError(f"{path}, line {blank:,}: is blank; only the last lines may be")
            with naming(path, number):
                try:
                    found = json.loads(line, parse_float=_finite)
                except (ValueError, RecursionError) as error:
                    raise DatasetError(f"no JSON: {one_line(error)}") from None
                if not isinstance(found, dict):
                    raise DatasetError(f"holds {type(found).__name__}; each line must be an object, {{...}}")
            yield number, found


def _finite(number: str) -> float:
    """Infinity is written as such; digits that become infinite are too many."""
    found = float(number)
    if math.isinf(found):
        raise DatasetError(f"{number[:30]} is too large for a number (float64)")
    return found


@contextmanager
def naming(path: Path, line: int) -> Iterator[None]:
    """Puts the file and line before whatever turns out to be wrong in it."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{path}, line {line:,}: {error}") from None

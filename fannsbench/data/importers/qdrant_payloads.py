"""Payloads, one JSON object for each item, as columns of attributes."""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fannsbench.attributes import CategoryBuilder, Column, LabelSetBuilder, NumberBuilder, text_of
from fannsbench.data.importers.jsonl import naming, read_lines
from fannsbench.errors import DatasetError

_Builder = CategoryBuilder | NumberBuilder | LabelSetBuilder
_TEXT, _NUMBER, _LIST, _OBJECT = "text", "number", "list", "object"


def read_columns(path: Path, n: int, asked: Mapping[str, bool]) -> tuple[dict[str, Column], list[str]]:
    """The columns of some fields, and the names of all other fields.

    Where a field is a list, the column is a set, a single value counting as a list of it; where all values
    are numbers, a number; else a category. `asked`: the fields, and whether one that no item has is a number.

    Raises DatasetError that names the line of what is wrong, or if there are not n lines."""
    kinds: dict[str, set[str]] = defaultdict(set)
    others: dict[str, None] = {}
    count = 0
    for count, row in read_lines(path):
        for name, value in row.items():
            if name not in asked:
                others[name] = None
            elif value is not None:
                kinds[name].add(_kind(value))
                if _OBJECT in kinds[name]:
                    raise DatasetError(
                        f"{path}, line {count:,}: field {name!r} holds {str(value)[:40]}; tests ask for it, "
                        "so that it must hold texts, numbers, booleans or lists of them"
                    )
    if count != n:
        raise DatasetError(f"{path}: {count:,} payloads for {n:,} vectors; there must be one of each")
    builders = {name: _builder(kinds[name], ranged) for name, ranged in asked.items()}
    for number, row in read_lines(path):
        with naming(path, number):
            for name, builder in builders.items():
                builder.append(_converted(row.get(name), builder))
    return {name: builder.finish() for name, builder in builders.items()}, list(others)


def attribute_names(fields: Iterable[str]) -> dict[str, str]:
    """What a filter can call each field: signs other than letters, digits and _ become _.

    Raises DatasetError where that makes two fields one."""
    names: dict[str, str] = {}
    for name in fields:
        usable = re.sub(r"\W", "_", name)
        if not usable.isidentifier() or keyword.iskeyword(usable):
            usable = f"_{usable}"
        if usable in names.values():
            raise DatasetError(f"field {name!r} and another would both be the attribute {usable!r}")
        names[name] = usable
    return names


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return _OBJECT if any(isinstance(each, list | dict) for each in value) else _LIST
    if isinstance(value, dict):
        return _OBJECT
    return _NUMBER if type(value) in (int, float) else _TEXT


def _builder(kinds: set[str], ranged: bool) -> _Builder:
    if _LIST in kinds:
        return LabelSetBuilder()
    return NumberBuilder() if (kinds == {_NUMBER} if kinds else ranged) else CategoryBuilder()


def _converted(value: Any, builder: _Builder) -> Any:
    if isinstance(builder, LabelSetBuilder):
        values = value if isinstance(value, list) else [value]
        return [text_of(each) for each in values if each is not None]
    if value is None or isinstance(builder, NumberBuilder):
        return value
    return text_of(value)

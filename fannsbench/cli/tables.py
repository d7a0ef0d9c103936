"""Tables on the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_table(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """A column for each key that has a value in any row."""
    used = [key for key in (rows[0] if rows else []) if any(row[key] is not None for row in rows)]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for key in used:
        numeric = any(isinstance(row[key], int | float) for row in rows)
        table.add_column(key, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in used))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(f"{part:g}" for part in value)
    return f"{value:,}" if isinstance(value, int | float) else escape(str(value or ""))

"""Progress bars of work on data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Any]]:
    """Gives a `fannsbench.data.progress.Progress` with a bar for each thing that is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bars = Progress(*columns, console=Console(stderr=True))

    @contextmanager
    def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
        bars.start()
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)

    try:
        yield progress
    finally:
        if bars.tasks:  # else it would leave an empty line
            bars.stop()

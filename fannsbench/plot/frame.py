"""The frame of every picture: a grid of panels of fixed size in inches, a legend, a footnote, the file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from fannsbench import folders
from fannsbench.errors import UserError
from fannsbench.plot.style import GREY, SMALL, TEXT

FORMATS = ("png", "svg", "pdf")
_DPI = 220
_POINTS = 72
_TEXT_LINE, _SMALL_LINE, _LEGEND_LINE = (
    points / _POINTS for points in (1.4 * TEXT, 1.35 * SMALL, 1.6 * SMALL)
)
_EDGE, _GAP, _TITLE, _X_TICKS, _NOTE_GAP, _LEGEND_SYMBOL = 0.08, 0.16, 0.26, 0.23, 0.1, 0.45
"""Heights and widths in inches."""


@dataclass(frozen=True)
class Layout:
    """Sizes in inches. `left` is room for the tick labels of the y axis, `right` for the names of curves
    beside every panel, `beside` for one legend beside all panels. Panels with axes of their own have
    `between` for what stands between two in a row, and `below` for it between two rows."""

    panels: int
    columns: int
    width: float
    height: float
    left: float = 0.46
    right: float = 0.0
    beside: float = 0.0
    between: float = 0.0
    below: float = 0.0

    @property
    def across(self) -> int:
        return min(self.columns, self.panels)

    @property
    def down(self) -> int:
        return math.ceil(self.panels / self.across)


class Frame:
    """A figure with its panels, row by row in `axes`; only the outer ones have tick labels."""

    def __init__(
        self,
        layout: Layout,
        titles: Sequence[str],
        x_label: str,
        y_labels: Sequence[str],
        notes: Sequence[str],
    ) -> None:
        """titles: one for each panel; y_labels: one for all rows of panels, or one for each row."""
        self.layout = layout
        bottoms = _bottoms(layout, titles)
        top, bottom = bottoms[0] - layout.height, bottoms[-1]
        per_label = (bottom - top) / len(y_labels)
        labels = [wrapped(label, TEXT, per_label) for label in y_labels]
        gap = max(_GAP, layout.right, layout.between)
        self._left = _EDGE + max(map(len, labels)) * _TEXT_LINE + layout.left
        self._right = self._left + layout.across * (layout.width + gap) - gap
        self._top = top
        self.width = self._right + max(layout.right, layout.beside) + _EDGE
        lines = [line for note in notes for line in wrapped(note, SMALL, self.width - 2 * _EDGE)]
        below = bottom + _X_TICKS + _TEXT_LINE + _NOTE_GAP
        self.height = below + len(lines) * _SMALL_LINE + _EDGE
        self.figure = Figure(figsize=(self.width, self.height), dpi=_DPI)
        self.axes = [self._panel(place, bottoms, gap, title) for place, title in enumerate(titles)]
        self._write((self._left + self._right) / 2, bottom + _X_TICKS, x_label, ha="center")
        for place, words in enumerate(labels):
            middle = top + (place + 0.5) * per_label
            self._write(_EDGE, middle, "\n".join(words), va="center", ma="center", rotation=90)
        for place, line in enumerate(lines):
            self._write(_EDGE, below + place * _SMALL_LINE, line, size=SMALL, color=GREY)

    def _panel(self, place: int, bottoms: Sequence[float], gap: float, title: str) -> Axes:
        layout = self.layout
        row, column = divmod(place, layout.across)
        x, y = self._left + column * (layout.width + gap), self.height - bottoms[row]
        box = (x / self.width, y / self.height, layout.width / self.width, layout.height / self.height)
        axes = self.figure.add_axes(box)
        axes.set_title(title, loc="left", pad=5)
        axes.tick_params(labelbottom=place + layout.across >= layout.panels, labelleft=column == 0)
        return axes

    def _write(self, x: float, y: float, text: str, size: float = TEXT, va: str = "top", **how: Any) -> None:
        """x, y: inches from the figure's left and top."""
        self.figure.text(x / self.width, 1 - y / self.height, text, size=size, va=va, **how)

    def legend(self, entries: Mapping[str, Artist | None]) -> None:
        """One legend beside the grid, what has no symbol being a heading; the layout has left `legend_width`
        of room for it."""
        legend = self.figure.legend(
            [Rectangle((0, 0), 0, 0, visible=False) if s is None else s for s in entries.values()],
            list(entries),
            loc="upper left",
            bbox_to_anchor=((self._right + 0.1) / self.width, 1 - self._top / self.height),
            ncols=legend_columns(len(entries), self.layout),
            borderaxespad=0,
            borderpad=0,
            handlelength=2.4,
            labelspacing=0.55,
            columnspacing=1.2,
        )
        for text, symbol in zip(legend.get_texts(), entries.values(), strict=True):
            if symbol is None:
                text.set(color=GREY, weight="bold")


def _bottoms(layout: Layout, titles: Sequence[str]) -> list[float]:
    """Inches from the figure's top to the bottom of each row of panels; only titles that exist take room."""
    bottoms: list[float] = []
    for row in range(layout.down):
        titled = any(titles[row * layout.across : (row + 1) * layout.across])
        above = bottoms[-1] + max(_GAP, layout.below) if bottoms else _EDGE
        bottoms.append(above + _TITLE * titled + layout.height)
    return bottoms


def legend_columns(count: int, layout: Layout) -> int:
    return math.ceil(count / int(layout.down * layout.height / _LEGEND_LINE))


def legend_width(labels: Sequence[str], layout: Layout) -> float:
    widest = max(text_width(label, SMALL) for label in labels)
    return 0.1 + legend_columns(len(labels), layout) * (widest + _LEGEND_SYMBOL)


@cache
def text_width(text: str, size: float) -> float:
    """Width in inches."""
    width, _, _ = TextToPath().get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width) / _POINTS


def wrapped(text: str, size: float, width: float) -> list[str]:
    """The text in lines no wider than `width` inches, broken at spaces."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def check_format(output: Path) -> str:
    """The picture's format by the name's suffix. Raises UserError."""
    suffix = output.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UserError(
            f"cannot draw {output}: its name should end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}"
        )
    return suffix


def write(figure: Figure, output: Path) -> None:
    """Write the picture whole or not at all; the same figure gives the same bytes."""
    kind = check_format(output)
    metadata: dict[str, None] = {
        "png": {"Software": None},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
    }[kind]
    try:
        with folders.whole_file(output) as temporary:
            figure.savefig(temporary, format=kind, dpi=_DPI, metadata=metadata)
    except OSError as problem:
        raise UserError(f"cannot write {output}: {problem.strerror or problem}") from problem

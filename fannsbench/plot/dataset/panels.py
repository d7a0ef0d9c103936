"""What the pictures of data sets share: histograms, axes with few and readable ticks, texts that fit."""

from __future__ import annotations

import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fannsbench.data.stats.summary import Histogram
from fannsbench.plot.columns import quantity
from fannsbench.plot.frame import text_width
from fannsbench.plot.style import HOUSE, PALETTE, SMALL

ITEMS, QUERIES, FIT = PALETTE[3], PALETTE[1], PALETTE[0]
LABELLED = 0.38
"""Inches below a panel for tick labels and a label."""
_PLAIN, _HUGE = 1e5, 1e15
"""Ticks from the first on are shortened: 250k; from the second on they have an exponent."""


def filled(axes: Axes, histogram: Histogram, heights: np.ndarray) -> None:
    """`heights` (b,) over the histogram's bins, as an area."""
    axes.stairs(heights, histogram.edges, fill=True, color=ITEMS)
    if histogram.log:
        log_x(axes, histogram.edges[0], histogram.edges[-1])
    else:
        axes.margins(x=0.02 if len(heights) > 1 else 2)


def shares(histogram: Histogram) -> np.ndarray:
    """(b,) per cent of all in each bin."""
    percents: np.ndarray = 100 * histogram.counts / max(1, histogram.counts.sum())
    return percents


def log_x(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def log_y(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def few_ticks(axis: Axis, most: int = 4) -> None:
    """At most so many on a linear axis, each with a text of its own."""
    if axis.get_scale() != "linear":
        return
    low, high = sorted(axis.get_view_interval())
    ticks = [
        tick for tick in MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high
    ]
    texts = [_short(tick) for tick in ticks]
    if len(set(texts)) < len(texts):
        ticks = ticks[:: max(1, len(ticks) - 1)]
        texts = [f"{tick:.10g}" for tick in ticks]
    axis.set_ticks(ticks, labels=texts)


def _short(value: float) -> str:
    if _PLAIN <= abs(value) < _HUGE:
        return quantity(value, "")
    return f"{value:.5g}"


def fitted(text: str, width: float, size: float = SMALL) -> str:
    """The text in one line no wider than `width` inches, cut where it is too long; characters that the
    font does not have become boxes."""
    line = "".join(
        c if _font().get_char_index(ord(c)) else "\N{WHITE SQUARE}" for c in " ".join(text.split())
    )
    if text_width(line, size) <= width:
        return line
    while line and text_width(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line}…"


@functools.cache
def _font():  # type: ignore[no-untyped-def]
    return get_font(findfont(HOUSE["font.family"]))

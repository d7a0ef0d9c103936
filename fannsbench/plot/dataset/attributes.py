"""How the values of attributes are distributed: a panel for each, two for sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.data.stats import Statistics
from fannsbench.data.stats.attributes import AttributeFigures, ValueCount
from fannsbench.data.stats.summary import Summary
from fannsbench.plot.dataset.panels import ITEMS, LABELLED, few_ticks, filled, fitted, log_y, shares
from fannsbench.plot.frame import Frame, Layout
from fannsbench.plot.style import GREY, SMALL, TEXT

_COLUMNS, _PANELS = 3, 18
"""Panels in a row, and in one picture."""
_WIDTH, _HEIGHT, _NAMES, _RIGHT = 1.75, 1.0, 1.15, 0.3
_BARS = 6
_STEEP = 80.0
"""With more than this per cent in one bin, a log axis lets the others be seen."""


@dataclass(frozen=True)
class _Panel:
    title: str
    draw: Callable[[Axes], None]


def pictures(found: Statistics) -> list[Figure]:
    """As many as it takes to have at most 18 panels in each."""
    panels = [panel for name, one in found.attributes.items() for panel in _panels(name, one)]
    return [_page(found, panels[start : start + _PANELS]) for start in range(0, len(panels), _PANELS)]


def _page(found: Statistics, panels: list[_Panel]) -> Figure:
    layout = Layout(
        len(panels),
        _COLUMNS,
        _WIDTH,
        _HEIGHT,
        left=_NAMES,
        between=_NAMES + 0.1,
        below=LABELLED + 0.12,
        beside=_RIGHT,
    )
    titles = [fitted(panel.title, _WIDTH, TEXT) for panel in panels]
    notes = [f"{found.name} · {found.items:,} items · of texts, the {_BARS} most frequent"]
    frame = Frame(layout, titles, "", [""], notes)
    for axes, panel in zip(frame.axes, panels, strict=True):
        axes.tick_params(labelbottom=True, labelleft=True)
        panel.draw(axes)
    return frame.figure


def _panels(name: str, found: AttributeFigures) -> Iterator[_Panel]:
    missing = "empty" if found.kind == "set" else "missing"
    lack = f", {100 * found.missing:.3g} % {missing}" if found.missing else ""
    if found.kind != "number":
        yield _Panel(name, partial(_bars, found.top, f"Items, % ({found.distinct:,} distinct{lack})"))
    if found.kind == "set":
        yield _Panel(f"{name}: set sizes", partial(_histogram, found.numbers, "Labels of an item"))
    if found.kind == "number":
        yield _Panel(name, partial(_histogram, found.numbers, f"Value ({found.distinct:,} distinct{lack})"))


def _bars(top: list[ValueCount], label: str, axes: Axes) -> None:
    shown = top[:_BARS]
    axes.barh(range(len(shown)), [100 * one.share for one in shown], 0.7, color=ITEMS)
    axes.set_yticks(range(len(shown)), [fitted(one.value, _NAMES - 0.1) for one in shown])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_ylim(_BARS - 0.5, -0.5)
    axes.set_xlabel(label, size=SMALL)
    if not shown:
        _none(axes)
        return
    few_ticks(axes.xaxis)


def _histogram(summary: Summary | None, label: str, axes: Axes) -> None:
    axes.set_xlabel(label, size=SMALL)
    if summary is None:
        _none(axes)
        return
    heights = shares(summary.histogram)
    filled(axes, summary.histogram, heights)
    axes.set_ylabel("Items, %", size=SMALL)
    if _STEEP < heights.max() < 100:
        log_y(axes)
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis, 3)


def _none(axes: Axes) -> None:
    axes.annotate(
        "no item has a value", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", color=GREY
    )
    axes.set(xticks=[], yticks=[])

"""Figures of the build (time, size, memory) as bars: a panel for each data set, a bar for each build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.plot.columns import Column, axis_label, describe, scale
from fannsbench.plot.curves import curves, headed, variants
from fannsbench.plot.frame import Frame, Layout, text_width
from fannsbench.plot.labels import LINE, name_rows
from fannsbench.plot.rows import footnote, measured, memory_notes
from fannsbench.plot.style import GREY, SMALL, Look

_ROW = 1.5 * LINE
_ALONE, _NARROW, _COLUMNS = 3.8, 2.2, 3
_MANY = 30.0
"""From this ratio of longest to shortest, bars have a log axis."""


def picture(rows: pd.DataFrame, looks: Mapping[str, Look], y: str) -> Figure:
    """The column `y` of each build: the median over the workloads, with their range as a thin line.

    Raises UserError if there is nothing to draw.
    """
    drawn = measured(rows, y)
    column, datasets = describe(y), sorted(set(drawn["dataset"]))
    bars = pd.DataFrame(_bars(drawn, looks, y)).sort_values("middle", kind="stable")
    of_text = bars.drop_duplicates("text").set_index("text")
    by_size = bars.groupby("text", sort=False)["middle"].median().sort_values(kind="stable").index
    order = headed(by_size, dict(of_text["family"]))
    layout = Layout(
        len(datasets),
        _COLUMNS,
        _ALONE if len(datasets) == 1 else _NARROW,
        max(4, len(order)) * _ROW,
        left=max(text_width(text, SMALL) for text in order) + 0.1,
    )
    over = "median and range over the workloads" if (bars["low"] < bars["high"]).any() else ""
    notes = footnote(rows, drawn, over, *memory_notes(drawn, y), of_search=False)
    frame = Frame(layout, datasets if len(datasets) > 1 else [""], axis_label(column, drawn[y]), [""], notes)
    for axes, dataset in zip(frame.axes, datasets, strict=True):
        _scale(axes, column, bars, layout.width)
        name_rows(axes, order, dict(of_text["ink"]))
        here = bars[bars["dataset"] == dataset].set_index("text")
        for place, text in enumerate(order):
            if text in here.index:
                _bar(axes, place, here.loc[text], column)
            elif text in of_text.index:
                axes.annotate(
                    "no result", (0, place), (4, 0), ("axes fraction", "data"), "offset points", color=GREY
                )
    return frame.figure


def _bars(drawn: pd.DataFrame, looks: Mapping[str, Look], y: str) -> Iterator[dict[str, object]]:
    for curve in curves(drawn, looks, variants(drawn)):
        names = _build_names(list(dict.fromkeys(curve.rows["build"])))
        for (dataset, build), group in curve.rows.groupby(["dataset", "build"]):
            by_workload = group.groupby("workload")[y].max()
            yield {
                "dataset": dataset,
                "family": curve.family,
                "text": f"{curve.text}  {names[build]}".rstrip(),
                "colour": curve.look.colour,
                "ink": curve.look.ink,
                "hollow": curve.variant.hollow,
                "low": by_workload.min(),
                "middle": by_workload.median(),
                "high": by_workload.max(),
            }


def _build_names(builds: list[str]) -> dict[str, str]:
    """Of each build the settings in which it differs from another build of the same algorithm."""
    common = set.intersection(*(set(build.split()) for build in builds))
    return {build: " ".join(word for word in build.split() if word not in common) for build in builds}


def _bar(axes: Axes, place: int, bar: pd.Series, column: Column) -> None:
    face = "white" if bar["hollow"] else bar["colour"]
    axes.barh(place, bar["middle"], 0.62, facecolor=face, edgecolor=bar["colour"], linewidth=0.8)
    if bar["low"] < bar["high"]:
        axes.plot(
            [bar["low"], bar["high"]], [place, place], color="black", linewidth=0.9, solid_capstyle="butt"
        )
    axes.annotate(
        column.text(bar["middle"]),
        (bar["high"], place),
        (3, 0),
        textcoords="offset points",
        va="center",
        size=SMALL,
    )


def _scale(axes: Axes, column: Column, bars: pd.DataFrame, inches: float) -> None:
    """From zero unless the bars differ too much for that, with room for the figures at the bars' ends."""
    low, high = bars["low"].min(), bars["high"].max() or 1.0
    fill = 1 - (max(text_width(column.text(value), SMALL) for value in bars["middle"]) + 0.1) / inches
    if 0 < low * _MANY <= high:
        low /= 1.5
        high = low * (high / low) ** (1 / fill)
    else:
        low, high = 0.0, high / fill
    scale(axes, "x", column, pd.Series([low, high]), inches)
    axes.set_xlim(low, high)

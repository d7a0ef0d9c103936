"""Selectivity of workloads, and how their filters go with the vectors."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fannsbench.data.stats import Statistics
from fannsbench.data.stats.workloads import WorkloadFigures
from fannsbench.plot.columns import percent
from fannsbench.plot.dataset.panels import FIT, ITEMS, few_ticks, fitted, log_x
from fannsbench.plot.frame import Frame, Layout, text_width
from fannsbench.plot.style import GREY, SMALL

_ROW, _LEAST_ROWS, _WIDTH, _NAME = 0.3, 3, 2.6, 1.8
_RIDGE = 0.8
"""Height of the highest bin, in rows."""
_ROUNDING = 1e-9
_NORMAL_95 = 1.96
_LEAST_SPAN = 0.05
"""Of the axis of correlations, so that chance does not look like much."""
_COLUMNS = {"lift": 0.1, "no match": 0.5}
"""Inches from the panels to the left of each column of figures."""


def picture(found: Statistics) -> Figure | None:
    """A row for each workload: how its selectivity is distributed, and its filter-vector correlation."""
    workloads = list(found.workloads.values())
    if not workloads:
        return None
    names = [fitted(name, _NAME) for name in found.workloads]
    left = max(text_width(name, SMALL) for name in names) + 0.1
    height = max(_LEAST_ROWS, len(names)) * _ROW
    layout = Layout(2, 2, _WIDTH, height, left=left, between=0.25, beside=1.05)
    notes = [
        f"{found.name} · {found.queries:,} queries · areas: all queries with a match, each row to its own "
        "height; line: median",
        f"correlation, with its 95 % interval, of {found.sampled_queries:,} queries: distance to the nearest "
        "of as many random items less that to the nearest match, over mean less nearest distance · lift: "
        "share of matches among the 100 nearest over that among all",
    ]
    frame = Frame(layout, ["Selectivity", "Filter-vector correlation"], "", [""], notes)
    selectivity, correlation = frame.axes
    for axes in frame.axes:
        axes.set_ylim(max(_LEAST_ROWS, len(names)) - 0.5, -0.7)
        axes.grid(False, axis="y")
    for row, workload in enumerate(workloads):
        _ridge(selectivity, row, workload)
        _correlation(correlation, row, workload)
    selectivity.set_yticks(range(len(names)), names)
    selectivity.tick_params(axis="y", length=0)
    selectivity.set_xlabel("Fraction of items that the filter keeps")
    log_x(selectivity, min(_lowest(workload) for workload in workloads), 1)
    selectivity.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    correlation.set_yticks([])
    correlation.set_xlabel("← matches farther than random items · nearer →")
    correlation.axvline(0, color=GREY, linewidth=0.6)
    low, high = correlation.get_xlim()
    correlation.set_xlim(min(low, -_LEAST_SPAN), max(high, _LEAST_SPAN))
    few_ticks(correlation.xaxis, 5)
    for heading, place in _COLUMNS.items():
        _write(correlation, place, -0.9, heading, "bottom")
    return frame.figure


def _lowest(workload: WorkloadFigures) -> float:
    """The power of ten at or below the lowest bin that holds a query."""
    histogram = workload.selectivity.histogram
    lowest = float(histogram.edges[np.argmax(histogram.counts > 0)]) if histogram.counts.any() else 0.1
    return 10.0 ** math.floor(math.log10(min(lowest, 0.1)) + _ROUNDING)


def _ridge(axes: Axes, row: int, workload: WorkloadFigures) -> None:
    histogram = workload.selectivity.histogram
    if not histogram.counts.any():
        axes.annotate(
            "no query has a match",
            (0.5, row),
            xycoords=("axes fraction", "data"),
            va="center",
            ha="center",
            color=GREY,
            size=SMALL,
        )
        return
    floor = row + _RIDGE / 2
    heights = _RIDGE * histogram.counts / histogram.counts.max()
    axes.stairs(floor - heights, histogram.edges, baseline=floor, fill=True, color=ITEMS)
    if (median := workload.selectivity.median) > 0:
        axes.plot([median, median], [floor, floor - _RIDGE], color="black", linewidth=0.9)


def _correlation(axes: Axes, row: int, workload: WorkloadFigures) -> None:
    found = workload.correlation
    if found:
        axes.errorbar(
            found.mean,
            row,
            xerr=_NORMAL_95 * (found.error or 0),
            fmt="o",
            color=FIT,
            markersize=3.2,
            linewidth=1.0,
        )
        _write(axes, _COLUMNS["lift"], row, f"{found.lift:.2f}" if found.lift < 100 else f"{found.lift:,.0f}")
    else:
        axes.annotate(
            "none", (0, row), (4, 0), ("data", "data"), "offset points", va="center", color=GREY, size=SMALL
        )
    if workload.without_match:
        _write(axes, _COLUMNS["no match"], row, f"{workload.without_match:,}")


def _write(axes: Axes, inches: float, row: float, text: str, va: str = "center") -> None:
    """A figure beside the panel."""
    axes.annotate(
        text,
        (1, row),
        (72 * inches, 0),
        ("axes fraction", "data"),
        "offset points",
        va=va,
        size=SMALL,
        color=GREY,
        annotation_clip=False,
    )

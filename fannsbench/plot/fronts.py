"""Pareto fronts: a panel for each workload, a curve for each algorithm, all its builds merged."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.errors import UserError
from fannsbench.plot.columns import Column, axis_label, describe, scale
from fannsbench.plot.curves import Curve, curves, legend_entries, variants
from fannsbench.plot.frame import Frame
from fannsbench.plot.labels import GRID_MARKER, Drawn, arrange, name_curves
from fannsbench.plot.rows import footnote, measured, memory_notes, panels
from fannsbench.plot.style import MARKER_POINTS, Look
from fannsbench.results.pareto import front

_TWO_COLUMNS = (2, 4)
"""So many panels stand two in a line, others three."""
_SINGLE = 1.35
"""How much larger a point is that stands alone, without a line that leads to it."""
_BARRED = 2.2
"""Size in points of markers that leave their error bars to be seen."""


def picture(rows: pd.DataFrame, looks: Mapping[str, Look], x: str, y: str, error_bars: bool) -> Figure:
    """The fronts of the columns x and y. With error bars y is the mean QPS, +- its standard deviation.

    Raises UserError if there is nothing to draw.
    """
    if error_bars:
        y = "qps_mean"
    drawn = measured(rows, x, y)
    if error_bars and not (drawn["qps_std"] > 0).any():
        raise UserError("no error bars to draw: each of these results has but one repetition, not `--runs 5`")
    across, up = describe(x, drawn["k"]), describe(y, drawn["k"])
    several, shown = variants(drawn), panels(drawn)
    content = [curves(panel.rows, looks, several) for panel in shown]
    legend = legend_entries([curve for panel in content for curve in panel])
    texts = [[curve.text for curve in panel] for panel in content]
    layout = arrange(len(shown), 2 if len(shown) in _TWO_COLUMNS else 3, texts, list(legend))
    frame = Frame(
        layout,
        [panel.title for panel in shown],
        axis_label(across, drawn[x]),
        [axis_label(up, drawn[y])],
        footnote(rows, drawn, *memory_notes(drawn, x, y), of=_statistic(up, error_bars)),
    )
    points = _BARRED if error_bars else MARKER_POINTS if len(shown) == 1 else GRID_MARKER
    for axes, panel in zip(frame.axes, content, strict=True):
        scale(axes, "x", across, drawn[x], layout.width)
        scale(axes, "y", up, drawn[y], layout.height)
        # the first of the known algorithms, which are the most common, come last and so on top
        paths = [_draw(axes, curve, across, up, error_bars, points) for curve in reversed(panel)]
        if not layout.beside:
            name_curves(axes, paths, layout)
    if layout.beside:
        frame.legend(legend)
    return frame.figure


def _draw(axes: Axes, curve: Curve, across: Column, up: Column, error_bars: bool, points: float) -> Drawn:
    x, y = curve.rows[across.name].to_numpy(), curve.rows[up.name].to_numpy()
    kept = front(x, y, across.better, up.better)
    colour = curve.look.colour
    axes.plot(x, y, ".", color=colour, alpha=0.35, markersize=0.6 * points, markeredgewidth=0, zorder=2)
    if error_bars:
        deviation = curve.rows["qps_std"].fillna(0).to_numpy()[kept]
        axes.errorbar(x[kept], y[kept], deviation, fmt="none", ecolor=colour, elinewidth=0.8, capsize=1.6)
    axes.plot(x[kept], y[kept], zorder=4, **curve.stroke(points if len(kept) > 1 else _SINGLE * points))
    return Drawn(curve, x[kept], y[kept])


def _statistic(up: Column, error_bars: bool) -> str:
    if error_bars:
        return "mean ± standard deviation of"
    return "median of" if up.name in {"qps", "qps_search"} else ""

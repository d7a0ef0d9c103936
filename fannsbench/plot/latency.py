"""How latency is distributed: its median, 95th and 99th percentile, one search setting per algorithm."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.plot.columns import Column, axis_label, scale
from fannsbench.plot.curves import Curve, curves, headed, variants
from fannsbench.plot.frame import Frame, Layout, text_width
from fannsbench.plot.labels import LINE, name_rows
from fannsbench.plot.rows import AT_STANDING, TARGET_RECALL, footnote, measured, panels, standing
from fannsbench.plot.style import GREY, SMALL, Look

_LEVELS = ["p50_ms", "p95_ms", "p99_ms"]
_LATENCY = Column("latency", "Latency of one query", "s", 1e-3)
_ROW = 1.5 * LINE
_ALONE, _NARROW, _COLUMNS, _RECALL = 3.8, 1.9, 3, 0.42


def picture(rows: pd.DataFrame, looks: Mapping[str, Look]) -> Figure:
    """A panel for each workload, a line from median to 99th percentile for each algorithm, its recall beside.

    Raises UserError if there is nothing to draw.
    """
    drawn = measured(rows, "recall", "qps", *_LEVELS)
    several, shown = variants(drawn), panels(drawn)
    content = [{c.text: (c, standing(c.rows)) for c in curves(panel.rows, looks, several)} for panel in shown]
    medians = pd.DataFrame([{text: row["p50_ms"] for text, (_, row) in panel.items()} for panel in content])
    inks = {text: curve.look.ink for panel in content for text, (curve, _) in panel.items()}
    families = {text: curve.family for panel in content for text, (curve, _) in panel.items()}
    order = headed(medians.median().sort_values(kind="stable").index, families)
    standings = pd.DataFrame([row for panel in content for _, row in panel.values()])
    values = pd.concat([standings[level] for level in _LEVELS])
    layout = Layout(
        len(shown),
        _COLUMNS,
        _ALONE if len(shown) == 1 else _NARROW,
        max(4, len(order)) * _ROW,
        left=max(text_width(text, SMALL) for text in order) + 0.1,
        right=_RECALL,
    )
    notes = footnote(
        rows,
        drawn,
        "marker: median, tick: 95th percentile, end: 99th percentile",
        f"{AT_STANDING} (recall in bold)",
    )
    frame = Frame(layout, [panel.title for panel in shown], axis_label(_LATENCY, values), [""], notes)
    for axes, panel in zip(frame.axes, content, strict=True):
        scale(axes, "x", _LATENCY, values, layout.width)
        name_rows(axes, order, inks)
        _beside(axes, -0.9, "recall", "normal")
        for place, text in enumerate(order):
            if text in panel:
                _draw(axes, place, *panel[text])
            elif text in inks:
                _beside(axes, place, "none", "normal")
    return frame.figure


def _draw(axes: Axes, place: int, curve: Curve, row: pd.Series) -> None:
    p50, p95, p99 = (float(row[level]) for level in _LEVELS)
    colour = curve.look.colour
    axes.plot(
        [p50, p99], [place, place], color=colour, linestyle=curve.variant.line or "solid", linewidth=1.4
    )
    axes.plot([p95, p99], [place, place], "|", color=colour, markersize=5, markeredgewidth=1.1)
    axes.plot(p50, place, zorder=4, **curve.marker())
    _beside(axes, place, f"{row['recall']:.3f}", "bold" if row["recall"] < TARGET_RECALL else "normal")


def _beside(axes: Axes, place: float, text: str, weight: str) -> None:
    axes.annotate(
        text,
        (1, place),
        (4, 0),
        ("axes fraction", "data"),
        "offset points",
        va="center",
        size=SMALL,
        color=GREY,
        weight=weight,
        annotation_clip=False,
    )

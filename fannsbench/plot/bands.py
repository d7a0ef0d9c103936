"""Recall and QPS by the selectivity of the single query's filter, one search setting per algorithm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.errors import UserError
from fannsbench.plot.columns import Column, axis_label, describe, scale
from fannsbench.plot.curves import Curve, curves, legend_entries, variants
from fannsbench.plot.frame import Frame
from fannsbench.plot.labels import GRID_MARKER, Drawn, arrange, name_curves
from fannsbench.plot.rows import AT_STANDING, footnote, measured, panels, standing
from fannsbench.plot.style import Look

_COLUMNS = 3
_BAND, _DODGE = 0.36, 0.5
"""Inches that the name of a band takes; share of a band over which its points are spread, so that none
hides another."""
_MOST_BESIDE = 5
"""As in `labels`, but curves of bands end closer together."""


def standing_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose queries are to be split into bands: of each curve, the one setting that stands for it.

    Raises UserError if there is none.
    """
    drawn = measured(rows, "recall", "qps")
    drawn = drawn[drawn["filter_kind"] != "none"]
    if drawn.empty:
        raise UserError("nothing to draw by selectivity: all of these results are of unfiltered search")
    keys = ["dataset", "workload", "k", "algorithm", "machine", "threads", "mode"]
    return pd.DataFrame([standing(group) for _, group in drawn.groupby(keys)])


def picture(
    rows: pd.DataFrame, chosen: pd.DataFrame, banded: pd.DataFrame, looks: Mapping[str, Look]
) -> Figure:
    """A pair of panels for each workload: recall above, QPS below, by band.

    rows: all that was asked for; chosen: their `standing_rows`; banded: `results.bands.by_selectivity` of
    those. Raises UserError if there is nothing to draw.
    """
    if not banded.empty:
        banded = banded[np.isfinite(banded["recall"]) & np.isfinite(banded["qps"])]
    if banded.empty:
        raise UserError("nothing to draw by selectivity: none of these results has per-query figures")
    chosen = chosen[chosen["path"].isin(banded["path"])]
    banded = banded.assign(place=banded["band_order"].rank(method="dense").astype(int) - 1)
    bands = banded.drop_duplicates("band").sort_values("place")["band"].tolist()
    shown, several = panels(chosen), variants(chosen)
    content = [curves(panel.rows, looks, several) for panel in shown]
    legend = legend_entries([curve for panel in content for curve in panel])
    blocks = math.ceil(len(shown) / _COLUMNS)
    columns = math.ceil(len(shown) / blocks)
    texts = [[curve.text for curve in panel] for panel in content]
    layout = arrange(2 * blocks * columns, columns, texts, list(legend), _MOST_BESIDE)
    layout = replace(layout, width=max(layout.width, _BAND * len(bands)))
    recall, qps = describe("recall", chosen["k"]), describe("qps")
    titles = np.full((blocks, 2, columns), "", dtype=object)
    titles[:, 0].flat[: len(shown)] = [panel.title for panel in shown]
    frame = Frame(
        layout,
        titles.ravel().tolist(),
        "Items kept by the query's filter, %",
        [axis_label(recall, banded["recall"]), axis_label(qps, banded["qps"])] * blocks,
        footnote(rows, chosen, AT_STANDING),
    )
    grid = np.array(frame.axes, dtype=object).reshape(blocks, 2, columns)
    pairs = list(zip(grid[:, 0].flat, grid[:, 1].flat, strict=True))
    for (above, below), panel in zip(pairs, content, strict=False):
        for axes, column in ((above, recall), (below, qps)):
            axes.set_xticks(range(len(bands)), [band.removesuffix(" %") for band in bands])
            axes.set_xlim(-0.5, len(bands) - 0.5)
            scale(axes, "y", column, banded[column.name], layout.height)
            paths = [_draw(axes, curve, i / len(panel), banded, column) for i, curve in enumerate(panel)]
            if not layout.beside:
                name_curves(axes, paths, layout)
        below.tick_params(labelbottom=True)
    for blank in [axes for pair in pairs[len(shown) :] for axes in pair]:
        blank.remove()
    if layout.beside:
        frame.legend(legend)
    return frame.figure


def _draw(axes: Axes, curve: Curve, aside: float, banded: pd.DataFrame, column: Column) -> Drawn:
    points = banded[banded["path"].isin(curve.rows["path"])].sort_values("place")
    x = points["place"].to_numpy() + _DODGE * (aside - 0.5)
    y = points[column.name].to_numpy()
    axes.plot(x, y, **curve.stroke(GRID_MARKER))
    return Drawn(curve, x, y)

"""Norms, distances and correlations of the items' vectors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fannsbench.data.stats import Statistics
from fannsbench.data.stats.vectors import Distribution
from fannsbench.plot.dataset.panels import FIT, few_ticks, filled
from fannsbench.plot.frame import Frame, Layout
from fannsbench.plot.style import GREY

_POINTS = 400
_SIDE, _BAR, _SINGLE = 3.2, 0.12, 10
_CLEAR = 99
"""The percentile of absolute correlations at which colours end, so that the few strongest do not pale the
others."""


def distributions(found: Statistics) -> Figure:
    """Histograms of norms and distances with the best fit."""
    panels = {
        "Norms": (found.vectors.norms, f"Euclidean length of {found.items:,} items"),
        "Distances": (found.vectors.distances, "Distance of two items"),
    }
    notes = [f"{found.name} · distance: {found.distance}, of pairs among {found.sampled_items:,} items"]
    notes += [f"{title}: {_fit(one)}" for title, (one, _) in panels.items()]
    layout = Layout(2, 2, 2.9, 1.9, between=0.5)
    titles = [f"{title}: {_name(one)}" for title, (one, _) in panels.items()]
    frame = Frame(layout, titles, "", ["Probability density"], notes)
    for axes, (one, label) in zip(frame.axes, panels.values(), strict=True):
        axes.set_xlabel(label)
        axes.tick_params(labelleft=True)
        if one.summary is None:
            axes.annotate("none", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
            axes.set(xticks=[], yticks=[])
        elif one.constant:
            axes.axvline(one.summary.mean, color=FIT, linewidth=2)
            axes.set_xlim(*sorted((0, 2 * one.summary.mean or 1)))
            axes.set_yticks([])
            few_ticks(axes.xaxis)
        else:
            _distribution(axes, one)
            few_ticks(axes.xaxis, 6)
            few_ticks(axes.yaxis)
    return frame.figure


def _distribution(axes: Axes, one: Distribution) -> None:
    assert one.summary is not None
    histogram, best = one.summary.histogram, one.fits.best
    filled(axes, histogram, histogram.density)
    if best:
        x = np.linspace(histogram.edges[0], histogram.edges[-1], _POINTS)
        axes.plot(x, best.density(x), color=FIT, linewidth=1.2)


def _name(one: Distribution) -> str:
    if one.constant:
        return "constant"
    return one.fits.best.name if one.fits.best else "no fit"


def _fit(one: Distribution) -> str:
    best = one.fits.best
    return (
        f"best fit {best.text}, Kolmogorov-Smirnov statistic {best.ks:.2g}" if best else str(one.fits.no_fit)
    )


def correlation(found: Statistics) -> Figure | None:
    """The correlation matrix of the dimensions; None where no two dimensions vary."""
    measured = found.vectors.correlation
    if measured.mean_absolute is None:
        return None
    matrix = measured.matrix
    off_diagonal = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    end = float(np.percentile(off_diagonal, _CLEAR)) or 1.0
    notes = [f"{found.name} · mean absolute correlation {measured.mean_absolute:.3g}"]
    if measured.constant_dimensions:
        notes[0] += f" · {measured.constant_dimensions:,} dimensions that do not vary are left out"
    layout = Layout(1, 1, _SIDE, _SIDE, beside=0.9)
    frame = Frame(layout, [""], "Dimension", ["Dimension"], notes)
    (axes,) = frame.axes
    axes.grid(False)
    image = axes.imshow(matrix, cmap="RdBu", vmin=-end, vmax=end, aspect="auto")
    if len(matrix) <= _SINGLE:
        axes.set(xticks=range(len(matrix)), yticks=range(len(matrix)))
    bar = axes.inset_axes((1 + _BAR / _SIDE, 0, _BAR / _SIDE, 1))
    frame.figure.colorbar(image, cax=bar, extend="both", label="Pearson's correlation")
    bar.grid(False)
    few_ticks(bar.yaxis, 8)
    return frame.figure

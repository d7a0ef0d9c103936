"""Intrinsic dimensionality, hubs and nearest distances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fannsbench.data.stats import Statistics
from fannsbench.data.stats.neighbourhood import FAR, NEIGHBORS, Hubness
from fannsbench.data.stats.summary import Summary
from fannsbench.plot.dataset.panels import FIT, QUERIES, few_ticks, filled, log_y, shares
from fannsbench.plot.frame import Frame, Layout

_COLOURS = {"items": FIT, "queries": QUERIES}
_BESIDE, _BETWEEN = 0.95, 0.62


def picture(found: Statistics) -> Figure | None:
    """A panel for each measure that has a distribution; None where none has."""
    near = found.neighbourhood
    drawings: dict[str, Callable[[Axes], None]] = {}
    lids = {"items": near.lid_items, "queries": near.lid_queries}
    if any(lids.values()):
        label = f"Estimate from the {NEIGHBORS} nearest"
        drawings["Local intrinsic dimensionality"] = partial(_densities, label, lids)
    nearest = {"items": near.nearest_of_items, "queries": near.nearest_of_queries}
    if all(nearest.values()):
        drawings["Nearest neighbour"] = partial(_densities, "Distance to the nearest (other) item", nearest)
    if near.hubness:
        drawings[f"Hubs: skewness {near.hubness.skewness:.2f}"] = partial(_occurrences, near.hubness)
    if not drawings:
        return None
    several = len(drawings) > 1
    layout = Layout(
        len(drawings), 3, 2.4, 1.9, left=_BETWEEN, between=_BETWEEN, beside=_BESIDE if several else 0
    )
    frame = Frame(layout, list(drawings), "", [""], _notes(found))
    for axes, draw in zip(frame.axes, drawings.values(), strict=True):
        draw(axes)
        axes.tick_params(labelleft=True)
        few_ticks(axes.xaxis, 6)
        few_ticks(axes.yaxis)
    if several:
        legend: dict[str, Artist] = {who: Line2D([], [], color=colour) for who, colour in _COLOURS.items()}
        frame.legend(legend)
    return frame.figure


def _notes(found: Statistics) -> list[str]:
    near, of = found.neighbourhood, f"{found.name} · distance: {found.distance}"
    if near.contrast is not None:
        of += f" · relative contrast {near.contrast:.3g}"
    if drift := near.out_of_distribution:
        of += (
            f" · median nearest distance of queries {drift.ratio:.3g} times that of items, "
            f"{100 * drift.far:.2g} % of queries beyond the items' {FAR}th percentile"
        )
    return [of]


def _densities(label: str, summaries: Mapping[str, Summary | None], axes: Axes) -> None:
    for who, summary in summaries.items():
        if summary and summary.std == 0:
            axes.axvline(summary.mean, color=_COLOURS[who], linewidth=1.1)
        elif summary:
            histogram = summary.histogram
            axes.stairs(histogram.density, histogram.edges, color=_COLOURS[who], linewidth=1.1)
    axes.set(xlabel=label, ylabel="Probability density")


def _occurrences(hubs: Hubness, axes: Axes) -> None:
    filled(axes, hubs.histogram, shares(hubs.histogram))
    axes.set(xlabel=f"In how many items' {hubs.k} nearest an item is", ylabel="Items, %")
    log_y(axes)

"""Names of curves: beside a panel, each at the height of its curve's end, or in a legend for many panels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from fannsbench.plot.curves import Curve
from fannsbench.plot.frame import Layout, legend_width, text_width
from fannsbench.plot.style import GREY, SMALL

LINE = SMALL * 1.25 / 72
"""Height in inches that one name takes."""
_LEADER, _MARKER, _AFTER = 0.18, 0.06, 0.14
"""Inches: from panel to marker, from marker to name, after the name."""
_NEAR_EDGE, _CLEAR, _APART, _STEP = 0.5, 0.02, 0.05, 0.03
"""Inches: ends nearer to the right edge have their names outside; from a name to curves, and to names; a
fine step."""
_HALF = 0.4 * LINE
"""Half the height in inches of a name's letters."""
_UP = tuple(0.11 * step for step in range(1, 7))
"""Inches that a name may be above or below the end of its curve."""
GRID_MARKER = 3.2
"""Size in points of markers in small panels and beside names."""
MOST_BESIDE = 8
"""Up to this many curves a panel, small multiples have the names beside each panel; beyond, one legend."""
_ALONE, _NAMED, _PLAIN = (4.4, 3.1), (2.1, 1.75), (2.05, 1.7)
"""Panel sizes in inches: of one panel, of several with names beside them, of several with one legend."""


@dataclass(frozen=True)
class Drawn:
    """A curve as drawn: x and y of its points (m,) in data coordinates; its name belongs to the last one."""

    curve: Curve
    x: np.ndarray
    y: np.ndarray


def arrange(
    panels: int,
    columns: int,
    names: Sequence[Sequence[str]],
    legend: Sequence[str],
    most_beside: int = MOST_BESIDE,
) -> Layout:
    """Sizes for `panels` panels in at most `columns` columns, given the names of the curves in each panel
    and the texts of a legend that would do for all, and serves where a panel has over `most_beside`."""
    most = max(map(len, names))
    right = _LEADER + _MARKER + _AFTER + max(text_width(text, SMALL) for panel in names for text in panel)
    if panels == 1 or most <= most_beside:
        width, height = _ALONE if panels == 1 else _NAMED
        return Layout(panels, columns, width, max(height, most * LINE), right=right)
    layout = Layout(panels, columns, *_PLAIN)
    return Layout(panels, columns, *_PLAIN, beside=legend_width(legend, layout))


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> np.ndarray:
    """Places at least `apart` from each other, in the order of `wanted`, within [low, high] if they fit
    there; the sum of squared distances to `wanted` is the least possible.

    Shifting place i by i * apart turns this into isotonic regression, which pooling of adjacent violators
    solves (Barlow et al., "Statistical Inference under Order Restrictions", 1972); bounds then only clip.
    """
    order = np.argsort(wanted, kind="stable")
    steps = apart * np.arange(len(order))
    blocks: list[tuple[float, int]] = []
    for value in np.asarray(wanted, dtype=float)[order] - steps:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, size = (mean * size + other * more) / (size + more), size + more
        blocks.append((mean, size))
    level = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    places = np.empty(len(order))
    places[order] = np.clip(level, low, max(low, high - steps[-1])) + steps
    return places


def name_curves(axes: Axes, paths: Sequence[Drawn], layout: Layout) -> None:
    """Write each curve's name: near its end where that lies well within the panel and has free space, else
    to the right of the panel, with the curve's marker. The axes must have their final scale and limits."""
    size = np.array([layout.width, layout.height])
    to_panel = axes.transData + axes.transAxes.inverted()
    drawn = [to_panel.transform(np.column_stack([path.x, path.y])) * size for path in paths]
    boxes = _boxes_within([path.curve.text for path in paths], drawn, size)
    heights = _heights_beside(boxes, drawn, size)
    for path, points, box in zip(paths, drawn, boxes, strict=True):
        if box:
            if not box.is_level_with(points[-1]):
                _lead(axes, path, *box.nearest(points[-1]) / size)
            x, y = box.middle_left / size
            _write(axes, x, y, path.curve)
    x = 1 + _LEADER / layout.width
    outside = [path for path, box in zip(paths, boxes, strict=True) if not box]
    for path, y in zip(outside, heights / layout.height, strict=True):
        _lead(axes, path, x, y)
        axes.plot(x, y, transform=axes.transAxes, clip_on=False, **path.curve.marker(GRID_MARKER))
        _write(axes, x + _MARKER / layout.width, y, path.curve)


def _boxes_within(texts: Sequence[str], drawn: Sequence[np.ndarray], panel: np.ndarray) -> list[_Box | None]:
    """A place for each name near the end of its curve; None where there is none, or where the leader of a
    name that stands beside the panel would cross it."""
    boxes: list[_Box | None] = [None] * len(texts)
    taken = np.concatenate([_along(points) for points in drawn])
    # from right to left: a name stands to the right of its leader, out of the way of those still to come
    for i in sorted(range(len(texts)), key=lambda i: -drawn[i][-1][0]):
        end, names = drawn[i][-1], [box for box in boxes if box]
        boxes[i] = box = _free_box(end, text_width(texts[i], SMALL), panel, taken, names)
        if box and not box.is_level_with(end):
            taken = np.concatenate([taken, _along(np.array([end, box.nearest(end)]))])
    crossed = True
    while crossed:
        ends = [points[-1] for points, box in zip(drawn, boxes, strict=True) if not box]
        beside = [np.array([panel[0] + _LEADER, y]) for y in _heights_beside(boxes, drawn, panel)]
        leaders = [_along(np.array([end, place])) for end, place in zip(ends, beside, strict=True)]
        crossed = False
        for i, box in enumerate(boxes):
            if box and any(box.holds(leader) for leader in leaders):
                boxes[i], crossed = None, True
    return boxes


def _heights_beside(
    boxes: Sequence[_Box | None], drawn: Sequence[np.ndarray], panel: np.ndarray
) -> np.ndarray:
    """Of the names that have no place within the panel, in inches."""
    wanted = [points[-1][1] for points, box in zip(drawn, boxes, strict=True) if not box]
    return spread(wanted, LINE, 0.0, panel[1]) if wanted else np.empty(0)


def _lead(axes: Axes, path: Drawn, x: float, y: float) -> None:
    """A thin line from the curve's end to a place in the panel, or beside it, as fractions of its size."""
    axes.annotate(
        "",
        xy=(path.x[-1], path.y[-1]),
        xytext=(x, y),
        textcoords="axes fraction",
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": path.curve.look.colour,
            "linewidth": 0.6,
            "linestyle": (0, (1, 1.5)),
            "shrinkA": 0,
            "shrinkB": 2,
            "zorder": 1,
        },
    )


def _write(axes: Axes, x: float, y: float, curve: Curve) -> None:
    ink = curve.look.ink
    axes.text(x, y, curve.text, transform=axes.transAxes, va="center", size=SMALL, color=ink, zorder=5)


@dataclass(frozen=True)
class _Box:
    """Where a name stands: lower left and upper right, in inches from the panel's lower left."""

    low: np.ndarray
    high: np.ndarray

    @property
    def middle_left(self) -> np.ndarray:
        return np.array([self.low[0], (self.low[1] + self.high[1]) / 2])

    def is_level_with(self, place: np.ndarray) -> bool:
        return bool(self.low[1] <= place[1] <= self.high[1])

    def nearest(self, place: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(place, self.low, self.high))

    def holds(self, places: np.ndarray) -> bool:
        return bool(((places > self.low - _CLEAR) & (places < self.high + _CLEAR)).all(axis=1).any())

    def touches(self, other: _Box) -> bool:
        return bool((self.low < other.high + _APART).all() and (other.low < self.high + _APART).all())


def _free_box(
    end: np.ndarray, width: float, panel: np.ndarray, taken: np.ndarray, names: Sequence[_Box]
) -> _Box | None:
    """A place for a name of this width near `end` that covers neither the places `taken` nor `names`. None
    if there is none, or the panel's right edge is about as near."""
    if end[0] > panel[0] - _NEAR_EDGE:
        return None
    around = [(aside, sign * up) for up in _UP for sign in (1, -1) for aside in (0.04, -width / 2)]
    for middle_left in end + np.array([(0.09, 0.0), *around]):
        box = _Box(middle_left - np.array([0.0, _HALF]), middle_left + np.array([width, _HALF]))
        line = _along(np.array([end, box.nearest(end)]))
        if (
            (box.low > 0).all()
            and (box.high < panel).all()
            and not box.holds(taken)
            and not any(box.touches(name) or name.holds(line) for name in names)
        ):
            return box
    return None


def _along(points: np.ndarray) -> np.ndarray:
    """Places along a line through `points` (m, 2), closer to each other than a name is high."""
    steps = [np.linspace(a, b, 2 + int(np.hypot(*(b - a)) / _STEP)) for a, b in itertools.pairwise(points)]
    return np.concatenate([points, *steps])


def name_rows(axes: Axes, names: Sequence[str], inks: Mapping[str, str]) -> None:
    """Make the y axis a list of names from the top down, row i at y = i; what has no ink is a heading."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(4, len(names)) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for tick, name in zip(axes.yaxis.get_major_ticks(), names, strict=True):
        tick.label1.set(color=inks.get(name, GREY), weight="normal" if name in inks else "bold")

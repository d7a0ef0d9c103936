"""What the columns of the result table mean on an axis: name, unit, which direction is better, scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.scale import FuncScale
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from fannsbench.results.pareto import Better

Which = Literal["x", "y"]

BUILD_FIGURES = (
    "build_s",
    "preprocess_s",
    "index_bytes",
    "index_memory_bytes",
    "peak_build_bytes",
    "peak_search_bytes",
)
"""Columns that say something of an algorithm rather than of a search setting: drawn as bars."""
MEMORY_FIGURES = BUILD_FIGURES[-3:]

_LABELS = {
    "qps": "Queries per second",
    "qps_search": "Queries per second, filter step left out",
    "qps_mean": "Queries per second, mean",
    "qps_std": "Queries per second, standard deviation",
    "p50_ms": "Median latency",
    "p95_ms": "95th percentile of latency",
    "p99_ms": "99th percentile of latency",
    "max_ms": "Greatest latency",
    "build_s": "Build time",
    "preprocess_s": "Preprocessing time",
    "index_bytes": "Index size on disk",
    "index_memory_bytes": "Memory added by the index",
    "peak_build_bytes": "Peak memory of the build",
    "peak_search_bytes": "Peak memory of the search",
    "distances_per_query": "Distance computations per query",
    "violations": "Returned items that do not match the filter",
    "duplicates": "Items returned twice",
    "selectivity": "Fraction kept by the filter",
}
NAMED = ("recall", *_LABELS)
"""The columns that have a name for people; any other numeric column can be drawn too."""
_MANY, _NEAR_ONE = 8.0, 0.9
"""A log axis helps from this ratio of largest to smallest; a stretched recall axis, from this recall."""
_RECALL_FLOOR = 1e-3
"""What is added to 1 - recall, so that recall 1 has a place on the log scale."""
_RECALL_TICKS = (1.0, 0.9, 0.99, 0.5, 0.0, 0.95, 0.999, 0.8, 0.7, 0.6, 0.98, 0.4, 0.2)
"""In the order in which they are wanted where space is short."""
_TICK_ROOM = {"x": 0.3, "y": 0.16}
"""Inches between the middles of two tick labels."""
_NUMBER_ROOM = {"x": 0.55, "y": 0.3}
"""Inches between the ticks of a linear axis."""
_DECADE_ROOM = {"x": 1.4, "y": 0.8}
"""Inches that a decade takes when it has three tick labels."""
_TIMES = ((1e-6, "µs", 1e-3), (1e-3, "ms", 1.0), (1.0, "s", 300.0), (60.0, "min", 7200.0))
"""Size in seconds and name of each unit, and up to how many seconds it is used."""
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Column:
    """One numeric column; its values times `factor` are seconds ("s"), bytes ("B") or plain numbers ("")."""

    name: str
    label: str
    unit: str = ""
    factor: float = 1.0
    better: Better = "low"

    def text(self, value: float) -> str:
        """The value for people: "85 ms", "1.2 GB", "14k"."""
        return quantity(value * self.factor, self.unit)

    def tick(self, value: float) -> str:
        """As `text`, but an axis of long times stays in seconds, whose multiples are round."""
        if self.unit == "s" and value * self.factor >= 1:
            return f"{value * self.factor:,.4g} s"
        return self.text(value)


def describe(name: str, ks: Iterable[int] = ()) -> Column:
    """The column's meaning; `ks`: the k of the rows drawn, for the name of the recall."""
    ks = sorted(set(ks))
    if name == "recall":
        return Column(name, f"Recall@{ks[0]}" if len(ks) == 1 else "Recall@k", better="high")
    label = _LABELS.get(name, name.replace("_", " "))
    if name.startswith("qps"):
        return Column(name, label, better="low" if name == "qps_std" else "high")
    for suffix, unit, factor in (("_ms", "s", 1e-3), ("_s", "s", 1.0), ("_bytes", "B", 1.0)):
        if name.endswith(suffix):
            return Column(name, label, unit, factor)
    return Column(name, label)


def quantity(value: float, unit: str) -> str:
    """`value` in seconds ("s"), bytes ("B") or plain, to three digits or fewer, in units that people use."""
    if not math.isfinite(value):
        return "?"
    if value == 0:
        return f"0 {unit}".rstrip()
    if unit == "s":
        return _duration(value)
    for size, prefix in _PREFIXES:
        if abs(value) >= 0.9995 * size:
            return f"{_digits(value / size)} {prefix}{unit}" if unit else f"{_digits(value / size)}{prefix}"
    return f"{_digits(value)} {unit}".rstrip()


def _duration(seconds: float) -> str:
    for size, unit, most in _TIMES:
        if seconds < most:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 3600)} h"


def _digits(value: float) -> str:
    """Three significant digits where there are decimals, never an exponent for what people can read."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def percent(fraction: float) -> str:
    """ "4.1 %"; "0.02 %"; "100 %"."""
    return f"{100 * fraction:.2g} %" if fraction < 0.995 else f"{100 * fraction:.3g} %"


def axis_label(column: Column, values: pd.Series) -> str:
    """The column's name, with an arrow towards what is better."""
    note = " (log scale of 1-recall)" if _kind(column, values) == "recall" else ""
    return f"{column.label}{note} →" if column.better == "high" else f"← {column.label}"


def scale(axes: Axes, which: Which, column: Column, values: pd.Series, inches: float) -> None:
    """Give an axis that is `inches` long the scale, limits and ticks that suit the finite `values`."""
    kind = _kind(column, values)
    if kind == "recall":
        _stretch(axes, which, float(values.min()), inches)
    elif kind == "log":
        _log(axes, which, column, values, inches)
    else:
        _limits(axes, which, *_padded(values.min(), values.max(), alone=0.5 * abs(values.max()) or 0.5))
        most = max(2, int(inches / _NUMBER_ROOM[which]))
        _axis(axes, which).set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
        _axis(axes, which).set_major_formatter(FuncFormatter(lambda value, _: column.tick(value)))


def _kind(column: Column, values: pd.Series) -> Literal["recall", "log", "linear"]:
    if column.name == "recall":
        return "recall" if values.max() > _NEAR_ONE else "linear"
    if values.min() > 0 and (column.name.startswith("qps") or values.max() >= _MANY * values.min()):
        return "log"
    return "linear"


def _axis(axes: Axes, which: Which) -> Axis:
    return axes.xaxis if which == "x" else axes.yaxis


def _limits(axes: Axes, which: Which, low: float, high: float) -> None:
    if which == "x":
        axes.set_xlim(low, high)
    else:
        axes.set_ylim(low, high)


def _stretched(recall: ArrayLike) -> np.ndarray:
    return -np.log10(np.maximum(1 + _RECALL_FLOOR - np.asarray(recall), _RECALL_FLOOR / 1e3))


def _unstretched(place: ArrayLike) -> np.ndarray:
    return 1 + _RECALL_FLOOR - 10.0 ** -np.asarray(place)


def _stretch(axes: Axes, which: Which, lowest: float, inches: float) -> None:
    functions = (_stretched, _unstretched)
    axes.set(**{f"{which}scale": FuncScale(_axis(axes, which), functions)})
    low, high = _padded(*_stretched([min(lowest, _NEAR_ONE), 1.0]))
    _limits(axes, which, *_unstretched([low, high]))
    apart = _TICK_ROOM[which] * (high - low) / inches
    ticks: dict[float, float] = {}
    for tick, place in zip(_RECALL_TICKS, _stretched(_RECALL_TICKS), strict=True):
        if low <= place and all(abs(place - other) >= apart for other in ticks.values()):
            ticks[tick] = place
    axis = _axis(axes, which)
    axis.set_major_locator(FixedLocator(sorted(ticks)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _log(axes: Axes, which: Which, column: Column, values: pd.Series, inches: float) -> None:
    axes.set(**{f"{which}scale": "log"})
    low, high = _padded(math.log10(values.min()), math.log10(values.max()), alone=0.5)
    _limits(axes, which, 10**low, 10**high)
    axis = _axis(axes, which)
    subs = (1.0, 2.0, 5.0) if high - low < max(1, inches / _DECADE_ROOM[which]) else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_minor_locator(LogLocator(subs=tuple(range(2, 10)), numticks=100))
    axis.set_major_formatter(FuncFormatter(lambda value, _: column.tick(value)))
    axis.set_minor_formatter(NullFormatter())


def _padded(low: float, high: float, alone: float = 0.0) -> tuple[float, float]:
    """The limits with a margin; `alone` is the margin of a single value."""
    margin = 0.05 * (high - low) or alone
    return low - margin, high + margin

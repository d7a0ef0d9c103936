"""Pictures of results: Pareto fronts, build figures, selectivity bands, latencies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fannsbench.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_FEW = 6
LATENCY = "latency"
"""What `y` may be besides a column of the table."""


def draw(rows: DataFrame, output: Path, **wishes: Any) -> Path:
    """Draw result rows into `output`, a .png, .svg or .pdf that appears whole, and return it.

    rows and wishes: those of `figure`. Raises UserError also where the file cannot be written.
    """
    from fannsbench.plot import frame

    frame.check_format(output)
    with house_style():
        frame.write(figure(rows, **wishes), output)
    return output


def figure(
    rows: DataFrame,
    *,
    x: str | None = None,
    y: str = "qps",
    datasets: Sequence[str] = (),
    workloads: Sequence[str] = (),
    algorithms: Sequence[str] = (),
    k: int | None = None,
    by_selectivity: bool = False,
    error_bars: bool = False,
) -> Figure:
    """A picture of result rows (`fannsbench.results.table.load`).

    By default Pareto fronts of recall and QPS, a panel for each workload. A build figure as `y`, without
    an `x`, gives bars; `y="latency"` the percentiles of latency. Looks are chosen over all `rows`, so that
    pictures of parts of them go together.
    Raises UserError (UnknownNameError) if there is nothing to draw or the wishes do not go together.
    """
    from fannsbench.plot import bands, bars, fronts, latency, style
    from fannsbench.plot.columns import BUILD_FIGURES
    from fannsbench.plot.rows import choose, numeric_columns

    known = numeric_columns(rows)
    for name, also in ((x, []), (y, [LATENCY])):
        if name is not None and name not in [*known, *also]:
            raise UnknownNameError("column", name, [*known, *also])
    if error_bars and (by_selectivity or y != "qps"):
        raise UserError("error bars exist for QPS: --error-bars goes with --y qps, not with --by-selectivity")
    if x is not None and (by_selectivity or y == LATENCY):
        raise UserError(f"--x does not go with {'--by-selectivity' if by_selectivity else '--y latency'}")
    chosen = choose(rows, datasets, workloads, algorithms, k)
    looks = style.looks(rows["algorithm"].dropna())
    with house_style():
        if by_selectivity:
            from fannsbench.results.bands import by_selectivity as split

            standing = bands.standing_rows(chosen)
            return bands.picture(chosen, standing, split(standing), looks)
        if y == LATENCY:
            return latency.picture(chosen, looks)
        if x is None and y in BUILD_FIGURES:
            return bars.picture(chosen, looks, y)
        return fronts.picture(chosen, looks, x or "recall", y, error_bars)


def house_style() -> AbstractContextManager[None]:
    """While this is entered, figures look as ours do, whatever the user's matplotlib settings."""
    from matplotlib import style as matplotlib_style

    from fannsbench.plot.style import HOUSE

    return matplotlib_style.context(["default", HOUSE])


def file_name(about: Sequence[str]) -> str:
    """A name for a picture about these things: "wordnet-10k-em-qps.png"."""
    words = [re.sub(r"[^\w.+]+", "-", word).strip("-") for word in about]
    return "-".join(words if len(words) <= _FEW else [*words[:1], "etc", words[-1]]) + ".png"

"""What a run comes to: for every workload, algorithm and build the QPS reached at given recalls."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from fannsbench.parameters import FAMILIES
from fannsbench.results import pareto

RECALLS = (0.9, 0.95, 0.99)
_GROUP = ["machine", "dataset", "workload", "algorithm", "build", "k", "threads"]


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each workload, algorithm and build of the measured rows: `qps@0.9` and so on (median
    QPS, interpolated along the Pareto front; NaN where the recall is not reached), best recall, the
    algorithm's family, kind and selectivity of the filter, build figures, search settings measured and
    failed."""
    return pd.DataFrame([_summary(name, group) for name, group in rows.groupby(_GROUP, sort=True)])


def _summary(name: Any, group: pd.DataFrame) -> dict[str, Any]:
    ok = group[(group.status == "ok") & group.recall.notna()]
    recall, qps = ok.recall.to_numpy(float), ok.qps.to_numpy(float)
    last = group.iloc[-1]
    return {
        **dict(zip(_GROUP, name, strict=True)),
        "family": last.family,
        "filter_kind": last.filter_kind,
        "selectivity": last.selectivity,
        **{f"qps@{target}": pareto.at_recall(recall, qps, target) for target in RECALLS},
        "best_recall": ok.recall.max(),
        **group[["build_s", "index_bytes", "peak_build_bytes", "peak_search_bytes"]].astype(float).max(),
        "measured": len(ok),
        "failed": int((group.status == "failed").sum()),
    }


def as_table(summary: pd.DataFrame, workload: str) -> Table:
    """One workload's part of a summary, for the terminal; by family where there are several."""
    part = summary[summary.workload == workload]
    first = part.iloc[0]
    kind = "unfiltered" if first.filter_kind == "none" else f"filter {first.filter_kind}"
    kept = "" if first.filter_kind == "none" else f", {100 * first.selectivity:.3g} % kept"
    table = Table(
        title=escape(
            f"{first.dataset}, workload {workload}: {kind}{kept}; k={first.k}, threads={first.threads}"
        ),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("algorithm", overflow="fold")
    headings = [f"QPS at\n{recall:g}" for recall in RECALLS]
    headings += ["best\nrecall", "build\ns", "index\nMB", "peak MB\nbuild", "peak MB\nsearch"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    builds = part.groupby("algorithm").build.nunique()
    families = [family for family in FAMILIES if (part.family == family).any()]
    for family in families:
        if len(families) > 1:
            table.add_section()
            table.add_row(f"[bold]{family}")
        for row in part[part.family == family].to_dict("records"):
            table.add_row(*_cells(row, with_build=builds[row["algorithm"]] > 1))
    return table


def _cells(row: dict[str, Any], with_build: bool) -> list[str]:
    label = f"{row['algorithm']} {row['build']}" if with_build else row["algorithm"]
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    megabytes = [row[c] / 1e6 for c in ("index_bytes", "peak_build_bytes", "peak_search_bytes")]
    return [
        escape(label + failed),
        *(number(row[f"qps@{recall}"]) for recall in RECALLS),
        "-" if pd.isna(row["best_recall"]) else f"{row['best_recall']:.4f}",
        *(number(value) for value in (row["build_s"], *megabytes)),
    ]


def number(value: float) -> str:
    """Three significant digits without an exponent; - where unknown."""
    if pd.isna(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

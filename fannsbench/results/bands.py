"""Results in finer grain: by selectivity of the query's filter."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from fannsbench.results import store, table

EDGES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Fractions of items kept; a band holds its upper edge."""
LABELS = tuple(f"{100 * low:g}-{100 * high:g} %" for low, high in itertools.pairwise(EDGES))


def by_selectivity(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per result and band: the columns of `rows`, and band, band_order, queries in the band, their
    mean recall, and QPS as 1 / mean seconds of a single-query call (over the queries timed singly)."""
    parts = []
    for row in rows[rows.status == "ok"].to_dict("records"):
        result = store.read(Path(row["path"]))
        judge = table.judge_of(result)
        if judge is None or not result.runs:
            continue
        run = result.runs[table.median_run(result)]
        workload, _ = judge.workload(row["workload"])
        recall = judge.judge(row["workload"], run.neighbors).recall
        kept = workload.matches[: len(recall)] / len(judge.items.vectors)
        band = np.searchsorted(EDGES[1:], kept)
        seconds = np.median([r.latency_seconds for r in result.runs], axis=0)
        for order in np.unique(band[kept > 0]):
            inside = (band == order) & (kept > 0)
            timed = seconds[inside[: len(seconds)]]
            parts.append(
                row
                | {
                    "band": LABELS[order],
                    "band_order": int(order),
                    "queries": int(inside.sum()),
                    "recall": float(recall[inside].mean()),
                    "qps": 1 / float(timed.mean()) if len(timed) else float("nan"),
                }
            )
    return pd.DataFrame(parts)

"""The tables of reference results, in Markdown, from their table.csv: QPS at recalls as in the tables of
`fannsbench run`, for each workload and algorithm.

    python benchmarks/reference_tables.py results/reference/wordnet-methods/table.csv
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from fannsbench.results import pareto

RECALLS = [0.9, 0.95, 0.99]
WORKLOADS = ["none", "em", "r", "r-correlated", "emis", "mem", "mr", "memis", "c"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table")
    table = pd.read_csv(parser.parse_args().table, keep_default_na=False)
    for workload in WORKLOADS:
        rows = table[(table.workload == workload) & (table.status == "ok")]
        print(f"### {heading(workload, rows)}\n")
        print(
            "| algorithm |",
            " | ".join(f"{'' if i else 'QPS '}at {r:g}" for i, r in enumerate(RECALLS)),
            end="",
        )
        print(" | best recall | build s | index MB |\n|---|---:|---:|---:|---:|---:|---:|")
        for algorithm, settings in rows.groupby("algorithm"):
            print(f"| {algorithm} | {' | '.join(cells(settings))} |")
        print()


def heading(workload: str, rows: pd.DataFrame) -> str:
    if workload == "none":
        return "none: unfiltered"
    kept = 100 * float(rows.selectivity.iloc[0])
    return f"{workload}: filter {rows.filter_kind.iloc[0]}, {kept:.3g} % of items kept"


def cells(settings: pd.DataFrame) -> list[str]:
    recall, qps = settings.recall.astype(float).tolist(), settings.qps.astype(float).to_numpy()
    at = [pareto.at_recall(recall, qps, target) for target in RECALLS]
    build, megabytes = float(settings.build_s.iloc[0]), float(settings.index_bytes.iloc[0]) / 1e6
    return [*map(shown, at), f"{max(recall):.4f}", f"{build:.3g}", f"{megabytes:.3g}"]


def shown(qps: float) -> str:
    if np.isnan(qps):
        return "-"
    return f"{qps:,.0f}" if qps >= 100 else f"{qps:.3g}"


if __name__ == "__main__":
    main()

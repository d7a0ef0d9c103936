"""Which rows a picture shows, how they part into panels and curves, and what its footnote says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fannsbench.errors import UnknownNameError, UserError
from fannsbench.filters import FilterKind
from fannsbench.plot.columns import MEMORY_FIGURES, percent
from fannsbench.plot.curves import counted, variants
from fannsbench.plot.style import ordered

TARGET_RECALL = 0.95
"""Where one search setting must stand for an algorithm, it is the fastest that reaches this recall
(the study's aim in its parameter search)."""
AT_STANDING = f"at the fastest setting with recall {TARGET_RECALL:g}, or else the most accurate"
_KINDS = ("none", *FilterKind)
_NAMED = 6


@dataclass(frozen=True)
class Panel:
    title: str
    rows: pd.DataFrame


def choose(
    rows: pd.DataFrame,
    datasets: Sequence[str] = (),
    workloads: Sequence[str] = (),
    algorithms: Sequence[str] = (),
    k: int | None = None,
) -> pd.DataFrame:
    """The rows, good and failed, of what is named; an empty choice means all.

    Raises UnknownNameError for a name that no result has, UserError if no good result is left.
    """
    if rows.empty:
        raise UserError("nothing to draw: there are no results; `fannsbench run` makes some")
    readable = rows.dropna(subset=["dataset", "workload", "algorithm", "k"])
    if readable.empty:
        raise UserError(f"nothing to draw: no result file can be read; {rows['reason'].iloc[0]}")
    readable = readable.astype({"k": int, "threads": int})
    chosen = readable
    wishes = {"data set": datasets, "workload": workloads, "algorithm": algorithms}
    for kind, names in wishes.items():
        column = kind.replace(" ", "")
        for name in names:
            if name not in (known := set(readable[column])):
                raise UnknownNameError(kind, name, known)
        if names:
            chosen = chosen[chosen[column].isin(names)]
    if k is not None:
        chosen = chosen[chosen["k"] == k]
    if chosen.empty:
        wished = [*datasets, *workloads, *algorithms] + [f"k = {k}"] * (k is not None)
        raise UserError(
            f"nothing to draw: no result is of {', '.join(wished)}; there are: {_there_is(readable)}"
        )
    if not (chosen["status"] == "ok").any():
        first = chosen.iloc[0]
        why = f"{first['status']}, {first['reason']}"
        raise UserError(
            f"nothing to draw: none of {counted(len(chosen), 'result')} is good; "
            f"{first['algorithm']} on {first['dataset']}, workload {first['workload']}: {why}"
        )
    return chosen


def _there_is(rows: pd.DataFrame) -> str:
    found = [
        f"{name} on {dataset} ({', '.join(sorted(set(group['workload'])))}; k = {listed(group['k'])})"
        for (name, dataset), group in rows.groupby(["algorithm", "dataset"])
    ]
    return "; ".join(found[:_NAMED]) + ("; ..." if len(found) > _NAMED else "")


def numeric_columns(rows: pd.DataFrame) -> list[str]:
    """Columns that can be an axis; one that nobody filled in still has a name."""
    return [str(name) for name, column in rows.items() if _is_number(column) or column.isna().all()]


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def measured(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The good rows that have a finite number in each column. Raises UserError if there is none."""
    good = rows[rows["status"] == "ok"].copy()
    for name in columns:
        good[name] = pd.to_numeric(good[name]).astype(float)
        good = good[np.isfinite(good[name])]
        if good.empty:
            reasons = rows.loc[rows["status"] == "ok", "reason"].fillna("")
            why = next((f"; {reason}" for reason in reasons if reason), "")
            raise UserError(f"nothing to draw: none of these results has a value for {name}{why}")
    return good


def panels(rows: pd.DataFrame) -> list[Panel]:
    """One panel for each data set, workload and k, unfiltered search first."""
    several_sets, several_k = rows["dataset"].nunique() > 1, rows["k"].nunique() > 1
    found = []
    for (dataset, workload, k), group in rows.groupby(["dataset", "workload", "k"]):
        kind, selectivity = group["filter_kind"].iloc[0], pd.to_numeric(group["selectivity"]).mean()
        parts = [str(dataset)] * several_sets + [str(workload)] + [f"k = {k}"] * several_k
        if kind in _KINDS:
            parts.append("unfiltered" if kind == "none" else kind)
        if kind != "none" and np.isfinite(selectivity):
            parts.append(f"{percent(selectivity)} kept")
        place = (dataset, _KINDS.index(kind) if kind in _KINDS else len(_KINDS), workload, k)
        found.append((place, Panel(" · ".join(parts), group)))
    return [panel for _, panel in sorted(found, key=lambda pair: pair[0])]


def standing(rows: pd.DataFrame) -> pd.Series:
    """The search setting that stands for a curve: the fastest with TARGET_RECALL, else the most accurate."""
    reached = rows[rows["recall"] >= TARGET_RECALL]
    if not reached.empty:
        return reached.sort_values("qps", ascending=False, kind="stable").iloc[0]
    return rows.sort_values(["recall", "qps"], ascending=False, kind="stable").iloc[0]


def footnote(
    rows: pd.DataFrame, drawn: pd.DataFrame, *more: str, of: str = "", of_search: bool = True
) -> list[str]:
    """What a reader must know. rows: all that was asked for; drawn: those in the picture; of: which
    statistic of the repetitions is shown; of_search: False where k and repetitions play no part."""
    several = variants(drawn)
    facts = [listed(drawn["dataset"])]
    if of_search:
        facts += [f"{listed(drawn['queries'].astype(int))} queries", f"k = {listed(drawn['k'])}"]
    if len(several) == 1:
        facts.append(several[0].text)
    if of_search:
        facts.append(f"{of} {counted(listed(drawn['repetitions'].astype(int)), 'repetition')}".strip())
    lines = [" · ".join([*facts, *filter(None, more), "arrows point to what is better"])]
    if len(several) > 1:
        machines = drawn["machine"].nunique()
        warning = f"{machines} machines, whose figures do not compare: " if machines > 1 else ""
        lines.append(warning + "; ".join(variant.text for variant in several))
    return lines + [f"{what}: {names}" for what, names in _missing(rows).items()]


def memory_notes(drawn: pd.DataFrame, *columns: str) -> list[str]:
    """A warning where one of the columns shown is of memory, which was not counted alike everywhere."""
    of_memory = any(column in MEMORY_FIGURES for column in columns)
    if not of_memory or drawn["memory"].nunique() < 2:
        return []
    return ["older results count memory that processes share once for each"]


def _missing(rows: pd.DataFrame) -> dict[str, str]:
    """Algorithms without any good result on a workload, so that a crash does not look like no attempt."""
    missing: dict[str, dict[str, list[str]]] = {}
    for (name, _, workload), group in rows.groupby(["algorithm", "dataset", "workload"]):
        if not (group["status"] == "ok").any():
            what = str(group["status"].iloc[-1]).capitalize()
            missing.setdefault(what, {}).setdefault(name, []).append(workload)
    return {
        what: "; ".join(f"{name} ({', '.join(dict.fromkeys(found[name]))})" for name in ordered(found))
        for what, found in sorted(missing.items())
    }


def listed(values: pd.Series) -> str:
    return ", ".join(str(value) for value in sorted(set(values)))

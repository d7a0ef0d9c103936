"""`fannsbench datasets stats`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fannsbench import dataset
from fannsbench.cli.datasets.progress import progress_bars
from fannsbench.cli.options import JSON, Names
from fannsbench.cli.tables import print_table
from fannsbench.dataset import Dataset

if TYPE_CHECKING:
    from fannsbench.data.stats import Statistics
    from fannsbench.data.stats.attributes import AttributeFigures
    from fannsbench.data.stats.summary import Summary
    from fannsbench.data.stats.vectors import Distribution
    from fannsbench.data.stats.workloads import WorkloadFigures

_SHOWN_VALUES, _LONGEST_VALUE = 3, 32


@click.command()
@click.argument("name", type=Names("dataset", several=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Draw pictures into this folder.",
)
@JSON
def stats(name: str, output: Path | None, as_json: bool) -> None:
    """What the data set NAME (or the file of that path) is like, in figures and pictures.

    Norms, distances, correlations; intrinsic dimensionality, contrast, hubness, out-of-distribution
    queries; duplicates; attribute values; selectivity of filters and their correlation with the vectors.
    What would take all pairs is computed of samples, the same ones each time.
    """
    from fannsbench.data.stats import as_json as plain
    from fannsbench.data.stats import describe

    with Dataset.open(dataset.find(name)) as opened, progress_bars() as progress:
        found = describe(opened, progress)
    if as_json:
        click.echo(json.dumps(plain(found), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _show(found)
    if output:
        from fannsbench.plot.dataset import draw

        for path in draw(found, output):
            click.echo(str(path), err=as_json)


def _show(found: Statistics) -> None:
    about = {
        "name": found.name,
        "items": f"{found.items:,}",
        "dimension": f"{found.dimension:,}",
        "queries": f"{found.queries:,}",
        "metric": found.metric,
        "distance": found.distance,
        "samples": f"{found.sampled_items:,} items, {found.sampled_queries:,} queries",
    }
    for key, value in about.items():
        click.echo(f"{key + ':':14}{value}")
    vectors = found.vectors
    rows = [_distribution("norms", vectors.norms), _distribution("distances of pairs", vectors.distances)]
    print_table(rows, "Vectors (quartiles: min / 25 % / median / 75 % / max)")
    print_table(_measures(found), "Measures")
    if found.attributes:
        print_table([_attribute(*pair) for pair in found.attributes.items()], "Attributes")
    if found.workloads:
        rows = [_workload(*pair) for pair in found.workloads.items()]
        print_table(rows, "Workloads (kept: fraction of items, min / 25 % / median / 75 % / max)")
        click.echo(
            "correlation: above 0 where matching items are nearer to the query than random ones, below 0 "
            "where farther\nlift: how many times as many of the 100 nearest items match as of all items"
        )


def _distribution(of: str, found: Distribution) -> dict[str, Any]:
    summary, best = found.summary, found.fits.best
    row: dict[str, Any] = {"of": of, "mean": None, "std": None, "quartiles": None}
    if summary:
        row |= {"mean": _digits(summary.mean), "std": _digits(summary.std), "quartiles": _spread(summary)}
    return row | {
        "best fit": best.text if best else found.fits.no_fit,
        "KS": _digits(best.ks) if best else None,
    }


def _measures(found: Statistics) -> list[dict[str, Any]]:
    near, correlation, copies = found.neighbourhood, found.vectors.correlation, found.duplicates
    rows: list[dict[str, Any]] = []

    def add(measure: str, value: float | int | None, remark: str) -> None:
        rows.append({"measure": measure, "value": _digits(value), "remark": remark})

    def reason(name: str) -> str:
        return f"left out: {near.left_out[name]}"

    constant = correlation.constant_dimensions
    left_out = f"; {constant:,} dimensions do not vary" if constant else ""
    add(
        "correlation of dimensions",
        correlation.mean_absolute,
        "mean absolute" + left_out
        if correlation.mean_absolute is not None
        else "left out: no pair" + left_out,
    )
    for of in ("items", "queries"):
        lid: Summary | None = getattr(near, f"lid_{of}")
        remark = f"mean; median {lid.median:.3g}" if lid else reason(f"lid_{of}")
        add(f"local intrinsic dimensionality of {of}", lid.mean if lid else None, remark)
    remark = "mean distance / nearest" if near.contrast is not None else reason("contrast")
    add("relative contrast", near.contrast, remark)
    hubs = near.hubness
    remark = (
        reason("hubness")
        if not hubs
        else (f"skewness; {_percent(hubs.never)} in nobody's {hubs.k} nearest, at most in {hubs.most:,}")
    )
    add("hubness", hubs.skewness if hubs else None, remark)
    drift = near.out_of_distribution
    remark = (
        reason("out_of_distribution")
        if not drift
        else (f"queries' distance / items'; {_percent(drift.far)} beyond the items' 95th percentile")
    )
    add("out-of-distribution queries", drift.ratio if drift else None, remark)
    remark = f"{copies.groups:,} vectors, one of them {copies.largest:,} times" if copies.repeats else ""
    add("repeated items", copies.repeats, remark)
    add("queries that are items", found.queries_among_items, "")
    return rows


def _attribute(name: str, found: AttributeFigures) -> dict[str, Any]:
    shown = [f"{_cut(one.value)} {_percent(one.share)}" for one in found.top[:_SHOWN_VALUES]]
    if found.distinct > _SHOWN_VALUES and shown:
        shown.append("...")
    sizes = _spread(found.numbers) if found.numbers else None
    return {
        "attribute": name,
        "kind": found.kind,
        "missing": _percent(found.missing) if found.missing else None,
        "distinct": found.distinct,
        "values": ", ".join(shown) or sizes,
        "set sizes": sizes if found.kind == "set" else None,
    }


def _workload(name: str, found: WorkloadFigures) -> dict[str, Any]:
    correlation = found.correlation
    error = f" ± {correlation.error:.2g}" if correlation and correlation.error is not None else ""
    return {
        "workload": name,
        "kind": found.kind,
        "kept": _spread(found.selectivity),
        "mean": _digits(found.selectivity.mean),
        "no match": found.without_match or None,
        "correlation": f"{correlation.mean:+.2g}{error}" if correlation else found.no_correlation,
        "lift": _digits(correlation.lift) if correlation else None,
    }


def _digits(value: float | int | None) -> float | int | None:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _spread(summary: Summary) -> str:
    return " / ".join(map(_short, (summary.min, *summary.quartiles, summary.max)))


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _cut(text: str) -> str:
    """In one line, and no longer than a cell of a table can bear."""
    return textwrap.shorten(text, _LONGEST_VALUE, placeholder="…") or text[:_LONGEST_VALUE]

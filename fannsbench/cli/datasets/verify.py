"""`fannsbench datasets verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from fannsbench.cli.options import JSON, Names
from fannsbench.cli.tables import print_table

if TYPE_CHECKING:
    from fannsbench.data.verify import Finding


@click.command()
@click.argument("name", type=Names("dataset", several=False))
@click.option(
    "--sample", type=click.IntRange(min=1), default=100, show_default=True,
    help="Queries of each workload whose truth is computed once more.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the sample.")
@JSON
def verify(name: str, sample: int, seed: int, as_json: bool) -> None:
    """Check the data set NAME (or the file of that path): every rule of the schema, and a sample of its
    truth, computed once more in another way. Exit code 1 if anything is wrong."""
    from fannsbench import dataset
    from fannsbench.cli.datasets.progress import progress_bars
    from fannsbench.data import verify as checks

    path = dataset.find(name)
    with progress_bars() as progress:
        findings = checks.verify(path, sample=sample, seed=seed, progress=progress)
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        print_table(_rows(findings))
    counts = {outcome: sum(f.outcome == outcome for f in findings) for outcome in (checks.WRONG, checks.NOTE)}
    notes = f", {counts[checks.NOTE]} notes" if counts[checks.NOTE] else ""
    if counts[checks.WRONG]:
        click.echo(f"{path}: {counts[checks.WRONG]} of {len(findings)} checks wrong{notes}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{path}: nothing wrong in {len(findings)} checks{notes}", err=True)


def _rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """A check that is ok in several parts, such as workloads, is one row."""
    rows: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        part, *_ = finding.subject.partition(" ")
        one = (part, finding.check) if finding.outcome == "ok" else (finding.subject, finding.check)
        rows.setdefault((*one, finding.outcome), []).append(finding)
    shown = [
        {
            "of": found[0].subject if len(found) == 1 else f"{len(found)} {part}s",
            "check": check,
            "outcome": outcome,
            "detail": found[0].detail if len(found) == 1 else "",
        }
        for (part, check, outcome), found in rows.items()
    ]
    return sorted(shown, key=lambda row: ("ok", "note", "wrong").index(row["outcome"]))

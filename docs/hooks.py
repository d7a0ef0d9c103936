"""Pages that are made when the site is built: one for each bundled algorithm, from its params.toml and its
docstring, with its curves among those of the others in the reference results."""

from __future__ import annotations

import ast
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from fannsbench import registry
from fannsbench.filters import FilterKind
from fannsbench.parameters import FAMILIES, Parameter
from fannsbench.plot import house_style
from fannsbench.registry import Plugin
from fannsbench.results import pareto

CHECKOUT = Path(__file__).parent.parent
REFERENCE = CHECKOUT / "results" / "reference"
FOLDERS = ("wordnet-methods", "wordnet")
"""Of the reference results; the first that has an algorithm tells of it."""
PLACE = "reference/algorithms"
KINDS = ("none", *FilterKind)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    tables = [pd.read_csv(REFERENCE / folder / "table.csv").query("status == 'ok'") for folder in FOLDERS]
    plugins = [p for p in registry.plugins().values() if p.folder.parent == CHECKOUT / "algorithms"]
    for plugin in plugins:
        figures = next((table for table in tables if plugin.name in set(table.algorithm)), None)
        picture = None if figures is None else f"{plugin.name}.png"
        page = "\n".join(_page(plugin, picture))
        files.append(File.generated(config, f"{PLACE}/{plugin.name}.md", content=page))
        if figures is not None:
            drawn = _picture(figures, plugin.name)
            files.append(File.generated(config, f"{PLACE}/{picture}", content=drawn))
    front = REFERENCE / FOLDERS[0] / "wordnet-pareto.png"
    files.append(File.generated(config, "pareto.png", content=front.read_bytes()))
    files.append(File.generated(config, f"{PLACE}/index.md", content="\n".join(_index(plugins))))
    return files


def _index(plugins: list[Plugin]) -> Iterator[str]:
    yield "# Algorithms\n"
    families = defaultdict(list)
    for plugin in plugins:
        families[plugin.declaration.family].append(plugin)
    for family, members in sorted(families.items(), key=lambda pair: FAMILIES.index(pair[0])):
        yield f"## {family.capitalize()}\n\n| algorithm | what it is |\n|---|---|"
        yield from (f"| [{p.name}]({p.name}.md) | {p.declaration.summary} |" for p in members)
        yield ""


def _page(plugin: Plugin, picture: str | None) -> Iterator[str]:
    declaration = plugin.declaration
    yield f"# {plugin.name}\n\n{declaration.summary}.\n"
    yield f"Family: {plugin.declaration.family}. Source: {declaration.source}.\n"
    if picture:
        yield f"![Recall against queries per second of {plugin.name}, bright, among all others]({picture})\n"
        yield "Reference results on the data set `wordnet`; the others are grey.\n"
    docstring = ast.get_docstring(ast.parse((plugin.folder / "plugin.py").read_text())) or ""
    yield re.sub(r"(?m)^(?!- )(.+)\n(?=- )", r"\1\n\n", docstring)  # a list needs a line before it
    for phase, declared in (("Build", declaration.build), ("Search", declaration.search)):
        if declared:
            yield f"\n## {phase} parameters\n"
            yield "| parameter | type | default | values | meaning |\n|---|---|---|---|---|"
            yield from (_row(name, parameter) for name, parameter in declared.items())
    if declaration.presets:
        yield "\n## Presets\n\n| preset | sets |\n|---|---|"
        for preset, settings in declaration.presets.items():
            yield f"| `{preset}` | {', '.join(f'{k}={v}' for k, v in settings.items())} |"
    yield f"\nMeasure it: `fannsbench run --algo {plugin.name}`\n"


def _row(name: str, parameter: Parameter) -> str:
    values = ", ".join(map(str, parameter.values))
    return f"| `{name}` | {parameter.type} | {parameter.default} | {values} | {parameter.help} |"


def _picture(figures: pd.DataFrame, name: str) -> bytes:
    """A panel for each workload that the algorithm was measured on, unfiltered search first."""
    own = figures[figures.algorithm == name].drop_duplicates("workload")
    workloads = own.sort_values("filter_kind", key=lambda kinds: kinds.map(KINDS.index)).workload
    columns = min(3, len(workloads))
    rows = -(-len(workloads) // columns)
    with house_style():
        figure, grid = plt.subplots(
            rows, columns, figsize=(0.4 + 2.2 * columns, 0.4 + 1.7 * rows), squeeze=False, sharex=True,
            sharey=True, layout="constrained",
        )  # fmt: skip
        for axes in grid.flat[len(workloads) :]:
            axes.remove()
        for axes, workload in zip(grid.flat, workloads, strict=False):
            here = figures[figures.workload == workload]
            for other, points in here.groupby("algorithm"):
                _draw(axes, points, bright=other == name)
            axes.set_title(workload)
        axes.set(yscale="log", xlim=(0.5, 1.02), ylim=(10, 60_000))
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        figure.supxlabel("recall")
        figure.supylabel("queries per second")
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=180)
        plt.close(figure)
    return image.getvalue()


def _draw(axes: Axes, points: pd.DataFrame, bright: bool) -> None:
    recall, qps = points.recall.to_numpy(float), points.qps.to_numpy(float)
    front = pareto.front(recall, qps)
    look = {"color": "C0", "zorder": 3, "markersize": 4} if bright else {"color": "0.8", "markersize": 2}
    axes.plot(recall[front], qps[front], marker="o", **look)

"""The layers of docs/architecture.md: no import goes upward, none goes round."""

from __future__ import annotations

import ast
import graphlib
import re
from functools import cache
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).parent.parent
CONTRACT = "algorithm"
GROUND = ("__init__", "__main__", "algorithms")
"""Modules that are no layer: the version, what starts the command line, the package that plugins lie in."""


def layers() -> list[list[str]]:
    """From the ground up, as documented: the modules of each line."""
    text = (CHECKOUT / "docs" / "architecture.md").read_text()
    (block,) = re.findall(r"^## Layers$.*?^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [re.split(r" {2,}", line)[0].split(" | ") for line in block.splitlines()]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("fannsbench", cache_dir=None)


def test_every_module_has_a_layer() -> None:
    parts = {module.split(".")[1] for module in graph().modules if "." in module}
    named = [name for layer in layers() for name in layer]
    assert sorted(named) == sorted(set(named)), "a module stands in one line"
    assert parts - set(GROUND) == set(named)


def test_no_import_goes_upward() -> None:
    from_above = [grimp.Layer(*layer, independent=True) for layer in reversed(layers())]
    wrong = graph().find_illegal_dependencies_for_layers(from_above, containers={"fannsbench"})
    assert not wrong, [f"{d.importer} -> {d.imported}" for d in wrong]


def test_no_imports_go_round() -> None:
    imports = {module: graph().find_modules_directly_imported_by(module) for module in graph().modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("folder", sorted((CHECKOUT / "algorithms").glob("[!.]*/")), ids=lambda f: f.name)
def test_an_algorithm_imports_the_contract_and_what_is_above_it(folder: Path) -> None:
    order = [name for layer in layers() for name in layer]
    allowed = {*order[: order.index(CONTRACT) + 1], "algorithms"}
    used = {
        name.split(".")[1]
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.startswith("fannsbench.")
    }
    assert used <= allowed


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module == "fannsbench":
        return [f"fannsbench.{alias.name}" for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []

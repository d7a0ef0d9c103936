"""What the README and the documentation say is what the project does: every block is run, a page at a time,
in an empty folder.

Before a block may stand a comment: `<!-- file: PATH -->`, the block is that file's content;
`<!-- not run: WHY -->`, it is only read. A page with `<!-- slow: WHY -->` is marked `docs`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pytest

from fannsbench.cli.main import commands
from fannsbench.dataset import Dataset, find

CHECKOUT = Path(__file__).parent.parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
TUTORIAL = CHECKOUT / "docs" / "tutorials" / "own-data.md"
_BLOCK = re.compile(r"^(?:<!-- ([^\n]+?) -->\n)?```(python|sh|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LONGEST_README = 250


class Block(NamedTuple):
    """`note`: what the comment before it says."""

    note: str
    language: str
    content: str


def name_of(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


def blocks(page: Path) -> list[Block]:
    return [Block(*found.groups(default="")) for found in _BLOCK.finditer(page.read_text())]


def script(page: Path) -> str:
    """All blocks of a page as one shell script, so that what one exports or writes the next ones find."""
    steps = ["set -e"]
    for block in blocks(page):
        if block.note.startswith("file: "):
            path = shlex.quote(block.note.removeprefix("file: "))
            steps.append(
                f"mkdir -p $(dirname {path}); cat > {path} <<'END OF BLOCK'\n{block.content}END OF BLOCK"
            )
        elif block.note.startswith("not run: ") or block.language == "toml":
            continue
        elif block.language == "python":
            steps.append(f"python - {_here(block.content)}")
        else:
            steps.append(block.content)
    return "\n".join(steps)


def _here(content: str) -> str:
    return f"<<'END OF BLOCK'\n{content}END OF BLOCK"


def run(page: Path, folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script(page)], cwd=folder, env={**os.environ, "PATH": path, "COLUMNS": "120"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def with_blocks_to_run() -> Iterator[object]:
    for page in PAGES:
        if page != TUTORIAL and script(page) != "set -e":  # which has a test of its own
            slow = "<!-- slow: " in page.read_text()
            yield pytest.param(page, id=name_of(page), marks=[pytest.mark.docs] if slow else [])


@pytest.mark.parametrize("page", list(with_blocks_to_run()))
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_is_sound_and_says_why(page: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            tomllib.loads(block.content)
        elif block.language == "sh":
            subprocess.run(["bash", "-n", "-c", block.content], check=True)
            for line in block.content.replace("\\\n", " ").splitlines():
                for command in re.split(r"&&|\|", line):
                    words = shlex.split(command, comments=True)
                    if words and Path(words[0]).name == "fannsbench":
                        check_command(words[1:])
        assert not re.fullmatch(r"(not run|file):\s*", block.note), f"{page}: a comment without content"


def check_command(words: list[str]) -> None:
    """The command and its options exist."""
    command: click.Command = commands
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= options, f"{command.name} has no {used - options}"


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= _LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_are_there(page: Path) -> None:
    made = {"pareto.png", "index.md"}  # by the site's build
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists() or Path(target).name in made, f"{page}: {target}"


def test_the_tutorial_goes_from_files_to_a_plot(tmp_path: Path) -> None:
    run(TUTORIAL, tmp_path)
    assert (tmp_path / "results" / "plots" / "shop-pareto.png").is_file()
    with Dataset.open(find("shop")) as dataset:
        assert (dataset.n, dataset.num_queries) == (9_900, 100)
        assert {name: dataset.workload(name).kind for name in dataset.workload_names} == {
            "none": None, "emis": "EMIS", "bargain": "MR",
        }  # fmt: skip
        assert all((dataset.workload(name).matches > 0).all() for name in ("emis", "bargain"))


def test_the_example_data_set_is_sound(tmp_path: Path) -> None:
    page = CHECKOUT / "docs" / "how-to" / "data-sets.md"
    (source,) = [block.content for block in blocks(page) if "DraftWorkload" in block.content]
    subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=True)
    with Dataset.open(tmp_path / "small-shop.h5") as dataset:
        assert {name: dataset.workload(name).kind for name in dataset.workload_names} == {
            "none": None, "cheap-red": "C", "tagged": "EMIS",
        }  # fmt: skip
        assert all((dataset.workload(name).matches > 0).all() for name in ("cheap-red", "tagged"))
        assert np.isfinite(dataset.queries()).all()


def every_command(group: click.Group, name: str) -> Iterator[str]:
    context = click.Context(group)
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        yield f"{name} {child}"
        if isinstance(command, click.Group):
            yield from every_command(command, f"{name} {child}")


@pytest.mark.docs
def test_the_site_has_every_command_and_algorithm(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    shown = re.sub(r"<[^>]+>", "", (tmp_path / "reference" / "commands.html").read_text())
    for command in every_command(commands, "fannsbench"):
        assert command in shown
    for folder in (CHECKOUT / "algorithms").glob("[!_]*/plugin.py"):
        page = tmp_path / "reference" / "algorithms" / f"{folder.parent.name.replace('_', '-')}.html"
        assert "fannsbench run --algo" in page.read_text()
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?:[^\s\">]+)", page.read_text())
        assert not loaded, f"{page.name} loads from elsewhere"

"""What the README says is what the project does: its commands, its example plugin, its example data set."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fannsbench.cli.main import commands
from fannsbench.dataset import Dataset, find

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->"


def help_texts(command: click.Command, name: str = "fannsbench", parent: click.Context | None = None) -> str:
    """A collapsed block for each command with what its --help prints."""
    settings = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, **settings)
    if isinstance(command, click.Group) and command.list_commands(context):
        parts = [(child, command.get_command(context, child)) for child in command.list_commands(context)]
        return "".join(help_texts(sub, f"{name} {child}", context) for child, sub in parts if sub)
    summary = command.get_short_help_str(100)
    text = f"$ {name} --help\n{command.get_help(context)}"
    return (
        f"<details><summary><code>{name}</code>: {summary}</summary>\n\n```text\n{text}\n```\n\n</details>\n"
    )


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_commands_are_those_of_help() -> None:
    # In a process of its own: click remembers help options from whatever was called before.
    script = [sys.executable, __file__, "--print"]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    written = README.read_text().partition(BEGIN)[2].partition(END)[0]
    assert written == shown, f"bring it up to date: python tests/{Path(__file__).name}"


def test_the_example_plugin_passes_the_compliance_suite(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "scan"
    folder.mkdir(parents=True)
    (source,) = [block for block in blocks("python") if "class Scan" in block]
    (folder / "plugin.py").write_text(source)
    (folder / "params.toml").write_text(blocks("toml")[0])
    environment = dict(os.environ, FANNSBENCH_PLUGINS=str(folder.parent))
    command = [sys.executable, "-m", "fannsbench", "algorithms", "check", "scan"]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_tutorial_goes_from_files_to_a_plot(tmp_path: Path) -> None:
    (source,) = [block for block in blocks("python") if "vectors.npy" in block]
    commands = "".join(block for block in blocks("sh") if "import table" in block)
    subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = ["bash", "-e", "-c", commands]
    done = subprocess.run(
        shell, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "plots" / "shop-pareto.png").is_file()
    with Dataset.open(find("shop")) as dataset:
        assert (dataset.n, dataset.num_queries) == (9_900, 100)
        assert {name: dataset.workload(name).kind for name in dataset.workload_names} == {
            "none": None, "emis": "EMIS", "bargain": "MR",
        }  # fmt: skip
        assert all((dataset.workload(name).matches > 0).all() for name in ("emis", "bargain"))


def test_the_example_data_set_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = [block for block in blocks("python") if "DraftWorkload" in block]
    script = tmp_path / "make.py"
    script.write_text(source)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    with Dataset.open(tmp_path / "small-shop.h5") as dataset:
        assert {name: dataset.workload(name).kind for name in dataset.workload_names} == {
            "none": None, "cheap-red": "C", "tagged": "EMIS",
        }  # fmt: skip
        assert all((dataset.workload(name).matches > 0).all() for name in ("cheap-red", "tagged"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print(help_texts(commands), end="")
    else:
        before, _, rest = README.read_text().partition(BEGIN)
        README.write_text(before + BEGIN + help_texts(commands) + END + rest.partition(END)[2])

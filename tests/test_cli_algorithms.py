"""`fannsbench algorithms` as a user calls it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fannsbench.cli.algorithms import algorithms
from fannsbench.parameters import FAMILIES
from fannsbench.registry import plugins


def fannsbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fannsbench", "algorithms", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_list_tells_what_each_serves() -> None:
    answer = fannsbench("list", "--json")
    assert answer.returncode == 0, answer.stderr
    entries = {entry["name"]: entry for entry in json.loads(answer.stdout)}
    assert entries.keys() == plugins().keys()
    assert entries["exact"]["filters"] == ["EM", "R", "EMIS", "MEM", "MR", "MEMIS", "C"]
    assert entries["hnsw"]["metrics"] == ["cosine", "euclidean", "inner_product"]
    assert all(entry["problem"] is None and entry["summary"] for entry in entries.values())


def test_a_plugin_whose_library_is_missing_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lacking"
    folder.mkdir()
    (folder / "plugin.py").write_text("import a_library_that_is_not_there\n")
    (folder / "params.toml").write_text('summary = "lacks a library"\n')
    monkeypatch.setenv("FANNSBENCH_PLUGINS", str(tmp_path))
    answer = fannsbench("list", "--json")
    (entry,) = [e for e in json.loads(answer.stdout) if e["name"] == "lacking"]
    assert "No module named 'a_library_that_is_not_there'" in entry["problem"]
    assert "No module" in " ".join(fannsbench("list").stdout.split())


def test_list_groups_by_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    entries = json.loads(fannsbench("list", "--json").stdout)
    families = [entry["family"] for entry in entries]
    assert families == sorted(families, key=FAMILIES.index)
    first = [line.split()[0] for line in fannsbench("list").stdout.splitlines() if line.strip()]
    named = [word for word in first if word in {*families, *(entry["name"] for entry in entries)}]
    expected = []
    for family in dict.fromkeys(families):
        expected += [family, *(entry["name"] for entry in entries if entry["family"] == family)]
    assert named == expected


def test_show_tells_parameters_presets_and_source() -> None:
    answer = fannsbench("show", "hnsw", "--json")
    about = json.loads(answer.stdout)
    parameters = {parameter["parameter"]: parameter for parameter in about["parameters"]}
    assert parameters["M"]["default"] == 16
    assert parameters["ef"]["phase"] == "search"
    assert parameters["ef"]["sweep"] is True
    assert "hnswlib" in about["libraries"]
    assert about["family"] == "library"
    text = fannsbench("show", "hnsw").stdout
    assert "ef_construction" in text
    assert "Malkov" in text


def test_an_unknown_name_offers_near_ones() -> None:
    answer = fannsbench("show", "hnws")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "hnsw" in answer.stderr


def test_new_writes_a_plugin_that_passes_its_own_test(tmp_path: Path) -> None:
    created = fannsbench("new", "my-index", "--dir", str(tmp_path))
    assert created.returncode == 0, created.stderr
    folder = tmp_path / "my_index"
    assert {path.name for path in folder.iterdir()} == {"plugin.py", "params.toml", "test_plugin.py"}
    assert "{{" not in "".join(path.read_text() for path in folder.iterdir())
    own = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    tested = subprocess.run(own, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout
    assert "passed" in tested.stdout


@pytest.mark.parametrize("name", ["My Index", "2fast", "hnsw", "a_b", "-x", "../up"])
def test_new_refuses_bad_or_taken_names(name: str, tmp_path: Path) -> None:
    refused = fannsbench("new", "--dir", str(tmp_path), "--", name)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plugin.py").write_text("precious")
    refused = fannsbench("new", "mine", "--dir", str(tmp_path))
    assert refused.returncode == 2
    assert (tmp_path / "mine" / "plugin.py").read_text() == "precious"


def test_new_tells_commands_that_can_be_pasted(tmp_path: Path) -> None:
    created = fannsbench("new", "my-index", "--dir", str(tmp_path / "two words"))
    check, export, run = (shlex.split(line) for line in created.stdout.splitlines()[1:])
    assert check == ["fannsbench", "algorithms", "check", str(tmp_path / "two words" / "my_index")]
    assert export == ["export", f"FANNSBENCH_PLUGINS={tmp_path / 'two words'}"]
    assert run == ["fannsbench", "run", "--algo", "my-index"]


def test_new_leaves_nothing_behind_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = fannsbench("new", "mine", "--dir", str(tmp_path / "file" / "plugins"))
    assert refused.returncode == 2
    assert refused.stderr.startswith("fannsbench: cannot write")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hnws", "unknown algorithm 'hnws'; did you mean hnsw"),
        ("hnsw", "'hnsw' has no environment of its own"),
    ],
)
def test_what_has_no_environment_is_one_line(command: str, name: str, says: str) -> None:
    answer = fannsbench(command, name)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    assert says in answer.stderr


@pytest.mark.parametrize("command", ["show", "check", "install", "uninstall"])
def test_names_complete_in_the_shell(command: str) -> None:
    context = algorithms.commands[command].make_context(command, [], resilient_parsing=True)
    (argument,) = (p for p in algorithms.commands[command].params if isinstance(p, click.Argument))
    offered = [item.value for item in argument.shell_complete(context, "faiss-i")]
    assert offered == ["faiss-ivf", "faiss-ivfpq"]


def test_no_library_of_an_algorithm_is_loaded_before_it_is_needed() -> None:
    code = "import sys, fannsbench.cli.algorithms; print({'numba', 'faiss', 'numpy'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "set()\n"


def test_check_passes_a_sound_algorithm() -> None:
    answer = fannsbench("check", "exact")
    assert answer.returncode == 0, answer.stderr
    assert "answers, filter MEMIS" in answer.stdout
    assert "FAILED" not in answer.stdout


def test_check_says_what_fails_and_exits_with_1(tmp_path: Path) -> None:
    fannsbench("new", "mine", "--dir", str(tmp_path))
    source = tmp_path / "mine" / "plugin.py"
    source.write_text(source.read_text().replace("return nearest\n", "return nearest[:, :-1]\n"))
    answer = fannsbench("check", str(tmp_path / "mine"), "--json")
    assert answer.returncode == 1
    findings = {finding["check"]: finding for finding in json.loads(answer.stdout)}
    assert "shape" in findings["answers, unfiltered"]["detail"]
    table = fannsbench("check", str(tmp_path / "mine"))
    assert table.returncode == 1
    assert "FAILED" in table.stdout
    assert "mine: " in table.stderr


def test_check_of_a_folder_without_a_plugin_is_one_line(tmp_path: Path) -> None:
    answer = fannsbench("check", str(tmp_path))
    assert answer.returncode == 2
    assert "plugin.py" in answer.stderr
    assert answer.stderr.count("\n") == 1

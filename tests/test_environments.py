"""Environments of plugins' own: what they are made of, made for real, interrupted, out of date, removed."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import harness
import pytest
from packaging.requirements import Requirement

from fannsbench import environments, folders, registry
from fannsbench.environments import Environment
from fannsbench.parameters import OwnEnvironment
from fannsbench.results import store

PINNED = "8.1.7"
PARAMS = f"""
summary = "Answers by a library that it pins"
libraries = ["click"]
[environment]
requirements = ["click=={PINNED}"]
"""
ANSWERING = f"""
class Plugin(Plain):
    def search(self, queries, k, selection):
        import click  # where it is used: fannsbench's own process has another

        found = click.__version__
        assert found == "{PINNED}", found
        return super().search(queries, k, selection)
"""


@pytest.fixture
def pinned(bench: harness.Bench) -> registry.Plugin:
    """A plugin whose environment is not installed yet."""
    assert importlib.metadata.version("click") != PINNED
    bench.plugin("pinned", ANSWERING, PARAMS)
    return registry.find("pinned")


# What they are made of


def environment(requirements: list[str], python: str | None = None, **packages: Path) -> Environment:
    return Environment("pinned", OwnEnvironment(requirements=requirements, python=python), packages)


def test_the_folder_changes_with_all_that_it_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        environment(["a==1"]),
        environment(["a==2"]),
        environment(["a==1", "b"]),
        environment(["a==1"], "python3.12"),
        environment(["a==1"], fannsbench=tmp_path),
        environment(["a==1"], fannsbench=tmp_path / "other"),
    ]
    places = [each.folder for each in made]
    assert len(set(places)) == len(places)
    assert environment(["a==1"]).folder == places[0]
    assert all(place.parent == folders.cache() / "environments" for place in places)
    assert all(place.name.startswith("pinned-") for place in places)
    monkeypatch.setattr(environments, "worker_requirements", lambda: ["numpy>=3"])  # as after an update
    assert environment(["a==1"]).folder not in places
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FANNSBENCH_CACHE", "cache")
    assert environment(["a==1"]).folder.parent == tmp_path / "cache" / "environments"


def test_bounds_of_what_a_worker_needs_are_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    declared = {Requirement(text).name: Requirement(text) for text in project["dependencies"]}
    assert set(environments.WORKER_LIBRARIES) <= declared.keys()
    extra = ["numpy>=9; extra == 'test'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: [*project["dependencies"], *extra])
    wanted = [declared[name] for name in environments.WORKER_LIBRARIES]
    assert [Requirement(text) for text in environments.worker_requirements()] == wanted
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy>=2.0"])  # an older checkout's
    assert set(environments.worker_requirements()) == {*environments.WORKER_LIBRARIES, "numpy>=2.0"} - {
        "numpy"
    }


def test_a_worker_imports_what_is_said_and_nothing_else() -> None:
    allowed: set[str] = set()
    found = [*environments.WORKER_LIBRARIES]
    while found:
        name = found.pop().lower().replace("_", "-")
        if name not in allowed:
            allowed.add(name)
            needs = [Requirement(text) for text in importlib.metadata.requires(name) or []]
            found += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    modules = importlib.metadata.packages_distributions()
    hidden = {
        module
        for module, origins in modules.items()
        if module != "fannsbench" and not {origin.lower().replace("_", "-") for origin in origins} & allowed
    }
    assert {"click", "pandas", "rich", "scipy"} <= hidden
    code = """if True:
        import sys
        sys.modules.update(dict.fromkeys(sys.argv[1:]))  # None: cannot be imported
        import fannsbench.run.worker
        print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code, *hidden], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(environments.WORKER_LIBRARIES) <= set(done.stdout.split())


def test_a_python_that_is_not_there(bench: harness.Bench) -> None:
    bench.plugin("pinned", "class Plugin(Plain): ...", PARAMS + 'python = "python0.1"')
    done = harness.command("algorithms", "install", "pinned")
    assert done.code == 1
    assert "algorithm 'pinned': there is no python0.1 on PATH" in done.error
    assert "is not installed" in registry.find("pinned").problem()


def test_where_nothing_can_be_written(pinned: registry.Plugin, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FANNSBENCH_CACHE", str(tmp_path / "file"))
    done = harness.command("algorithms", "install", "pinned")
    assert done.code == 1
    assert str(tmp_path / "file") in done.error


def test_without_an_environment_there_is_none_to_remove(pinned: registry.Plugin) -> None:
    done = harness.command("algorithms", "uninstall", "pinned")
    assert (done.code, done.out) == (0, "pinned has no environment installed\n")


# Made for real


def shared_environment() -> dict[str, str]:
    return {found.name: found.version for found in importlib.metadata.distributions()}


def version_in(python: str) -> str:
    code = "import click; print(click.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.packaging
def test_installed_run_and_removed(
    bench: harness.Bench, pinned: registry.Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shared_environment()
    place = pinned.environment.folder
    outdated, other = (place.parent / f"{name}-{'0' * 16}" for name in ("pinned", "pinned-too"))
    for folder in (outdated, other):
        folder.mkdir(parents=True)
    for variable in ("PIP_TARGET", "PIP_PREFIX"):
        monkeypatch.setenv(variable, str(tmp_path / "astray"))
    refused = harness.command(*bench.arguments("--algo", "pinned"))
    assert refused.code == 2
    assert refused.error.endswith("fannsbench algorithms install pinned")

    done = harness.command("algorithms", "install", "pinned")
    assert (done.code, done.err) == (0, "")
    made, installing, installed, removed = done.out.splitlines()
    assert made.startswith(f"making {place} with ")
    assert f"click=={PINNED}" in installing
    assert installed == f"installed: {place}"
    assert removed == f"removing {outdated}, which is out of date"
    assert not outdated.exists() and other.exists()
    assert registry.find("pinned").problem() is None
    again = harness.command("algorithms", "install", "pinned")
    assert (again.code, again.out, again.err) == (0, f"installed: {place}\n", "")

    # Other packages that Python is told to look for stay out.
    (tmp_path / "leak").mkdir()
    (tmp_path / "leak" / "click.py").write_text("__version__ = 'leaked'")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path / "leak"), os.environ.get("PYTHONPATH", "")])
    )
    ran = harness.command(*bench.arguments("--algo", "pinned"))
    assert ran.code == 0, ran.err
    row = bench.row()
    assert (row.status, row.recall, row.family) == ("ok", 1.0, "other")
    assert store.read(Path(row.path)).identity["libraries"] == {"click": PINNED}
    assert shared_environment() == before
    assert not (tmp_path / "astray").exists()

    done = harness.command("algorithms", "uninstall", "pinned")
    assert (done.code, done.out) == (0, f"removing {place}\n")
    assert not place.exists() and other.exists()
    assert (folders.PACKAGE / "registry.py").is_file()
    assert "is not installed" in registry.find("pinned").problem()


@pytest.mark.packaging
def test_after_an_interruption_two_at_once_make_one(
    pinned: registry.Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is killed while pip, which outlives it, is at work."""
    monkeypatch.setattr(harness, "PATIENCE_SECONDS", 600)  # pip may have to download it all
    made = pinned.environment
    first = harness.start("algorithms", "install", "pinned")
    log = made.folder / "install.log"
    harness.wait_until(lambda: log.exists() and "Collecting click" in log.read_text())
    first.send_signal(signal.SIGKILL)
    harness.finish(first)
    assert not made.is_installed
    both = [harness.start("algorithms", "install", "pinned") for _ in range(2)]
    out = []
    for process in both:
        done = harness.finish(process)
        assert (done.code, done.err) == (0, "")
        out += done.out.splitlines()
    assert sum(line.startswith("waiting for another process") for line in out) == 2
    assert out.count(f"removing {made.folder}, which is incomplete") == 1
    assert sum(line.startswith("making ") for line in out) == 1
    assert out.count(f"installed: {made.folder}") == 2
    assert version_in(registry.find("pinned").interpreter) == PINNED
    assert registry.find("pinned").problem() is None


@pytest.mark.packaging
def test_without_a_network_it_says_what_pip_says(
    pinned: registry.Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {
        "CONFIG_FILE": os.devnull,
        "INDEX_URL": "http://127.0.0.1:9/simple",
        "RETRIES": "0",
        "CACHE_DIR": "",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    done = harness.command("algorithms", "install", "pinned")
    assert done.code == 1
    log = pinned.environment.folder / "install.log"
    says = f"ERROR: No matching distribution found for click=={PINNED}; all of it: {log}"
    assert done.error == f"fannsbench: environment of algorithm 'pinned': {says}"
    assert "Could not find a version" in log.read_text()
    assert "is not installed" in registry.find("pinned").problem()
    assert harness.command("algorithms", "uninstall", "pinned").out == f"removing {log.parent}\n"


@pytest.mark.packaging
def test_requirements_that_bring_what_is_linked_are_refused(bench: harness.Bench, tmp_path: Path) -> None:
    """Else a worker would run another fannsbench than the one that started it."""
    other = tmp_path / "other"
    (other / "fannsbench").mkdir(parents=True)
    (other / "fannsbench" / "__init__.py").write_text("")
    (other / "pyproject.toml").write_text(
        '[project]\nname = "fannsbench"\nversion = "9"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    )
    bench.plugin("pinned", ANSWERING, PARAMS.replace("click==8.1.7", f"fannsbench @ {other.as_uri()}"))
    done = harness.command("algorithms", "install", "pinned")
    assert done.code == 1
    assert done.error.endswith("its requirements bring another fannsbench; leave out what needs fannsbench")
    assert not registry.find("pinned").environment.is_installed

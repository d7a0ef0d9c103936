"""What a user installs: a wheel's content, a clean install used from another folder, an editable install.

These build distributions and make virtual environments, so they run only with `pytest -m packaging`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

CHECKOUT = Path(__file__).parent.parent
ALGORITHMS = {
    "exact",
    "hnsw",
    "hnsw-infilter",
    "faiss-flat",
    "faiss-ivf",
    "faiss-ivfpq",
    "faiss-hnsw",
    "annoy",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (built,) = folder.glob("*.whl")
    return built


def environment(folder: Path, *install: str) -> Path:
    """A new virtual environment with the project installed; dependencies are this environment's own."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    command = [python, "-m", "pip", "install", "-q", "--no-deps", *install]
    subprocess.run(command, check=True, capture_output=True, text=True)
    # Behind the new environment's own packages, so that fannsbench comes from there and not from here.
    (Path(site) / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def fannsbench(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FANNSBENCH") and k != "PYTHONPATH"}
    clean |= {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [python.parent / "fannsbench", *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_the_wheel_holds_algorithms_data_set_licences_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = {name.split("/")[2] for name in names if name.startswith("fannsbench/algorithms/")}
    assert {name.replace("-", "_") for name in ALGORITHMS} <= folders
    for name in ALGORITHMS:
        folder = f"fannsbench/algorithms/{name.replace('-', '_')}"
        assert {f"{folder}/plugin.py", f"{folder}/params.toml"} <= names
    assert {f"fannsbench/datasets/{name}" for name in ("catalogue.toml", "wordnet-10k.h5")} <= names
    assert "fannsbench/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("wordnet-10k.LICENSE.txt") for name in names)
    assert not any(name.startswith(("tests/", "algorithms/", "datasets/", "results/")) for name in names)


def test_a_clean_install_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", str(wheel))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = subprocess.run(
        [python, "-c", "import fannsbench; print(fannsbench.__file__)"],
        cwd=elsewhere, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert str(tmp_path) in where
    listed = fannsbench(python, elsewhere, "algorithms", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert {entry["name"] for entry in json.loads(listed.stdout)} >= ALGORITHMS
    ran = fannsbench(python, elsewhere, "run", "--algo", "hnsw,exact", "--queries", "50", "--runs", "1")
    assert ran.returncode == 0, ran.stderr
    assert "wordnet-10k" in ran.stdout
    assert list((elsewhere / "results").rglob("*.png"))
    created = fannsbench(python, elsewhere, "algorithms", "new", "my-index", "--dir", str(elsewhere / "mine"))
    assert created.returncode == 0, created.stderr
    checked = fannsbench(python, elsewhere, "algorithms", "check", str(elsewhere / "mine" / "my_index"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


PINNING = """
import importlib.util

import numpy as np

from fannsbench.algorithm import Algorithm


class Quick(Algorithm):
    def build(self, items, threads):
        import click

        from acme_search import ANSWER

        assert (click.__version__, ANSWER) == ("8.1.7", 42)
        leaks = [name for name in ("acme_other", "annoy", "pandas") if importlib.util.find_spec(name)]
        assert not leaks, leaks
        self.vectors = items.vectors

    def search(self, queries, k, selection):
        squares = ((queries[:, None] - self.vectors) ** 2).sum(axis=2)
        return squares.argsort(axis=1)[:, :k].astype(np.int32)

    def save(self, folder): ...
    def load(self, folder, items): ...
"""


def test_an_installed_plugin_runs_in_its_environment_and_sees_no_other(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", str(wheel))
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    files = {
        "acme_other.py": "",
        "acme_search/__init__.py": "ANSWER = 42",
        "acme_search/quick/__init__.py": "",
        "acme_search/quick/plugin.py": PINNING,
        "acme_search/quick/params.toml": 'summary = "Pins"\nlibraries = ["click"]\n'
        '[environment]\nrequirements = ["click==8.1.7"]\n',
        "acme_search-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-search\nVersion: 1.0\n",
        "acme_search-1.0.dist-info/entry_points.txt": "[fannsbench.algorithms]\n"
        "acme-quick = acme_search.quick\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    made = fannsbench(python, tmp_path, "algorithms", "install", "acme-quick")
    assert (made.returncode, made.stderr) == (0, "")
    ran = fannsbench(python, tmp_path, "run", "--algo", "acme-quick", "--queries", "5", "--runs", "1")
    assert ran.returncode == 0, ran.stderr


def test_an_editable_install_finds_the_checkout(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "--editable", str(CHECKOUT))
    listed = fannsbench(python, tmp_path, "algorithms", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert {entry["name"] for entry in json.loads(listed.stdout)} >= ALGORITHMS
    code = "import fannsbench.algorithms.hnsw.plugin as p; print(p.__file__)"
    found = subprocess.run(
        [python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    assert found.strip() == str(CHECKOUT / "algorithms" / "hnsw" / "plugin.py")

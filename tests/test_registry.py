"""Finding algorithms: in folders and in installed packages, whole, broken, and twice."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent

import numpy
import pytest

from fannsbench import algorithms, folders, registry
from fannsbench.algorithm import Algorithm, Items, Metric
from fannsbench.errors import PluginError, UnknownNameError

PLUGIN = """
from fannsbench.algorithm import Algorithm

class Plugin(Algorithm):
    def build(self, items, threads): ...
    def search(self, queries, k, selection): return "searched by {name}"
    def save(self, folder): ...
    def load(self, folder, items): ...
"""


@pytest.fixture(autouse=True)
def fresh_imports(monkeypatch):
    """What a test imports is forgotten after it."""
    monkeypatch.setattr(algorithms, "__path__", list(algorithms.__path__))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("fannsbench.algorithms.", "acme")):
            del sys.modules[name]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of the user's plugins."""
    monkeypatch.setenv("FANNSBENCH_PLUGINS", str(tmp_path / "plugins"))
    return tmp_path / "plugins"


def write(folder: Path, code: str | None = None, params: str = 'summary = "A test"') -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugin.py").write_text(PLUGIN.format(name=folder.name) if code is None else dedent(code))
    (folder / "params.toml").write_text(params)
    return folder


def install(site: Path, distribution: str, entries: dict[str, str]) -> None:
    """What pip leaves of a distribution besides its packages."""
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    points = "".join(f"{name} = {value}\n" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[fannsbench.algorithms]\n{points}")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def search(plugin):
    return plugin.load()(Metric.EUCLIDEAN, 0).search(None, 1, None)


def test_bundled_algorithms_are_found():
    known = registry.plugins()
    assert known.keys() == {
        path.parent.name.replace("_", "-") for path in folders.bundled("algorithms").glob("[a-z]*/plugin.py")
    }
    assert {"exact", "hnsw"} <= known.keys()
    assert list(known) == sorted(known)
    exact = registry.find("exact")
    assert (exact.origin, exact.folder) == ("bundled", folders.bundled("algorithms") / "exact")
    assert exact.problem() is None
    assert issubclass(exact.load(), Algorithm)
    assert exact.interpreter == sys.executable


def test_instances_are_made_by_the_defaults_of_what_is_not_given():
    plugin = registry.find("hnsw-native")
    one = plugin.create(Metric.COSINE, M=4)
    usual = {name: parameter.default for name, parameter in plugin.declaration.build.items()}
    assert type(one) is plugin.load()
    assert (one.metric, one.seed, one.M, one.ef_construction) == (
        Metric.COSINE,
        0,
        4,
        usual["ef_construction"],
    )
    assert plugin.create(Metric.EUCLIDEAN, 5).seed == 5
    with pytest.raises(TypeError, match="depth"):
        plugin.create(Metric.COSINE, depth=4)


def test_folders_of_the_user(tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    write(one / "fast_graph")
    write(other / "slow_graph")
    monkeypatch.setenv("FANNSBENCH_PLUGINS", f"{one}:{other}:{tmp_path / 'nowhere'}:")
    assert {"exact", "fast-graph", "slow-graph"} <= registry.plugins().keys()
    plugin = registry.find("slow-graph")
    assert (plugin.name, plugin.folder, plugin.origin) == (
        "slow-graph",
        other / "slow_graph",
        "FANNSBENCH_PLUGINS",
    )
    assert plugin.declaration.summary == "A test"
    assert plugin.problem() is None
    assert search(plugin) == "searched by slow_graph"


def test_a_relative_folder_is_found_from_elsewhere(tmp_path, monkeypatch):
    write(tmp_path / "plugins" / "near_by")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FANNSBENCH_PLUGINS", "plugins")
    plugin = registry.find("near-by")
    monkeypatch.chdir("/")
    assert search(plugin) == "searched by near_by"


def test_names_are_found_without_importing_anything(place):
    write(place / "explosive", "raise SystemExit('imported')")
    assert registry.find("explosive").declaration.summary == "A test"
    assert not any("explosive" in name for name in sys.modules)


def test_folders_that_are_no_algorithms_are_ignored(place):
    before = registry.plugins().keys()
    write(place / "_shared")
    write(place / ".hidden")
    (place / "notes").mkdir()
    (place / "notes" / "params.toml").write_text('summary = "no plugin.py"')
    (place / "file.py").write_text("")
    assert registry.plugins().keys() == before


def test_a_folder_that_is_on_no_path(tmp_path):
    plugin = registry.from_folder(write(tmp_path / "apart" / "lone_graph"))
    assert (plugin.name, plugin.origin) == ("lone-graph", "given folder")
    assert search(plugin) == "searched by lone_graph"
    assert "lone-graph" not in registry.plugins()
    with pytest.raises(PluginError, match=r"has no plugin\.py"):
        registry.from_folder(tmp_path / "apart")


def test_plugins_share_code_of_a_folder_beside_them(place):
    (place / "_common").mkdir(parents=True)
    (place / "_common" / "answer.py").write_text("ANSWER = 'shared'")
    code = "from fannsbench.algorithms._common.answer import ANSWER\n" + PLUGIN.replace(
        '"searched by {name}"', "ANSWER"
    )
    write(place / "sharing", code)
    assert search(registry.find("sharing")) == "shared"


def test_entry_points_of_an_installed_distribution(site):
    write(site / "acme_search" / "quick")
    (site / "acme_search" / "__init__.py").write_text("")
    install(site, "acme-search", {"acme-quick": "acme_search.quick"})
    plugin = registry.find("acme-quick")
    assert (plugin.folder, plugin.package) == (site / "acme_search" / "quick", "acme_search.quick")
    assert plugin.origin == "entry point of acme-search"
    assert plugin.problem() is None
    assert search(plugin) == "searched by quick"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("acme_broken.quick", "ModuleNotFoundError: No module named 'acme_library_that_is_not_there'"),
        ("acme_gone.quick", "acme_gone/quick/params.toml: No such file or directory"),
        ("acme_broken.nothing", "acme_broken/nothing/params.toml: No such file or directory"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_listed_with_the_reason(site, value, says):
    write(site / "acme_broken" / "quick")
    (site / "acme_broken" / "__init__.py").write_text("import acme_library_that_is_not_there")
    install(site, "acme-broken", {"acme-quick": value})
    known = registry.plugins()
    assert says in known["acme-quick"].problem()
    assert known["exact"].problem() is None


def test_a_name_that_is_taken_twice_names_both_places(place, site):
    write(place / "exact")
    with pytest.raises(PluginError) as error:
        registry.plugins()
    assert f"{folders.bundled('algorithms') / 'exact'} (bundled)" in str(error.value)
    assert f"{place / 'exact'} (FANNSBENCH_PLUGINS)" in str(error.value)
    (place / "exact").rename(place / "acme_quick")
    write(site / "acme_search" / "quick")
    install(site, "acme-search", {"acme-quick": "acme_search.quick"})
    with pytest.raises(PluginError) as error:
        registry.find("hnsw")
    assert f"{place / 'acme_quick'} (FANNSBENCH_PLUGINS)" in str(error.value)
    assert f"{site / 'acme_search' / 'quick'} (entry point of acme-search)" in str(error.value)


def test_a_folder_named_twice_is_one(place, monkeypatch):
    write(place / "only_once")
    (place.parent / "link").symlink_to(place)
    monkeypatch.setenv("FANNSBENCH_PLUGINS", f"{place}:{place}/:{place.parent / 'link'}")
    assert registry.find("only-once").folder == place / "only_once"


def test_a_given_folder_is_not_mistaken_for_a_bundled_one_of_the_same_name(tmp_path):
    plugin = registry.from_folder(write(tmp_path / "mine" / "exact"))
    problem = f"is hidden by {folders.bundled('algorithms') / 'exact'}, which is called the same"
    with pytest.raises(PluginError, match=re.escape(problem)):
        plugin.load()


def test_near_names_are_offered(place):
    write(place / "fast_graph")
    with pytest.raises(UnknownNameError, match="unknown algorithm 'fast-grpah'; did you mean fast-graph"):
        registry.find("fast-grpah")
    with pytest.raises(UnknownNameError, match="did you mean fast-graph"):
        registry.find("fast_graph")


# What a plugin may get wrong


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise ImportError('first line\\nsecond line')", "ImportError: first line second line"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('no such processor')", "SystemExit: no such processor"),
        ("x = 1", "defines 0 subclasses of Algorithm; it must define one"),
        ("from fannsbench.algorithm import Algorithm", "defines 0 subclasses"),
        (PLUGIN + PLUGIN.replace("class Plugin", "class Second"), "defines 2 subclasses"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_listed_with_the_reason(place, code, says):
    write(place / "faulty", code)
    plugin = registry.plugins()["faulty"]
    with pytest.raises(PluginError, match=re.escape(says)) as error:
        plugin.load()
    assert str(place / "faulty") in str(error.value)
    assert plugin.problem() == str(error.value)
    assert "\n" not in plugin.problem()


def test_an_interrupt_while_importing_is_the_users(place):
    write(place / "slow_import", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        registry.find("slow-import").problem()


def test_a_base_class_of_ones_own_does_not_count(place):
    (place / "_base").mkdir(parents=True)
    (place / "_base" / "base.py").write_text(PLUGIN.format(name="base"))
    code = "from fannsbench.algorithms._base.base import Plugin as Base\nclass Mine(Base): ..."
    write(place / "derived", code)
    assert registry.find("derived").load().__name__ == "Mine"


def test_a_broken_or_missing_declaration_is_a_problem_of_that_plugin_only(place):
    write(place / "broken", params="summary = ")
    write(place / "undeclared")
    (place / "undeclared" / "params.toml").unlink()
    known = registry.plugins()
    assert f"{place / 'broken' / 'params.toml'} is not TOML" in known["broken"].problem()
    assert "No such file or directory; a plugin declares" in known["undeclared"].problem()
    assert known["exact"].problem() is None


# Libraries and interpreters


def test_versions_of_libraries_and_a_missing_one(place):
    write(place / "wanting", params='summary = "A test"\nlibraries = ["numpy", "h5py"]')
    plugin = registry.find("wanting")
    assert plugin.library_versions()["numpy"] == numpy.__version__
    assert list(plugin.library_versions()) == ["numpy", "h5py"]
    write(place / "lacking", params='summary = "A test"\nlibraries = ["numpy", "no-such-library"]')
    problem = "algorithm 'lacking': it needs no-such-library: pip install no-such-library"
    assert registry.find("lacking").problem() == problem


@pytest.mark.parametrize(
    ("libraries", "extra", "says"),
    [
        (["numpy>=1.20", "h5py"], "", None),
        (["numpy>=999"], "", f"it needs numpy>=999 ({numpy.__version__} is here): pip install 'numpy>=999'"),
        (["numpy<1"], "", f"it needs numpy<1 ({numpy.__version__} is here): pip install 'numpy<1'"),
        (
            ["none-such", "numpy", "nor-this"],
            "",
            "it needs none-such, nor-this: pip install none-such nor-this",
        ),
        (["none-such>=2"], "engines", "it needs none-such>=2: pip install 'fannsbench[engines]'"),
        (["numpy"], "engines", None),
    ],
)
def test_versions_of_libraries_that_are_wanted(place, libraries, extra, says):
    requires = f'[requires]\nextra = "{extra}"' if extra else ""
    write(place / "wanting", params=f'summary = "A test"\nlibraries = {libraries}\n{requires}')
    plugin = registry.find("wanting")
    assert plugin.problem() == (says and f"algorithm 'wanting': {says}")
    if says:
        with pytest.raises(PluginError, match=re.escape(says)):
            plugin.library_versions()
    else:
        assert plugin.library_versions()["numpy"] == numpy.__version__


def test_all_that_is_missing_is_told_in_one_line(place):
    params = """
        summary = "A test"
        libraries = ["none-such"]
        [requires]
        executables = {no-such-server = "server"}
        platforms = ["plan9-mips"]
        instructions = ["warp9"]
    """
    write(place / "wanting", "raise ImportError('of none-such')", params)
    problem = registry.find("wanting").problem()
    assert "\n" not in problem
    places = [
        problem.index(part)
        for part in (
            "algorithm 'wanting': it runs on plan9-mips only, and this is ",
            "; it needs a processor with warp9",
            "; it needs no-such-server on PATH: apt install server",
            "; it needs none-such: pip install none-such",
        )
    ]
    assert places == sorted(places)


def test_families_are_told_without_importing_anything(place):
    write(place / "explosive", "raise SystemExit('imported')", 'summary = "x"\nfamily = "engine"')
    write(place / "homeless")
    write(place / "broken", params='summary = "x"\nfamily = "none of these"')
    families = registry.families()
    assert (families["explosive"], families["homeless"]) == ("engine", "other")
    assert "broken" not in families
    assert (families["hnsw"], families["faiss-flat"], families["ung"]) == ("library", "exact", "specialised")
    bundled = {name for name, plugin in registry.plugins().items() if plugin.origin == "bundled"}
    assert [name for name in bundled if families[name] == "other"] == []


def test_an_environment_that_is_not_installed(place):
    params = 'summary = "x"\nlibraries = ["click"]\n[environment]\nrequirements = ["click==8.1.7"]'
    write(place / "pinned", params=params)
    plugin = registry.find("pinned")
    says = "algorithm 'pinned': its environment is not installed: fannsbench algorithms install pinned"
    assert plugin.problem() == says
    with pytest.raises(PluginError, match=says):
        plugin.library_versions()
    assert plugin.interpreter == str(plugin.environment.python)
    assert plugin.environment.packages == {"fannsbench": folders.PACKAGE}


def test_the_environment_of_an_installed_plugin_links_its_package(site):
    params = 'summary = "x"\n[environment]\nrequirements = ["click==8.1.7"]'
    write(site / "acme_search" / "deep" / "quick", params=params)
    for package in ("acme_search", "acme_search/deep"):
        (site / package / "__init__.py").write_text("")
    write(site / "acme_alone", params=params)
    install(site, "acme-search", {"acme-quick": "acme_search.deep.quick", "acme-alone": "acme_alone"})
    for name, package in (("acme-quick", "acme_search"), ("acme-alone", "acme_alone")):
        linked = registry.find(name).environment.packages
        assert linked == {"fannsbench": folders.PACKAGE, package: site / package}


def with_interpreter(place: Path, name: str, interpreter: Path | str, libraries: str = '["numpy"]'):
    params = f'summary = "A test"\nlibraries = {libraries}\ninterpreter = "{interpreter}"'
    write(place / name, params=params)
    return registry.find(name)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_another_interpreter_tells_its_own_versions(place, tmp_path):
    site = tmp_path / "others" / "site"
    install(site, "numpy", {})
    python = script(tmp_path / "python", f'PYTHONPATH={site} exec {sys.executable} "$@"')
    plugin = with_interpreter(place, "apart", python)
    assert plugin.interpreter == str(python)
    assert plugin.library_versions() == {"numpy": "1.0"}
    assert plugin.problem() is None
    other = with_interpreter(place, "apart-too", python, '["no-such-library", "numpy>=1.1"]')
    needs = "no-such-library, numpy>=1.1 (1.0 is here)"
    command = f"{python} -m pip install no-such-library 'numpy>=1.1'"
    assert other.problem() == f"algorithm 'apart-too': it needs {needs}: {command}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exit 3", "exit code 3"),
        ("echo broken >&2; exit 1", "broken"),
        ("echo hello", "it does not run as a Python"),
        ("echo 3", "it does not run as a Python"),
        ("true", "it does not run as a Python"),
    ],
)
def test_an_interpreter_that_cannot_run_the_plugin_is_a_problem(place, tmp_path, text, says):
    python = script(tmp_path / "python", text)
    problem = with_interpreter(place, "apart", python, '["no-such-library"]').problem()
    assert problem.startswith(f"algorithm 'apart': interpreter {python}: {says}")
    assert "\n" not in problem


def test_an_interpreter_that_is_not_there(place, tmp_path):
    problem = with_interpreter(place, "apart", tmp_path / "nowhere").problem()
    assert problem.startswith(f"algorithm 'apart': interpreter {tmp_path / 'nowhere'}: ")
    assert "FileNotFoundError" in problem


# The hash of the sources


def test_the_hash_changes_with_the_code_that_runs(place):
    folder = write(place / "mine")
    seen = [fresh_hash(folder)]
    assert fresh_hash(folder) == seen[0]

    def change(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        seen.append(fresh_hash(folder))

    change(folder / "plugin.py", "from fannsbench.algorithms import _graph")
    change(folder / "params.toml", 'summary = "Another"')
    change(folder / "deep" / "er.py", "x = 1")
    change(place / "_graph" / "core.py", "from .._pool import pool")  # named by the plugin
    change(place / "_pool" / "pool.py", "x = 1")  # named by what the plugin names
    change(place / "_pool" / "pool.py", "x = 2")
    change(place / "other" / "plugin.py", "x = 1")
    assert seen.pop() == seen[-1]  # the plugin does not name it yet
    change(folder / "params.toml", 'source = "fannsbench.algorithms.other.plugin"')
    change(place / "other" / "plugin.py", "x = 2")
    (folder / "deep" / "er.py").rename(folder / "deep" / "other.py")
    seen.append(fresh_hash(folder))
    assert len(set(seen)) == len(seen)


def test_the_hash_does_not_change_with_what_does_not_run(place):
    folder = write(place / "mine", "from fannsbench.algorithms._graph import core")
    before = fresh_hash(folder)
    write(place / "other")
    write(place / "_unused")
    (folder / "README.md").write_text("words")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "plugin.cpython-311.pyc").write_bytes(b"x")
    assert fresh_hash(folder) == before


def test_the_hash_holds_the_kernels_of_those_that_use_them(place, tmp_path, monkeypatch):
    plain, direct = (
        write(place / "plain"),
        write(place / "direct", "from fannsbench.kernels.match import matches"),
    )
    indirect = write(place / "indirect", "from fannsbench.algorithms._graph import core")
    (place / "_graph").mkdir()
    (place / "_graph" / "core.py").write_text("from fannsbench.kernels import jit")
    before = [fresh_hash(folder) for folder in (plain, direct, indirect)]
    (tmp_path / "package" / "kernels").mkdir(parents=True)
    monkeypatch.setattr(folders, "PACKAGE", tmp_path / "package")
    after = [fresh_hash(folder) for folder in (plain, direct, indirect)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]


def fresh_hash(folder: Path) -> str:
    return registry.from_folder(folder).source_hash


# The contract's defaults


def test_defaults_of_the_contract(place):
    write(place / "minimal")
    algorithm = registry.find("minimal").load()(Metric.COSINE, 7)
    assert (algorithm.metric, algorithm.seed, algorithm.threads) == (Metric.COSINE, 7, 1)
    assert (algorithm.filters, algorithm.metrics) == (frozenset(), {Metric.EUCLIDEAN})
    assert (algorithm.exact_filter, algorithm.builds_on_attributes) == (True, True)
    assert (algorithm.counters(), algorithm.preprocess_seconds) == ({}, 0.0)
    assert algorithm.configure() is algorithm.warm_up() is None
    assert algorithm.select("filters") == "filters"
    assert type(algorithm).skip(None, None) is None
    assert algorithm.progress(1, 2) is None
    with pytest.raises(TypeError, match="abstract"):
        type("Unfinished", (Algorithm,), {})(Metric.COSINE, 0)
    with pytest.raises(TypeError):
        algorithm.configure(ef=10)
    assert Items(numpy.zeros((1, 1)), {}) != Items(numpy.zeros((1, 1)), {})

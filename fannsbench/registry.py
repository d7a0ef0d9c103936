"""Finds algorithms: names first, imports on use.

An algorithm `fast-graph` is a folder `fast_graph/` with `plugin.py` and `params.toml`, found in
1. the bundled `algorithms/`, 2. the folders named by $FANNSBENCH_PLUGINS, 3. packages that declare the entry
point group `fannsbench.algorithms` (`fast-graph = "their_package.fast_graph"`). Folders whose names begin
with `_` hold code shared by plugins and are no algorithms.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from fannsbench import algorithms, folders, prerequisites
from fannsbench.environments import Environment
from fannsbench.errors import PluginError, UnknownNameError, one_line
from fannsbench.parameters import Declaration, Family, Value, defaults

if TYPE_CHECKING:
    from fannsbench.algorithm import Algorithm, Metric

ENTRY_POINTS = "fannsbench.algorithms"
_PACKAGE = "fannsbench.algorithms"


@dataclass(frozen=True)
class Plugin:
    """One algorithm's folder; nothing of it is imported until `load`."""

    name: str
    folder: Path
    package: str
    """Import name of the folder; `plugin` is its module."""
    origin: str

    @cached_property
    def declaration(self) -> Declaration:
        return Declaration.read(self.folder / "params.toml")

    @cached_property
    def environment(self) -> Environment | None:
        """The Python of its own, installed or not, if it declares one."""
        if self.declaration.environment is None:
            return None
        packages = {"fannsbench": folders.PACKAGE}
        top, *inner = self.package.split(".")
        if top not in packages:
            packages[top] = [self.folder, *self.folder.parents][len(inner)]
        return Environment(self.name, self.declaration.environment, packages)

    @property
    def interpreter(self) -> str:
        """The Python that runs this algorithm's worker."""
        if self.environment:
            return str(self.environment.python)
        return self.declaration.interpreter or sys.executable

    def load(self) -> type[Algorithm]:
        """The plugin's class. Raises PluginError if it cannot be imported or is not a single Algorithm."""
        from fannsbench.algorithm import Algorithm

        if self.package.startswith(f"{_PACKAGE}.") and str(self.folder.parent) not in algorithms.__path__:
            algorithms.__path__.append(str(self.folder.parent))
        importlib.invalidate_caches()
        try:
            with redirect_stdout(sys.stderr):  # standard output is fannsbench's own, and may be JSON
                module = importlib.import_module(f"{self.package}.plugin")
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"algorithm {self.name!r} ({self.folder}): {type(error).__name__}: {one_line(error)}"
            ) from error
        imported = Path(module.__file__ or "").resolve().parent
        if imported != self.folder.resolve():
            raise PluginError(
                f"algorithm {self.name!r} ({self.folder}) is hidden by {imported}, which is called the same; "
                "rename its folder"
            )
        classes = [
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, Algorithm) and value.__module__ == module.__name__
        ]
        if len(classes) != 1:
            raise PluginError(
                f"{self.folder / 'plugin.py'} defines {len(classes)} subclasses of Algorithm; "
                "it must define one"
            )
        return classes[0]

    def create(self, metric: Metric, seed: int = 0, **build: Value) -> Algorithm:
        """An instance, by the defaults of the build parameters that are not given. Raises PluginError as
        `load` does."""
        return self.load()(metric, seed, **defaults(self.declaration.build) | build)

    def problem(self) -> str | None:
        """Why it cannot be used, and what would help: all that is missing, else a broken params.toml or
        plugin.py; None if it can."""
        try:
            reasons = [*prerequisites.missing(self.declaration.requires), *self._missing_libraries()]
            if not reasons:
                self.load()
        except PluginError as error:
            return str(error)
        return self._says(reasons) if reasons else None

    @cached_property
    def source_hash(self) -> str:
        """Changes whenever code that the plugin runs changes: its folder, and, where it uses them, the
        `_` folders and other plugins beside it, and fannsbench's kernels."""
        beside = self.folder.parent
        shared = {place.name: place for place in sorted(beside.glob("_[!_]*")) if place.is_dir()}
        plugins = (path.parent for path in sorted(beside.glob("[!_.]*/plugin.py")))
        shared |= {f"algorithms.{place.name}.": place for place in plugins if place != self.folder}
        shared["fannsbench.kernels"] = folders.PACKAGE / "kernels"
        text = _sources(self.folder)
        while used := [name for name in shared if name.encode() in text]:
            text += b"".join(_sources(shared.pop(name)) for name in used)
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    def library_versions(self) -> dict[str, str]:
        """Versions of the libraries that params.toml names, by name, as its interpreter sees them.

        Raises PluginError if one is missing or of another version than is wanted."""
        if reasons := self._missing_libraries():
            raise PluginError(self._says(reasons))
        return {name: version for name, version in self._versions().items() if version}

    def _missing_libraries(self) -> list[str]:
        """Why its Python cannot run it, each reason with what would help."""
        if self.environment and not self.environment.is_installed:
            return [f"its environment is not installed: fannsbench algorithms install {self.name}"]
        try:
            found = self._versions()
        except PluginError as error:
            return [str(error)]
        lacking = [each for each in self._libraries if not _satisfies(found[each.name], each)]
        if not lacking:
            return []
        needs = ", ".join(
            f"{each} ({found[each.name]} is here)" if found[each.name] else str(each) for each in lacking
        )
        if self.environment:
            return [f"its environment lacks {needs}: [environment] requirements should bring it"]
        extra = self.declaration.requires.extra
        what = [f"fannsbench[{extra}]"] if extra else [str(each) for each in lacking]
        pip = [self.interpreter, "-m", "pip"] if self.declaration.interpreter else ["pip"]
        return [f"it needs {needs}: {shlex.join([*pip, 'install', *what])}"]

    @cached_property
    def _libraries(self) -> list[Requirement]:
        return [Requirement(library) for library in self.declaration.libraries]

    def _versions(self) -> dict[str, str | None]:
        return prerequisites.versions(self.interpreter, tuple(each.name for each in self._libraries))

    def _says(self, reasons: list[str]) -> str:
        return f"algorithm {self.name!r}: {'; '.join(reasons)}"


def _satisfies(version: str | None, library: Requirement) -> bool:
    if version is None or not library.specifier:
        return version is not None
    return library.specifier.contains(version, prereleases=True)


def _sources(folder: Path) -> bytes:
    """Names and contents of the code in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml"))
    return b"".join(f"{path.relative_to(folder)}\n".encode() + path.read_bytes() for path in files)


def plugins() -> dict[str, Plugin]:
    """All algorithms by name. Raises PluginError if two places define the same name."""
    found: dict[str, Plugin] = {}
    for plugin in _candidates():
        other = found.setdefault(plugin.name, plugin)
        if other.folder.resolve() != plugin.folder.resolve():
            raise PluginError(
                f"algorithm {plugin.name!r} is defined twice: {other.folder} ({other.origin}) and "
                f"{plugin.folder} ({plugin.origin}); rename one"
            )
    return dict(sorted(found.items()))


def families() -> dict[str, Family]:
    """The family of every algorithm by name; nothing is imported, and what cannot be read is left out."""
    found: dict[str, Family] = {}
    for plugin in _candidates():
        with suppress(PluginError):
            found[plugin.name] = plugin.declaration.family
    return found


def find(name: str) -> Plugin:
    """Raises UnknownNameError."""
    known = plugins()
    if name not in known:
        raise UnknownNameError("algorithm", name, known)
    return known[name]


def from_folder(folder: Path) -> Plugin:
    """The plugin in a folder that need not be on any path. Raises PluginError if it holds none."""
    folder = folder.resolve()
    if not (folder / "plugin.py").is_file():
        raise PluginError(f"{folder} has no plugin.py; a plugin is a folder with plugin.py and params.toml")
    return _of_folder(folder, "given folder")


def _candidates() -> Iterator[Plugin]:
    places = [(folders.bundled("algorithms"), "bundled")]
    places += [(folder, "FANNSBENCH_PLUGINS") for folder in folders.user_plugins()]
    for place, origin in places:
        for declaration in sorted(place.glob("[!_.]*/plugin.py")):
            yield _of_folder(declaration.parent, origin)
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        origin = f"entry point of {point.dist.name if point.dist else point.module}"
        yield Plugin(point.name, _folder_of(point), point.module, origin)


def _folder_of(point: importlib.metadata.EntryPoint) -> Path:
    """Where an entry point's package lies, also if it, or a package around it, cannot be imported."""
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception:
        spec = None
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    relative = point.module.replace(".", "/")
    return Path(str(point.dist.locate_file(relative))) if point.dist else Path(relative)


def _of_folder(folder: Path, origin: str) -> Plugin:
    return Plugin(folder.name.replace("_", "-"), folder, f"{_PACKAGE}.{folder.name}", origin)

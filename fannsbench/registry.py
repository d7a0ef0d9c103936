"""Finds algorithms: names first, imports on use.

An algorithm `fast-graph` is a folder `fast_graph/` with `plugin.py` and `params.toml`, found in
1. the bundled `algorithms/`, 2. the folders named by $FANNSBENCH_PLUGINS, 3. packages that declare the entry
point group `fannsbench.algorithms` (`fast-graph = "their_package.fast_graph"`). Folders whose names begin
with `_` hold code shared by plugins and are no algorithms.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fannsbench import folders
from fannsbench.errors import PluginError, UnknownNameError
from fannsbench.parameters import Declaration

if TYPE_CHECKING:
    from fannsbench.algorithm import Algorithm

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

    @property
    def interpreter(self) -> str:
        """The Python that runs this algorithm's worker."""
        return self.declaration.interpreter or sys.executable

    def load(self) -> type[Algorithm]:
        """The plugin's class. Raises PluginError if it cannot be imported or is not a single Algorithm."""
        from fannsbench.algorithm import Algorithm

        try:
            module = importlib.import_module(f"{self.package}.plugin")
        except Exception as error:
            raise PluginError(
                f"algorithm {self.name!r} ({self.folder}): {type(error).__name__}: {error}"
            ) from error
        classes = [
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, Algorithm) and value.__module__ == module.__name__
        ]
        if len(classes) != 1:
            raise PluginError(
                f"{self.folder / 'plugin.py'} defines {len(classes)} subclasses of Algorithm; it must define one"
            )
        return classes[0]

    def problem(self) -> str | None:
        """Why it cannot be used (a missing library, a broken params.toml); None if it can."""
        try:
            _ = self.declaration
            self.load()
            self.library_versions()
        except PluginError as error:
            return str(error)
        return None

    @cached_property
    def source_hash(self) -> str:
        """Changes whenever code that the plugin runs changes: its folder, and, where it uses them, the
        `_` folders beside it and fannsbench's kernels."""
        own = sorted(p for p in self.folder.rglob("*") if p.suffix in (".py", ".toml"))
        text = b"".join(path.read_bytes() for path in own)
        shared = [f for f in self.folder.parent.glob("_*") if f".{f.name}".encode() in text and f.is_dir()]
        if b"fannsbench.kernels" in text:
            shared.append(folders.PACKAGE / "kernels")
        digest = hashlib.blake2b(text, digest_size=8)
        for path in sorted(path for folder in shared for path in folder.rglob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def library_versions(self) -> dict[str, str]:
        """Versions of the libraries that params.toml names, as its interpreter sees them.

        Raises PluginError if one is not installed."""
        return dict(_versions(self.name, self.interpreter, tuple(self.declaration.libraries)))


@functools.cache
def _versions(name: str, interpreter: str, libraries: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    try:
        if interpreter == sys.executable:
            return tuple((library, importlib.metadata.version(library)) for library in libraries)
        code = "import sys, json, importlib.metadata as m; print(json.dumps([m.version(a) for a in sys.argv[1:]]))"
        answer = subprocess.run(
            [interpreter, "-c", code, *libraries], capture_output=True, text=True, check=False, timeout=60
        )
        if answer.returncode:
            raise PluginError(f"algorithm {name!r}: {interpreter}: {answer.stderr.strip().splitlines()[-1]}")
        return tuple(zip(libraries, json.loads(answer.stdout), strict=True))
    except importlib.metadata.PackageNotFoundError as error:
        raise PluginError(f"algorithm {name!r} needs {error.name}; pip install {error.name}") from None
    except OSError as error:
        raise PluginError(f"algorithm {name!r}: interpreter {interpreter}: {error.strerror}") from None


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
    import fannsbench.algorithms as package

    if str(folder.parent) not in package.__path__:
        package.__path__.append(str(folder.parent))
    return _of_folder(folder, "given folder")


def _candidates() -> Iterator[Plugin]:
    places = [(folders.bundled("algorithms"), "bundled")]
    places += [(folder, "FANNSBENCH_PLUGINS") for folder in folders.user_plugins()]
    for place, origin in places:
        for declaration in sorted(place.glob("[!_.]*/plugin.py")):
            yield _of_folder(declaration.parent, origin)
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.value)
        if spec and spec.submodule_search_locations:
            origin = f"entry point of {point.dist.name if point.dist else point.value}"
            yield Plugin(point.name, Path(next(iter(spec.submodule_search_locations))), point.value, origin)


def _of_folder(folder: Path, origin: str) -> Plugin:
    return Plugin(folder.name.replace("_", "-"), folder, f"{_PACKAGE}.{folder.name}", origin)

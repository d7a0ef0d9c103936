"""Environments of plugins' own: for each a Python with what one plugin pins, apart from fannsbench's.

`<cache>/environments/NAME-<hash>` is a virtual environment into which pip has installed the plugin's
requirements and what a worker imports. fannsbench and the plugin's package are linked into it, each alone, so
that nothing else of where they are installed can be imported. The hash tells what an environment was made of:
when that changes, it is out of date, and is removed once the next is there.

Tools write an environment's path into its files, so it cannot be made elsewhere and renamed. A file written
last marks it as complete; what lacks the mark is removed and made anew. Who makes or removes an environment
holds a lock, and so does the pip that it started: should pip outlive it, the next waits for pip's end.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from packaging.requirements import Requirement

from fannsbench import folders
from fannsbench.errors import UserError
from fannsbench.parameters import OwnEnvironment

WORKER_LIBRARIES = (
    "h5py",
    "numba",
    "numpy",
    "packaging",
    "platformdirs",
    "psutil",
    "pydantic",
    "threadpoolctl",
)
"""What `fannsbench.run.worker` imports, of fannsbench's dependencies."""

_COMPLETE = "complete"
_LOG = "install.log"
_HASH_BYTES = 8
_ELSEWHERE = ("PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET", "PIP_USER")
"""Settings that would have pip install into another place."""
_PYTHON = """#!/bin/sh
# The environment's Python, without variables that would put other packages before its own.
unset PYTHONHOME PYTHONPATH
exec {} "$@"
"""

Say = Callable[[str], object]


class InstallationError(UserError):
    """An environment that could not be made or removed; nothing uses what is incomplete."""


@dataclass(frozen=True)
class Environment:
    """The environment of one algorithm, whether it is installed or not."""

    name: str
    """The algorithm's."""
    declared: OwnEnvironment
    packages: dict[str, Path]
    """Folders of the packages to link, by import name."""

    @property
    def requirements(self) -> list[str]:
        """All that pip installs."""
        return [*self.declared.requirements, *worker_requirements()]

    @cached_property
    def folder(self) -> Path:
        python = self.declared.python or sys.implementation.cache_tag
        packages = {name: str(place.resolve()) for name, place in self.packages.items()}
        made_of = json.dumps([self.requirements, python, packages], sort_keys=True)
        digest = hashlib.blake2b(made_of.encode(), digest_size=_HASH_BYTES).hexdigest()
        return folders.cache().absolute() / "environments" / f"{self.name}-{digest}"

    @property
    def python(self) -> Path:
        """Starts its Python, in place, so that signals reach it."""
        return self.folder / "python"

    @property
    def is_installed(self) -> bool:
        return (self.folder / _COMPLETE).exists()

    def install(self, say: Say) -> None:
        """Make it unless it is there, and remove what is out of date; `say` is told each step in a line.

        Raises InstallationError."""
        with self._locked(say) as lock:
            if not self.is_installed:
                self._make(lock, say)
            say(f"installed: {self.folder}")
            for other in self._folders():
                if other != self.folder:
                    say(f"removing {other}, which is out of date")
                    _remove(other)

    def uninstall(self, say: Say) -> None:
        """Remove it, complete or not, and any that is out of date. Raises InstallationError."""
        with self._locked(say):
            places = self._folders()
            for place in places:
                say(f"removing {place}")
                _remove(place)
        if not places:
            say(f"{self.name} has no environment installed")

    def _make(self, lock: IO[str], say: Say) -> None:
        python = self._base_python()
        if self.folder.exists():
            say(f"removing {self.folder}, which is incomplete")
            _remove(self.folder)
        self.folder.mkdir(parents=True)
        say(f"making {self.folder} with {python}")
        self._call(lock, python, "-I", "-m", "venv", str(self.folder))
        own = str(self.folder / "bin" / "python")
        say(f"installing {', '.join(self.declared.requirements)} and what a worker of fannsbench imports")
        self._call(lock, own, "-I", "-m", "pip", "install", "--no-input", *self.requirements)
        self._link()
        self.python.write_text(_PYTHON.format(shlex.quote(own)))
        self.python.chmod(0o755)
        self._call(lock, str(self.python), "-P", "-c", "import fannsbench.run.worker")
        (self.folder / _COMPLETE).touch()

    def _base_python(self) -> str:
        named = self.declared.python
        if named is None:
            return sys.executable
        python = shutil.which(named)
        if python is None:
            raise self._failure(f"there is no {named} on PATH, which its params.toml asks for")
        return python

    def _call(self, lock: IO[str], *command: str) -> None:
        """Raises InstallationError with the last error that the command has written."""
        log = self.folder / _LOG
        variables = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        with log.open("a+", errors="replace") as output:
            begin = output.tell()
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables,
                pass_fds=[lock.fileno()], check=False,
            ).returncode  # fmt: skip
            output.seek(begin)
            lines = [line.strip() for line in output if line.strip()]
        if code:
            errors = [line for line in lines if line.lower().startswith("error:")] or lines
            raise self._failure(f"{errors[-1] if errors else f'exit code {code}'}; all of it: {log}")

    def _link(self) -> None:
        (site,) = self.folder.glob("lib/*/site-packages")
        for name, place in self.packages.items():
            if (site / name).exists():
                raise self._failure(f"its requirements bring another {name}; leave out what needs {name}")
            (site / name).symlink_to(place.resolve())

    def _folders(self) -> list[Path]:
        """All of this algorithm's that are there."""
        name = glob.escape(self.name) + "-" + "[0-9a-f]" * 2 * _HASH_BYTES
        return sorted(self.folder.parent.glob(name))

    @contextmanager
    def _locked(self, say: Say) -> Iterator[IO[str]]:
        """While no other process makes or removes it. Raises InstallationError for any OSError within."""
        lock_file = self.folder.parent / f"{self.name}.lock"
        try:
            lock_file.parent.mkdir(parents=True, exist_ok=True)
            with lock_file.open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(
                        f"waiting for another process that installs or removes the environment of {self.name}"
                    )
                    fcntl.flock(lock, fcntl.LOCK_EX)
                yield lock
        except OSError as error:
            raise self._failure(f"{error.filename or self.folder}: {error.strerror or error}") from None

    def _failure(self, reason: str) -> InstallationError:
        return InstallationError(f"environment of algorithm {self.name!r}: {reason}")


def worker_requirements() -> list[str]:
    """What a worker imports, with the lower bounds that fannsbench declares; by name alone what the metadata
    of a checkout, written when that was installed, do not name yet."""
    try:
        declared = [Requirement(text) for text in importlib.metadata.requires("fannsbench") or []]
    except importlib.metadata.PackageNotFoundError:
        declared = []
    bounds = {requirement.name: str(requirement) for requirement in declared if not requirement.marker}
    return [bounds.get(name, name) for name in WORKER_LIBRARIES]


def _remove(folder: Path) -> None:
    (folder / _COMPLETE).unlink(missing_ok=True)  # what is half removed is not complete
    shutil.rmtree(folder)

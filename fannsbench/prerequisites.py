"""What an algorithm needs of the machine and of its Python, and what of that is missing."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from fannsbench.errors import PluginError
from fannsbench.parameters import Requires

_PROCESSOR = Path("/proc/cpuinfo")
_PRINT_VERSIONS = """
import importlib.metadata, json, sys
found = (importlib.metadata.distributions(name=library) for library in sys.argv[1:])
print(json.dumps([next((each.version for each in same), None) for same in found]))
"""


def missing(requires: Requires) -> list[str]:
    """A phrase for each need that this machine does not meet, with what would."""
    reasons = []
    platform = sysconfig.get_platform().split("-")
    here = f"{platform[0]}-{platform[-1]}"  # macOS puts its version between
    if requires.platforms and here not in requires.platforms:
        reasons.append(f"it runs on {' and '.join(requires.platforms)} only, and this is {here}")
    if lacking := sorted(set(requires.instructions) - _instructions()):
        reasons.append(f"it needs a processor with {', '.join(lacking)}")
    for executable, package in requires.executables.items():
        if not shutil.which(executable):
            how = f": apt install {package}" if package else ""
            reasons.append(f"it needs {executable} on PATH{how}")
    return reasons


def _instructions() -> set[str]:
    try:
        text = _PROCESSOR.read_text()
    except OSError:
        return set()
    return {
        flag for flags in re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.M) for flag in flags.split()
    }


@functools.cache
def versions(interpreter: str, libraries: tuple[str, ...]) -> dict[str, str | None]:
    """The version of each library that an interpreter sees; None where it has none.

    Raises PluginError if the interpreter does not run."""
    if interpreter == sys.executable:
        found = {library: importlib.metadata.distributions(name=library) for library in libraries}
        return {library: next((each.version for each in same), None) for library, same in found.items()}
    try:
        command = [interpreter, "-P", "-c", _PRINT_VERSIONS, *libraries]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return dict(zip(libraries, json.loads(answer.stdout), strict=True))
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        problem = said[-1] if said else f"exit code {error.returncode}"
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired) as error:
        problem = f"it does not run as a Python ({type(error).__name__})"
    raise PluginError(f"interpreter {interpreter}: {problem}")

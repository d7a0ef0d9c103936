"""Numba building blocks. Compiled code is cached in a folder keyed by all kernel sources, because Numba's
own cache does not notice a change in a function that is called from another file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import platformdirs

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _sources_digest() -> str:
    package = Path(__file__).parent.parent
    folders = [package / "kernels", package / "algorithms", package.parent / "algorithms"]
    folders += [Path(f) for f in os.environ.get("FANNSBENCH_PLUGINS", "").split(os.pathsep) if f]
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for source in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(  # type: ignore[attr-defined]
        platformdirs.user_cache_path("fannsbench") / "kernels" / _sources_digest()
    )


def jit(function: _Function) -> _Function:
    """Compile on first call, release the GIL, keep the compiled code for later processes.

    Division by zero and overflow follow C; no fast-math, so that inf and nan keep their meaning.
    """
    compiled: _Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled

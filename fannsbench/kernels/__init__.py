"""Numba building blocks. Compiled code is cached in a folder keyed by all kernel sources, because Numba's
own cache does not notice a change in a function that is called from another file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from fannsbench import folders

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _sources_digest() -> str:
    places = [folders.PACKAGE / "kernels", folders.bundled("algorithms"), *folders.user_plugins()]
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for source in sorted(path for place in places for path in place.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(folders.cache() / "kernels" / _sources_digest())  # type: ignore[attr-defined]
CACHE = Path(numba.config.CACHE_DIR)  # type: ignore[attr-defined]
"""Where compiled code is kept; held, so that no other process removes it, for the life of this one."""
_hold = folders.held(CACHE)
_hold.__enter__()


def jit(function: _Function) -> _Function:
    """Compile on first call, release the GIL, keep the compiled code for later processes.

    Division by zero and overflow follow C; no fast-math, so that inf and nan keep their meaning.
    """
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def jit_inline(function: _Function) -> _Function:
    """As `jit`, for a small function: it becomes part of the compiled code of its callers. A call with a few
    arrays costs more than what a small function does."""
    return cast(
        _Function, numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function)
    )


def jit_reordering(function: _Function) -> _Function:
    """As `jit`, but sums may be reordered and contracted, so that they use whole vector registers."""
    reordering = {"reassoc", "contract"}
    return cast(
        _Function,
        numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=reordering, forceinline=True)(
            function
        ),
    )

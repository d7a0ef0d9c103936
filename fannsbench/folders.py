"""Where things lie: in a checkout beside the package, after an install in the user's own folders."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import psutil

from fannsbench.errors import DatasetError

PACKAGE = Path(__file__).resolve().parent  # plugins' environments only link it
CHECKOUT = None if (PACKAGE / "datasets").is_dir() else PACKAGE.parent  # a wheel carries them inside
OLD = 24 * 3600.0
"""Seconds after which what nobody uses is taken for left."""
_PART = ".fannsbench.part"
_HOLD = ".in-use"
UNPACKED = "unpacked"
_SHOWN = 50
"""Characters of a file's name in that of its temporary one, which must not be longer than names may be."""


def bundled(name: str) -> Path:
    """The folder `algorithms` or `datasets` that comes with fannsbench."""
    return (CHECKOUT or PACKAGE) / name


def user_datasets() -> Path:
    """Where data sets are built and downloaded to: $FANNSBENCH_DATASETS, else the checkout's `datasets`,
    else the user's data folder."""
    if named := os.environ.get("FANNSBENCH_DATASETS"):
        return Path(named)
    return CHECKOUT / "datasets" if CHECKOUT else platformdirs.user_data_path("fannsbench") / "datasets"


def user_plugins() -> list[Path]:
    """Folders of the user's own algorithms, from $FANNSBENCH_PLUGINS (separated as in $PATH)."""
    return [Path(f).absolute() for f in os.environ.get("FANNSBENCH_PLUGINS", "").split(os.pathsep) if f]


def cache() -> Path:
    """For what can be computed again: $FANNSBENCH_CACHE, else the user's cache folder."""
    named = os.environ.get("FANNSBENCH_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("fannsbench")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def require_space(folder: Path, needed: int) -> None:
    """Raises DatasetError unless `needed` bytes can be written below the folder, which need not exist yet."""
    free = shutil.disk_usage(existing(folder)).free
    if needed > free:
        raise DatasetError(
            f"{folder}: {needed / 1e9:,.2f} GB needed, {free / 1e9:,.2f} GB free; make room or choose another"
        )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` if the block succeeds, and vanishes if not. What a
    process that was killed has left there so, a day ago or earlier, vanishes too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:_SHOWN]}.", suffix=_PART, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_left(folder: Path) -> None:
    for path in folder.glob(f".*{_PART}"):
        if _age(path) > OLD and not _is_open(path):
            with contextlib.suppress(OSError):  # somebody else's
                path.unlink()


def _age(path: Path) -> float:
    """Seconds since it was written; 0 for what is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_open(path: Path) -> bool:
    """Has some process opened it, of those that may be looked at?"""
    name = str(path.resolve())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(file.path == name for file in process.open_files()):
                return True
    return False


@contextmanager
def held(folder: Path, alone: bool = False) -> Iterator[bool]:
    """Hold a folder that others may want to remove: `alone` or with others that use it. Gives whether that is
    so; it is not where another process holds it alone, or, for `alone`, holds it at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _HOLD).open("a")
    except OSError:  # nothing can be written there, so nothing will be removed either
        yield not alone
        return
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if not alone:
            os.utime(file.fileno())
        yield True


@contextmanager
def unpacking() -> Iterator[Path]:
    """An empty folder in the cache for what is unpacked, while this is entered."""
    place = cache() / UNPACKED
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as temporary, held(Path(temporary)):
        content = Path(temporary) / "content"
        content.mkdir()
        yield content


def is_unused(folder: Path) -> bool:
    """Has nobody begun to hold the folder for a day?"""
    return _age(folder / _HOLD if (folder / _HOLD).exists() else folder) > OLD


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Where things lie: in a checkout beside the package, after an install in the user's own folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from fannsbench.errors import DatasetError

PACKAGE = Path(__file__).resolve().parent  # plugins' environments only link it
CHECKOUT = None if (PACKAGE / "datasets").is_dir() else PACKAGE.parent  # a wheel carries them inside
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
    """A temporary name beside `path` that becomes `path` if the block succeeds, and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:_SHOWN]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

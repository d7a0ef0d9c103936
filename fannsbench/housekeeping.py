"""What lies in the cache folder: all of it can be made again, some of it at a cost."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fannsbench import folders, kernels

PURPOSES = {
    "kernels": "compiled code, a folder for each version of it",
    "checksums": "of data sets",
    "truth": "ground truth whose computation was interrupted",
    folders.UNPACKED: "archives that are being imported",
    "downloads": "public data sets on their way",
    "embeddings": "of texts, for data sets being built",
    "environments": "Pythons of algorithms' own",
}
_CHEAP = ("kernels", "checksums", folders.UNPACKED)
_KERNELS = "kernels"


@dataclass(frozen=True)
class Part:
    """What one purpose takes: entries, and bytes in all."""

    purpose: str
    meaning: str
    entries: int
    size: int
    folder: Path


def parts() -> list[Part]:
    """Those that are there."""
    found = []
    for purpose, meaning in PURPOSES.items():
        folder = folders.cache() / purpose
        if purpose == _KERNELS:
            meaning += f"; the present one is {kernels.CACHE.name}"
        if entries := _entries(folder):
            found.append(Part(purpose, meaning, len(entries), _size(folder), folder))
    return found


def clear(everything: bool) -> int:
    """Remove compiled code of other versions, checksums, and what was unpacked; or everything. Of these, what
    other processes use stays. Returns how many bytes that has freed."""
    freed = 0
    for purpose in PURPOSES if everything else _CHEAP:
        for entry in _entries(folders.cache() / purpose):
            if purpose != _KERNELS or everything or entry != kernels.CACHE:
                freed += _remove(entry)
    return freed


def clear_old() -> None:
    """Remove compiled code, and what was unpacked, that nobody has used for a day. Never fails: it is a
    courtesy."""
    for purpose in (_KERNELS, folders.UNPACKED):
        for entry in _entries(folders.cache() / purpose):
            if entry != kernels.CACHE and folders.is_unused(entry):
                _remove(entry)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(entry: Path) -> int:
    """The bytes it took; 0 where another process uses it, or it cannot be removed."""
    size = _size(entry)
    with contextlib.suppress(OSError):
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink()
            return size
        with folders.held(entry, alone=True) as free:
            if free:
                shutil.rmtree(entry)
                return size
    return 0


def _size(place: Path) -> int:
    return sum(size for size in _sizes(place))


def _sizes(place: Path) -> Iterator[int]:
    for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
        with contextlib.suppress(OSError):
            stat = path.lstat()
            yield stat.st_size if not path.is_dir() or path.is_symlink() else 0

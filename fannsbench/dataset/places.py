"""Which data sets there are, by name."""

from __future__ import annotations

import os
from pathlib import Path

from fannsbench import folders
from fannsbench.errors import DatasetError, UnknownNameError

DEFAULT = "wordnet-10k"
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes, on Linux and its file systems."""
_SUFFIXES = (".h5", ".hdf5")


def find(name_or_path: str) -> Path:
    """The file of a data set, given its path or its name in the bundled or the user's folder.

    Raises UnknownNameError for a name that is in neither; a path need not exist."""
    path = Path(name_or_path)
    if path.suffix in _SUFFIXES or os.sep in name_or_path:
        return path
    known = available()
    if name_or_path not in known:
        raise UnknownNameError("data set", name_or_path, known, "or give the path of an .h5 or .hdf5 file")
    return known[name_or_path]


def place_of(name_or_path: str) -> Path:
    """Where a new data set goes: the path that is given, or the user's folder, under that name.

    Raises DatasetError for what can be neither."""
    path = Path(name_or_path)
    if path.suffix in _SUFFIXES:
        return _possible(path)
    if os.sep in name_or_path or not name_or_path or name_or_path.startswith("."):
        raise DatasetError(f"{name_or_path!r} is no name of a data set; a path ends in .h5, as in shop.h5")
    return _possible(folders.user_datasets() / f"{name_or_path}.h5")


def _possible(path: Path) -> Path:
    """Raises DatasetError where no file can be called so, whether its folder is there already or not."""
    if len(os.fsencode(path)) > _LONGEST_PATH or any(len(os.fsencode(p)) > _LONGEST_NAME for p in path.parts):
        raise DatasetError(f"{str(path)[:60]}...: too long for the path of a file")
    return path


def is_bundled(path: Path) -> bool:
    """Whether it is the file that comes with fannsbench; in a checkout it lies among the user's own."""
    return path.resolve() == (folders.bundled("datasets") / f"{DEFAULT}.h5").resolve()


def available() -> dict[str, Path]:
    """All data sets in the bundled and the user's folder, by name; the user's own come before bundled ones
    of the same name."""
    places = (folders.bundled("datasets"), folders.user_datasets())
    files = {p.stem: p for place in places for p in sorted(place.glob("[!.]*")) if p.suffix in _SUFFIXES}
    return dict(sorted(files.items()))

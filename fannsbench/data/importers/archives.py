"""Sources that may be packed."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from lzma import LZMAError
from pathlib import Path

from fannsbench import folders
from fannsbench.errors import DatasetError, one_line

_PIECE = 1 << 20


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The folder itself, or while it is open a temporary one with the content of a .tar, .tar.gz or .tgz
    archive; of an archive with one folder at its top, that folder.

    Raises DatasetError if there is neither, if the archive is damaged or holds paths that lead out of it,
    or if its content does not fit the disk."""
    if source.is_dir():
        yield source
        return
    with folders.unpacking() as folder:
        _extract(source, folder)
        while len(entries := list(folder.iterdir())) == 1 and entries[0].is_dir():
            folder = entries[0]
        yield folder


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                folders.require_space(folder, member.size)
                opened.extract(member, folder, filter="data")
            # The checksum comes last, behind what tarfile reads.
            while opened.fileobj and opened.fileobj.read(_PIECE):
                pass
    except FileNotFoundError:
        raise DatasetError(f"{archive}: there is no such folder or archive") from None
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error, LZMAError) as error:
        raise DatasetError(f"{archive}: cannot be unpacked: {one_line(error)}") from None

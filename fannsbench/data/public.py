"""A public data set of the catalogue, from its addresses to a draft."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fannsbench import folders
from fannsbench.data import download
from fannsbench.data.catalogue import Entry
from fannsbench.data.draft import Draft
from fannsbench.data.hub import Snapshot
from fannsbench.data.importers import ann_benchmarks, arxiv, big_ann, qdrant
from fannsbench.data.progress import Progress, silent
from fannsbench.errors import DatasetError

_READERS = {
    "ann-benchmarks": ann_benchmarks.read,
    "arxiv-for-fanns": arxiv.read,
    "big-ann": big_ann.read,
    "qdrant": qdrant.read,
}


@dataclass(frozen=True)
class PublicDataset:
    """An entry whose servers were asked. `sizes`: of the files, in bytes, 0 where nobody knows; `snapshot`:
    what the hub has, if it is there."""

    name: str
    entry: Entry
    sizes: tuple[int, ...]
    snapshot: Snapshot | None

    @classmethod
    def asked_for(cls, name: str, entry: Entry) -> PublicDataset:
        """Raises DatasetError if its servers cannot be reached, or have it no more."""
        if entry.hub:
            snapshot = Snapshot.current(entry.hub)
            return cls(name, entry, tuple(file.size for file in snapshot.files), snapshot)
        sizes = tuple(download.size_of(file.url) or file.size for file in entry.files)
        return cls(name, entry, sizes, None)

    @property
    def folder(self) -> Path:
        """Where the downloaded files are."""
        return folders.cache() / "downloads" / self.name

    @property
    def source(self) -> Path:
        """What an importer is given: the file, or the folder of several."""
        return self.folder / self.entry.files[0].name if len(self.entry.files) == 1 else self.folder

    @property
    def size(self) -> int:
        """Of the download, in bytes; 0 if that of a file is not known."""
        return sum(self.sizes) if all(self.sizes) else 0

    @property
    def here(self) -> int:
        """Bytes of it that an earlier attempt left here."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def require_space(self, dataset: Path) -> None:
        """Raises DatasetError unless the rest of the download and, as far as that can be told now, the data
        set fit. What an archive is unpacked to is taken to be no smaller than it is."""
        for folder in (self.folder, dataset.parent):
            folder.mkdir(parents=True, exist_ok=True)
        packed = self.entry.format == "qdrant"
        download_needs = max(0, self.size - self.here) + (self.size if packed else 0)
        one_disk = self.folder.stat().st_dev == dataset.parent.stat().st_dev
        folders.require_space(self.folder, download_needs + (self.size if one_disk else 0))
        folders.require_space(dataset.parent, self.size)

    def fetch(self, progress: Progress = silent) -> list[str]:
        """Download what is not there yet, and check it. Returns what is to be said of it, a line each.

        Raises DatasetError if a file cannot be had whole and sound; running again goes on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            if self.snapshot:
                self.snapshot.fetch(self.folder)
                return [f"revision {self.snapshot.revision}, checksums as on the hub"]
            notes = []
            for file, size in zip(self.entry.files, self.sizes, strict=True):
                path = download.fetch(file, self.folder, size, progress)
                if file.sha256:
                    notes.append(f"{file.name}: sha256 as published")
                    continue
                found, first = download.compare_with_first(file, path)
                told = "none is published, so this one is remembered to compare later downloads with"
                if found != first:
                    told = f"the first download here had {first}: one is damaged, or the file has changed"
                notes.append(f"{file.name}: sha256 {found}; {told}")
            return notes

    @contextmanager
    def read(self) -> Iterator[Draft]:
        """The fetched files as a draft, with what the catalogue knows of them."""
        with _READERS[self.entry.format](self.source) as draft:
            about = (draft.description, self.entry.note, self.entry.citation)
            yield replace(
                draft,
                description="\n".join(line for line in about if line),
                source=self.entry.source,
                license=self.entry.license or draft.license,
            )

    def remove(self) -> None:
        """The downloaded files."""
        shutil.rmtree(self.folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(f"{folder}: another download of it is under way; wait for it") from None
        yield

"""A public data set of the catalogue, from its addresses to a draft."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fannsbench import folders
from fannsbench.data.download import transfer
from fannsbench.data.download.catalogue import Entry, SourceFile
from fannsbench.data.download.hub import Repository, authorization
from fannsbench.data.draft import Draft
from fannsbench.data.importers import ann_benchmarks, arxiv, big_ann, qdrant
from fannsbench.data.progress import Progress, silent
from fannsbench.errors import DatasetError

_READERS: dict[str, Callable[[Path, Progress], AbstractContextManager[Draft]]] = {
    "ann-benchmarks": lambda source, progress: ann_benchmarks.read(source),
    "arxiv-for-fanns": arxiv.read,
    "big-ann": lambda source, progress: big_ann.read(source),
    "qdrant": lambda source, progress: qdrant.read(source),
}


@dataclass(frozen=True)
class PublicDataset:
    """An entry whose servers were asked. `files`: with the sizes that they say; `hub`: the repository that
    they are in, if they are on the hub."""

    name: str
    entry: Entry
    files: tuple[SourceFile, ...]
    hub: Repository | None

    @classmethod
    def asked_for(cls, name: str, entry: Entry) -> PublicDataset:
        """Raises DatasetError if its servers cannot be reached, or have it no more."""
        if entry.hub:
            hub = Repository.find(entry.hub)
            return cls(name, entry, hub.files, hub)
        sizes = [transfer.size_of(file.url) or file.size for file in entry.files]
        files = [
            file.model_copy(update={"size": size}) for file, size in zip(entry.files, sizes, strict=True)
        ]
        return cls(name, entry, tuple(files), None)

    @property
    def folder(self) -> Path:
        """Where the downloaded files are."""
        return folders.cache() / "downloads" / self.name

    @property
    def source(self) -> Path:
        """What an importer is given: the file, or the folder of several."""
        return self.folder if self.hub or len(self.files) > 1 else self.folder / self.files[0].name

    @property
    def size(self) -> int:
        """Of the download, in bytes; 0 if that of a file is not known."""
        sizes = [file.size for file in self.files]
        return sum(sizes) if all(sizes) else 0

    @property
    def here(self) -> int:
        """Bytes of it that an earlier attempt left here."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def require_space(self, dataset: Path) -> None:
        """Raises DatasetError unless the rest of the download and, as far as that can be told now, the data
        set fit. What an archive is unpacked to is taken to be no smaller than it is."""
        packed = self.entry.format == "qdrant"
        download_needs = max(0, self.size - self.here) + (self.size if packed else 0)
        devices = {folders.existing(folder).stat().st_dev for folder in (self.folder, dataset.parent)}
        folders.require_space(self.folder, download_needs + (self.size if len(devices) == 1 else 0))
        folders.require_space(dataset.parent, self.size)

    def fetch(self, progress: Progress = silent) -> list[str]:
        """Download what is not there yet, and check it. Returns what is to be said of it, a line each.

        Raises DatasetError if a file cannot be had whole and sound; running again goes on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            if self.hub:
                for file in self.files:
                    self.hub.check(transfer.fetch(file, self.folder, progress, authorization()))
                return [f"revision {self.hub.revision}, checksums as on the hub"]
            notes = []
            for file in self.files:
                path = transfer.fetch(file, self.folder, progress)
                if file.sha256:
                    notes.append(f"{file.name}: sha256 as published")
                    continue
                found, first = transfer.compare_with_first(file, path)
                told = "none is published, so this one is remembered to compare later downloads with"
                if found != first:
                    told = f"the first download here had {first}: one is damaged, or the file has changed"
                notes.append(f"{file.name}: sha256 {found}; {told}")
            return notes

    @contextmanager
    def read(self, progress: Progress = silent) -> Iterator[Draft]:
        """The fetched files as a draft, with what the catalogue knows of them."""
        with _READERS[self.entry.format](self.source, progress) as draft:
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

"""Data sets in repositories of the Hugging Face hub ($HF_ENDPOINT, $HF_TOKEN and so on are heeded)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, errors, snapshot_download

from fannsbench import __version__
from fannsbench.errors import DatasetError, one_line

_HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
"""The base of all errors of the library for HTTP, which differs between versions of huggingface_hub."""


@dataclass(frozen=True)
class HubFile:
    """A file and its checksum on the hub: a sha256, or for small files, which git keeps itself, git's own."""

    name: str
    size: int
    sha256: str | None
    git: str | None

    def differs(self, path: Path) -> str | None:
        """How a downloaded file differs from what the hub says of it, if it does."""
        if not path.is_file() or path.stat().st_size != self.size:
            return f"{path.stat().st_size if path.is_file() else 0:,} of {self.size:,} bytes"
        with path.open("rb") as stream:
            if self.sha256:
                expected, found = self.sha256, hashlib.file_digest(stream, "sha256").hexdigest()
            else:
                expected, head = self.git or "", hashlib.sha1(b"blob %d\0" % self.size)
                found = hashlib.file_digest(stream, head.copy).hexdigest()
        return None if found == expected else f"checksum {found}; the hub says {expected}"


@dataclass(frozen=True)
class Snapshot:
    """A data set repository as it is at one revision."""

    repository: str
    revision: str
    files: tuple[HubFile, ...]

    @classmethod
    def current(cls, repository: str) -> Snapshot:
        """Raises DatasetError if the hub or the repository is not to be had."""
        with _one_line_errors(repository):
            info = HfApi(library_name="fannsbench", library_version=__version__).dataset_info(
                repository, files_metadata=True
            )
        files = [
            HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None, file.blob_id)
            for file in info.siblings or ()
        ]
        return cls(repository, info.sha or "main", tuple(files))

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(file.size for file in self.files)

    def fetch(self, folder: Path) -> None:
        """All files into the folder; what is there by an earlier attempt is gone on with.

        Raises DatasetError if one cannot be had whole, or is not what the hub says; that one is removed."""
        with _one_line_errors(self.repository):
            snapshot_download(self.repository, repo_type="dataset", revision=self.revision, local_dir=folder)
        for file in self.files:
            if difference := file.differs(folder / file.name):
                (folder / file.name).unlink(missing_ok=True)
                raise DatasetError(
                    f"{self.repository}/{file.name}: {difference}; removed, run again to fetch it anew"
                )


@contextmanager
def _one_line_errors(repository: str) -> Iterator[None]:
    where = f"{repository} on the Hugging Face hub"
    try:
        yield
    except errors.GatedRepoError:
        raise DatasetError(
            f"{where}: accept its terms at https://huggingface.co/datasets/{repository}, then run "
            "`hf auth login`, and this again"
        ) from None
    except errors.RepositoryNotFoundError:
        raise DatasetError(f"{where}: there is no such data set, or it is private") from None
    except errors.HfHubHTTPError as error:
        raise DatasetError(f"{where}: {one_line(error)}; run again to go on") from None
    except (_HTTP_ERROR, OSError) as error:
        raise DatasetError(
            f"{where}: cut or not to be reached ({one_line(error)}); run again to go on"
        ) from None

"""Data set repositories of the Hugging Face hub ($HF_ENDPOINT and $HF_TOKEN are heeded).

huggingface_hub finds the files and their checksums. It does not fetch them: since its version 1.18 it begins
a file anew in every run, however much of it was there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, errors, get_token, hf_hub_url

from fannsbench import __version__
from fannsbench.data.download.catalogue import SourceFile
from fannsbench.errors import DatasetError, one_line

_HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
"""The base of all errors of the library for HTTP, which differs between versions of huggingface_hub."""


@dataclass(frozen=True)
class Repository:
    """What a repository holds now, but for its documents. `git`: by file name, git's checksum of the small
    files that it keeps itself and that have no sha256."""

    revision: str
    files: tuple[SourceFile, ...]
    git: Mapping[str, str]

    @classmethod
    def find(cls, name: str) -> Repository:
        """Raises DatasetError if the hub or the repository is not to be had, or has two files of one name."""
        where = f"{name} on the Hugging Face hub"
        try:
            info = HfApi(library_name="fannsbench", library_version=__version__).dataset_info(
                name, files_metadata=True
            )
        except errors.RepositoryNotFoundError:
            raise DatasetError(f"{where}: there is no such data set, or it is private") from None
        except errors.HfHubHTTPError as error:
            raise DatasetError(f"{where}: {one_line(error)}") from None
        except (_HTTP_ERROR, OSError) as error:
            raise DatasetError(
                f"{where}: cannot be reached ({one_line(error)}); is there a network?"
            ) from None
        files, git = [], {}
        for file in info.siblings or ():
            path = file.rfilename
            if path.startswith(".") or path.endswith(".md"):
                continue
            url = hf_hub_url(name, path, repo_type="dataset", revision=info.sha)
            files.append(SourceFile(url=url, size=file.size or 0, sha256=file.lfs.sha256 if file.lfs else ""))
            if not file.lfs and file.blob_id:
                git[files[-1].name] = file.blob_id
        names = Counter(file.name for file in files)
        if twice := [name for name, count in names.items() if count > 1]:
            raise DatasetError(
                f"{where}: has several files of the name {twice[0]}; one folder cannot hold them"
            )
        return cls(info.sha or "main", tuple(files), git)

    def check(self, path: Path) -> None:
        """Raises DatasetError if a fetched file is not what git keeps; then it is removed."""
        expected, size = self.git.get(path.name), path.stat().st_size
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, hashlib.sha1(b"blob %d\0" % size).copy).hexdigest()
        if expected and found != expected:
            path.unlink()
            raise DatasetError(
                f"{path.name}: git's checksum is {found}, the hub says {expected}; removed, run again"
            )


def authorization() -> dict[str, str]:
    """The header that tells the hub who asks, if the user is known to it."""
    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}

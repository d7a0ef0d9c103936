"""The catalogue of public data sets: `datasets/catalogue.toml`, and the user's own additions to it.

    [name]
    format = "qdrant"                  # which importer reads it, see `Format`
    files = [{url = "https://...", size = 161_000_000, sha256 = "..."}]
    hub = "SPCL/arxiv-for-fanns-small" # or, instead of files, a dataset repository of the Hugging Face hub
    size = 197_000_000                 # about, in bytes; as the publisher states it, 0 if he does not
    items = 1_000
    dimension = 4_096
    filters = "EM, R, EMIS"            # kinds; "EM or R": an import brings one of them
    license = "CC BY 4.0"              # "" where the publisher states none
    citation = "..."
    source = "https://..."             # the page that describes it
    note = "..."

A `catalogue.toml` of the same form among the user's data sets adds to it, or replaces entries of the same
name: for mirrors, and for addresses that moved.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fannsbench import folders
from fannsbench.errors import DatasetError, UnknownNameError

Format = Literal["ann-benchmarks", "arxiv-for-fanns", "big-ann", "qdrant"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(_Strict):
    """One file to download."""

    url: Annotated[str, Field(pattern=r"^https?://[^/]+/.*[^/]$")]
    size: int = Field(default=0, ge=0)
    """About, in bytes; 0 where the publisher does not say."""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """"" where none is published."""

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2].partition("?")[0]


class Entry(_Strict):
    """A public data set."""

    format: Format
    files: tuple[SourceFile, ...] = ()
    hub: str = Field(default="", pattern=r"^([\w.-]+/[\w.-]+)?$")
    size: int = Field(default=0, ge=0)
    items: int = Field(ge=1)
    dimension: int = Field(ge=1)
    filters: str = ""
    license: str = ""
    citation: str = ""
    source: str
    note: str = ""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if bool(self.files) == bool(self.hub):
            raise ValueError("names either files or a hub repository")
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("has two files of one name")
        return self

    @property
    def about_bytes(self) -> int:
        """Of the download; 0 if nobody says."""
        return self.size or sum(file.size for file in self.files)


def entries() -> dict[str, Entry]:
    """All public data sets by name. Raises DatasetError with the place of what is wrong in a catalogue."""
    read = _read(folders.bundled("datasets") / "catalogue.toml")
    own = folders.user_datasets() / "catalogue.toml"
    return read | _read(own) if own.exists() else read


def find(name: str) -> Entry:
    """Raises UnknownNameError."""
    known = entries()
    if name not in known:
        raise UnknownNameError("public data set", name, known)
    return known[name]


def _read(path: Path) -> dict[str, Entry]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not TOML: {error}") from None
    found = {}
    for name, table in tables.items():
        try:
            found[name] = Entry.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise DatasetError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
    return found

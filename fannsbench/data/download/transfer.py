"""Files of public data sets over HTTP: gone on with where they were cut, also by a later run, and checked
before they bear their name."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pooch
import requests
import urllib3

from fannsbench import __version__, folders
from fannsbench.data.download.catalogue import SourceFile
from fannsbench.data.progress import Progress, silent
from fannsbench.errors import DatasetError, one_line

HEADERS = {
    "User-Agent": f"fannsbench/{__version__}",  # some hosts turn away the names of libraries
    "Accept-Encoding": "identity",  # a compressed answer has another length than the file
}
TIMEOUT = (15, 60)
"""Seconds to connect, and between two pieces."""
ATTEMPTS = 5
"""In a row that bring nothing more, before a download is given up for now."""
PAUSE = 1.0
"""Seconds before the second attempt in a row, doubled for each further one."""
_PIECE = 1 << 20
_PATIENCE = (
    HTTPStatus.METHOD_NOT_ALLOWED,  # of HEAD
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class _CutError(Exception):
    """A connection that ended too early, or a server that asks for patience: worth another attempt."""


def size_of(url: str) -> int:
    """What the server says of the file's bytes; 0 if it does not say.

    Raises DatasetError if there is no such file, or the server cannot be reached."""
    try:
        with requests.head(url, headers=HEADERS, timeout=TIMEOUT, allow_redirects=True) as response:
            _refuse(response)
            return int(response.headers.get("Content-Length", 0)) if response.ok else 0
    except requests.RequestException as error:
        raise _unreachable(url, error) from None


def fetch(
    file: SourceFile,
    folder: Path,
    progress: Progress = silent,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """The file in the folder, downloaded unless it is there; what is there of it by an earlier attempt is
    gone on with. `headers`: to ask with, as for authorization.

    Raises DatasetError if it is not to be had, if the connection was cut again and again, or if its
    checksum is not the published one."""
    pooch.get_logger().setLevel(logging.WARNING)
    with progress(file.name, file.size) as advance:
        try:
            path = pooch.retrieve(
                file.url,
                known_hash=file.sha256 or None,
                fname=file.name,
                path=folder,
                downloader=_Resuming(folder / file.name, file.sha256, HEADERS | dict(headers), advance),
            )
        except ValueError as error:  # of the checksum; pooch has removed the file
            raise DatasetError(f"{file.url}: {one_line(error)}") from None
    return Path(path)


def compare_with_first(file: SourceFile, path: Path) -> tuple[str, str]:
    """The sha256 of a file whose publisher states none, and that of its first download here, which is
    remembered."""
    record = folders.cache() / "downloads" / "sha256.json"
    known: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    found = pooch.file_hash(str(path))
    if file.url not in known:
        with folders.whole_file(record) as temporary:
            temporary.write_text(json.dumps({**known, file.url: found}, indent=2))
    return found, known.get(file.url, found)


class _Resuming:
    """What pooch calls to download: `downloader(url, output_file, pooch)`.

    The bytes gather in `<name>.<entity>.part`, where `entity` is a hash of the file's length and of its
    published checksum, or else what the server says of it, its ETag or date. Only bytes of the same entity
    are gone on with."""

    def __init__(
        self, path: Path, sha256: str, headers: dict[str, str], advance: Callable[[int], None]
    ) -> None:
        self._path, self._sha256, self._headers, self._advance = path, sha256, headers, advance
        self._shown = 0

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        failures, most = 0, -1
        while True:
            try:
                part = self._go_on(url, reached=most >= 0)
            except _CutError as error:
                have = sum(part.stat().st_size for part in self._parts())
                failures = 1 if have > most else failures + 1
                most = max(most, have)
                if failures >= ATTEMPTS:
                    raise DatasetError(
                        f"{url}: cut {ATTEMPTS} times, last after {have / 1e6:,.1f} MB ({error}); "
                        "run again to go on from there"
                    ) from None
                time.sleep(PAUSE * 2 ** (failures - 1))
            else:
                part.replace(output_file)
                return

    def _parts(self) -> list[Path]:
        return list(self._path.parent.glob(f"{self._path.name}.*.part"))

    def _go_on(self, url: str, reached: bool) -> Path:
        """Add what is missing, and return the whole. `reached`: the server was there a moment ago."""
        parts = self._parts()
        # The last byte is asked for again: a file that is all there then is an answer like any other.
        start = max(0, parts[0].stat().st_size - 1) if len(parts) == 1 else 0
        headers = self._headers | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
                answer = _Answer.of(response, self._sha256)
                part = self._path.with_name(f"{self._path.name}.{answer.entity}.part")
                goes_on = answer.start == start and (part in parts or not start)
                if answer.start and not goes_on:
                    for other in parts:
                        other.unlink()
                    raise _CutError("what is there of it is no longer a part of it")
                for other in {*parts} - {part}:
                    other.unlink()
                self._save(response, part, answer)
        except requests.ConnectionError as error:
            if not reached:
                raise _unreachable(url, error) from None
            raise _CutError(_reason(error)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _CutError(_reason(error)) from None
        return part

    def _save(self, response: requests.Response, part: Path, answer: _Answer) -> None:
        with part.open("r+b" if answer.start else "wb") as stream:
            stream.seek(answer.start)
            self._show(answer.start)
            for piece in response.raw.stream(_PIECE, decode_content=False):
                stream.write(piece)
                self._show(stream.tell())
            if answer.total is not None and stream.tell() != answer.total:
                raise _CutError(f"{answer.total / 1e6:,.1f} MB were announced")

    def _show(self, done: int) -> None:
        self._advance(done - self._shown)
        self._shown = done


class _Answer(NamedTuple):
    """What a server's answer brings."""

    start: int
    """The first byte; -1: nothing, for the range asked for is not there."""
    total: int | None
    """The length of the whole file, if it says."""
    entity: str

    @classmethod
    def of(cls, response: requests.Response, sha256: str) -> _Answer:
        """Raises DatasetError if the file is not to be had, _CutError if it may be later."""
        _refuse(response)
        headers = response.headers
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return cls(-1, None, "")
        if not response.ok:
            raise _CutError(f"{response.status_code} {response.reason}")
        start, length = 0, headers.get("Content-Length", "")
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:  # Content-Range: bytes 7-99/100
            given, _, length = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            first = given.partition("-")[0]
            start = int(first) if first.isdecimal() else -1
        total = int(length) if length.isdecimal() else None
        said: tuple[object, ...] = (sha256 or headers.get("ETag") or headers.get("Last-Modified"), total)
        if not any(said):
            said = (time.time_ns(),)  # nothing that a later answer could be compared with
        return cls(start, total, hashlib.sha256(repr(said).encode()).hexdigest()[:16])


def _refuse(response: requests.Response) -> None:
    """Raises DatasetError for answers that another attempt would not change."""
    code = response.status_code
    if 400 <= code < 500 and code not in _PATIENCE:
        hint = "its publisher may have moved it"
        if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            hint = "it is not for everyone; on the Hugging Face hub, accept its terms and run `hf auth login`"
        url = (response.history or [response])[0].url
        raise DatasetError(f"{url}: {code} {response.reason}; {hint}")


def _unreachable(url: str, error: Exception) -> DatasetError:
    return DatasetError(f"{url}: cannot be reached ({_reason(error)}); is there a network?")


def _reason(error: BaseException) -> str:
    """What the lowest of the libraries' layers has to say, without the objects that it names."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    error = getattr(error, "reason", None) or error
    said = str(error.args[0]) if error.args else one_line(error)
    return said.rpartition("): ")[2] if said.startswith("HTTP") else said

"""A small web server for downloads, whose misbehaviour a test chooses file by file."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file and how it is served."""

    content: bytes
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    length: bool = True
    announced: int | None = None
    """A Content-Length that is a lie."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of its answer each of the next connections is cut."""
    statuses: list[int] = field(default_factory=list)
    """What the next requests are answered instead; 200 is the file."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    address: str
    files: dict[str, Served]
    asked: list[tuple[str, str, str | None]]
    """Method, path and Range of every request."""
    agents: set[str]
    authorizations: set[str | None]

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    files: dict[str, Served] = {}
    asked: list[tuple[str, str, str | None]] = []
    agents: set[str] = set()
    authorizations: set[str | None] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked.append((self.command, self.path, self.headers["Range"]))
            agents.add(self.headers["User-Agent"])
            authorizations.add(self.headers["Authorization"])
            file = files.get(self.path.removeprefix("/").partition("?")[0])
            status = 404 if file is None else file.statuses.pop(0) if body and file.statuses else 200
            if file is None or status != 200:
                self.send_response(status)
                if self.path.startswith("/api/"):  # as the Hugging Face hub says it
                    self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content, start = file.content, 0
            if file.ranges and self.headers["Range"]:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            for name, value in (("ETag", file.etag), ("Last-Modified", file.modified)):
                if value:
                    self.send_header(name, value)
            for name, value in file.headers.items():
                self.send_header(name, value)
            rest = content[start:]
            if file.length:
                self.send_header("Content-Length", str(file.announced or len(rest)))
            else:
                self.close_connection = True
            self.end_headers()
            if not body:
                return
            if file.cuts:
                self.wfile.write(rest[: file.cuts.pop(0)])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.wfile.write(rest)
            self.close_connection = self.close_connection or file.announced is not None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", files, asked, agents, authorizations)
    finally:
        server.shutdown()
        server.server_close()

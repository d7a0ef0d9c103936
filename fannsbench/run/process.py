"""A worker's process and whatever it starts: begun, listened to, weighed and ended together; and the worker's
end of that line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import IO, Any

import psutil

from fannsbench.run import memory

_GUARD = 'read -r _; kill -9 -"$1"'
"""Waits for the end of its input, which comes when the process that holds it vanishes, and then ends the
group: the worker cannot see to that itself, because a signal that ends it leaves its children."""
_LAST_WORDS_SECONDS = 1.0
_EXIT_SECONDS = 10.0
_MARK = "FANNSBENCH_WORKER"
"""A variable by which all that a worker has started is known, whoever its parent is by now."""


Report = Callable[..., None]
"""report(event, **details)"""


@contextmanager
def reporting() -> Iterator[Report]:
    """In a worker: what tells events to whoever has started it. All else that is written to standard output,
    also by C libraries and by processes that are started, goes to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(event: str, **details: Any) -> None:
        events.write(json.dumps({"event": event, **details}) + "\n")

    with redirect_stdout(sys.stderr):
        yield report


class WorkerProcess:
    """A process that leads a session of its own and reports events as JSON lines on its standard output."""

    def __init__(self, command: list[str], environment: dict[str, str], stderr: IO[bytes]) -> None:
        self._mark = f"{os.getpid()}-{id(self)}-{time.time_ns()}"
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            errors="replace",
            env={**environment, _MARK: self._mark},
            start_new_session=True,
        )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def event(self, seconds: float) -> dict[str, Any] | None:
        """The next event; {} if none comes within `seconds`, None if the process has ended."""
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            if self._process.poll() is None:
                return {}
            event = self._last_words()
        if event is None:  # its exit code tells more than that of a process that was ended while exiting
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_SECONDS)
        return event

    def go_on(self) -> None:
        """A line on its standard input, for which it may have waited."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def held_bytes(self, enough: int = 0) -> int:
        """What the process and its children hold now, children of children too; 0 when it has ended. See
        `memory.held_bytes`."""
        try:
            first = psutil.Process(self._process.pid)
            return memory.held_bytes([first, *first.children(recursive=True)], enough)
        except psutil.NoSuchProcess:
            return 0

    def end(self, patience: float = 0.0) -> int:
        """End it and its children, daemons and those in sessions of their own too: by force, but first, if
        there is any patience, by asking it and waiting so many seconds. Returns its exit code, or minus the
        number of the signal that ended it."""
        try:
            if patience:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(patience)
        finally:
            code = self._end_by_force()
        return code

    def _end_by_force(self) -> int:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_MARK) == self._mark:
                    process.kill()
        self._guard.kill()
        self._guard.communicate()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        return self._process.wait()

    def _last_words(self) -> dict[str, Any] | None:
        """What is still in the pipe, which a child may hold open for ever."""
        with contextlib.suppress(queue.Empty):
            return self._events.get(timeout=_LAST_WORDS_SECONDS)
        return None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with contextlib.suppress(ValueError):  # a line cut short by the process's death
                    self._events.put(json.loads(line))
        self._events.put(None)

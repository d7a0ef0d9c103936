"""A worker's process and all that it starts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import PATIENCE_SECONDS, is_alive, wait_until

from fannsbench.run.process import WorkerProcess


@contextmanager
def started(code: str, folder: Path) -> Iterator[WorkerProcess]:
    with (folder / "stderr").open("wb") as stderr:
        process = WorkerProcess([sys.executable, "-c", code], dict(os.environ), stderr)
    try:
        yield process
    finally:
        process.end()


def events(process: WorkerProcess) -> list[dict[str, object]]:
    """All until it has ended."""
    return [event for event in iter(lambda: process.event(0.05), None) if event]


def test_events_are_the_json_lines_of_its_output(tmp_path: Path) -> None:
    code = """
import os
print('{"event": "one", "text": "\\\\u00fc"}')
print("no json")
print('{"event": "two"}', flush=True)
os.write(2, b"to standard error")
os.write(1, b'{"event": "thr')
"""
    with started(code, tmp_path) as process:
        assert events(process) == [{"event": "one", "text": "ü"}, {"event": "two"}]
        assert process.end() == 0
    assert (tmp_path / "stderr").read_text() == "to standard error"


def test_while_nothing_is_told_there_is_an_empty_event(tmp_path: Path) -> None:
    with started("import time; time.sleep(3600)", tmp_path) as process:
        assert process.event(0.01) == {}
        assert process.held_bytes() > 1e6
        assert process.end() == -signal.SIGKILL
        assert process.held_bytes() == 0


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_is_that_of_a_process_that_took_its_time(tmp_path: Path, code: int) -> None:
    """It closes its output before it exits."""
    with started(f"import os, time; os.close(1); time.sleep(0.5); os._exit({code})", tmp_path) as process:
        assert process.event(PATIENCE_SECONDS) is None
        assert process.end() == code


FAMILY = """
import json, os, subprocess, sys, time

sleep = "import time; held = bytearray(b'x') * (50 << 20); print(flush=True); time.sleep(3600)"
sleeping = [sys.executable, "-c", sleep]
plain = subprocess.Popen(sleeping, stdout=subprocess.PIPE)
apart = subprocess.Popen(sleeping, stdout=subprocess.PIPE, start_new_session=True)
plain.stdout.readline(), apart.stdout.readline()
forked = os.fork()
if not forked:
    os.setsid()
    time.sleep(3600)
print(json.dumps({"pids": [plain.pid, apart.pid, forked]}), flush=True)
"""


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), 9)", "time.sleep(3600)"])
def test_its_children_end_with_it_however_it_ends(tmp_path: Path, ending: str) -> None:
    """One holds its output open, so that the end of that cannot be waited for."""
    with started(FAMILY + ending, tmp_path) as process:
        event = process.event(PATIENCE_SECONDS)
        assert event is not None
        pids = event["pids"]
        assert all(map(is_alive, pids))
        if ending == "time.sleep(3600)":
            assert process.held_bytes() > 100 << 20
        else:
            assert events(process) == []
        process.end()
        wait_until(lambda: not any(map(is_alive, pids)))


def test_other_processes_are_left_alone(tmp_path: Path) -> None:
    with started("import time; time.sleep(3600)", tmp_path) as other:
        with started("import time; time.sleep(3600)", tmp_path) as process:
            process.end()
        assert other.held_bytes() > 1e6

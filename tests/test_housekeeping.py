"""What is left behind goes, and what is in use stays; by real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import command, wait_until

from fannsbench import folders, housekeeping, kernels

DAYS_AGO = time.time() - 2 * folders.OLD
WRITING = """
import sys, time
from pathlib import Path
from fannsbench import folders
with folders.whole_file(Path(sys.argv[1])) as temporary, temporary.open("w") as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(3600)
"""
HOLDING = """
import sys, time
from pathlib import Path
from fannsbench import folders
with folders.held(Path(sys.argv[1])) as is_held:
    print(is_held, flush=True)
    time.sleep(3600)
"""


@contextmanager
def started(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """When it has said its word."""
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def aged(path: Path) -> Path:
    os.utime(path, (DAYS_AGO, DAYS_AGO))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_has_left_goes_with_the_next_write_a_day_later(tmp_path: Path) -> None:
    with started(WRITING, tmp_path / "x.h5") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".x.h5.") and part.read_text() == "half"
    for expected in (["y", part.name], ["y"]):
        with folders.whole_file(tmp_path / "y") as temporary:
            temporary.write_text("whole")
        assert left(tmp_path) == sorted(expected)
        if len(expected) == 2:
            aged(part)


def test_what_is_being_written_stays_however_long_it_takes(tmp_path: Path) -> None:
    with started(WRITING, tmp_path / "x.h5"):
        (part,) = tmp_path.iterdir()
        aged(part)
        with folders.whole_file(tmp_path / "y") as temporary:
            temporary.write_text("whole")
        assert left(tmp_path) == sorted(["y", part.name])


def test_other_hidden_files_are_not_ours_and_what_cannot_go_stays(tmp_path: Path) -> None:
    for name in (".film.mkv.part", "x.fannsbench.part"):
        (tmp_path / name).touch()
        aged(tmp_path / name)
    (tmp_path / ".folder.fannsbench.part").mkdir()
    aged(tmp_path / ".folder.fannsbench.part")
    with folders.whole_file(tmp_path / "y") as temporary:
        temporary.write_text("whole")
    assert left(tmp_path) == [".film.mkv.part", ".folder.fannsbench.part", "x.fannsbench.part", "y"]


def test_what_is_unpacked_stays_while_it_is_used_and_goes_when_it_is_left() -> None:
    unpacking = "from fannsbench import folders\nwith folders.unpacking() as folder:\n"
    unpacking += "    (folder / 'x').write_text('1')\n    print(flush=True)\n    input()"
    place = folders.cache() / folders.UNPACKED
    with subprocess.Popen(
        [sys.executable, "-c", unpacking], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdout.readline()
        (entry,) = place.iterdir()
        aged(entry / ".in-use")
        housekeeping.clear_old()
        assert (entry / "content" / "x").read_text() == "1"
        process.kill()
    aged(entry / ".in-use")
    housekeeping.clear_old()
    assert left(place) == []


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of compiled code: the present one, one that is old, one that is old and in use, a new one."""
    place = folders.cache() / "kernels"
    for name in ("present", "old", "used", "new"):
        (place / name / "deep").mkdir(parents=True)
        (place / name / "deep" / "code.nbi").write_bytes(b"x" * 1000)
        if name != "new":
            aged(place / name)
    monkeypatch.setattr(kernels, "CACHE", place / "present")
    return place


def test_compiled_code_that_nobody_used_for_a_day_goes(versions: Path) -> None:
    with started(HOLDING, versions / "used"):
        aged(versions / "used" / ".in-use")
        housekeeping.clear_old()
        assert left(versions) == ["new", "present", "used"]
    housekeeping.clear_old()
    assert left(versions) == ["new", "present"]


def test_every_process_holds_its_compiled_code(tmp_path: Path) -> None:
    code = "from fannsbench import kernels; print(kernels.CACHE, flush=True); import time; time.sleep(3600)"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert folder.parent == folders.cache() / "kernels"
        with folders.held(folder, alone=True) as free:
            assert not free
    finally:
        process.kill()
        process.communicate()

    def is_free() -> bool:
        with folders.held(folder, alone=True) as free:
            return free

    wait_until(is_free)


def test_the_cache_is_shown_and_cleared(versions: Path) -> None:
    environment = folders.cache() / "environments" / "engine-0123"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(sys.executable)
    shown = json.loads(command("cache", "--json").out)
    assert shown["folder"] == str(folders.cache())
    assert {part["purpose"]: part["entries"] for part in shown["parts"]} == {"kernels": 4, "environments": 1}
    assert "environments" in command("cache").out
    with started(HOLDING, versions / "used"):
        assert command("cache", "clear").out == "freed 0.0 MB\n"
        assert left(versions) == ["present", "used"]
    assert environment.exists()
    assert command("cache", "clear", "--all").code == 0
    assert housekeeping.parts() == []
    assert Path(sys.executable).exists()


def test_nothing_that_cannot_be_removed_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANNSBENCH_CACHE", "/proc/no/such/place")
    housekeeping.clear_old()
    assert housekeeping.parts() == [] and housekeeping.clear(everything=True) == 0
    assert command("cache").code == 0

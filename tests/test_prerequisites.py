"""What a machine and a Python lack of what algorithms need."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import numpy
import pytest

from fannsbench import prerequisites
from fannsbench.parameters import Requires


def test_what_is_here_is_not_missing() -> None:
    flags = next(
        line.split(":")[1].split()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith(("flags", "Features"))
    )
    here = sysconfig.get_platform()
    requires = Requires(
        executables={"sh": "", "env": "coreutils"}, platforms=["plan9-mips", here], instructions=flags
    )
    assert prerequisites.missing(requires) == []
    assert prerequisites.missing(Requires()) == []


def test_every_reason_is_told() -> None:
    here = sysconfig.get_platform()
    requires = Requires(
        executables={"sh": "dash", "no-such-server": "", "no-such-client": "client-tools"},
        platforms=["plan9-mips", "plan9-sparc"],
        instructions=["zeta", "warp9"],
    )
    assert prerequisites.missing(requires) == [
        f"it runs on plan9-mips and plan9-sparc only, and this is {here}",
        "it needs a processor with warp9, zeta",
        "it needs no-such-server on PATH",
        "it needs no-such-client on PATH: apt install client-tools",
    ]


def test_a_file_that_cannot_be_executed_is_no_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server = tmp_path / "server"
    server.write_text("#!/bin/sh")
    server.chmod(0o644)
    requires = Requires(executables={"server": ""})
    assert prerequisites.missing(requires) == ["it needs server on PATH"]
    server.chmod(0o755)
    assert prerequisites.missing(requires) == []


@pytest.mark.parametrize("line", ["flags\t\t: fpu sse avx2", "Features\t: fp asimd avx2"])
def test_instructions_are_those_of_whatever_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: avx512f\n{line}\nbugs\t: amx\n")
    monkeypatch.setattr(prerequisites, "_PROCESSOR", cpuinfo)
    requires = Requires(instructions=["avx2", "avx512f", "amx", "avx"])
    assert prerequisites.missing(requires) == ["it needs a processor with amx, avx, avx512f"]
    cpuinfo.unlink()
    assert prerequisites.missing(Requires(instructions=["avx2"])) == ["it needs a processor with avx2"]


def test_versions_are_the_same_from_inside_and_outside(tmp_path: Path) -> None:
    """A Python that is not recognised as this one is asked in a process of its own."""
    outside = tmp_path / "python"
    outside.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    outside.chmod(0o755)
    names = ("numpy", "no-such-library", "H5py")
    inside = prerequisites.versions(sys.executable, names)
    assert list(inside) == list(names)
    assert (inside["numpy"], inside["no-such-library"]) == (numpy.__version__, None)
    assert inside["H5py"]
    assert prerequisites.versions(str(outside), names) == inside
    assert prerequisites.versions(sys.executable, ()) == prerequisites.versions(str(outside), ()) == {}

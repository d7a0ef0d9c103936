"""Checking a plugin in a process of its own, run by the plugin's interpreter: whatever it does to that
process is a finding too, and the checks that remain go on in another."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from time import monotonic

from fannsbench import machine
from fannsbench.errors import PluginError
from fannsbench.registry import Plugin
from fannsbench.run import threads
from fannsbench.run.process import WorkerProcess
from fannsbench.testing.suite import FAILED, Finding

CHECK_SECONDS = 300.0
"""For one check; compiling is part of it."""
_LOOK_SECONDS = 0.2


def check(plugin: Plugin, found: Callable[[Finding], object] = lambda finding: None) -> list[Finding]:
    """Make every check; `found` is told each finding when it is there. Raises PluginError if the plugin
    cannot even be loaded."""
    findings: list[Finding] = []
    complete = False
    while not complete:
        complete = _check_until_the_end(plugin, findings, found)
    return findings


def _check_until_the_end(plugin: Plugin, findings: list[Finding], found: Callable[[Finding], object]) -> bool:
    """Of one process: adds its findings. Have all checks been made?"""
    known = [finding.check for finding in findings]
    command = [plugin.interpreter, "-P", "-m", "fannsbench.testing", plugin.name, str(plugin.folder)]
    environment = {**os.environ, **threads.environment(len(machine.usable_cores()))}
    with tempfile.TemporaryFile() as stderr:
        process = WorkerProcess([*command, plugin.package, *known], environment, stderr)
        under_way, began, late = "", monotonic(), False
        try:
            while (event := process.event(_LOOK_SECONDS)) is not None:
                kind = event.get("event")
                if kind == "checking":
                    under_way, began = event["check"], monotonic()
                elif kind == "found":
                    findings.append(Finding(event["check"], event["outcome"], event["detail"]))
                    found(findings[-1])
                elif kind == "unusable":
                    raise PluginError(event["reason"])
                elif kind == "done":
                    return True
                if late := monotonic() - began > CHECK_SECONDS:
                    break
        finally:
            code = process.end()
        stderr.seek(0)
        said = stderr.read().decode(errors="replace").splitlines()
    reason = f"over {CHECK_SECONDS:g} s" if late else _how_it_ended(code, said)
    if not under_way:
        raise PluginError(f"algorithm {plugin.name!r}: its process cannot begin: {reason}")
    findings.append(Finding(under_way, FAILED, reason))
    found(findings[-1])
    return False


def _how_it_ended(code: int, said: list[str]) -> str:
    if code < 0:
        return f"ended its process: {signal.Signals(-code).name}"
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    return f"ended its process: exit code {code}" + (f" ({last})" if last else "")

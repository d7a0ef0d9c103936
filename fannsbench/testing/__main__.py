"""The process in which a plugin is checked, see `fannsbench.testing.process`:
`INTERPRETER -P -m fannsbench.testing NAME FOLDER PACKAGE [CHECK ...]`, without the checks that are named."""

from __future__ import annotations

import sys
from pathlib import Path

from fannsbench.errors import PluginError
from fannsbench.registry import Plugin
from fannsbench.run.process import reporting
from fannsbench.testing import suite


def main() -> None:
    """Entry point."""
    name, folder, package, *known = sys.argv[1:]
    plugin = Plugin(name, Path(folder), package, "checked")
    with reporting() as report:
        try:
            for finding in suite.run(plugin, known, lambda check: report("checking", check=check)):
                report("found", **vars(finding))
        except PluginError as error:
            report("unusable", reason=str(error))
        report("done")


main()

"""The cache of result rows: a small database beside the result files that repairs itself."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_CACHE = ".table.sqlite"
_CACHE_VERSION = 4
"""Goes up whenever rows are computed differently."""
_CACHE_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS rows (path TEXT PRIMARY KEY, size INT, time INT, row TEXT);
    PRAGMA user_version = {_CACHE_VERSION};
    COMMIT;
"""
_PATIENCE_SECONDS = 10.0


class CachedRows:
    """Rows of result files, computed again when a file's size or time has changed."""

    def __init__(self, results: Path, database: sqlite3.Connection) -> None:
        self.results = results
        self.database = database
        self.known = {
            path: (size, time, row)
            for path, size, time, row in database.execute("SELECT path, size, time, row FROM rows")
        }
        self.fresh: dict[str, tuple[str, int, int, str]] = {}
        self.gone = set(self.known)

    def row(
        self, path: str, stat: os.stat_result, compute: Callable[[], Row], usable: Callable[[Row], bool]
    ) -> Row:
        """The row of the file at `path` (relative): the remembered one if the file is the same and the row is
        `usable`, else what `compute` gives."""
        self.gone.discard(path)
        size, time, text = self.known.get(path, (0, 0, ""))
        if (size, time) == (stat.st_size, stat.st_mtime_ns):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                row: Row = json.loads(text)
                if usable(row):
                    return {**row, "path": str(self.results / path)}
        row = compute()
        if row["checksum"]:  # what could not be read may be readable another time
            self.fresh[path] = (path, stat.st_size, stat.st_mtime_ns, json.dumps(row))
        return row

    def save(self) -> None:
        with self.database:
            self.database.executemany("DELETE FROM rows WHERE path = ?", [(path,) for path in self.gone])
            self.database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", self.fresh.values())


@contextmanager
def cached_rows(results: Path) -> Iterator[CachedRows]:
    """The cache, made anew if it is damaged or of another version, in memory if it cannot be written."""
    database = _opened(results / _CACHE)
    try:
        rows = CachedRows(results, database)
        yield rows
        with contextlib.suppress(sqlite3.Error):  # full or read-only: slower next time, that is all
            rows.save()
    finally:
        database.close()


def _opened(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        try:
            database = sqlite3.connect(path, timeout=_PATIENCE_SECONDS)
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if sound == "ok" and not tables:
                database.executescript(_CACHE_SCHEMA)
                return database
            if sound == "ok" and version == _CACHE_VERSION:
                return database
            database.close()
        except sqlite3.OperationalError:
            break  # a place that cannot be written
        except sqlite3.DatabaseError:
            pass
        with contextlib.suppress(OSError):
            path.unlink()
    database = sqlite3.connect(":memory:")
    database.executescript(_CACHE_SCHEMA)
    return database

"""The broker's memory: one SQLite file, committed before anything is acknowledged."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from theta.simulator.errors import StateUnusable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID
"""

Change = tuple[str, str, dict[str, Any]]
"""Kind, id and content of a record to write."""


class Store:
    """Records by kind and id. ``path`` ``None`` keeps them in memory.

    Write-ahead logging: a committed change survives a kill of this process at once, a power cut up to the last
    checkpoint. Raises ``StateUnusable`` when the file cannot be opened or is no state file.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._db = sqlite3.connect(str(path) if path else ":memory:", timeout=1.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
            self._db.commit()
        except sqlite3.Error as error:
            raise StateUnusable(f"The state file {path} cannot be used: {error}.") from None

    def load(self, kind: str) -> dict[str, dict[str, Any]]:
        rows = self._db.execute("SELECT id, body FROM record WHERE kind = ?", (kind,))
        return {key: json.loads(body) for key, body in rows}

    def write(self, changes: Iterable[Change]) -> None:
        """Write all changes in one transaction; durable against a kill when it returns."""
        rows = [(kind, key, json.dumps(body)) for kind, key, body in changes]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self._db.close()

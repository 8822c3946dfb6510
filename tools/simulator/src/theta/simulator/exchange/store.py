"""The broker's memory: one SQLite file, committed before anything is acknowledged."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from theta.simulator.errors import StateError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID
"""

_FORMAT = 2
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode

Body = dict[str, Any] | Callable[[], dict[str, Any]]
"""Content of a record, or what makes it when the record is written; decimals are written as
text."""

Change = tuple[str, str, Body]
"""Kind, id and content of a record to write."""


def _text(body: Body) -> str:
    return _encode(body() if callable(body) else body)


class Store:
    """Records by kind and id. ``path`` ``None`` keeps them in memory.

    Changes are staged and committed together by ``flush``, which whoever tells anything to anybody
    outside calls first; a record staged twice is written once, as it stands then.

    Write-ahead logging: a committed change survives a kill of this process at once, a power cut up
    to the last
    checkpoint. Raises ``StateError`` when the file cannot be opened or is no state file.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._db = sqlite3.connect(str(path) if path else ":memory:", timeout=1.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
            self._db.commit()
            self._staged: dict[tuple[str, str], Body] = {}
            self._in_memory = path is None
            self._kept: dict[tuple[str, str], Body] = {}
            self._check_format(path)
        except sqlite3.Error as error:
            raise StateError(f"The state file {path} cannot be used: {error}.") from None

    def _check_format(self, path: Path | None) -> None:
        """Accept files of this and of every earlier format, whose records are still understood."""
        found = self.load("format").get("all", {}).get("version", 1)
        if not isinstance(found, int) or not 1 <= found <= _FORMAT:
            raise StateError(
                f"The state file {path} has format {found}, this program knows up to {_FORMAT}:"
                " use the version of the simulator that wrote it, or another file."
            )
        if found != _FORMAT or not self.load("format"):
            self.write([("format", "all", {"version": _FORMAT})])

    def load(self, kind: str) -> dict[str, dict[str, Any]]:
        """The records of a kind by id, as they were written last."""
        if self._in_memory:
            mine = [(key, body) for (its, key), body in self._kept.items() if its == kind]
            return {key: json.loads(_text(body)) for key, body in mine}
        try:
            rows = self._db.execute("SELECT id, body FROM record WHERE kind = ?", (kind,))
            return {key: json.loads(body) for key, body in rows}
        except (sqlite3.Error, ValueError) as error:
            raise StateError(f"The state file cannot be read: {error}.") from None

    def belong_to(self, identity: dict[str, Any]) -> None:
        """Mark a new state with whose it is; raises ``StateError`` when it is another one's."""
        known = self.load("identity").get("all")
        if known is None:
            self.write([("identity", "all", identity)])
        elif known != identity:
            raise StateError(
                f"The state file belongs to {json.dumps(known)}, not to {json.dumps(identity)}:"
                " give the scenario and seed that it was made with, or another file."
            )

    def stage(self, changes: Iterable[Change]) -> None:
        """Note changes for the next ``flush``."""
        for kind, key, body in changes:
            self._staged[kind, key] = body

    def flush(self) -> None:
        """Write everything staged in one transaction; durable against a kill when it returns."""
        if not self._staged:
            return
        if self._in_memory:
            # What ends with this process is turned into text for those only who ask for it.
            self._kept.update(self._staged)
            self._staged = {}
            return
        rows = [(kind, key, _text(body)) for (kind, key), body in self._staged.items()]
        self._staged = {}
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows)

    def write(self, changes: Iterable[Change]) -> None:
        """Stage ``changes`` and flush."""
        self.stage(changes)
        self.flush()

    def close(self) -> None:
        self.flush()
        self._db.close()

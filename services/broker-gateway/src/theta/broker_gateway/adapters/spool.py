"""Spools on local disk: evidence before the database has it, and halts without a database.

One JSON object per line. A line that a crash cut short is the last of its file and is left out.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from theta.broker_gateway.ports import Evidence, EvidenceKind
from theta.common.errors import ConfigError, UnavailableError
from theta.common.ports import IdSource

SEGMENT_BYTES_MAX = 4 * 1024 * 1024


class SpoolFolder:
    """The folder of all spools, locked for this process: the kernel frees the lock at its death."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (path / "lock").open("w")
        except OSError as error:
            raise ConfigError(
                f"THETA_SPOOL_DIR {path} cannot be written ({error.strerror}): mend its rights."
            ) from error

    def lock(self) -> None:
        """Raises UnavailableError while another live process works from this folder."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnavailableError(
                f"another broker-gateway uses {self.path}: stop it, or set another THETA_SPOOL_DIR."
            ) from error

    def close(self) -> None:
        self._lock.close()

    def next_number(self, name: str, at_least: int) -> int:
        """Return a number above every one returned before and `at_least`, kept on disk."""
        path = self.path / name
        known = int(path.read_text()) if path.exists() else 0
        number = max(known, at_least) + 1
        write_through(path, f"{number}\n")
        return number


def write_through(path: Path, text: str) -> None:
    """Replace a small file so that a crash leaves the old or the new content."""
    beside = path.with_suffix(".new")
    with beside.open("w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class EvidenceSpool:
    """Callbacks in order of arrival. The file is the queue: its bound is the disk."""

    def __init__(self, folder: Path, ids: IdSource) -> None:
        self._folder = folder / "evidence"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._boot = ids.uuid().hex
        self._count = 0
        self._stored = 0
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._inherited = sorted(self._folder.glob("*.jsonl"))
        self._number = 1 + max((int(path.stem) for path in self._inherited), default=0)
        self._path = self._folder / f"{self._number:08d}.jsonl"
        self._writer = self._path.open("ab", buffering=0)
        self._reader = self._path.open("rb")

    @property
    def backlog(self) -> int:
        """Records of this process that the database does not have yet."""
        return self._count - self._stored

    def append(self, evidence: Evidence) -> None:
        """Hand one callback to the operating system; `read` makes it durable before use."""
        with self._lock:
            self._count += 1
            record = {"id": f"{self._boot}-{self._count}", **_to_record(evidence)}
            self._writer.write(json.dumps(record, default=str).encode() + b"\n")
        self._arrived.set()

    def wait(self, seconds: float) -> None:
        self._arrived.wait(seconds)

    def inherited(self) -> list[list[tuple[str, Evidence]]]:
        """Records that earlier processes left, one list per file."""
        return [_parse(path.read_bytes()) for path in self._inherited]

    def forget_inherited(self) -> None:
        for path in self._inherited:
            path.unlink(missing_ok=True)
        self._inherited = []

    def read(self, limit: int) -> list[tuple[str, Evidence]]:
        """Return the next records, durable by now, without moving past them."""
        self._arrived.clear()
        os.fsync(self._writer.fileno())
        start = self._reader.tell()
        lines = []
        for _ in range(limit):
            line = self._reader.readline()
            if not line.endswith(b"\n"):
                break
            lines.append(line)
        self._reader.seek(start)
        return _parse(b"".join(lines))

    def advance(self, records: int) -> None:
        """Move past records that the database has; start a new file when all of a big one are."""
        for _ in range(records):
            self._reader.readline()
        self._stored += records
        with self._lock:
            if self._reader.tell() > SEGMENT_BYTES_MAX and self._stored == self._count:
                self._rotate()

    def close(self) -> None:
        """Close the files; one that is stored in full is removed."""
        with self._lock:
            self._writer.close()
            self._reader.close()
            if self._stored == self._count:
                self._path.unlink(missing_ok=True)

    def _rotate(self) -> None:
        done = self._path
        self._writer.close()
        self._reader.close()
        self._number += 1
        self._path = self._folder / f"{self._number:08d}.jsonl"
        self._writer = self._path.open("ab", buffering=0)
        self._reader = self._path.open("rb")
        done.unlink(missing_ok=True)


def _to_record(evidence: Evidence) -> dict[str, Any]:
    return {field.name: getattr(evidence, field.name) for field in dataclasses.fields(evidence)}


def _parse(content: bytes) -> list[tuple[str, Evidence]]:
    found = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut short by a crash: the broker is asked again at the reconnect
        record_id = record.pop("id")
        record["kind"] = EvidenceKind(record["kind"])
        record["received_at"] = datetime.fromisoformat(record["received_at"])
        market_at = record["received_market_at"]
        record["received_market_at"] = datetime.fromisoformat(market_at) if market_at else None
        found.append((record_id, Evidence(**record)))
    return found


class Quarantine:
    """Callbacks that the database refused for their content: one file each, until it takes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "quarantine"
        self._folder.mkdir(parents=True, exist_ok=True)

    def keep(self, record_id: str, evidence: Evidence, why: str) -> None:
        """Write one callback durably. Raises UnavailableError when the disk does not take it."""
        record = {"id": record_id, **_to_record(evidence)}
        try:
            write_through(self._path(record_id), json.dumps(record, default=str) + "\n")
            write_through(self._path(record_id).with_suffix(".why"), why + "\n")
        except OSError as error:
            raise UnavailableError(f"the quarantine cannot be written: {error}") from error

    def held(self) -> list[tuple[str, Evidence]]:
        """Return what is kept, in order of arrival within each process."""
        paths = sorted(self._folder.glob("*.json"), key=lambda path: (len(path.stem), path.stem))
        return [one for path in paths for one in _parse(path.read_bytes())]

    def done(self, record_id: str) -> None:
        """Forget a callback that the database has by now."""
        self._path(record_id).unlink(missing_ok=True)
        self._path(record_id).with_suffix(".why").unlink(missing_ok=True)

    def _path(self, record_id: str) -> Path:
        return self._folder / f"{record_id}.json"


class RecordSpool:
    """Few, precious records, each a file of its own: halts, and cancels without a database."""

    def __init__(self, folder: Path, ids: IdSource) -> None:
        self._folder = folder / "records"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ids = ids
        self._lock = threading.Lock()
        self._count = max((int(p.stem.split("-")[0]) for p in self._files()), default=0)

    def append(self, record: Mapping[str, Any]) -> str:
        """Write one record durably and return its id (its own `id` when it has one)."""
        with self._lock:
            self._count += 1
            record_id = str(record.get("id") or self._ids.uuid())
            path = self._folder / f"{self._count:08d}-{self._ids.token()}.json"
            write_through(path, json.dumps({**record, "id": record_id}, default=str))
            return record_id

    def pending(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what was not replayed yet, oldest first."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        for path in self._files():
            record: dict[str, Any] = json.loads(path.read_text())
            found.append((str(record["id"]), record))
        return found

    def done(self, record_id: str) -> None:
        """Forget a record whose effect is committed."""
        with self._lock:
            for path in self._files():
                if json.loads(path.read_text())["id"] == record_id:
                    path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

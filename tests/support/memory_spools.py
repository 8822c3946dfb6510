"""The gateway's disk in memory: what outlives a process, and the spools that work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theta.broker_gateway.ports import Evidence
from theta.common.ports import IdSource

Record = tuple[str, Evidence]


@dataclass
class Disk:
    """One gateway's spool folder."""

    files: list[list[Record]] = field(default_factory=list)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    quarantine: dict[str, Evidence] = field(default_factory=dict)


class MemoryEvidenceSpool:
    """Callbacks in order of arrival; an appended one survives the process."""

    def __init__(self, disk: Disk, ids: IdSource) -> None:
        self._disk = disk
        self._inherited = list(disk.files)
        self._file: list[Record] = []
        disk.files.append(self._file)
        self._boot = ids.uuid().hex
        self._stored = 0

    @property
    def backlog(self) -> int:
        return len(self._file) - self._stored

    def append(self, evidence: Evidence) -> None:
        self._file.append((f"{self._boot}-{len(self._file) + 1}", evidence))

    def wait(self, seconds: float) -> None:
        """There is one thread: nothing arrives while it waits."""

    def read(self, limit: int) -> list[Record]:
        return self._file[self._stored : self._stored + limit]

    def advance(self, records: int) -> None:
        self._stored += records

    def inherited(self) -> list[list[Record]]:
        return self._inherited

    def forget_inherited(self) -> None:
        self._disk.files = [self._file]
        self._inherited = []


class MemoryRecordSpool:
    """Halts and spooled cancels."""

    def __init__(self, disk: Disk, ids: IdSource) -> None:
        self._disk = disk
        self._ids = ids

    def append(self, record: Mapping[str, Any]) -> str:
        record_id = str(record.get("id") or self._ids.uuid())
        self._disk.records[record_id] = {**record, "id": record_id}
        return record_id

    def pending(self) -> list[tuple[str, Mapping[str, Any]]]:
        return list(self._disk.records.items())

    def done(self, record_id: str) -> None:
        self._disk.records.pop(record_id, None)


class MemoryQuarantine:
    """Callbacks that the database refused for their content."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def keep(self, record_id: str, evidence: Evidence, why: str) -> None:
        self._disk.quarantine[record_id] = evidence

    def held(self) -> list[Record]:
        return list(self._disk.quarantine.items())

    def done(self, record_id: str) -> None:
        self._disk.quarantine.pop(record_id, None)

"""Alerts about the session itself: collected on its loop, written when there is a database."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from theta.broker_gateway.use_cases.stores import GateStore

WAITING_MAX = 500

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. `source_key` names the event, so that it is told once."""

    severity: Severity
    kind: str
    title: str
    message: str
    source_key: str


class TellPeople:
    """`note` never blocks; `turn` writes what waits, in order."""

    def __init__(self, gate: GateStore) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._waiting: deque[Notice] = deque(maxlen=WAITING_MAX)
        self._last_key = ""

    def note(
        self, *, severity: Severity, kind: str, title: str, message: str, source_key: str
    ) -> None:
        """Keep it until it is written; the same event in a row is kept once."""
        notice = Notice(
            severity=severity, kind=kind, title=title, message=message, source_key=source_key
        )
        with self._lock:
            if notice.source_key != self._last_key:
                self._last_key = notice.source_key
                self._waiting.append(notice)

    def turn(self) -> None:
        """Write what waits. Raises UnavailableError, and then nothing is lost."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                notice = self._waiting[0]
            self._gate.alert(
                account="*",
                severity=notice.severity,
                kind=notice.kind,
                title=notice.title,
                message=notice.message,
                context={},
                source_key=notice.source_key,
            )
            with self._lock:
                if self._waiting and self._waiting[0] is notice:
                    self._waiting.popleft()

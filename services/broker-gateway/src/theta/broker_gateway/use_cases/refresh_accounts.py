"""A fresh account download soon after something changed, so that reservations end in time (§3).

Values are otherwise pushed only about every three minutes, and the timed reconciliation is rare.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from theta.common.domain.portfolio import Portfolio
from theta.common.errors import OutcomeUnknownError, StaleDataError, TransientError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

LOOK_EVERY_SECONDS = 1.0
DEBOUNCE_SECONDS = 0.5
"""Fills come in bursts: one download serves those of half a second."""
APART_SECONDS = 5.0
"""At most one download of an account in this time."""
APART_MAX_SECONDS = 60.0
"""What the time apart grows to, doubling, while a download releases nothing."""

_log = get_logger(__name__)


class Snapshots(Protocol):
    def take(self, account: str) -> tuple[UUID, Portfolio]: ...


class Reservations(Protocol):
    def awaiting_release(self) -> list[str]:
        """Accounts with an unreleased reservation of an intent that has ended."""
        ...


class RefreshAccounts:
    """`note` may be called from any thread; `turn` is the watch thread's."""

    def __init__(
        self, *, reservations: Reservations, snapshots: Snapshots, clock: ProcessClock
    ) -> None:
        self._reservations = reservations
        self._snapshots = snapshots
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._apart: dict[str, float] = {}
        self._next_look = 0.0

    def note(self, account: str) -> None:
        """Ask for a download of `account` after the debounce: its fills were stored."""
        due_at = self._clock.boottime_seconds() + DEBOUNCE_SECONDS
        with self._lock:
            self._due.setdefault(account, due_at)

    def turn(self, accounts: Collection[str]) -> None:
        """Download what is due of `accounts`. Raises UnavailableError without a database.

        An incomplete download is asked for again, as is one that released nothing.
        """
        now = self._clock.boottime_seconds()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_SECONDS
            for account in self._reservations.awaiting_release():
                self.note(account)
        with self._lock:
            due = [
                account
                for account, at in sorted(self._due.items())
                if account in accounts and now >= max(at, self._not_before.get(account, 0.0))
            ]
        for account in due:
            self._refresh(account)

    def _refresh(self, account: str) -> None:
        with self._lock:
            self._due.pop(account, None)
        apart = self._apart.get(account, APART_SECONDS)
        self._not_before[account] = self._clock.boottime_seconds() + apart
        try:
            self._snapshots.take(account)
        except (TransientError, StaleDataError, OutcomeUnknownError) as error:
            _log.info("an account download failed; it is asked for again", error=str(error))
            self.note(account)
            return
        waits = account in self._reservations.awaiting_release()
        self._apart[account] = min(apart * 2, APART_MAX_SECONDS) if waits else APART_SECONDS

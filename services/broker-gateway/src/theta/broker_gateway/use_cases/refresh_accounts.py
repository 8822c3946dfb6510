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
APART_SECONDS = 1.0
"""At most one download of an account in this time."""
REPEAT_SECONDS = 5.0
"""A download that failed or left a reservation standing is repeated after this, unless a fill is
stored meanwhile."""
REPEAT_MAX_SECONDS = 60.0
"""What that time grows to, doubling, while a reservation stands."""

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
        self._taken_at: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._repeat: dict[str, float] = {}
        self._next_look = 0.0

    def note(self, account: str) -> None:
        """Ask for a download of `account` after the debounce: its fills were stored."""
        with self._lock:
            self._not_before[account] = self._taken_at.get(account, 0.0) + APART_SECONDS
        self._ask(account)

    def turn(self, accounts: Collection[str]) -> None:
        """Download what is due of `accounts`. Raises UnavailableError without a database.

        An incomplete download is asked for again, as is one that released nothing.
        """
        now = self._clock.boottime_seconds()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_SECONDS
            for account in self._reservations.awaiting_release():
                self._ask(account)
        with self._lock:
            due = [
                account
                for account, at in sorted(self._due.items())
                if account in accounts and now >= max(at, self._not_before.get(account, 0.0))
            ]
        for account in due:
            self._refresh(account)

    def _ask(self, account: str) -> None:
        due_at = self._clock.boottime_seconds() + DEBOUNCE_SECONDS
        with self._lock:
            self._due.setdefault(account, due_at)

    def _refresh(self, account: str) -> None:
        taken_at = self._clock.boottime_seconds()
        repeat = self._repeat.get(account, REPEAT_SECONDS)
        with self._lock:
            self._due.pop(account, None)
            self._taken_at[account] = taken_at
            self._not_before[account] = taken_at + repeat
        try:
            self._snapshots.take(account)
        except (TransientError, StaleDataError, OutcomeUnknownError) as error:
            _log.info("an account download failed; it is asked for again", error=str(error))
            self._ask(account)
            return
        if account in self._reservations.awaiting_release():
            self._repeat[account] = min(repeat * 2, REPEAT_MAX_SECONDS)
            return
        self._repeat[account] = REPEAT_SECONDS
        with self._lock:
            self._not_before[account] = taken_at + APART_SECONDS

"""What this process knows in memory about whether it may send: lease, gate, reconciliation."""

from __future__ import annotations

import threading
from collections.abc import Collection


class SessionGuard:
    """Closed until proven open. Every method is quick and may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch: int | None = None
        self._lease_until = 0.0
        self._act_after = 0.0
        self._reconciled_connection = 0
        self._closed: dict[str, frozenset[str] | None] = {"starting": None}

    # -- lease ---------------------------------------------------------------------------------

    def hold(self, epoch: int, *, until: float, act_after: float) -> None:
        """Note an acquired lease; times are CLOCK_BOOTTIME seconds."""
        with self._lock:
            self._epoch, self._lease_until, self._act_after = epoch, until, act_after

    def renewed(self, *, until: float) -> None:
        with self._lock:
            self._lease_until = until

    def lose(self) -> None:
        with self._lock:
            self._epoch = None

    def epoch(self, now: float) -> int | None:
        """Return the epoch while the lease surely stands and its waiting time is over."""
        with self._lock:
            held = self._act_after <= now < self._lease_until
            return self._epoch if held else None

    @property
    def epoch_held(self) -> int | None:
        """The epoch, whether or not it may act already."""
        with self._lock:
            return self._epoch

    # -- gate ----------------------------------------------------------------------------------

    def close(self, why: str, accounts: Collection[str] | None = None) -> None:
        """Refuse every send (of `accounts`, or of all) until `open(why)`."""
        with self._lock:
            self._closed[why] = None if accounts is None else frozenset(accounts)

    def open(self, why: str) -> None:
        with self._lock:
            self._closed.pop(why, None)

    def closed_by(self, account: str) -> str | None:
        """Return a reason for which the gate is closed for `account`, `None` when open."""
        with self._lock:
            for why, accounts in sorted(self._closed.items()):
                if accounts is None or account in accounts:
                    return why
        return None

    def is_closed(self, why: str) -> bool:
        with self._lock:
            return why in self._closed

    def reasons(self) -> list[str]:
        with self._lock:
            return sorted(self._closed)

    # -- what was read last --------------------------------------------------------------------

    def reconciled(self, connection_no: int) -> None:
        with self._lock:
            self._reconciled_connection = connection_no

    @property
    def reconciled_connection(self) -> int:
        with self._lock:
            return self._reconciled_connection

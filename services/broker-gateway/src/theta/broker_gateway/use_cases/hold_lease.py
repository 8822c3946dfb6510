"""Holding the session's lease: one sender, and an epoch that outlives a frozen one (§7)."""

from __future__ import annotations

from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.stores import SessionStore
from theta.common.errors import OutcomeUnknownError, TransientError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

TTL_SECONDS = 10.0
RENEW_EVERY_SECONDS = 2.0
MARGIN_SECONDS = 2.0
"""Our own clock lets go this much before the database's does."""
SUCCESSOR_WAITS_SECONDS = 2.0

_log = get_logger(__name__)


class HoldLease:
    """`turn` is called about twice a second by the housekeeping thread."""

    def __init__(
        self, *, store: SessionStore, guard: SessionGuard, clock: ProcessClock, holder: str
    ) -> None:
        self._store = store
        self._guard = guard
        self._clock = clock
        self._holder = holder
        self._next_at = 0.0
        self._until = 0.0

    def turn(self) -> bool:
        """Acquire or renew when it is time; return whether the lease is held now."""
        now = self._clock.boottime_seconds()
        epoch = self._guard.epoch_held
        if epoch is not None and now >= self._until:
            self._lose("it was not renewed in time")
            epoch = None
        if now < self._next_at:
            return epoch is not None
        self._next_at = now + (RENEW_EVERY_SECONDS if epoch is not None else 0.5)
        try:
            return self._acquire(now) if epoch is None else self._renew(epoch, now)
        except (TransientError, OutcomeUnknownError) as error:
            _log.warning("the lease could not be renewed", error=str(error))
            return self._guard.epoch_held is not None

    def release(self) -> None:
        """Give it up at a clean stop, so that a successor need not wait."""
        epoch = self._guard.epoch_held
        self._guard.lose()
        if epoch is None:
            return
        try:
            self._store.release_lease(self._holder, epoch)
        except (TransientError, OutcomeUnknownError) as error:
            _log.warning("the lease was not released; it will expire", error=str(error))

    def _acquire(self, now: float) -> bool:
        epoch = self._store.acquire_lease(self._holder, TTL_SECONDS)
        if epoch is None:
            return False
        self._until = now + TTL_SECONDS - MARGIN_SECONDS
        # An earlier holder's last claim may still be on its way to the socket for this long. Epoch
        # 1 succeeds nobody: every acquisition counts it up, and a restored backup keeps it.
        waits = SUCCESSOR_WAITS_SECONDS if epoch > 1 else 0.0
        act_after = self._clock.boottime_seconds() + waits
        self._guard.hold(epoch, until=self._until, act_after=act_after)
        self._next_at = now + RENEW_EVERY_SECONDS
        _log.info("lease acquired", epoch=epoch)
        return True

    def _renew(self, epoch: int, now: float) -> bool:
        if not self._store.renew_lease(self._holder, epoch, TTL_SECONDS):
            self._lose("another gateway holds it, or it had expired")
            return False
        self._until = now + TTL_SECONDS - MARGIN_SECONDS
        self._guard.renewed(until=self._until)
        return True

    def _lose(self, reason: str) -> None:
        self._guard.lose()
        _log.error("lease lost: nothing is sent any more", reason=reason)

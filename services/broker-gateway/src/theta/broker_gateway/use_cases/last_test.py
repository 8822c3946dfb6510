"""Reads everything that the last test before a write looks at (order-protocol §5.2)."""

from __future__ import annotations

from theta.broker_gateway.domain.send_check import SendConditions
from theta.broker_gateway.ports import BrokerPort, SessionState
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.stores import SenderLock
from theta.common.ports import ProcessClock

SEND_WITHIN_SECONDS = 2.0
"""`send_by`: the time from the beginning of a claim to the last moment of its write."""


class LastTest:
    """Used on the session loop, in the callback that writes."""

    def __init__(
        self, *, broker: BrokerPort, lock: SenderLock, guard: SessionGuard, clock: ProcessClock
    ) -> None:
        self._broker = broker
        self._lock = lock
        self._guard = guard
        self._clock = clock

    def conditions(
        self,
        state: SessionState,
        *,
        epoch: int,
        connection_no: int,
        account: str | None,
        elapsed: float = 0.0,
        wall_elapsed: float = 0.0,
    ) -> SendConditions:
        """Return what holds now for a send that was claimed under `epoch` in `connection_no`.

        `account` is `None` where none is known yet; the times are seconds since the claim began.
        """
        return SendConditions(
            attempt_is_ours=True,
            epoch_claimed=epoch,
            epoch_held=self._guard.epoch(self._clock.boottime_seconds()),
            connection_claimed=connection_no,
            connection_now=state.connection_no,
            connected=state.connected,
            fetched=state.fetched,
            reconciled=self._guard.reconciled_connection == state.connection_no,
            broker_link=state.broker_link,
            gate_closed_by=self._guard.closed_by(account or ""),
            lock_held=self._lock.still_held(),
            elapsed_seconds=elapsed,
            wall_elapsed_seconds=wall_elapsed,
            send_within_seconds=SEND_WITHIN_SECONDS,
        )

"""Each second: market time and session state for the others, the gate read, the flag file seen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from theta.broker_gateway.ports import BrokerPort, SessionState
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import FLAG, HaltTrading
from theta.broker_gateway.use_cases.reconcile import is_paper_account
from theta.broker_gateway.use_cases.stores import GateStore, SessionLoop, SessionStore
from theta.common.domain.orders import TradingState
from theta.common.errors import OutcomeUnknownError, TransientError
from theta.common.ports import ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import gauge

EVERY_SECONDS = 1.0
BEAT_EVERY_SECONDS = 5.0

_log = get_logger(__name__)


class FlagFile(Protocol):
    def identity(self) -> str | None:
        """Return what tells this flag file from an earlier one; `None` while there is none."""
        ...


class PublishClock:
    """`turn` is called about four times a second by the housekeeping thread."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        session: SessionStore,
        gate: GateStore,
        guard: SessionGuard,
        halting: HaltTrading,
        flag: FlagFile,
        clock: ProcessClock,
        market_rate: Callable[[], float],
        instance: str,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._session = session
        self._gate = gate
        self._guard = guard
        self._halting = halting
        self._flag = flag
        self._clock = clock
        self._market_rate = market_rate
        self._instance = instance
        self._next_at = 0.0
        self._next_beat = 0.0
        self._halted_for: str | None = None
        self._told_connection = 0

    def has_told(self, connection_no: int) -> bool:
        """Tell whether the others can read that this connection is ready, and its market time.

        Before that a run would begin and find no market time.
        """
        return self._told_connection == connection_no

    def turn(self) -> None:
        """Do what is due; a database that is away only delays what the others see."""
        now = self._clock.boottime_seconds()
        waits = self._guard.reconciled_connection != self._told_connection
        if now < self._next_at and not waits:
            return
        self._next_at = now + EVERY_SECONDS
        self._watch_flag()
        try:
            self._publish()
            if now >= self._next_beat:
                self._next_beat = now + BEAT_EVERY_SECONDS
                self._session.beat(self._instance, {"closed_by": self._guard.reasons()})
        except (TransientError, OutcomeUnknownError) as error:
            _log.warning("the session's state could not be published", error=str(error))

    def _publish(self) -> None:
        state, market_at = self._loop.call(
            lambda: (self._broker.state(), self._broker.market_at()), timeout_seconds=2.0
        )
        ready = self._is_ready(state)
        self._session.publish(
            client_id=state.client_id,
            connection_no=state.connection_no,
            connected=state.connected,
            ready=ready,
            market_at=market_at,
            market_rate=Decimal(str(round(self._market_rate(), 4))),
            is_paper=all(map(is_paper_account, state.accounts)) if state.accounts else None,
        )
        if ready and market_at is not None:
            self._told_connection = state.connection_no
        halted = any(s is TradingState.HALTED for s in self._gate.states().values())
        gauge(names.HALTED).set(float(halted))

    def _is_ready(self, state: SessionState) -> bool:
        return (
            state.connected
            and state.fetched
            and state.broker_link
            and self._guard.reconciled_connection == state.connection_no
        )

    def _watch_flag(self) -> None:
        identity = self._flag.identity()
        if identity is None:
            self._guard.open(FLAG)
            self._halted_for = None
            return
        self._guard.close(FLAG)
        if identity == self._halted_for:
            return
        self._halted_for = identity
        self._halting.halt(
            scope="account",
            scope_key=None,
            account=None,
            reason="the halt flag file exists",
            actor=FLAG,
            record_id=identity,
        )

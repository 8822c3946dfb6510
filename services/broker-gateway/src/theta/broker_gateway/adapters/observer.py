"""What the session's life means for the gateway: called on the session loop, never blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from theta.broker_gateway.adapters.ibkr.codes import Level
from theta.broker_gateway.ports import SessionState
from theta.common.ports import ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import counter, gauge

Severity = Literal["info", "warning", "critical"]


class Tell(Protocol):
    """Keeps something to tell people until it is written. Never blocks."""

    def __call__(
        self, *, severity: Severity, kind: str, title: str, message: str, source_key: str
    ) -> None: ...


_SEVERITY: dict[Level, Severity] = {Level.PAGE: "critical", Level.WARN: "warning"}
_STATES = ("connected", "disconnected")
_log = get_logger(__name__)


class GatewayObserver:
    """`SessionObserver` of the supervisor."""

    def __init__(
        self,
        *,
        session: str,
        tell: Tell,
        ask: Callable[[str], None],
        on_accounts: Callable[[SessionState], None],
        clock: ProcessClock,
    ) -> None:
        self._session = session
        self._tell = tell
        self._ask = ask
        self._on_accounts = on_accounts
        self._clock = clock
        self._connection_no = 0

    def on_connected(self, state: SessionState) -> None:
        self._connection_no = state.connection_no
        self._show("connected")
        counter(names.CONNECTIONS).add(session=self._session)
        _log.info("connected to TWS", connection_no=state.connection_no)
        self._on_accounts(state)

    def on_disconnected(self, reason: str) -> None:
        self._show("disconnected")
        self._tell(
            severity="warning",
            kind="connection.lost",
            title=f"Session {self._session} lost its connection to TWS",
            message=f"{reason}. Nothing is sent until it is back and reconciled.",
            source_key=f"connection.lost:{self._session}:{self._connection_no}",
        )

    def on_ready(self) -> None:
        self._ask("session_ready")

    def on_notice(self, code: int, message: str, level: Level) -> None:
        _log.info("notice from the session", code=code, text=message, level_said=str(level))
        severity = _SEVERITY.get(level)
        if severity is None or (severity == "warning" and code != 502):
            return
        kind = "connection.refused" if code == 502 else f"broker.{code}"
        day = self._clock.wall_at().strftime("%Y-%m-%d")
        self._tell(
            severity=severity,
            kind=kind,
            title=f"Session {self._session}: {message}"[:200],
            message=message,
            source_key=f"{kind}:{self._session}:{self._connection_no}:{day}:{message}"[:300],
        )

    def _show(self, state: str) -> None:
        for one in _STATES:
            gauge(names.CONNECTION_STATE).set(float(one == state), state=one, session=self._session)

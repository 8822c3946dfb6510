"""What the API needs, given to it by bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import HaltTrading
from theta.broker_gateway.use_cases.modify_order import ModifyOrder
from theta.broker_gateway.use_cases.resume_trading import ResumeTrading
from theta.broker_gateway.use_cases.stores import SessionLoop
from theta.broker_gateway.use_cases.take_snapshot import TakeSnapshot
from theta.common.domain.portfolio import Portfolio
from theta.common.http.auth import TokenRecord
from theta.common.ports import IdSource


class Queries(Protocol):
    def token(self, token_hash: str) -> TokenRecord | None: ...

    def status(self) -> dict[str, Any]: ...

    def intents(self, *, state: str | None, limit: int) -> list[dict[str, Any]]: ...

    def intent(self, intent_id: UUID) -> dict[str, Any] | None: ...

    def runs(self, *, limit: int) -> list[dict[str, Any]]: ...

    def run(self, run_id: UUID) -> dict[str, Any] | None: ...

    def newest_portfolio(self, account: str) -> tuple[UUID, Portfolio] | None: ...

    def create_run(
        self, *, run_id: UUID, account: str, actor: str, traceparent: str | None
    ) -> dict[str, Any]: ...

    def request_cancel(
        self, intent_id: UUID, *, actor: str, reason: str
    ) -> dict[str, Any] | None: ...

    def claim_key(self, key: str, route: str, request_hash: str) -> dict[str, Any] | None: ...

    def finish_key(self, key: str, route: str, status: int, response: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNow:
    """Market time, its age in process seconds, and its rate."""

    market_at: datetime
    observed_age_seconds: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """Everything behind the routes."""

    queries: Queries
    broker: BrokerPort
    loop: SessionLoop
    guard: SessionGuard
    halting: HaltTrading
    resuming: ResumeTrading
    modifying: ModifyOrder
    snapshots: TakeSnapshot
    ids: IdSource
    alive: Callable[[], bool]
    """The loops turn; False asks for a restart."""
    not_ready: Callable[[], str | None]
    """Why trading could not go on now, `None` when it could."""
    clock_now: Callable[[], ClockNow | None]
    """On the session loop."""

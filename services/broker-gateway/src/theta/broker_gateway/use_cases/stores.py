"""What the use cases need of the database, the spool and the session loop, as protocols.

Stores raise UnavailableError when nothing happened (RefusedForNowError when the database answered)
and OutcomeUnknownError when a commit's answer was lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

from theta.broker_gateway.domain.records import (
    Baseline,
    CancelRequest,
    ChildRecord,
    ClaimedOrder,
    ClaimRequest,
    FollowUp,
    ModifyRequest,
    NotClaimed,
    StoredExecution,
)
from theta.broker_gateway.ports import BrokerOrder, Evidence
from theta.common.domain.orders import OrderState, TradingState
from theta.common.domain.portfolio import Portfolio

Answer = TypeVar("Answer")


class SessionLoop(Protocol):
    """Runs work on the session loop's thread, for callers on other threads."""

    def call(self, work: Callable[[], Answer], *, timeout_seconds: float) -> Answer:
        """Run `work` in one callback. Raises UnavailableError when it surely never runs, and
        OutcomeUnknownError when it had begun and did not end in time.
        """
        ...

    def run(self, make: Callable[[], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
        """Await `make()` on the loop. Raises UnavailableError when it took too long."""
        ...


class SenderLock(Protocol):
    """The session-level advisory lock of order-protocol §4, on connections of its own."""

    def shared(self) -> AbstractContextManager[None]: ...

    def still_held(self) -> bool:
        """Tell at once, asking nobody, whether the shared lock surely was not lost."""
        ...

    def exclusive_within(self, seconds: float) -> AbstractContextManager[bool]:
        """Hold it exclusively, or yield False when it was not free within `seconds`."""
        ...


class ClaimStore(Protocol):
    def claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed: ...

    def command_stands(self, request: ClaimRequest) -> ClaimedOrder | None:
        """Re-read a commit in doubt: the order if this very attempt was committed."""
        ...

    def mark_sent(self, command_id: UUID, *, sent_at: datetime) -> None: ...

    def mark_unsent(self, child_id: UUID, command_id: UUID, *, outcome: str, reason: str) -> None:
        """Record `not_sent` or `unknown` and move the child to unknown."""
        ...

    def highest_order_id(self) -> int: ...

    def approved_intents(self) -> list[UUID]: ...


class CancelStore(Protocol):
    def child(self, child_id: UUID) -> ChildRecord | None: ...

    def claim_cancel(self, request: CancelRequest) -> bool: ...

    def mark_cancel(self, command_id: UUID, *, outcome: str, sent_at: datetime | None) -> None: ...

    def cancels_due(self, *, older_than_seconds: float) -> list[UUID]:
        """Children still possibly live whose newest cancel is older than that."""
        ...

    def store_spooled_cancels(self, record: Mapping[str, Any], epoch: int | None) -> None: ...


class ModifyStore(Protocol):
    def child(self, child_id: UUID) -> ChildRecord | None: ...

    def live_child_of(self, intent_id: UUID) -> UUID | None:
        """The intent's one child that may be live, `None` without one."""
        ...

    def claim_modify(self, request: ModifyRequest) -> ChildRecord | NotClaimed:
        """Record the modify before it is written; the child as it stood, or why not."""
        ...

    def modify_stands(self, request: ModifyRequest) -> bool:
        """Re-read a commit in doubt."""
        ...

    def mark_modify(
        self, command_id: UUID, *, outcome: str, detail: str, sent_at: datetime | None
    ) -> None: ...


class OrderStore(Protocol):
    """Children as resolution and reconciliation see and move them."""

    def children(self, states: Collection[OrderState]) -> list[ChildRecord]: ...

    def known_refs(self, refs: Collection[str]) -> set[str]: ...

    def watched(self) -> list[ChildRecord]:
        """Children that ended without certainty (absent, cancelled, expired, rejected), recent."""
        ...

    def overdue(self, *, within_seconds: float, epoch: int) -> list[ChildRecord]:
        """Submitting children whose send is over and that nothing acknowledged in time."""
        ...

    def move(self, child_id: UUID, target: OrderState, *, reason: str) -> bool: ...

    def mark_unknown(self, child_id: UUID, *, reason: str) -> bool: ...

    def infer(self, child: ChildRecord, *, filled: int, at: datetime, reason: str) -> None:
        """Record an inferred fill (possibly 0) and end the child: filled, or the rest expired."""
        ...

    def adopt_orphan(self, order: BrokerOrder, *, market_at: datetime) -> UUID | None: ...

    def position_baseline(self, child: ChildRecord) -> Decimal | None:
        """The signed position in its contract before its claim plus all fills recorded since."""
        ...

    def other_candidates(self, child: ChildRecord) -> int: ...


class EvidenceStore(Protocol):
    def record(self, batch: Sequence[tuple[str, Evidence]]) -> list[FollowUp]: ...

    def takes_others(self) -> bool:
        """Tell whether the database takes evidence at all now, by trying without keeping it."""
        ...


class GateStore(Protocol):
    def accounts(self) -> list[str]: ...

    def states(self) -> dict[str, TradingState]: ...

    def tighten(
        self,
        account: str,
        *,
        scope: Literal["account", "strategy", "symbol"],
        scope_key: str,
        state: TradingState,
        cause: str,
        reason: str,
        actor: str,
        record_id: str | None,
    ) -> bool:
        """Commit it; with `record_id`, only once ever. False when that id was applied before."""
        ...

    def lift(
        self,
        account: str,
        *,
        scope: Literal["account", "strategy", "symbol"],
        scope_key: str,
        cause: str | None,
        reason: str,
        actor: str,
    ) -> TradingState: ...

    def create(self, account: str, *, state: TradingState, reason: str) -> bool: ...

    def has_open(self, account: str, cause: str) -> bool:
        """Tell whether an open account-wide state has this cause."""
        ...

    def alert(
        self,
        *,
        account: str,
        severity: Literal["info", "warning", "critical"],
        kind: str,
        title: str,
        message: str,
        context: Mapping[str, Any],
        source_key: str,
    ) -> None: ...


class SessionStore(Protocol):
    def acquire_lease(self, holder: str, ttl_seconds: float) -> int | None: ...

    def renew_lease(self, holder: str, epoch: int, ttl_seconds: float) -> bool: ...

    def release_lease(self, holder: str, epoch: int) -> None: ...

    def connection_no(self) -> int: ...

    def publish(
        self,
        *,
        client_id: int,
        connection_no: int,
        connected: bool,
        ready: bool,
        market_at: datetime | None,
        market_rate: Decimal,
        is_paper: bool | None,
    ) -> None: ...

    def register_accounts(self, accounts: Mapping[str, bool]) -> None: ...

    def beat(self, instance: str, detail: Mapping[str, Any]) -> None: ...


class SnapshotStore(Protocol):
    def now(self) -> datetime:
        """The database's clock."""
        ...

    def store_portfolio(
        self, portfolio: Portfolio, *, snapshot_id: UUID, requested_at: datetime
    ) -> list[UUID]:
        """Store it and release the reservations that it makes superfluous; return their intents."""
        ...


class ReconciliationStore(Protocol):
    def baseline(self, account: str) -> Baseline | None: ...

    def fills_after(self, account: str, counted_to: datetime) -> list[StoredExecution]: ...

    def now(self) -> datetime:
        """The database's clock."""
        ...

    def store(
        self,
        *,
        account: str,
        trigger: str,
        clean: bool,
        differences: Sequence[Mapping[str, Any]],
        actions: Mapping[str, Any],
        started_at: datetime,
        market_at: datetime | None,
    ) -> None: ...

    def last_was_clean(self, account: str) -> bool | None: ...

    def accept(self, account: str, *, actor: str, reason: str) -> None:
        """Let the newest differences count as explained, journalled under a person's name."""
        ...


class Spool(Protocol):
    """Records that outlive a crash; `append` returns once they are on disk."""

    def append(self, record: Mapping[str, Any]) -> str: ...

    def pending(self) -> list[tuple[str, Mapping[str, Any]]]: ...

    def done(self, record_id: str) -> None: ...

"""The gateway's tables in memory, with transactions: what a commit keeps and a crash undoes.

Rows are frozen; `Table.put` and `remove` are the only writes and note what undoes them. The guards
that PostgreSQL keeps by triggers are kept here, and what they refuse is noted in `violations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from theta.broker_gateway.domain.records import ACTOR, ChildRecord
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import (
    FINAL,
    Action,
    Effect,
    IntentKind,
    OrderState,
    TradingState,
    intent_state_of,
    may_become,
    needs_page,
)
from theta.common.domain.portfolio import Portfolio
from theta.common.errors import UnavailableError
from theta.common.postgres.engine import CommitUnknownError

Row = TypeVar("Row")
Key = TypeVar("Key")


class Doubt(StrEnum):
    """What becomes of a commit whose answer is lost."""

    KEPT = "kept"
    UNDONE = "undone"


class GuardError(Exception):
    """A write that the database's own guards refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    id: UUID
    account: str
    session: str
    source: str
    strategy: str
    symbol: str
    kind: IntentKind
    effect: Effect
    action: Action
    quantity: int
    limit_price: Decimal | None
    price_floor: Decimal | None
    price_ceiling: Decimal | None
    contract: Contract
    state: OrderState
    expires_market_at: datetime
    created_at: datetime
    updated_at: datetime
    state_reason: str = ""
    filled_quantity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRow:
    id: UUID
    account: str
    session: str
    intent_id: UUID
    sequence: int
    order_ref: str
    state: OrderState
    quantity: int
    limit_price: Decimal | None
    created_at: datetime
    updated_at: datetime
    state_reason: str = ""
    client_id: int | None = None
    order_id: int | None = None
    connection_no: int | None = None
    claimed_market_at: datetime | None = None
    perm_id: int | None = None
    broker_status: str | None = None
    filled_quantity: int = 0
    final_event_at: datetime | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    id: UUID
    account: str
    child_id: UUID
    kind: str
    attempt: int
    epoch: int
    connection_no: int
    order_id: int
    claimed_at: datetime
    claimed_market_at: datetime
    send_within_ms: int
    outcome: str = "claimed"
    detail: str = ""
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    exec_id: str
    exec_key: str
    account: str
    child_id: UUID | None
    order_ref: str | None
    perm_id: int | None
    side: str
    quantity: Decimal
    price: Decimal
    contract: Contract
    executed_at: datetime
    received_at: datetime
    stored_at: datetime
    superseded: bool = False
    inferred: bool = False
    commission: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """An open or ended trading state of one scope."""

    account: str
    scope: str
    scope_key: str
    state: TradingState
    cause: str
    reason: str
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    id: UUID
    portfolio: Portfolio
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationRow:
    account: str
    trigger: str
    clean: bool
    differences: tuple[Any, ...]
    actions: dict[str, Any]
    started_at: datetime
    finished_at: datetime
    market_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRow:
    intent_id: UUID
    account: str
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    holder: str
    epoch: int
    expires_at: datetime


Undo = list[tuple[dict[Any, Any], Any, Any]]
_MISSING = object()


class Table(dict[Key, Row], Generic[Key, Row]):
    """Rows by key, in order of insertion."""

    def __init__(self, undo: Undo) -> None:
        super().__init__()
        self._undo = undo

    def put(self, key: Key, row: Row) -> None:
        self._undo.append((self, key, self.get(key, _MISSING)))
        self[key] = row

    def add(self, row: Row) -> None:
        """Append a row of a table that is keyed by number."""
        self.put(len(self), row)  # type: ignore[arg-type]  # such a table's keys are int


@dataclass
class _Now:
    """An open transaction."""

    undo: Undo = field(default_factory=list)
    is_open: bool = False


class MemoryTables:
    """All tables of one installation. `clock` is the database's own, and never stands still."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.now = clock
        self.away = False
        self.losses = 0
        """How often it went away: a connection of before is gone."""
        self.doubt: Doubt | None = None
        """What becomes of the next commit that changes something; its answer is lost."""
        self.violations: list[str] = []
        self._now = _Now()
        undo = self._now.undo
        self.intents: Table[UUID, IntentRow] = Table(undo)
        self.children: Table[UUID, ChildRow] = Table(undo)
        self.commands: Table[UUID, CommandRow] = Table(undo)
        self.events: Table[str, UUID | None] = Table(undo)
        self.commissions: Table[str, dict[str, Any]] = Table(undo)
        self.executions: Table[str, ExecutionRow] = Table(undo)
        self.gates: Table[str, TradingState] = Table(undo)
        self.states: Table[int, StateRow] = Table(undo)
        self.alerts: Table[str, tuple[str, str]] = Table(undo)
        self.outbox: Table[int, UUID] = Table(undo)
        """Children whose cancel was asked for, by number."""
        self.leases: Table[str, LeaseRow] = Table(undo)
        self.accounts: Table[str, bool] = Table(undo)
        self.snapshots: Table[UUID, SnapshotRow] = Table(undo)
        self.reconciliations: Table[int, ReconciliationRow] = Table(undo)
        self.reservations: Table[UUID, ReservationRow] = Table(undo)
        self.replayed: Table[str, str] = Table(undo)
        self.journal: Table[int, tuple[str, str]] = Table(undo)
        self.connections: Table[str, int] = Table(undo)
        self.order_id_floor = 0

    def lose(self) -> None:
        """Go away: every connection breaks, and an open transaction with it."""
        self.away = True
        self.losses += 1

    def come_back(self) -> None:
        self.away = False

    @property
    def in_transaction(self) -> bool:
        return self._now.is_open

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction, as `theta.common.postgres.engine.transaction` does.

        One at a time: what the rows' locks would keep apart is not run side by side here.
        """
        if self.away:
            raise UnavailableError("the database does not answer")
        assert not self._now.is_open, "a transaction inside a transaction"
        losses, self._now.is_open = self.losses, True
        try:
            yield
            if self.losses != losses:
                raise UnavailableError("the database was lost")
            if self.doubt is not None and self._now.undo:
                doubt, self.doubt = self.doubt, None
                if doubt is Doubt.UNDONE:
                    self._undo()
                raise CommitUnknownError("the answer to COMMIT was lost")
        except CommitUnknownError:
            raise
        except BaseException:
            self._undo()
            raise
        finally:
            self._now.undo.clear()
            self._now.is_open = False

    def _undo(self) -> None:
        for table, key, row in reversed(self._now.undo):
            if row is _MISSING:
                del table[key]
            else:
                table[key] = row

    # -- reading -------------------------------------------------------------------------------

    def children_of(self, intent_id: UUID) -> list[ChildRow]:
        return [row for row in self.children.values() if row.intent_id == intent_id]

    def commands_of(self, child_id: UUID, kind: str) -> list[CommandRow]:
        return [
            row for row in self.commands.values() if row.child_id == child_id and row.kind == kind
        ]

    def fills_of(self, child_id: UUID) -> list[ExecutionRow]:
        """Executions of the child that no correction replaced."""
        return [
            row
            for row in self.executions.values()
            if row.child_id == child_id and not row.superseded
        ]


class MemoryDatabase(MemoryTables):
    """The tables with the guards and the moves of `theta.common.postgres`."""

    # -- guarded writes ------------------------------------------------------------------------

    def set_intent(self, intent_id: UUID, **values: Any) -> IntentRow:
        row = self.intents[intent_id]
        changed = replace(row, updated_at=self.now(), **values)
        if changed.state is not row.state and not may_become(row.state, changed.state):
            self._refuse(f"intent may not go from {row.state} to {changed.state}")
        self.intents.put(intent_id, changed)
        return changed

    def set_child(self, child_id: UUID, **values: Any) -> ChildRow:
        row = self.children[child_id]
        changed = replace(row, updated_at=self.now(), **values)
        if changed.state is not row.state:
            if not may_become(row.state, changed.state):
                self._refuse(f"child may not go from {row.state} to {changed.state}")
            if row.state is OrderState.FILLED and not row.inferred:
                self._refuse("a child is filled and not inferred: it stays")
        self.children.put(child_id, changed)
        return changed

    def _refuse(self, why: str) -> None:
        self.violations.append(why)
        raise GuardError(why)

    def one_child(self, child_id: UUID) -> ChildRecord | None:
        row = self.children.get(child_id)
        return None if row is None else self.child_record(row)

    def child_record(self, row: ChildRow) -> ChildRecord:
        intent = self.intents[row.intent_id]
        return ChildRecord(
            id=row.id, intent_id=row.intent_id, account=row.account, order_ref=row.order_ref,
            state=row.state, quantity=row.quantity, filled_quantity=row.filled_quantity,
            action=intent.action, contract=intent.contract, symbol=intent.symbol,
            strategy=intent.strategy, effect=intent.effect, kind=intent.kind,
            order_id=row.order_id, perm_id=row.perm_id, client_id=row.client_id,
            connection_no=row.connection_no, claimed_market_at=row.claimed_market_at,
            final_event_at=row.final_event_at, inferred=row.inferred,
            limit_price=row.limit_price, price_floor=intent.price_floor,
            price_ceiling=intent.price_ceiling,
        )  # fmt: skip

    # -- moving --------------------------------------------------------------------------------

    def move_intent(self, intent_id: UUID, target: OrderState, *, reason: str) -> bool:
        row = self.intents.get(intent_id)
        if row is None or not may_become(row.state, target):
            return False
        self.set_intent(intent_id, state=target, state_reason=reason)
        self.note(f"intent.{target.value}", intent_id)
        return True

    def move_child(self, child_id: UUID, target: OrderState, *, reason: str) -> bool:
        child = self.children.get(child_id)
        if child is None or not may_become(child.state, target):
            return False
        if child.state is OrderState.FILLED and not child.inferred:
            return False
        ended = self.now() if target in FINAL else None
        self.set_child(child_id, state=target, state_reason=reason, final_event_at=ended)
        if needs_page(child.state, target):
            self.alert(f"child:{child_id}:{child.state}:{target}", f"order.{target}", "critical")
        derived = intent_state_of([row.state for row in self.children_of(child.intent_id)])
        if derived is not OrderState.APPROVED:
            self.move_intent(child.intent_id, derived, reason=reason)
        self.note(f"child.{target.value}", child_id)
        return True

    def alert(self, source_key: str, kind: str, severity: str) -> bool:
        """Tell an event once; False when it was told before."""
        if source_key in self.alerts:
            return False
        self.alerts.put(source_key, (kind, severity))
        return True

    def note(self, kind: str, subject: object, *, actor: str = ACTOR) -> None:
        """Append to the journal."""
        del actor
        self.journal.add((kind, str(subject)))

    def lease_stands(self, name: str, epoch: int) -> bool:
        row = self.leases.get(name)
        return row is not None and row.epoch == epoch and row.expires_at > self.now()

    def mark_replayed(self, record_id: str, account: str) -> bool:
        if record_id in self.replayed:
            return False
        self.replayed.put(record_id, account)
        return True

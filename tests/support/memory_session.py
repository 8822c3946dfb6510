"""Gate, lease, snapshots and reconciliations in memory: the manners of the PostgreSQL ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from tests.support.memory_database import (
    ExecutionRow,
    LeaseRow,
    MemoryDatabase,
    ReconciliationRow,
    SnapshotRow,
    StateRow,
)
from theta.broker_gateway.domain.records import ACTOR, Baseline, StoredExecution
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import (
    FINAL,
    UNSENT,
    Action,
    Effect,
    OrderState,
    TradingState,
    strictest,
)
from theta.common.domain.portfolio import Portfolio
from theta.common.errors import UnavailableError
from theta.common.ports import FaultPoints

Scope = Literal["account", "strategy", "symbol"]


class MemoryGate:
    """`GateStore` of one session."""

    def __init__(self, db: MemoryDatabase, *, faults: FaultPoints) -> None:
        self._db = db
        self._faults = faults

    def accounts(self) -> list[str]:
        with self._db.transaction():
            return sorted(self._db.accounts)

    def states(self) -> dict[str, TradingState]:
        with self._db.transaction():
            return dict(self._db.gates)

    def tighten(
        self,
        account: str,
        *,
        scope: Scope,
        scope_key: str,
        state: TradingState,
        cause: str,
        reason: str,
        actor: str,
        record_id: str | None,
    ) -> bool:
        with self._db.transaction():
            marker = f"{record_id}:{account}"
            if record_id is not None and not self._db.mark_replayed(marker, account):
                return False
            self._open(account, scope, scope_key, state, cause, reason)
            self._recompute(account)
            self._withdraw_openings(account, scope, scope_key, reason)
            self._ask_for_cancels(account, scope, scope_key, state)
            self._db.note(f"gate.{state.value}", scope_key, actor=actor)
            if state is TradingState.HALTED:
                self._faults.reach("gateway.halt.before_commit")
        if state is TradingState.HALTED:
            self._faults.reach("gateway.halt.after_commit")
        return True

    def lift(
        self,
        account: str,
        *,
        scope: Scope,
        scope_key: str,
        cause: str | None,
        reason: str,
        actor: str,
    ) -> TradingState:
        with self._db.transaction():
            for number, row in list(self._db.states.items()):
                same = (row.account, row.scope, row.scope_key) == (account, scope, scope_key)
                if same and not row.ended and cause in (None, row.cause):
                    self._db.states.put(number, replace(row, ended=True))
            self._db.note("gate.lifted", scope_key, actor=actor)
            return self._recompute(account)

    def create(self, account: str, *, state: TradingState, reason: str) -> bool:
        with self._db.transaction():
            if account in self._db.gates:
                return False
            self._db.gates.put(account, state)
            if state is not TradingState.ACTIVE:
                self._open(account, "account", account, state, "first_reconciliation", reason)
            self._db.note(f"gate.{state.value}", account, actor=ACTOR)
            return True

    def has_open(self, account: str, cause: str) -> bool:
        with self._db.transaction():
            return any(
                (row.account, row.scope, row.cause) == (account, "account", cause) and not row.ended
                for row in self._db.states.values()
            )

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
    ) -> None:
        with self._db.transaction():
            self._db.alert(source_key, kind, severity)

    # -- private -------------------------------------------------------------------------------

    def _open(
        self, account: str, scope: str, scope_key: str, state: TradingState, cause: str, reason: str
    ) -> None:
        row = StateRow(
            account=account, scope=scope, scope_key=scope_key, state=state, cause=cause,
            reason=reason,
        )  # fmt: skip
        for number, known in list(self._db.states.items()):
            same = (known.account, known.scope, known.scope_key, known.cause)
            if same == (account, scope, scope_key, cause) and not known.ended:
                self._db.states.put(number, row)
                return
        self._db.states.add(row)

    def _recompute(self, account: str) -> TradingState:
        found = [
            row.state
            for row in self._db.states.values()
            if row.account == account and row.scope == "account" and not row.ended
        ]
        state = strictest([TradingState.ACTIVE, *found])
        self._db.gates.put(account, state)
        return state

    def _in_scope(self, intent_id: UUID, account: str, scope: str, scope_key: str) -> bool:
        intent = self._db.intents[intent_id]
        covered = {"strategy": intent.strategy, "symbol": intent.symbol}.get(scope, scope_key)
        return intent.account == account and covered == scope_key

    def _withdraw_openings(self, account: str, scope: str, scope_key: str, reason: str) -> None:
        for intent in list(self._db.intents.values()):
            if (
                intent.effect is Effect.OPENING
                and intent.state in UNSENT
                and self._in_scope(intent.id, account, scope, scope_key)
            ):
                self._db.move_intent(intent.id, OrderState.WITHDRAWN, reason=reason)

    def _ask_for_cancels(
        self, account: str, scope: str, scope_key: str, state: TradingState
    ) -> None:
        live = {OrderState.SUBMITTING, OrderState.WORKING, OrderState.UNKNOWN}
        for child in self._db.children.values():
            opening = self._db.intents[child.intent_id].effect is Effect.OPENING
            if (
                child.state in live
                and (state is TradingState.HALTED or opening)
                and self._in_scope(child.intent_id, account, scope, scope_key)
            ):
                self._db.outbox.add(child.id)


class MemorySession:
    """`SessionStore` of one session."""

    def __init__(self, db: MemoryDatabase, *, session: str) -> None:
        self._db = db
        self._session = session
        self._name = f"session:{session}"

    def acquire_lease(self, holder: str, ttl_seconds: float) -> int | None:
        with self._db.transaction():
            now, row = self._db.now(), self._db.leases.get(self._name)
            if row is not None and row.holder != holder and row.expires_at >= now:
                return None
            epoch = 1 if row is None else row.epoch + 1
            expires_at = now + timedelta(seconds=ttl_seconds)
            self._db.leases.put(
                self._name, LeaseRow(holder=holder, epoch=epoch, expires_at=expires_at)
            )
            return epoch

    def renew_lease(self, holder: str, epoch: int, ttl_seconds: float) -> bool:
        with self._db.transaction():
            now, row = self._db.now(), self._db.leases.get(self._name)
            if row is None or (row.holder, row.epoch) != (holder, epoch) or row.expires_at <= now:
                return False
            expires_at = now + timedelta(seconds=ttl_seconds)
            self._db.leases.put(self._name, replace(row, expires_at=expires_at))
            return True

    def release_lease(self, holder: str, epoch: int) -> None:
        with self._db.transaction():
            row = self._db.leases.get(self._name)
            if row is not None and (row.holder, row.epoch) == (holder, epoch):
                expired = self._db.now() - timedelta(seconds=1)
                self._db.leases.put(self._name, replace(row, expires_at=expired))

    def connection_no(self) -> int:
        with self._db.transaction():
            return self._db.connections.get(self._session, 0)

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
    ) -> None:
        with self._db.transaction():
            highest = max(connection_no, self._db.connections.get(self._session, 0))
            self._db.connections.put(self._session, highest)

    def register_accounts(self, accounts: Mapping[str, bool]) -> None:
        with self._db.transaction():
            for account, is_paper in accounts.items():
                self._db.accounts.put(account, is_paper)

    def beat(self, instance: str, detail: Mapping[str, Any]) -> None:
        """Nobody reads heartbeats here."""


class MemorySnapshots:
    """`SnapshotStore` and `ReconciliationStore` of one session."""

    def __init__(self, db: MemoryDatabase) -> None:
        self._db = db

    def now(self) -> datetime:
        with self._db.transaction():
            return self._db.now()

    def store_portfolio(
        self, portfolio: Portfolio, *, snapshot_id: UUID, requested_at: datetime
    ) -> list[UUID]:
        with self._db.transaction():
            row = SnapshotRow(id=snapshot_id, portfolio=portfolio, requested_at=requested_at)
            self._db.snapshots.put(snapshot_id, row)
            return self._release(portfolio, requested_at)

    def awaiting_release(self) -> list[str]:
        with self._db.transaction():
            return sorted(
                {
                    row.account
                    for row in self._db.reservations.values()
                    if row.released_at is None and self._db.intents[row.intent_id].state in FINAL
                }
            )

    def baseline(self, account: str) -> Baseline | None:
        with self._db.transaction():
            return self._baseline(account)

    def fills_after(self, account: str, counted_to: datetime) -> list[StoredExecution]:
        with self._db.transaction():
            return self._fills_after(account, counted_to)

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
    ) -> None:
        with self._db.transaction():
            self._db.reconciliations.add(
                ReconciliationRow(
                    account=account, trigger=trigger, clean=clean,
                    differences=tuple(differences), actions=dict(actions), started_at=started_at,
                    finished_at=self._db.now(), market_at=market_at,
                )
            )  # fmt: skip
            if differences:
                self._db.note("reconciliation.differed", account)

    def last_was_clean(self, account: str) -> bool | None:
        with self._db.transaction():
            newest = self._newest(account)
            return None if newest is None else newest.clean

    def accept(self, account: str, *, actor: str, reason: str) -> None:
        with self._db.transaction():
            newest = self._newest(account)
            if newest is None or newest.clean or "snapshot_id" not in newest.actions:
                return
            actions = {**newest.actions, "accepted_by": actor, "reason": reason}
            accepted = replace(
                newest, trigger="accepted", clean=True, actions=actions, finished_at=self._db.now()
            )
            self._db.reconciliations.add(accepted)
            self._db.note("reconciliation.accepted", account, actor=actor)

    # -- private -------------------------------------------------------------------------------

    def _newest(self, account: str, *, base: bool = False) -> ReconciliationRow | None:
        """Return the newest row; of a `base` only what later ones may start from."""
        for row in reversed(self._db.reconciliations.values()):
            if row.account == account and (
                not base or (row.clean and "snapshot_id" in row.actions)
            ):
                return row
        return None

    def _baseline(self, account: str) -> Baseline | None:
        row = self._newest(account, base=True)
        if row is None:
            return None
        held = self._db.snapshots[UUID(row.actions["snapshot_id"])].portfolio.positions
        assert row.market_at is not None
        return Baseline(
            positions=tuple((one.contract, one.quantity) for one in held),
            counted_to=datetime.fromisoformat(row.actions["counted_to"]),
            market_at=row.market_at,
        )

    def _fills_after(self, account: str, counted_to: datetime) -> list[StoredExecution]:
        mine = [row for row in self._db.executions.values() if row.account == account]
        later = [row for row in mine if not row.superseded and row.stored_at > counted_to]
        # A correction counts in full, so what it corrects is taken back if it was counted.
        replaced = [
            row
            for row in mine
            if row.superseded
            and row.stored_at <= counted_to
            and any(
                newer.exec_key == row.exec_key or (row.inferred and newer.child_id == row.child_id)
                for newer in later
            )
        ]
        return [_stored(row, 1) for row in later] + [_stored(row, -1) for row in replaced]

    def _release(self, portfolio: Portfolio, requested_at: datetime) -> list[UUID]:
        released = []
        for row in list(self._db.reservations.values()):
            intent = self._db.intents[row.intent_id]
            if (
                row.released_at is not None
                or intent.account != portfolio.account
                or intent.state not in FINAL
            ):
                continue
            ends = [c.final_event_at for c in self._db.children_of(intent.id) if c.final_event_at]
            if max(ends, default=intent.updated_at) >= requested_at:
                continue
            if intent.filled_quantity and not self._contains(portfolio, intent.contract):
                continue
            changed = replace(row, released_at=self._db.now())
            self._db.reservations.put(row.intent_id, changed)
            released.append(row.intent_id)
        return released

    def _contains(self, portfolio: Portfolio, contract: Contract) -> bool:
        base, key = self._baseline(portfolio.account), contract.economic_key
        if base is None:
            return key in {held.contract.economic_key for held in portfolio.positions}
        expected = sum((q for c, q in base.positions if c.economic_key == key), Decimal(0))
        for fill in self._fills_after(portfolio.account, base.counted_to):
            if fill.contract.economic_key == key:
                expected += fill.quantity_signed
        return portfolio.quantity_of(contract) == expected


def _stored(row: ExecutionRow, factor: int) -> StoredExecution:
    side = 1 if row.side == Action.BUY.value else -1
    return StoredExecution(
        contract=row.contract, quantity_signed=row.quantity * side * factor,
        order_ref=row.order_ref, executed_at=row.executed_at, stored_at=row.stored_at,
        child_id=row.child_id, exec_id=row.exec_id,
    )  # fmt: skip


@dataclass
class LockState:
    """Who holds the session's advisory lock, seen from all processes."""

    senders: int = 0


class MemorySenderLock:
    """`SenderLock` of one process. `wait` lets time pass while a halt waits for a sender."""

    def __init__(self, db: MemoryDatabase, state: LockState, *, wait: Any) -> None:
        self._db = db
        self._state = state
        self._wait = wait
        self._held_since: int | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        if self._held_since is not None:
            # Another thread of the process sends: this one would wait for it, which one thread
            # cannot. It comes again.
            raise UnavailableError("the sender is at work")
        if self._db.away:
            raise UnavailableError("the sender's lock cannot be taken now")
        self._held_since = self._db.losses
        self._state.senders += 1
        try:
            yield
        finally:
            self._held_since = None
            self._state.senders -= 1

    def still_held(self) -> bool:
        """In `_prepare` too: PostgreSQL frees it when it goes away."""
        return self._held_since == self._db.losses

    @contextmanager
    def exclusive_within(self, seconds: float) -> Iterator[bool]:
        if self._db.away:
            yield False
            return
        if self._state.senders:
            self._wait(seconds)
            yield False
            return
        yield True

"""Children in memory as resolution and reconciliation see and move them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.support.memory_database import ChildRow, ExecutionRow, IntentRow, MemoryDatabase
from theta.broker_gateway.adapters.postgres_orders import SNAPSHOTS_TRIED, WATCHED_DAYS
from theta.broker_gateway.domain.fills import FillAt, exec_key, fills_since
from theta.broker_gateway.domain.records import ChildRecord
from theta.broker_gateway.ports import BrokerOrder
from theta.common.domain.orders import (
    POSSIBLY_LIVE,
    REOPENED_BY_EVIDENCE,
    Effect,
    IntentKind,
    OrderState,
)
from theta.common.ports import IdSource


class MemoryOrders:
    """`OrderStore` of one session."""

    def __init__(self, db: MemoryDatabase, *, session: str, ids: IdSource) -> None:
        self._db = db
        self._session = session
        self._ids = ids

    def children(self, states: Collection[OrderState]) -> list[ChildRecord]:
        with self._db.transaction():
            return [
                self._db.child_record(row)
                for row in self._db.children.values()
                if row.session == self._session and row.state in states
            ]

    def known_refs(self, refs: Collection[str]) -> set[str]:
        with self._db.transaction():
            return {row.order_ref for row in self._db.children.values()} & set(refs)

    def watched(self) -> list[ChildRecord]:
        with self._db.transaction():
            since = self._db.now() - timedelta(days=WATCHED_DAYS)
            return [
                self._db.child_record(row)
                for row in self._db.children.values()
                if row.session == self._session
                and row.state in REOPENED_BY_EVIDENCE
                and row.updated_at > since
            ]

    def overdue(self, *, within_seconds: float, epoch: int) -> list[ChildRecord]:
        with self._db.transaction():
            now, found = self._db.now(), []
            for row in self._db.commands.values():
                child = self._db.children[row.child_id]
                if row.kind != "place" or child.state is not OrderState.SUBMITTING:
                    continue
                age = (now - row.claimed_at).total_seconds()
                send_is_over = row.epoch != epoch and age > row.send_within_ms / 1000
                if child.session == self._session and (age > within_seconds or send_is_over):
                    found.append(self._db.child_record(child))
            return found

    def move(self, child_id: UUID, target: OrderState, *, reason: str) -> bool:
        with self._db.transaction():
            return self._db.move_child(child_id, target, reason=reason)

    def mark_unknown(self, child_id: UUID, *, reason: str) -> bool:
        with self._db.transaction():
            child = self._db.children.get(child_id)
            if child is None:
                return False
            for row in self._db.commands_of(child_id, "place"):
                if row.outcome == "claimed":
                    changed = replace(row, outcome="unknown", detail=reason)
                    self._db.commands.put(row.id, changed)
            self._db.alert(f"unknown:{child_id}:{child.state.value}", "order.unknown", "warning")
            return self._db.move_child(child_id, OrderState.UNKNOWN, reason=reason)

    def infer(self, child: ChildRecord, *, filled: int, at: datetime, reason: str) -> None:
        whole = filled >= child.remaining
        exec_id = f"inferred.{child.id}.01"
        with self._db.transaction():
            current = self._db.children.get(child.id)
            if current is None or current.state is not OrderState.UNKNOWN:
                return
            if filled:
                row = ExecutionRow(
                    exec_id=exec_id, exec_key=exec_key(exec_id), account=child.account,
                    child_id=child.id, order_ref=child.order_ref, perm_id=child.perm_id,
                    side=child.action.value, quantity=Decimal(filled),
                    price=current.limit_price or Decimal(0), contract=child.contract,
                    executed_at=at, received_at=at, stored_at=self._db.now(), inferred=True,
                )  # fmt: skip
                self._db.executions.put(exec_id, row)
            total = child.filled_quantity + filled
            self._db.set_child(child.id, filled_quantity=total, inferred=True)
            intent = self._db.intents[child.intent_id]
            self._db.set_intent(intent.id, filled_quantity=intent.filled_quantity + filled)
            target = OrderState.FILLED if whole else OrderState.EXPIRED
            self._db.move_child(child.id, target, reason=f"inferred: {reason}")

    def adopt_orphan(self, order: BrokerOrder, *, market_at: datetime) -> UUID | None:
        with self._db.transaction():
            if any(row.order_ref == order.order_ref for row in self._db.children.values()):
                return None
            return adopt(
                self._db, session=self._session, ids=self._ids, account=order.account,
                intent=_orphan(order), order_ref=order.order_ref, client_id=order.client_id,
                order_id=order.order_id, perm_id=order.perm_id, market_at=market_at,
            )  # fmt: skip

    def position_baseline(self, child: ChildRecord) -> Decimal | None:
        if child.claimed_market_at is None:
            return None
        with self._db.transaction():
            before = [
                row.portfolio
                for row in self._db.snapshots.values()
                if row.portfolio.account == child.account
                and row.portfolio.complete
                and row.portfolio.market_at <= child.claimed_market_at
            ]
            before.sort(key=lambda portfolio: portfolio.market_at, reverse=True)
            fills = self._fills_in(child)
            for portfolio in before[:SNAPSHOTS_TRIED]:
                since = fills_since(fills, portfolio.market_at)
                if since is not None:
                    return since + portfolio.quantity_of(child.contract)
            return None

    def _fills_in(self, child: ChildRecord) -> list[FillAt]:
        found = []
        for row in self._db.executions.values():
            same = row.contract.economic_key == child.contract.economic_key
            if row.account == child.account and not row.superseded and same:
                order = self._db.children.get(row.child_id) if row.child_id else None
                fill = FillAt(
                    quantity_signed=row.quantity if row.side == "BUY" else -row.quantity,
                    executed_at=row.executed_at,
                    claimed_at=order.claimed_market_at if order else None,
                )
                found.append(fill)
        return found

    def other_candidates(self, child: ChildRecord) -> int:
        with self._db.transaction():
            return sum(
                1
                for row in self._db.children.values()
                if row.account == child.account
                and row.id != child.id
                and row.state in POSSIBLY_LIVE
                and self._db.intents[row.intent_id].contract.economic_key
                == child.contract.economic_key
            )


def _orphan(order: BrokerOrder) -> dict[str, Any]:
    return {
        "contract": order.contract,
        "action": order.action,
        "quantity": int(order.quantity),
        "limit_price": order.limit_price,
    }


def adopt(
    db: MemoryDatabase,
    *,
    session: str,
    ids: IdSource,
    account: str,
    intent: Mapping[str, Any],
    order_ref: str,
    client_id: int | None,
    order_id: int | None,
    perm_id: int | None,
    market_at: datetime,
) -> UUID:
    """Store an orphan intent with one child, unknown until the evidence says more; page."""
    now, intent_id, child_id = db.now(), ids.uuid(), ids.uuid()
    row = IntentRow(
        id=intent_id, account=account, session=session, source="orphan", strategy="orphan",
        symbol=intent["contract"].symbol, kind=IntentKind.ORPHAN, effect=Effect.OPENING,
        price_floor=None, price_ceiling=None, state=OrderState.UNKNOWN,
        state_reason="adopted from the broker", expires_market_at=market_at, created_at=now,
        updated_at=now, **intent,
    )  # fmt: skip
    db.intents.put(intent_id, row)
    child = ChildRow(
        id=child_id, account=account, session=session, intent_id=intent_id, sequence=1,
        order_ref=order_ref, state=OrderState.UNKNOWN, state_reason="adopted from the broker",
        quantity=row.quantity, limit_price=row.limit_price, client_id=client_id,
        order_id=order_id, perm_id=perm_id or None, claimed_market_at=market_at, created_at=now,
        updated_at=now,
    )  # fmt: skip
    db.children.put(child_id, child)
    db.alert(f"orphan:{order_ref}", "order.orphan", "critical")
    db.note("intent.adopted", intent_id)
    return child_id

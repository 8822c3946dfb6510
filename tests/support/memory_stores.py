"""The gateway's claims, cancels and modifies in memory: the manners of the PostgreSQL ones.

`tests/contract/test_memory_stores.py` holds both to the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.memory_database import (
    ChildRow,
    CommandRow,
    IntentRow,
    MemoryDatabase,
)
from theta.broker_gateway.adapters.postgres_modifies import PENDING_SECONDS
from theta.broker_gateway.domain.modify_check import modify_refusal
from theta.broker_gateway.domain.records import (
    CancelRequest,
    ChildRecord,
    ClaimedOrder,
    ClaimRequest,
    ModifyRequest,
    NotClaimed,
)
from theta.broker_gateway.domain.reduce_only import closing_room
from theta.common.domain.orders import (
    FINAL,
    POSSIBLY_LIVE,
    Effect,
    OrderState,
    TradingState,
    gate_allows,
    strictest,
)
from theta.common.ports import FaultPoints

UNANSWERED = frozenset({"claimed", "sent", "unknown"})
_UNCLEAR = frozenset({OrderState.UNKNOWN, OrderState.NEEDS_PERSON})


def effective_state(
    db: MemoryDatabase, account: str, *, strategy: str, symbol: str
) -> TradingState:
    """Return the strictest of the gate and the open scopes that cover an order."""
    gate = db.gates.get(account)
    if gate is None:
        return TradingState.HALTED
    covering = {("account", account), ("strategy", strategy), ("symbol", symbol)}
    return strictest(
        [
            gate,
            *(
                row.state
                for row in db.states.values()
                if row.account == account
                and not row.ended
                and (row.scope, row.scope_key) in covering
            ),
        ]
    )


class MemoryClaims:
    """`ClaimStore` and `CancelStore` of one broker session."""

    def __init__(self, db: MemoryDatabase, *, session: str, faults: FaultPoints) -> None:
        self._db = db
        self._session = session
        self._faults = faults

    def claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        with self._db.transaction():
            claimed = self._claim(request)
            if isinstance(claimed, ClaimedOrder):
                self._faults.reach("gateway.claim.before_commit")
        return claimed

    def command_stands(self, request: ClaimRequest) -> ClaimedOrder | None:
        with self._db.transaction():
            row = self._db.commands.get(request.command_id)
            if row is None or row.epoch != request.epoch or row.outcome != "claimed":
                return None
            child = self._db.children[row.child_id]
            return _claimed(self._db.intents[request.intent_id], child, request)

    def mark_sent(self, command_id: UUID, *, sent_at: datetime) -> None:
        with self._db.transaction():
            row = self._db.commands[command_id]
            outcome = "sent" if row.outcome == "claimed" else row.outcome
            self._db.commands.put(command_id, replace(row, outcome=outcome, sent_at=sent_at))

    def mark_unsent(self, child_id: UUID, command_id: UUID, *, outcome: str, reason: str) -> None:
        with self._db.transaction():
            row = self._db.commands[command_id]
            if row.outcome == "claimed":
                self._db.commands.put(command_id, replace(row, outcome=outcome, detail=reason))
            self._db.move_child(child_id, OrderState.UNKNOWN, reason=reason)

    def highest_order_id(self) -> int:
        with self._db.transaction():
            used = (row.order_id for row in self._db.commands.values())
            return max([self._db.order_id_floor, *used])

    def approved_intents(self) -> list[UUID]:
        with self._db.transaction():
            return [
                row.id
                for row in self._db.intents.values()
                if row.session == self._session and row.state is OrderState.APPROVED
            ]

    # -- cancels -------------------------------------------------------------------------------

    def child(self, child_id: UUID) -> ChildRecord | None:
        with self._db.transaction():
            return self._db.one_child(child_id)

    def claim_cancel(self, request: CancelRequest) -> bool:
        with self._db.transaction():
            child = self._db.children.get(request.child_id)
            if child is None or child.state in FINAL:
                return False
            self._insert_cancel(request, outcome="claimed")
        return True

    def mark_cancel(self, command_id: UUID, *, outcome: str, sent_at: datetime | None) -> None:
        with self._db.transaction():
            row = self._db.commands[command_id]
            self._db.commands.put(command_id, replace(row, outcome=outcome, sent_at=sent_at))

    def cancels_due(self, *, older_than_seconds: float) -> list[UUID]:
        with self._db.transaction():
            before = self._db.now() - timedelta(seconds=older_than_seconds)
            newest: dict[UUID, datetime] = {}
            for row in self._db.commands.values():
                if row.kind == "cancel":
                    newest[row.child_id] = max(row.claimed_at, newest.get(row.child_id, before))
            return [
                child_id
                for child_id, claimed_at in newest.items()
                if claimed_at <= before
                and self._db.children[child_id].state in {OrderState.SUBMITTING, OrderState.WORKING}
            ]

    def store_spooled_cancels(self, record: Mapping[str, Any], epoch: int | None) -> None:
        with self._db.transaction():
            if not self._db.mark_replayed(f"{record['id']}:cancels", str(record["account"])):
                return
            for sent in record.get("cancels", ()):
                child = self._child_of_ref(sent["order_ref"])
                if child is None:
                    continue
                request = CancelRequest(
                    command_id=UUID(sent["command_id"]),
                    child_id=child.id,
                    order_ref=sent["order_ref"],
                    account=child.account,
                    epoch=epoch or 0,
                    connection_no=sent["connection_no"],
                    order_id=sent["order_id"],
                    market_at=datetime.fromisoformat(str(record["market_at"])),
                )
                self._insert_cancel(request, outcome="sent")

    # -- private -------------------------------------------------------------------------------

    def _claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        intent = self._db.intents.get(request.intent_id)
        if intent is None or intent.session != self._session:
            return NotClaimed(code="no_such_intent", final=True)
        if intent.state is not OrderState.APPROVED:
            return NotClaimed(code=f"intent_is_{intent.state.value}", final=True)
        if not self._db.lease_stands(f"session:{self._session}", request.epoch):
            return NotClaimed(code="lease_lost", final=False)
        refusal = self._gate_refusal(intent)
        if refusal is not None:
            return NotClaimed(code=refusal, final=False)
        if intent.expires_market_at <= request.market_at:
            reason = f"its validity ended at {intent.expires_market_at.isoformat()}"
            self._db.move_intent(intent.id, OrderState.EXPIRED, reason=reason)
            return NotClaimed(code="expired", final=True)
        if self._blocked(intent):
            return NotClaimed(code="unknown_on_underlying", final=False)
        return self._write_claim(intent, request)

    def _gate_refusal(self, intent: IntentRow) -> str | None:
        state = effective_state(
            self._db, intent.account, strategy=intent.strategy, symbol=intent.symbol
        )
        if not gate_allows(state, effect=intent.effect, kind=intent.kind):
            return f"gate_{state.value}"
        if state is not TradingState.ACTIVE and not self._only_reduces(intent):
            return "not_reduce_only"
        return None

    def _only_reduces(self, intent: IntentRow) -> bool:
        complete = [
            row.portfolio
            for row in self._db.snapshots.values()
            if row.portfolio.account == intent.account and row.portfolio.complete
        ]
        if not complete:
            return False
        key, pending = intent.contract.economic_key, []
        for child in self._db.children.values():
            other = self._db.intents[child.intent_id]
            if (
                other.id != intent.id
                and other.account == intent.account
                and other.action is intent.action
                and child.state in POSSIBLY_LIVE
                and other.contract.economic_key == key
            ):
                pending.append(child.quantity - child.filled_quantity)
        room = closing_room(complete[-1], intent.contract, intent.action, pending)
        return bool(intent.quantity <= room)

    def _blocked(self, intent: IntentRow) -> bool:
        if intent.effect is not Effect.OPENING:
            return False
        return any(
            child.state in _UNCLEAR
            and self._db.intents[child.intent_id].symbol == intent.symbol
            and self._db.intents[child.intent_id].account == intent.account
            for child in self._db.children.values()
        )

    def _write_claim(self, intent: IntentRow, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        now = self._db.now()
        children = self._db.children_of(intent.id)
        waiting = [row for row in children if row.state is OrderState.APPROVED]
        if children and not waiting:
            return NotClaimed(code="no_child_to_place", final=True)
        if waiting:
            child_id = waiting[0].id
        else:
            child_id = request.child_id
            child = ChildRow(
                id=child_id, account=intent.account, session=self._session, intent_id=intent.id,
                sequence=1, order_ref=request.order_ref, state=OrderState.APPROVED,
                quantity=intent.quantity - intent.filled_quantity, limit_price=intent.limit_price,
                created_at=now, updated_at=now,
            )  # fmt: skip
            self._db.children.put(child_id, child)
        reason = f"claimed as order {request.order_id}"
        placed = self._db.set_child(
            child_id, state=OrderState.SUBMITTING, state_reason=reason,
            client_id=request.client_id, order_id=request.order_id,
            connection_no=request.connection_no, claimed_market_at=request.market_at,
        )  # fmt: skip
        self._db.commands.put(request.command_id, _place_row(request, placed, now))
        self._db.move_intent(intent.id, OrderState.SUBMITTING, reason=reason)
        self._db.note("child.submitting", child_id)
        return _claimed(intent, placed, request)

    def _insert_cancel(self, request: CancelRequest, *, outcome: str) -> None:
        attempt = len(self._db.commands_of(request.child_id, "cancel")) + 1
        row = CommandRow(
            id=request.command_id, account=request.account, child_id=request.child_id,
            kind="cancel", attempt=attempt, epoch=request.epoch,
            connection_no=request.connection_no, order_id=request.order_id,
            claimed_at=self._db.now(), claimed_market_at=request.market_at, send_within_ms=2000,
            outcome=outcome,
        )  # fmt: skip
        self._db.commands.put(row.id, row)

    def _child_of_ref(self, order_ref: str) -> ChildRow | None:
        return next((row for row in self._db.children.values() if row.order_ref == order_ref), None)


def _claimed(intent: IntentRow, child: ChildRow, request: ClaimRequest) -> ClaimedOrder:
    assert intent.limit_price is not None
    return ClaimedOrder(
        intent_id=intent.id, child_id=child.id, command_id=request.command_id,
        epoch=request.epoch, connection_no=request.connection_no, order_id=request.order_id,
        order_ref=child.order_ref, account=intent.account, contract=intent.contract,
        action=intent.action, quantity=child.quantity, limit_price=intent.limit_price,
        strategy=intent.strategy, symbol=intent.symbol, effect=intent.effect, kind=intent.kind,
        approved_at=intent.updated_at,
    )  # fmt: skip


def _place_row(request: ClaimRequest, child: ChildRow, now: datetime) -> CommandRow:
    return CommandRow(
        id=request.command_id, account=child.account, child_id=child.id, kind="place", attempt=1,
        epoch=request.epoch, connection_no=request.connection_no, order_id=request.order_id,
        claimed_at=now, claimed_market_at=request.market_at,
        send_within_ms=request.send_within_ms,
    )  # fmt: skip


class MemoryModifies:
    """`ModifyStore` of one broker session."""

    def __init__(self, db: MemoryDatabase, *, session: str, faults: FaultPoints) -> None:
        self._db = db
        self._session = session
        self._faults = faults

    def child(self, child_id: UUID) -> ChildRecord | None:
        with self._db.transaction():
            return self._db.one_child(child_id)

    def live_child_of(self, intent_id: UUID) -> UUID | None:
        with self._db.transaction():
            found = [
                row.id for row in self._db.children_of(intent_id) if row.state in POSSIBLY_LIVE
            ]
        return found[0] if len(found) == 1 else None

    def claim_modify(self, request: ModifyRequest) -> ChildRecord | NotClaimed:
        with self._db.transaction():
            claimed = self._claim(request)
            if isinstance(claimed, ChildRecord):
                self._faults.reach("gateway.modify.before_commit")
        return claimed

    def modify_stands(self, request: ModifyRequest) -> bool:
        with self._db.transaction():
            row = self._db.commands.get(request.command_id)
            return row is not None and row.outcome == "claimed"

    def mark_modify(
        self, command_id: UUID, *, outcome: str, detail: str, sent_at: datetime | None
    ) -> None:
        with self._db.transaction():
            row = self._db.commands[command_id]
            if row.outcome == "claimed":
                changed = replace(row, outcome=outcome, detail=detail, sent_at=sent_at)
                self._db.commands.put(command_id, changed)

    def _claim(self, request: ModifyRequest) -> ChildRecord | NotClaimed:
        child = self._db.one_child(request.child_id)
        if child is None:
            return NotClaimed(code="no_such_child", final=True)
        if not self._db.lease_stands(f"session:{self._session}", request.epoch):
            return NotClaimed(code="lease_lost", final=False)
        state = effective_state(
            self._db, child.account, strategy=child.strategy, symbol=child.symbol
        )
        if not gate_allows(state, effect=child.effect, kind=child.kind):
            return NotClaimed(code=f"gate_{state.value}", final=False)
        refusal = modify_refusal(child, request.limit_price) or self._in_the_way(child)
        if refusal is not None:
            return NotClaimed(code=refusal, final=True)
        attempt = len(self._db.commands_of(child.id, "modify")) + 1
        row = CommandRow(
            id=request.command_id, account=child.account, child_id=child.id, kind="modify",
            attempt=attempt, epoch=request.epoch, connection_no=request.connection_no,
            order_id=request.order_id, claimed_at=self._db.now(),
            claimed_market_at=request.market_at, send_within_ms=request.send_within_ms,
            limit_price=request.limit_price,
        )  # fmt: skip
        self._db.commands.put(row.id, row)
        self._db.note("order.modify_claimed", child.id, actor=request.actor)
        return child

    def _in_the_way(self, child: ChildRecord) -> str | None:
        if self._db.commands_of(child.id, "cancel"):
            return "cancel_asked"
        recent = self._db.now() - timedelta(seconds=PENDING_SECONDS)
        pending = any(
            row.outcome in UNANSWERED and row.claimed_at > recent
            for row in self._db.commands_of(child.id, "modify")
        )
        return "modify_pending" if pending else None

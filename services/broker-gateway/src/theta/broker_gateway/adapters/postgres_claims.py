"""Claims in PostgreSQL: what is committed before an order or a cancel goes out (§5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, case, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from theta.broker_gateway.adapters.postgres_plain_claim import claim_at_once, claimed_order
from theta.broker_gateway.adapters.postgres_rows import one_child
from theta.broker_gateway.domain.records import (
    ACTOR,
    CancelRequest,
    ChildRecord,
    ClaimedOrder,
    ClaimRequest,
    NotClaimed,
)
from theta.broker_gateway.domain.reduce_only import closing_room
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import (
    FINAL,
    POSSIBLY_LIVE,
    Action,
    Effect,
    IntentKind,
    OrderState,
    TradingState,
    gate_allows,
)
from theta.common.ports import FaultPoints
from theta.common.postgres import gate, journal, lease
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import children_of, get_intent, move_child, move_intent
from theta.common.postgres.snapshots import newest_portfolio
from theta.common.postgres.tables import (
    broker_command,
    broker_session,
    child_order,
    order_intent,
    spool_replay,
)

_LIVE = [state.value for state in POSSIBLY_LIVE]
_UNCLEAR = [OrderState.UNKNOWN.value, OrderState.NEEDS_PERSON.value]


class PostgresClaims:
    """`ClaimStore` and `CancelStore` of one broker session."""

    def __init__(self, engine: Engine, *, session: str, faults: FaultPoints) -> None:
        self._engine = engine
        self._session = session
        self._faults = faults

    @property
    def lease_name(self) -> str:
        return f"session:{self._session}"

    def claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        """Claim the intent for one place, in one transaction; see §5.1 for its locks."""
        with transaction(self._engine) as connection:
            claimed = claim_at_once(
                connection, request, session=self._session
            ) or self._step_by_step(connection, request)
            if isinstance(claimed, ClaimedOrder):
                self._faults.reach("gateway.claim.before_commit")
        return claimed

    def _step_by_step(
        self, connection: Connection, request: ClaimRequest
    ) -> ClaimedOrder | NotClaimed:
        """Claim what is out of the ordinary, or say what forbids it."""
        seen = get_intent(connection, request.intent_id)
        if seen is None or seen.session != self._session:
            return NotClaimed(code="no_such_intent", final=True)
        if seen.state != OrderState.APPROVED.value:
            return NotClaimed(code=f"intent_is_{seen.state}", final=True)
        if not lease.check(connection, name=self.lease_name, epoch=request.epoch):
            return NotClaimed(code="lease_lost", final=False)
        refusal = self._gate_refusal(connection, seen)
        if refusal is not None:
            return NotClaimed(code=refusal, final=False)
        intent = get_intent(connection, request.intent_id, lock=True)
        if intent is None or intent.state != OrderState.APPROVED.value:
            return NotClaimed(code="intent_moved", final=True)
        if intent.expires_market_at <= request.market_at:
            move_intent(
                connection,
                intent.id,
                OrderState.EXPIRED,
                reason=f"its validity ended at {intent.expires_market_at.isoformat()}",
                actor=ACTOR,
            )
            return NotClaimed(code="expired", final=True)
        if self._blocked(connection, intent):
            return NotClaimed(code="unknown_on_underlying", final=False)
        return self._write_claim(connection, intent, request)

    def command_stands(self, request: ClaimRequest) -> ClaimedOrder | None:
        """Return the order when this very attempt and epoch were committed, else `None`."""
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(broker_command).where(
                    broker_command.c.id == request.command_id,
                    broker_command.c.epoch == request.epoch,
                    broker_command.c.outcome == "claimed",
                )
            ).one_or_none()
            if row is None:
                return None
            intent = get_intent(connection, request.intent_id)
            child = one_child(connection, row.child_id)
            assert intent is not None
            assert child is not None
            return claimed_order(intent, child.id, child.order_ref, child.quantity, request)

    def mark_sent(self, command_id: UUID, *, sent_at: datetime) -> None:
        claimed = broker_command.c.outcome == "claimed"
        with transaction(self._engine) as connection:
            connection.execute(
                update(broker_command)
                .where(broker_command.c.id == command_id)
                .values(
                    # An acknowledgement may have been stored before this.
                    outcome=case((claimed, "sent"), else_=broker_command.c.outcome),
                    sent_at=sent_at,
                )
            )

    def mark_unsent(self, child_id: UUID, command_id: UUID, *, outcome: str, reason: str) -> None:
        with transaction(self._engine) as connection:
            get_child = one_child(connection, child_id)
            if get_child is not None:
                get_intent(connection, get_child.intent_id, lock=True)
            connection.execute(
                update(broker_command)
                .where(broker_command.c.id == command_id, broker_command.c.outcome == "claimed")
                .values(outcome=outcome, detail=reason)
            )
            move_child(connection, child_id, OrderState.UNKNOWN, reason=reason, actor=ACTOR)

    def highest_order_id(self) -> int:
        with transaction(self._engine) as connection:
            floor = connection.execute(
                select(broker_session.c.order_id_floor).where(
                    broker_session.c.session == self._session
                )
            ).scalar_one_or_none()
            used = connection.execute(
                select(func.max(broker_command.c.order_id)).where(
                    broker_command.c.session == self._session
                )
            ).scalar_one_or_none()
            return max(int(floor or 0), int(used or 0))

    def approved_intents(self) -> list[UUID]:
        with transaction(self._engine) as connection:
            statement = (
                select(order_intent.c.id)
                .where(
                    order_intent.c.session == self._session,
                    order_intent.c.state == OrderState.APPROVED.value,
                )
                .order_by(order_intent.c.created_at)
            )
            return list(connection.execute(statement).scalars())

    # -- cancels -------------------------------------------------------------------------------

    def child(self, child_id: UUID) -> ChildRecord | None:
        with transaction(self._engine) as connection:
            return one_child(connection, child_id)

    def claim_cancel(self, request: CancelRequest) -> bool:
        """Record a cancel before it is written; False when the child has ended meanwhile."""
        with transaction(self._engine) as connection:
            child = one_child(connection, request.child_id)
            if child is None or child.state in FINAL:
                return False
            connection.execute(_cancel_row(request, self._session, outcome="claimed"))
        return True

    def mark_cancel(self, command_id: UUID, *, outcome: str, sent_at: datetime | None) -> None:
        with transaction(self._engine) as connection:
            connection.execute(
                update(broker_command)
                .where(broker_command.c.id == command_id)
                .values(outcome=outcome, sent_at=sent_at)
            )

    def cancels_due(self, *, older_than_seconds: float) -> list[UUID]:
        newest = (
            select(
                broker_command.c.child_id,
                func.max(broker_command.c.claimed_at).label("claimed_at"),
            )
            .where(broker_command.c.session == self._session, broker_command.c.kind == "cancel")
            .group_by(broker_command.c.child_id)
            .subquery()
        )
        statement = (
            select(child_order.c.id)
            .join(newest, newest.c.child_id == child_order.c.id)
            .where(
                child_order.c.state.in_([OrderState.SUBMITTING.value, OrderState.WORKING.value]),
                newest.c.claimed_at
                < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, older_than_seconds),
            )
        )
        with transaction(self._engine) as connection:
            return list(connection.execute(statement).scalars())

    def store_spooled_cancels(self, record: Mapping[str, Any], epoch: int | None) -> None:
        """Store cancels that were written from the spool as commands, once per record."""
        with transaction(self._engine) as connection:
            marker = f"{record['id']}:cancels"
            if not mark_replayed(connection, marker, account=str(record["account"])):
                return
            for sent in record.get("cancels", ()):
                row = connection.execute(
                    select(child_order.c.id, child_order.c.account).where(
                        child_order.c.order_ref == sent["order_ref"]
                    )
                ).one_or_none()
                if row is None:
                    continue
                request = CancelRequest(
                    command_id=UUID(sent["command_id"]),
                    child_id=row.id,
                    order_ref=sent["order_ref"],
                    account=row.account,
                    epoch=epoch or 0,
                    connection_no=sent["connection_no"],
                    order_id=sent["order_id"],
                    market_at=datetime.fromisoformat(str(record["market_at"])),
                )
                connection.execute(_cancel_row(request, self._session, outcome="sent"))

    # -- parts of the claim --------------------------------------------------------------------

    def _gate_refusal(self, connection: Connection, intent: Row[Any]) -> str | None:
        gate.lock_gate(connection, intent.account, mode="share")
        state = gate.effective_state(
            connection, intent.account, strategy=intent.strategy, symbol=intent.symbol
        )
        effect, kind = Effect(intent.effect), IntentKind(intent.kind)
        if not gate_allows(state, effect=effect, kind=kind):
            return f"gate_{state.value}"
        if state is not TradingState.ACTIVE and not self._only_reduces(connection, intent):
            return "not_reduce_only"
        return None

    def _only_reduces(self, connection: Connection, intent: Row[Any]) -> bool:
        stored = newest_portfolio(connection, intent.account)
        if stored is None:
            return False
        contract, action = Contract.from_record(intent.contract), Action(intent.action)
        closing = (
            select(order_intent.c.contract, child_order.c.quantity, child_order.c.filled_quantity)
            .join(child_order, child_order.c.intent_id == order_intent.c.id)
            .where(
                order_intent.c.account == intent.account,
                order_intent.c.symbol == intent.symbol,
                order_intent.c.action == intent.action,
                order_intent.c.id != intent.id,
                child_order.c.state.in_(_LIVE),
            )
        )
        pending = [
            row.quantity - row.filled_quantity
            for row in connection.execute(closing)
            if Contract.from_record(row.contract).economic_key == contract.economic_key
        ]
        room = closing_room(stored.portfolio, contract, action, pending)
        return bool(intent.quantity <= room)

    def _blocked(self, connection: Connection, intent: Row[Any]) -> bool:
        if intent.effect != Effect.OPENING.value:
            return False
        statement = select(
            exists().where(
                child_order.c.intent_id == order_intent.c.id,
                order_intent.c.account == intent.account,
                order_intent.c.symbol == intent.symbol,
                child_order.c.state.in_(_UNCLEAR),
            )
        )
        return bool(connection.execute(statement).scalar_one())

    def _write_claim(
        self, connection: Connection, intent: Row[Any], request: ClaimRequest
    ) -> ClaimedOrder | NotClaimed:
        children = children_of(connection, intent.id)
        child_id, order_ref = request.child_id, request.order_ref
        quantity = int(intent.quantity - intent.filled_quantity)
        if children:
            waiting = [row for row in children if row.state == OrderState.APPROVED.value]
            if not waiting:
                return NotClaimed(code="no_child_to_place", final=True)
            child_id, order_ref = waiting[0].id, waiting[0].order_ref
            quantity = waiting[0].quantity
        else:
            connection.execute(
                insert(child_order).values(
                    id=child_id,
                    account=intent.account,
                    session=self._session,
                    intent_id=intent.id,
                    sequence=1,
                    order_ref=order_ref,
                    state=OrderState.APPROVED.value,
                    quantity=quantity,
                    limit_price=intent.limit_price,
                )
            )
        connection.execute(
            update(child_order)
            .where(child_order.c.id == child_id)
            .values(
                state=OrderState.SUBMITTING.value,
                state_reason=f"claimed as order {request.order_id}",
                client_id=request.client_id,
                order_id=request.order_id,
                connection_no=request.connection_no,
                claimed_market_at=request.market_at,
            )
        )
        connection.execute(_place_row(request, intent.account, child_id, self._session))
        # The intent's row is locked and this is its only live child: what `move_child` would read
        # again is known here, and this is the path whose latency counts.
        reason = f"claimed as order {request.order_id}"
        move_intent(connection, intent.id, OrderState.SUBMITTING, reason=reason, actor=ACTOR)
        journal.append(
            connection,
            account=intent.account,
            actor=ACTOR,
            kind=f"child.{OrderState.SUBMITTING.value}",
            subject=str(child_id),
            body={
                "from": OrderState.APPROVED.value,
                "reason": reason,
                "order_ref": order_ref,
                "intent_id": str(intent.id),
            },
        )
        return claimed_order(intent, child_id, order_ref, quantity, request)


def _place_row(request: ClaimRequest, account: str, child_id: UUID, session: str) -> Any:
    return insert(broker_command).values(
        id=request.command_id,
        account=account,
        session=session,
        child_id=child_id,
        kind="place",
        attempt=1,
        epoch=request.epoch,
        connection_no=request.connection_no,
        order_id=request.order_id,
        claimed_market_at=request.market_at,
        send_within_ms=request.send_within_ms,
    )


def _cancel_row(request: CancelRequest, session: str, *, outcome: str) -> Any:
    attempt = (
        select(func.coalesce(func.max(broker_command.c.attempt), 0) + 1)
        .where(broker_command.c.child_id == request.child_id, broker_command.c.kind == "cancel")
        .scalar_subquery()
    )
    return insert(broker_command).values(
        id=request.command_id,
        account=request.account,
        session=session,
        child_id=request.child_id,
        kind="cancel",
        attempt=attempt,
        epoch=request.epoch,
        connection_no=request.connection_no,
        order_id=request.order_id,
        claimed_market_at=request.market_at,
        send_within_ms=2000,
        outcome=outcome,
    )


def mark_replayed(connection: Connection, record_id: str, *, account: str) -> bool:
    """Note a spool record's id with its effect; False when it was applied before."""
    statement = (
        upsert(spool_replay)
        .values(record_id=record_id, account=account)
        .on_conflict_do_nothing()
        .returning(spool_replay.c.record_id)
    )
    return connection.execute(statement).first() is not None

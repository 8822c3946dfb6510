"""Children as resolution and reconciliation read and move them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, Engine, func, insert, or_, select, update

from theta.broker_gateway.adapters.postgres_orphans import adopt
from theta.broker_gateway.adapters.postgres_rows import child_record, one_child, select_children
from theta.broker_gateway.domain.fills import TOLD_TO, FillAt, exec_key, fills_since
from theta.broker_gateway.domain.records import ACTOR, ChildRecord
from theta.broker_gateway.ports import BrokerOrder
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import POSSIBLY_LIVE, REOPENED_BY_EVIDENCE, Action, OrderState
from theta.common.ports import IdSource
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import get_intent, move_child
from theta.common.postgres.tables import (
    broker_command,
    child_order,
    execution,
    order_intent,
    portfolio_snapshot,
    position_snapshot,
)

SNAPSHOTS_TRIED = 20
"""How many snapshots before a claim are looked at for one that is clearly before or after fills."""
WATCHED_DAYS = 7
"""How long a reference that ended without certainty stays watched."""


class PostgresOrders:
    """`OrderStore` of one session."""

    def __init__(self, engine: Engine, *, session: str, ids: IdSource) -> None:
        self._engine = engine
        self._session = session
        self._ids = ids

    def children(self, states: Collection[OrderState]) -> list[ChildRecord]:
        statement = (
            select_children()
            .where(
                child_order.c.session == self._session,
                child_order.c.state.in_([state.value for state in states]),
            )
            .order_by(child_order.c.created_at)
        )
        with transaction(self._engine) as connection:
            return [child_record(row) for row in connection.execute(statement)]

    def known_refs(self, refs: Collection[str]) -> set[str]:
        with transaction(self._engine) as connection:
            statement = select(child_order.c.order_ref).where(
                child_order.c.order_ref.in_(list(refs))
            )
            return set(connection.execute(statement).scalars())

    def watched(self) -> list[ChildRecord]:
        statement = select_children().where(
            child_order.c.session == self._session,
            child_order.c.state.in_([state.value for state in REOPENED_BY_EVIDENCE]),
            child_order.c.updated_at
            > func.clock_timestamp() - func.make_interval(0, 0, 0, WATCHED_DAYS),
        )
        with transaction(self._engine) as connection:
            return [child_record(row) for row in connection.execute(statement)]

    def overdue(self, *, within_seconds: float, epoch: int) -> list[ChildRecord]:
        age = func.make_interval(0, 0, 0, 0, 0, 0, within_seconds)
        send_by = func.make_interval(0, 0, 0, 0, 0, 0, broker_command.c.send_within_ms / 1000.0)
        now = func.clock_timestamp()
        late = or_(
            # One clock only, the database's: a write follows its claim within `send_by`.
            broker_command.c.claimed_at < now - age,
            # An earlier process claimed it: whether it wrote is not known, but it can no more.
            (broker_command.c.epoch != epoch) & (broker_command.c.claimed_at < now - send_by),
        )
        statement = (
            select_children()
            .join(broker_command, broker_command.c.child_id == child_order.c.id)
            .where(
                child_order.c.session == self._session,
                child_order.c.state == OrderState.SUBMITTING.value,
                broker_command.c.kind == "place",
                late,
            )
        )
        with transaction(self._engine) as connection:
            return [child_record(row) for row in connection.execute(statement)]

    def move(self, child_id: UUID, target: OrderState, *, reason: str) -> bool:
        with transaction(self._engine) as connection:
            return move_child(connection, child_id, target, reason=reason, actor=ACTOR)

    def mark_unknown(self, child_id: UUID, *, reason: str) -> bool:
        """Move a child to unknown, telling a person; False when it moved on meanwhile."""
        with transaction(self._engine) as connection:
            child = one_child(connection, child_id)
            if child is None:
                return False
            get_intent(connection, child.intent_id, lock=True)
            connection.execute(
                update(broker_command)
                .where(
                    broker_command.c.child_id == child_id,
                    broker_command.c.kind == "place",
                    broker_command.c.outcome == "claimed",
                )
                .values(outcome="unknown", detail=reason)
            )
            raise_alert(
                connection,
                account=child.account,
                session=self._session,
                severity="warning",
                kind="order.unknown",
                title=f"Outcome unknown: {child.action.value} {child.contract.describe()}",
                message=f"Order {child.order_ref}: {reason}. The broker is asked.",
                context={"symbol": child.symbol, "order_ref": child.order_ref},
                source_key=f"unknown:{child_id}:{child.state.value}",
            )
            return move_child(connection, child_id, OrderState.UNKNOWN, reason=reason, actor=ACTOR)

    def infer(self, child: ChildRecord, *, filled: int, at: datetime, reason: str) -> None:
        """Record an inferred fill (possibly 0) and end the child: filled, or the rest expired."""
        whole = filled >= child.remaining
        total = child.filled_quantity + filled
        exec_id = f"inferred.{child.id}.01"
        with transaction(self._engine) as connection:
            get_intent(connection, child.intent_id, lock=True)
            current = one_child(connection, child.id)
            if current is None or current.state is not OrderState.UNKNOWN:
                return
            if filled:
                connection.execute(
                    insert(execution).values(
                        exec_id=exec_id,
                        account=child.account,
                        session=self._session,
                        exec_key=exec_key(exec_id),
                        child_id=child.id,
                        order_ref=child.order_ref,
                        perm_id=child.perm_id,
                        side=child.action.value,
                        quantity=filled,
                        price=select(func.coalesce(child_order.c.limit_price, 0))
                        .where(child_order.c.id == child.id)
                        .scalar_subquery(),
                        contract=child.contract.to_record(),
                        executed_at=at,
                        is_foreign=False,
                        inferred=True,
                        received_at=at,
                    )
                )
            connection.execute(
                update(child_order)
                .where(child_order.c.id == child.id)
                .values(filled_quantity=total, inferred=True)
            )
            connection.execute(
                update(order_intent)
                .where(order_intent.c.id == child.intent_id)
                .values(filled_quantity=order_intent.c.filled_quantity + filled)
            )
            move_child(
                connection,
                child.id,
                OrderState.FILLED if whole else OrderState.EXPIRED,
                reason=f"inferred: {reason}",
                actor=ACTOR,
            )

    def adopt_orphan(self, order: BrokerOrder, *, market_at: datetime) -> UUID | None:
        """Store an order of ours that is not recorded; `None` when it is by now."""
        fields = {field.name: getattr(order, field.name) for field in dataclasses.fields(order)}
        payload = {**fields, "contract": order.contract.to_record(), "action": order.action.value}
        with transaction(self._engine) as connection:
            known = connection.execute(
                select(child_order.c.id).where(child_order.c.order_ref == order.order_ref)
            ).first()
            if known is not None:
                return None
            child = adopt(
                connection, payload, session=self._session, market_at=market_at, ids=self._ids
            )
            return child.id

    def position_baseline(self, child: ChildRecord) -> Decimal | None:
        """The newest position before the claim plus fills recorded since; `None`: none stored.

        A fill is told with its second only: a snapshot of about that second is passed over, unless
        the fill's order was claimed after it.
        """
        if child.claimed_market_at is None:
            return None
        with transaction(self._engine) as connection:
            snapshots = connection.execute(
                select(portfolio_snapshot.c.id, portfolio_snapshot.c.market_at)
                .where(
                    portfolio_snapshot.c.account == child.account,
                    portfolio_snapshot.c.complete,
                    portfolio_snapshot.c.market_at <= child.claimed_market_at,
                )
                .order_by(portfolio_snapshot.c.market_at.desc())
                .limit(SNAPSHOTS_TRIED)
            ).all()
            if not snapshots:
                return None
            fills = self._fills_in(connection, child, snapshots[-1].market_at - TOLD_TO)
            for snapshot in snapshots:
                since = fills_since(fills, snapshot.market_at)
                if since is not None:
                    return since + self._held(connection, snapshot.id, child)
            return None

    def _held(self, connection: Connection, snapshot_id: UUID, child: ChildRecord) -> Decimal:
        held = connection.execute(
            select(position_snapshot.c.contract, position_snapshot.c.quantity).where(
                position_snapshot.c.snapshot_id == snapshot_id
            )
        )
        key = child.contract.economic_key
        return sum((q for c, q in held if Contract.from_record(c).economic_key == key), Decimal(0))

    def _fills_in(
        self, connection: Connection, child: ChildRecord, since: datetime
    ) -> list[FillAt]:
        """Return the account's fills in the child's contract that were told as after `since`."""
        rows = connection.execute(
            select(
                execution.c.contract,
                execution.c.quantity,
                execution.c.side,
                execution.c.executed_at,
                child_order.c.claimed_market_at,
            )
            .join(child_order, child_order.c.id == execution.c.child_id, isouter=True)
            .where(
                execution.c.account == child.account,
                ~execution.c.superseded,
                execution.c.executed_at > since,
            )
        )
        key = child.contract.economic_key
        return [
            FillAt(
                quantity_signed=row.quantity if row.side == Action.BUY.value else -row.quantity,
                executed_at=row.executed_at,
                claimed_at=row.claimed_market_at,
            )
            for row in rows
            if Contract.from_record(row.contract).economic_key == key
        ]

    def other_candidates(self, child: ChildRecord) -> int:
        """Count other possibly live orders in the same contract."""
        states = [state.value for state in POSSIBLY_LIVE]
        statement = select_children().where(
            child_order.c.account == child.account,
            order_intent.c.symbol == child.symbol,
            child_order.c.id != child.id,
            child_order.c.state.in_(states),
        )
        with transaction(self._engine) as connection:
            rows = [child_record(row) for row in connection.execute(statement)]
        key = child.contract.economic_key
        return sum(1 for other in rows if other.contract.economic_key == key)

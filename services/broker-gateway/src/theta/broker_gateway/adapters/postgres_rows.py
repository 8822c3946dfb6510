"""Reading children together with their intents' terms."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select

from theta.broker_gateway.domain.records import ChildRecord
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState
from theta.common.postgres.tables import child_order, order_intent


def select_children() -> Select[Any]:
    """Return the statement that `child_record` reads; add conditions on both tables."""
    return select(
        child_order,
        order_intent.c.contract,
        order_intent.c.action,
        order_intent.c.symbol,
        order_intent.c.strategy,
        order_intent.c.effect,
        order_intent.c.kind,
        order_intent.c.price_floor,
        order_intent.c.price_ceiling,
    ).join(order_intent, order_intent.c.id == child_order.c.intent_id)


def child_record(row: Row[Any]) -> ChildRecord:
    """Return a row of `select_children` as a value."""
    return ChildRecord(
        id=row.id,
        intent_id=row.intent_id,
        account=row.account,
        order_ref=row.order_ref,
        state=OrderState(row.state),
        quantity=row.quantity,
        filled_quantity=row.filled_quantity,
        action=Action(row.action),
        contract=Contract.from_record(row.contract),
        symbol=row.symbol,
        strategy=row.strategy,
        effect=Effect(row.effect),
        kind=IntentKind(row.kind),
        order_id=row.order_id,
        perm_id=row.perm_id,
        client_id=row.client_id,
        connection_no=row.connection_no,
        claimed_market_at=row.claimed_market_at,
        final_event_at=row.final_event_at,
        inferred=row.inferred,
        limit_price=row.limit_price,
        price_floor=row.price_floor,
        price_ceiling=row.price_ceiling,
    )


def one_child(connection: Connection, child_id: UUID) -> ChildRecord | None:
    """Return the child, unlocked; `None` when there is none."""
    row = connection.execute(select_children().where(child_order.c.id == child_id)).one_or_none()
    return None if row is None else child_record(row)

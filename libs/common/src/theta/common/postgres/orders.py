"""Intents and child orders: reading them, and moving them only along the legal transitions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, update

from theta.common.domain.decisions import ProposedOrder
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import (
    FINAL,
    Action,
    OrderState,
    intent_state_of,
    may_become,
    needs_page,
)
from theta.common.domain.portfolio import PendingOrder
from theta.common.postgres import journal
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.tables import child_order, order_intent

_NON_FINAL = [state.value for state in OrderState if state not in FINAL]


def get_intent(connection: Connection, intent_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """Return the intent's row, locked FOR UPDATE when asked; `None` when there is none."""
    statement = select(order_intent).where(order_intent.c.id == intent_id)
    if lock:
        statement = statement.with_for_update()
    return connection.execute(statement).one_or_none()


def get_child(connection: Connection, child_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """Return the child's row, locked FOR UPDATE when asked; `None` when there is none."""
    statement = select(child_order).where(child_order.c.id == child_id)
    if lock:
        statement = statement.with_for_update()
    return connection.execute(statement).one_or_none()


def children_of(connection: Connection, intent_id: UUID) -> list[Row[Any]]:
    """Return the intent's children, oldest first."""
    statement = (
        select(child_order)
        .where(child_order.c.intent_id == intent_id)
        .order_by(child_order.c.sequence)
    )
    return list(connection.execute(statement))


def insert_intent(
    connection: Connection,
    *,
    intent_id: UUID,
    account: str,
    session: str,
    run_id: UUID | None,
    decision_id: UUID | None,
    source: str,
    actor: str,
    strategy: str,
    symbol: str,
    order: ProposedOrder,
    decided_market_at: datetime,
    state: OrderState = OrderState.PROPOSED,
    state_reason: str = "",
    traceparent: str | None = None,
) -> None:
    """Store a new intent, `proposed` or (its run began before a halt) `withdrawn`.

    The caller journals it together with the decision, and posts the review job.
    """
    connection.execute(
        insert(order_intent).values(
            id=intent_id,
            account=account,
            session=session,
            run_id=run_id,
            decision_id=decision_id,
            source=source,
            actor=actor,
            strategy=strategy,
            symbol=symbol,
            kind=order.kind.value,
            effect=order.effect.value,
            action=order.action.value,
            quantity=order.quantity,
            limit_price=order.limit_price,
            price_floor=order.price_floor,
            price_ceiling=order.price_ceiling,
            contract=order.contract.to_record(),
            quote=order.quote,
            state=state.value,
            state_reason=state_reason,
            decided_market_at=decided_market_at,
            expires_market_at=order.expires_market_at,
            traceparent=traceparent,
        )
    )


def move_intent(
    connection: Connection, intent_id: UUID, target: OrderState, *, reason: str, actor: str
) -> bool:
    """Move an intent to `target`, journalling it; return False, changing nothing, when §2 forbids
    it.

    Locks the row. Being in `target` already is False too: the caller's work was done before.
    """
    row = get_intent(connection, intent_id, lock=True)
    if row is None or not may_become(OrderState(row.state), target):
        return False
    connection.execute(
        update(order_intent)
        .where(order_intent.c.id == intent_id)
        .values(state=target.value, state_reason=reason)
    )
    journal.append(
        connection,
        account=row.account,
        actor=actor,
        kind=f"intent.{target.value}",
        subject=str(intent_id),
        body={"from": row.state, "reason": reason, "symbol": row.symbol},
    )
    return True


def move_child(
    connection: Connection, child_id: UUID, target: OrderState, *, reason: str, actor: str
) -> bool:
    """Move a child to `target`, and its intent to the state that follows; False when §2 forbids it.

    Takes the intent's lock before the child's. A transition that must page a person raises a
    critical alert.
    """
    found = get_child(connection, child_id)
    if found is None:
        return False
    intent = get_intent(connection, found.intent_id, lock=True)
    child = get_child(connection, child_id, lock=True)
    assert intent is not None
    assert child is not None
    current = OrderState(child.state)
    if not may_become(current, target):
        return False
    if current is OrderState.FILLED and not child.inferred:
        return False
    values: dict[str, Any] = {"state": target.value, "state_reason": reason}
    values["final_event_at"] = func.clock_timestamp() if target in FINAL else None
    connection.execute(update(child_order).where(child_order.c.id == child_id).values(**values))
    if needs_page(current, target):
        _page(connection, intent, child, current, target, reason)
    _follow_children(connection, intent, reason, actor)
    journal.append(
        connection,
        account=child.account,
        actor=actor,
        kind=f"child.{target.value}",
        subject=str(child_id),
        body={
            "from": current.value,
            "reason": reason,
            "order_ref": child.order_ref,
            "intent_id": str(intent.id),
        },
    )
    return True


def _follow_children(connection: Connection, intent: Row[Any], reason: str, actor: str) -> None:
    states = [OrderState(row.state) for row in children_of(connection, intent.id)]
    derived = intent_state_of(states)
    if derived is not OrderState.APPROVED:
        move_intent(connection, intent.id, derived, reason=reason, actor=actor)


def _page(
    connection: Connection,
    intent: Row[Any],
    child: Row[Any],
    current: OrderState,
    target: OrderState,
    reason: str,
) -> None:
    what = Contract.from_record(intent.contract).describe()
    raise_alert(
        connection,
        account=child.account,
        session=child.session,
        severity="critical",
        kind=f"order.{target.value}",
        title=f"{what}: {current.value} became {target.value}",
        message=reason,
        context={"symbol": intent.symbol, "order_ref": child.order_ref, "intent_id": intent.id},
        source_key=f"child:{child.id}:{current.value}:{target.value}",
    )


def pending_orders(connection: Connection, account: str) -> list[PendingOrder]:
    """Return the unfilled remainder of every non-final intent: exposure that may still come true.

    Fills that the newest snapshot does not contain are the caller's to add (order-protocol §3).
    """
    statement = (
        select(
            order_intent.c.contract,
            order_intent.c.action,
            order_intent.c.quantity,
            order_intent.c.filled_quantity,
        )
        .where(order_intent.c.account == account, order_intent.c.state.in_(_NON_FINAL))
        .order_by(order_intent.c.created_at)
    )
    found = []
    for contract, action, quantity, filled in connection.execute(statement):
        remaining = max(0, int(Decimal(quantity) - Decimal(filled)))
        if remaining:
            sign = -1 if action == Action.SELL.value else 1
            found.append(
                PendingOrder(
                    contract=Contract.from_record(contract), quantity_signed=sign * remaining
                )
            )
    return found

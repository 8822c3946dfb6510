"""Adopting an order with our prefix that the database lacks, from what the broker says of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from theta.broker_gateway.adapters.postgres_rows import one_child
from theta.broker_gateway.domain.records import ACTOR, ChildRecord
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState
from theta.common.ports import IdSource
from theta.common.postgres import journal
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.tables import child_order, order_intent


def adoptable(payload: Mapping[str, Any]) -> bool:
    """Tell whether the payload names account, contract, side and a positive quantity."""
    if "unreadable" in payload or not payload.get("account") or not payload.get("contract"):
        return False
    return _side(payload) is not None and _quantity(payload) > 0


def adopt(
    connection: Connection,
    payload: Mapping[str, Any],
    *,
    session: str,
    market_at: datetime,
    ids: IdSource,
) -> ChildRecord:
    """Store an orphan intent with one child, state unknown until the evidence says more; page."""
    contract = Contract.from_record(payload["contract"])
    side = _side(payload)
    assert side is not None
    intent_id, child_id = ids.uuid(), ids.uuid()
    account, quantity = str(payload["account"]), _quantity(payload)
    order_ref = str(payload["order_ref"])
    connection.execute(
        insert(order_intent).values(
            id=intent_id,
            account=account,
            session=session,
            source="orphan",
            actor=ACTOR,
            strategy="orphan",
            symbol=contract.symbol,
            kind=IntentKind.ORPHAN.value,
            effect=Effect.OPENING.value,
            action=side.value,
            quantity=quantity,
            limit_price=payload.get("limit_price"),
            contract=contract.to_record(),
            state=OrderState.UNKNOWN.value,
            state_reason="adopted from the broker",
            decided_market_at=market_at,
            expires_market_at=market_at,
        )
    )
    connection.execute(
        insert(child_order).values(
            id=child_id,
            account=account,
            session=session,
            intent_id=intent_id,
            sequence=1,
            order_ref=order_ref,
            state=OrderState.UNKNOWN.value,
            state_reason="adopted from the broker",
            quantity=quantity,
            limit_price=payload.get("limit_price"),
            client_id=payload.get("client_id"),
            order_id=payload.get("order_id"),
            perm_id=payload.get("perm_id") or None,
            claimed_market_at=market_at,
        )
    )
    _tell(connection, intent_id, contract, side, quantity, order_ref, account, session)
    child = one_child(connection, child_id)
    assert child is not None
    return child


def _tell(
    connection: Connection,
    intent_id: UUID,
    contract: Contract,
    side: Action,
    quantity: int,
    order_ref: str,
    account: str,
    session: str,
) -> None:
    raise_alert(
        connection,
        account=account,
        session=session,
        severity="critical",
        kind="order.orphan",
        title=f"An order of ours was not recorded: {side.value} {quantity} {contract.describe()}",
        message=f"Order {order_ref} was found at the broker and adopted; look at how it came.",
        context={"symbol": contract.symbol, "order_ref": order_ref},
        source_key=f"orphan:{order_ref}",
    )
    journal.append(
        connection,
        account=account,
        actor=ACTOR,
        kind="intent.adopted",
        subject=str(intent_id),
        body={"order_ref": order_ref, "symbol": contract.symbol, "quantity": quantity},
    )


def _side(payload: Mapping[str, Any]) -> Action | None:
    said = payload.get("action") or payload.get("side")
    return Action(said) if said in {"BUY", "SELL"} else None


def _quantity(payload: Mapping[str, Any]) -> int:
    try:
        return int(float(str(payload.get("quantity") or 0)))
    except ValueError:
        return 0

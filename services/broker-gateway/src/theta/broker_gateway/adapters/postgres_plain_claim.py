"""The ordinary claim in one round trip: its latency is what an order waits for (§5.1)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from theta.broker_gateway.domain.records import ACTOR, ClaimedOrder, ClaimRequest
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind
from theta.common.postgres.tables import order_intent

_CLAIM = text(
    """
    select * from claim_place(
      :intent, :session, :lease, :epoch, :market_at, :child, :order_ref, :client, :order_id,
      :connection_no, :command, :send_within_ms, :actor)
    """
).columns(*order_intent.c)


def claim_at_once(
    connection: Connection, request: ClaimRequest, *, session: str
) -> ClaimedOrder | None:
    """Claim an intent without children under an open gate; `None`: not so plain, nothing changed.

    The function in the database takes the locks in the order of §4.
    """
    row = connection.execute(
        _CLAIM,
        {
            "intent": request.intent_id,
            "session": session,
            "lease": f"session:{session}",
            "epoch": request.epoch,
            "market_at": request.market_at,
            "child": request.child_id,
            "order_ref": request.order_ref,
            "client": request.client_id,
            "order_id": request.order_id,
            "connection_no": request.connection_no,
            "command": request.command_id,
            "send_within_ms": request.send_within_ms,
            "actor": ACTOR,
        },
    ).one_or_none()
    if row is None:
        return None
    return claimed_order(row, request.child_id, request.order_ref, row.quantity, request)


def claimed_order(
    intent: Row[Any], child_id: UUID, order_ref: str, quantity: int, request: ClaimRequest
) -> ClaimedOrder:
    """Return what the claim of `intent` placed into `request`'s command."""
    return ClaimedOrder(
        intent_id=intent.id,
        child_id=child_id,
        command_id=request.command_id,
        epoch=request.epoch,
        connection_no=request.connection_no,
        order_id=request.order_id,
        order_ref=order_ref,
        account=intent.account,
        contract=Contract.from_record(intent.contract),
        action=Action(intent.action),
        quantity=quantity,
        limit_price=intent.limit_price,
        strategy=intent.strategy,
        symbol=intent.symbol,
        effect=Effect(intent.effect),
        kind=IntentKind(intent.kind),
        approved_at=intent.updated_at,
    )

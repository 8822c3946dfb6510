"""Intents as the strategy and risk would have left them, for the gateway to work on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, insert, select

from theta.common.domain.decisions import ProposedOrder
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import insert_intent, move_intent
from theta.common.postgres.tables import child_order, order_intent

FAR = datetime(2099, 1, 1, tzinfo=UTC)


def put(symbol: str = "SPY", strike: str = "740", expiry: date = date(2026, 9, 18)) -> Contract:
    return Contract(
        symbol=symbol,
        sec_type=SecType.OPTION,
        expiry=expiry,
        strike=Decimal(strike),
        right=Right.PUT,
        multiplier=100,
        trading_class=symbol,
    )


def approve(
    engine: Engine,
    *,
    account: str = "DU1000001",
    contract: Contract | None = None,
    quantity: int = 1,
    price: str = "5.00",
    action: Action = Action.SELL,
    effect: Effect = Effect.OPENING,
    kind: IntentKind = IntentKind.WRITE,
    expires: datetime = FAR,
    strategy: str = "wheel",
    state: OrderState = OrderState.APPROVED,
    floor: str | None = None,
    ceiling: str | None = None,
) -> UUID:
    """Store an intent and bring it to `state`, proposed or approved."""
    intent_id, what = uuid4(), contract or put()
    order = ProposedOrder(
        contract=what,
        action=action,
        quantity=quantity,
        limit_price=Decimal(price),
        price_floor=Decimal(floor or price),
        price_ceiling=Decimal(ceiling or price),
        kind=kind,
        effect=effect,
        expires_market_at=expires,
        quote={},
    )
    with transaction(engine) as connection:
        insert_intent(
            connection, intent_id=intent_id, account=account, session="main", run_id=None,
            decision_id=None, source="operator", actor="test", strategy=strategy,
            symbol=what.symbol, order=order, decided_market_at=datetime(2026, 8, 18, tzinfo=UTC),
        )  # fmt: skip
        if state is OrderState.APPROVED:
            move_intent(connection, intent_id, OrderState.APPROVED, reason="test", actor="test")
    return intent_id


def intent_state(engine: Engine, intent_id: UUID) -> str:
    with engine.connect() as connection:
        statement = select(order_intent.c.state).where(order_intent.c.id == intent_id)
        return str(connection.execute(statement).scalar_one())


def only_child(engine: Engine, intent_id: UUID) -> Any:
    """Return the intent's one child, `None` before there is one."""
    with engine.connect() as connection:
        statement = select(child_order).where(child_order.c.intent_id == intent_id)
        return connection.execute(statement).one_or_none()


def rows(engine: Engine, table: Any, *conditions: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table).where(*conditions)))


def add(engine: Engine, table: Any, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table).values(**values))

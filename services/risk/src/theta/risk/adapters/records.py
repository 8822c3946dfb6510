"""Reviews in PostgreSQL: locks in the order of order-protocol §4, facts, and the writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, func, insert, select, text

from theta.common.domain.instruments import Contract
from theta.common.domain.orders import FINAL, Action, Effect, IntentKind, OrderState
from theta.common.domain.portfolio import PendingOrder, Portfolio
from theta.common.domain.quotes import Quote
from theta.common.errors import InvariantError
from theta.common.ports import IdSource
from theta.common.postgres import journal, outbox
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction
from theta.common.postgres.gate import effective_state, lock_gate, orders_queue
from theta.common.postgres.orders import get_intent, move_intent
from theta.common.postgres.snapshots import newest_portfolio
from theta.common.postgres.tables import (
    broker_account,
    buying_power_reservation,
    order_intent,
    risk_verdict,
)
from theta.risk.domain.framework import Commitments, ReviewedOrder, Verdict
from theta.risk.ports import OpenReview, StoredFacts

ACTOR = "risk"
SUBMIT_JOB = "orders.submit"

_PROMISED = [
    state.value
    for state in OrderState
    if state not in FINAL | {OrderState.PROPOSED, OrderState.HELD}
]
"""Approved or possibly live: what the account is bound to."""


class PostgresReviews:
    """`ReviewRecords` on PostgreSQL."""

    def __init__(self, engine: Engine, ids: IdSource) -> None:
        self._engine = engine
        self._ids = ids

    @contextmanager
    def open(self, intent_id: UUID) -> Iterator[OpenReview | None]:
        with transaction(self._engine) as connection:
            seen = get_intent(connection, intent_id)
            if seen is None or seen.state != OrderState.PROPOSED.value:
                yield None
                return
            # Gate, then account, then intent: the order that every transaction keeps.
            lock_gate(connection, seen.account, mode="share")
            known = _lock_account(connection, seen.account)
            row = get_intent(connection, intent_id, lock=True)
            assert row is not None
            if row.state != OrderState.PROPOSED.value:
                yield None
                return
            yield PostgresReview(connection, self._ids, row, account_known=known)

    def snapshot_age(self, intent_id: UUID) -> tuple[str, float | None] | None:
        with transaction(self._engine) as connection:
            row = get_intent(connection, intent_id)
            if row is None or row.state != OrderState.PROPOSED.value:
                return None
            return row.account, _newest(connection, row.account)[1]


class PostgresReview:
    """`OpenReview` inside one transaction."""

    def __init__(
        self, connection: Connection, ids: IdSource, row: Row[Any], *, account_known: bool
    ) -> None:
        self._connection = connection
        self._ids = ids
        self._row = row
        self._facts = _facts(connection, row, account_known=account_known)

    @property
    def facts(self) -> StoredFacts:
        return self._facts

    def approve(
        self,
        verdict: Verdict,
        *,
        limits_hash: str,
        reserve: Decimal,
        market_at: datetime | None,
        traceparent: str | None,
    ) -> None:
        row, connection = self._row, self._connection
        self._store(verdict, "approved", limits_hash, market_at)
        currency = self._facts.order.contract.currency
        connection.execute(
            insert(buying_power_reservation).values(
                id=self._ids.uuid(),
                account=row.account,
                intent_id=row.id,
                amount=reserve,
                currency=currency,
            )
        )
        outbox.post(
            connection,
            account=row.account,
            queue=orders_queue(row.session),
            job_name=SUBMIT_JOB,
            subject_id=row.id,
            traceparent=traceparent,
        )
        self._move(OrderState.APPROVED, f"all {len(verdict.reports)} controls passed")
        self._journal("risk.approved", verdict, limits_hash, reserved=f"{reserve} {currency}")

    def reject(self, verdict: Verdict, *, limits_hash: str, market_at: datetime | None) -> None:
        row, connection = self._row, self._connection
        review = self._store(verdict, "rejected", limits_hash, market_at)
        reason = "; ".join(f"{report.code}: {report.text}" for report in verdict.refusals)
        what = self._facts.order.contract.describe()
        raise_alert(
            connection,
            account=row.account,
            session=row.session,
            severity="warning",
            kind="risk.refused",
            title=f"Risk refused {row.action} {row.quantity} {what}",
            message=reason,
            context={
                "symbol": row.symbol,
                "intent_id": row.id,
                "codes": [report.code for report in verdict.refusals],
            },
            source_key=f"risk:{row.id}:{review}",
        )
        self._move(OrderState.REJECTED, reason)
        self._journal("risk.rejected", verdict, limits_hash)

    def expire(self, reason: str) -> None:
        self._move(OrderState.EXPIRED, reason)

    def _store(
        self, verdict: Verdict, outcome: str, limits_hash: str, market_at: datetime | None
    ) -> int:
        """Insert the verdict and return the number of this review of the intent, from 1."""
        connection, row = self._connection, self._row
        earlier = connection.execute(
            select(func.count()).where(risk_verdict.c.intent_id == row.id)
        ).scalar_one()
        connection.execute(
            insert(risk_verdict).values(
                id=self._ids.uuid(),
                account=row.account,
                intent_id=row.id,
                review=earlier + 1,
                outcome=outcome,
                controls=[report.to_record() for report in verdict.reports],
                limits_hash=limits_hash,
                market_at=market_at,
            )
        )
        return int(earlier) + 1

    def _move(self, target: OrderState, reason: str) -> None:
        if not move_intent(self._connection, self._row.id, target, reason=reason, actor=ACTOR):
            message = f"intent {self._row.id} was proposed and locked, yet may not be {target}"
            raise InvariantError(message)

    def _journal(self, kind: str, verdict: Verdict, limits_hash: str, **more: str) -> None:
        journal.append(
            self._connection,
            account=self._row.account,
            actor=ACTOR,
            kind=kind,
            subject=str(self._row.id),
            body={
                "controls": [report.to_record() for report in verdict.reports],
                "limits_hash": limits_hash,
                **more,
            },
        )


def _lock_account(connection: Connection, account: str) -> bool:
    """Serialise reviews of one account, so that no two reserve the same money."""
    statement = (
        select(broker_account.c.account)
        .where(broker_account.c.account == account)
        .with_for_update()
    )
    return connection.execute(statement).first() is not None


def _facts(connection: Connection, row: Row[Any], *, account_known: bool) -> StoredFacts:
    contract = Contract.from_record(row.contract)
    order = ReviewedOrder(
        contract=contract,
        action=Action(row.action),
        quantity=row.quantity,
        limit_price=row.limit_price,
        price_floor=row.price_floor,
        price_ceiling=row.price_ceiling,
        kind=IntentKind(row.kind),
        effect=Effect(row.effect),
    )
    # Without an account row nothing was locked, so no reservation would be safe: no snapshot.
    portfolio, age = _newest(connection, row.account) if account_known else (None, None)
    return StoredFacts(
        intent_id=row.id,
        account=row.account,
        session=row.session,
        symbol=row.symbol,
        order=order,
        expires_market_at=row.expires_market_at,
        trading_state=effective_state(
            connection, row.account, strategy=row.strategy, symbol=row.symbol
        ),
        quote=_quote(contract, row.quote),
        portfolio=portfolio,
        portfolio_age_seconds=age,
        commitments=_commitments(connection, row, contract),
    )


def _quote(contract: Contract, record: Any) -> Quote | None:
    if not isinstance(record, dict):
        return None
    try:
        quote = Quote.from_record(contract, record)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    # A time without zone cannot be compared with market time.
    return None if quote.at is not None and quote.at.tzinfo is None else quote


def _newest(connection: Connection, account: str) -> tuple[Portfolio | None, float | None]:
    stored = newest_portfolio(connection, account)
    if stored is None:
        return None, None
    age = connection.execute(
        text("select extract(epoch from clock_timestamp() - :taken_at)"),
        {"taken_at": stored.taken_at},
    ).scalar_one()
    return stored.portfolio, float(age)


def _commitments(connection: Connection, row: Row[Any], contract: Contract) -> Commitments:
    reserved = connection.execute(
        select(func.coalesce(func.sum(buying_power_reservation.c.amount), 0)).where(
            buying_power_reservation.c.account == row.account,
            buying_power_reservation.c.released_at.is_(None),
        )
    ).scalar_one()
    holding = (
        select(buying_power_reservation.c.intent_id)
        .where(
            buying_power_reservation.c.intent_id == order_intent.c.id,
            buying_power_reservation.c.released_at.is_(None),
        )
        .exists()
    )
    statement = select(
        order_intent.c.contract,
        order_intent.c.action,
        order_intent.c.effect,
        (order_intent.c.quantity - order_intent.c.filled_quantity).label("remaining"),
        holding.label("has_reservation"),
    ).where(
        order_intent.c.account == row.account,
        order_intent.c.id != row.id,
        order_intent.c.state.in_(_PROMISED),
    )
    unreserved: list[PendingOrder] = []
    closing = 0
    for other in connection.execute(statement):
        remaining = max(0, int(other.remaining))
        theirs = Contract.from_record(other.contract)
        same = theirs.economic_key == contract.economic_key and other.action == row.action
        if same and other.effect == Effect.REDUCING.value:
            closing += remaining
        if not other.has_reservation and remaining:
            sign = -1 if other.action == Action.SELL.value else 1
            unreserved.append(PendingOrder(contract=theirs, quantity_signed=sign * remaining))
    return Commitments(
        reserved=Decimal(reserved), unreserved=tuple(unreserved), closing_quantity=closing
    )

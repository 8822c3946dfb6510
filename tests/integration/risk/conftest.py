"""A database with an account that may trade, and intents to review."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, insert, text

from tests.support.servers import Database
from theta.common.adapters import NoFaults, RandomIds, SystemClock
from theta.common.domain.decisions import ProposedOrder
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.domain.quotes import Quote
from theta.common.ports import FaultPoints
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.gate import create_gate
from theta.common.postgres.orders import insert_intent
from theta.common.postgres.snapshots import store_portfolio
from theta.common.postgres.tables import broker_account, broker_session
from theta.risk.adapters.clocks import SessionClocks
from theta.risk.adapters.records import PostgresReviews
from theta.risk.adapters.sessions import ExchangeSessions
from theta.risk.domain.framework import RiskLimits
from theta.risk.domain.registry import CONTROLS
from theta.risk.use_cases.review_intent import ReviewIntent

ACCOUNT = "DU1234567"
SESSION = "main"
MARKET_AT = datetime(2026, 8, 19, 15, 30, tzinfo=UTC)
"""A Wednesday, 11:30 in New York."""

LIMITS = RiskLimits(
    order_contracts_max=10,
    quote_age_seconds_max=Decimal(30),
    quote_ahead_seconds_max=Decimal(2),
    price_collar_ratio=Decimal("0.25"),
    price_collar_usd_min=Decimal("0.05"),
    snapshot_age_seconds_max=Decimal(120),
    margin_usage_ratio=Decimal("0.9"),
    delay_after_open_seconds=1800,
    delay_before_close_seconds=1800,
    market_clock_age_seconds_max=Decimal(5),
)


def put(symbol: str, strike: str) -> Contract:
    return Contract(
        symbol=symbol,
        sec_type=SecType.OPTION,
        expiry=date(2026, 9, 18),
        strike=Decimal(strike),
        right=Right.PUT,
        multiplier=100,
    )


def quote_of(contract: Contract) -> Quote:
    return Quote(
        contract=contract,
        at=MARKET_AT,
        bid=Decimal("1.20"),
        ask=Decimal("1.30"),
        bid_size=Decimal(10),
        ask_size=Decimal(10),
    )


def put_sale(contract: Contract, quantity: int = 1) -> ProposedOrder:
    return ProposedOrder(
        contract=contract,
        action=Action.SELL,
        quantity=quantity,
        limit_price=Decimal("1.25"),
        price_floor=Decimal("1.00"),
        price_ceiling=Decimal("1.50"),
        kind=IntentKind.WRITE,
        effect=Effect.OPENING,
        expires_market_at=MARKET_AT + timedelta(hours=4),
        quote=quote_of(contract).to_record(),
    )


@dataclass
class Books:
    """One account's records, written as the other services would write them."""

    database: Database
    owner: Engine
    risk: Engine

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with transaction(self.owner) as connection:
            yield connection

    def rows(self, statement: Any) -> list[Any]:
        with transaction(self.owner) as connection:
            return list(connection.execute(statement))

    def rows_of(self, statement: str) -> list[Any]:
        return self.rows(text(statement))

    def propose(self, order: ProposedOrder) -> UUID:
        intent_id = uuid4()
        with self.writing() as connection:
            insert_intent(
                connection,
                intent_id=intent_id,
                account=ACCOUNT,
                session=SESSION,
                run_id=None,
                decision_id=None,
                source="strategy",
                actor="test",
                strategy="wheel",
                symbol=order.contract.symbol,
                order=order,
                decided_market_at=MARKET_AT,
            )
        return intent_id

    def snapshot(
        self, *, net_liquidation: str = "400000", positions: tuple[Position, ...] = ()
    ) -> None:
        portfolio = Portfolio(
            account=ACCOUNT,
            market_at=MARKET_AT,
            values=AccountValues(
                currency="USD",
                net_liquidation=Decimal(net_liquidation),
                total_cash=Decimal(net_liquidation),
                buying_power=Decimal(net_liquidation),
            ),
            positions=positions,
            complete=True,
        )
        with self.writing() as connection:
            store_portfolio(
                connection,
                portfolio,
                snapshot_id=uuid4(),
                session=SESSION,
                requested_at=datetime.now(UTC),
            )

    def review(
        self, faults: FaultPoints | None = None, limits: RiskLimits = LIMITS
    ) -> ReviewIntent:
        clock = SystemClock()
        return ReviewIntent(
            records=PostgresReviews(self.risk, RandomIds()),
            clocks=SessionClocks(self.risk, clock),
            sessions=ExchangeSessions("XNYS"),
            limits=limits,
            controls=CONTROLS,
            process_clock=clock,
            faults=faults or NoFaults(),
            refresher=None,
        )

    def refusal_codes(self, intent_id: UUID) -> list[str]:
        found = self.rows(
            text(
                f"select controls from risk_verdict where intent_id = '{intent_id}' order by review"
            )
        )
        return [c["code"] for c in found[-1][0] if c["outcome"] == "refused"]

    def state_of(self, intent_id: UUID) -> str:
        return str(
            self.rows(text(f"select state from order_intent where id = '{intent_id}'"))[0][0]
        )


@contextmanager
def open_books(database: Database) -> Iterator[Books]:
    """Yield an account with an open gate, 400,000 USD, and a market clock that was just seen."""
    owner = make_engine(database.superuser_url, application_name="test")
    risk = make_engine(database.url_for("theta_risk"), application_name="risk", pool_size=10)
    made = Books(database=database, owner=owner, risk=risk)
    with made.writing() as connection:
        connection.execute(insert(broker_account).values(account=ACCOUNT, session=SESSION))
        connection.execute(
            insert(broker_session).values(
                session=SESSION,
                account=ACCOUNT,
                client_id=17,
                market_at=MARKET_AT,
                observed_at=text("clock_timestamp()"),
                # Market time stands still, so that a slow machine cannot age a quote.
                market_rate=0,
            )
        )
        create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="test",
            reason="test",
            actor="test",
        )
    made.snapshot()
    yield made
    risk.dispose()
    owner.dispose()


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with open_books(database) as made:
        yield made

"""An order that every control lets pass; tests change one thing at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.domain.quotes import Quote
from theta.common.market_calendar import session_calendar
from theta.risk.domain.framework import (
    Commitments,
    MarketNow,
    ReviewedOrder,
    ReviewInputs,
    RiskLimits,
)

MARKET_AT = datetime(2026, 8, 19, 15, 30, tzinfo=UTC)
"""A Wednesday, 11:30 in New York: two hours after the open, four and a half before the close."""

CALENDAR = session_calendar("XNYS", first_year=2026, last_year=2026)

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


def position(contract: Contract, quantity: int, *, value: str | None = None) -> Position:
    return Position(
        contract=contract,
        quantity=Decimal(quantity),
        average_cost_usd=None,
        market_value_usd=None if value is None else Decimal(value),
    )


def good_inputs(
    *, net_liquidation: str = "400000", positions: tuple[Position, ...] = ()
) -> ReviewInputs:
    contract = put("SPY", "760")
    return ReviewInputs(
        order=ReviewedOrder(
            contract=contract,
            action=Action.SELL,
            quantity=1,
            limit_price=Decimal("1.25"),
            price_floor=Decimal("0.94"),
            price_ceiling=Decimal("1.60"),
            kind=IntentKind.WRITE,
            effect=Effect.OPENING,
        ),
        trading_state=TradingState.ACTIVE,
        quote=Quote(
            contract=contract,
            at=MARKET_AT,
            bid=Decimal("1.20"),
            ask=Decimal("1.30"),
            bid_size=Decimal(10),
            ask_size=Decimal(10),
        ),
        market_now=MarketNow(at=MARKET_AT, observed_age_seconds=0.5),
        portfolio=Portfolio(
            account="DU1234567",
            market_at=MARKET_AT,
            values=AccountValues(
                currency="USD",
                net_liquidation=Decimal(net_liquidation),
                total_cash=Decimal(net_liquidation),
                buying_power=Decimal(net_liquidation),
            ),
            positions=positions,
            complete=True,
        ),
        portfolio_age_seconds=10.0,
        commitments=Commitments(reserved=Decimal(0), unreserved=(), closing_quantity=0),
        calendar=CALENDAR,
        exchange_day=MARKET_AT.date(),
    )

"""Money, instruments, quotes, portfolio, calendar and decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.common.domain.calendar import Session, SessionCalendar, is_tradable
from theta.common.domain.decisions import Decision, Outcome, Reason, days_to_expiry
from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.domain.money import (
    finite,
    round_cents_half_even,
    round_to_tick_down,
    round_to_tick_nearest,
    round_to_tick_up,
)
from theta.common.domain.orders import IntentKind
from theta.common.domain.portfolio import (
    AccountValues,
    PendingOrder,
    Portfolio,
    Position,
    exposure_of,
)
from theta.common.domain.quotes import Quote

D = Decimal
PUT = Contract(
    symbol="SPY",
    sec_type=SecType.OPTION,
    expiry=date(2026, 9, 18),
    strike=D(760),
    right=Right.PUT,
    multiplier=100,
    con_id=11,
)
AT = datetime(2026, 8, 13, 15, tzinfo=UTC)
prices = st.decimals("-1000", "1000", places=4)
ticks = st.sampled_from([D("0.01"), D("0.05"), D("0.1")])


def test_what_is_not_a_number_is_absent() -> None:
    for value in (None, "", "NaN", float("nan"), float("inf"), D("-Infinity")):
        assert finite(value) is None
    assert finite(0.1) == D("0.1")
    assert finite(D(3)) == 3


@given(price=prices, tick=ticks)
def test_rounding_to_a_tick_brackets_the_price(price: Decimal, tick: Decimal) -> None:
    down, up = round_to_tick_down(price, tick), round_to_tick_up(price, tick)
    assert down <= price <= up
    assert up - down in (0, tick)
    assert round_to_tick_nearest(price, tick) in (down, up)


def test_cents_round_half_to_even() -> None:
    assert round_cents_half_even(D("0.125")) == D("0.12")
    assert round_cents_half_even(D("0.135")) == D("0.14")


def test_a_contract_survives_its_record_and_knows_its_terms() -> None:
    assert Contract.from_record(PUT.to_record()) == PUT
    assert Contract.from_record(stock("SPY").to_record()) == stock("SPY")
    assert replace(PUT, con_id=None, strike=D("760.0")).economic_key == PUT.economic_key
    assert replace(PUT, multiplier=10).economic_key != PUT.economic_key
    assert PUT.describe() == "SPY 2026-09-18 760 P"
    assert stock("SPY").describe() == "SPY"


def test_impossible_contracts_are_refused() -> None:
    with pytest.raises(ValueError, match="multiplier"):
        replace(PUT, multiplier=0)
    with pytest.raises(ValueError, match="needs expiry"):
        replace(PUT, right=None)
    with pytest.raises(ValueError, match="has no expiry"):
        replace(stock("SPY"), strike=D(1))


GOOD = Quote(contract=PUT, at=AT, bid=D(5), ask=D("5.2"), bid_size=D(1), ask_size=D(1))


def quote(**fields: Decimal | None) -> Quote:
    return replace(GOOD, **fields)  # type: ignore[arg-type]  # only Decimal fields are named


def test_a_quote_needs_two_good_sides_for_a_midpoint() -> None:
    assert quote().midpoint() == D("5.1")
    for bad in (
        quote(bid=None),
        quote(bid=D(0)),
        quote(bid=D(6)),
        quote(bid_size=D(0)),
        quote(ask_size=None),
        quote(ask=D(-1)),
    ):
        assert bad.midpoint() is None


def test_market_price_prefers_a_last_within_the_sides() -> None:
    assert quote(last=D("5.15")).market_price() == D("5.15")
    assert quote(last=D(9)).market_price() == D("5.1")
    assert quote(bid=None, last=D(9)).market_price() == 9
    assert quote(bid=None).market_price() is None


def test_mid_price_falls_back_to_market_then_model() -> None:
    assert quote(model_price=D(7)).mid_price() == D("5.1")
    assert quote(bid=None, last=D(9), model_price=D(7)).mid_price() == 9
    assert quote(bid=None, model_price=D(7)).mid_price() == 7
    assert quote(bid=None).mid_price() is None


def held(contract: Contract, quantity: int) -> Position:
    return Position(contract=contract, quantity=D(quantity), average_cost_usd=None)


def test_a_portfolio_adds_up_rows() -> None:
    values = AccountValues(currency="USD", net_liquidation=None, total_cash=None, buying_power=None)
    portfolio = Portfolio(
        account="DU1",
        market_at=AT,
        values=values,
        positions=(held(stock("SPY"), 50), held(stock("SPY"), 60), held(PUT, -2)),
        complete=True,
    )
    assert portfolio.shares_of("SPY") == 110
    assert portfolio.quantity_of(replace(PUT, con_id=None)) == -2
    assert portfolio.quantity_of(stock("QQQ")) == 0


def test_exposure_counts_pending_sales_and_never_pending_purchases() -> None:
    exposure = exposure_of(
        [held(PUT, -2), held(stock("SPY"), 100)],
        [
            PendingOrder(contract=PUT, quantity_signed=-1),
            PendingOrder(contract=PUT, quantity_signed=2),
            PendingOrder(contract=replace(PUT, right=Right.CALL), quantity_signed=-1),
        ],
    )
    assert exposure.short_put_shares == {"SPY": D(300)}
    assert exposure.short_put_assignment_usd == 228_000


def calendar() -> SessionCalendar:
    sessions = [
        Session(
            day=date(2026, 8, d),
            open_at=AT.replace(day=d, hour=13, minute=30),
            close_at=AT.replace(day=d, hour=20),
        )
        for d in (13, 14)
    ]
    return SessionCalendar(
        first_day=date(2026, 8, 10), last_day=date(2026, 8, 16), sessions=sessions
    )


def test_a_session_is_open_from_its_open_until_before_its_close() -> None:
    table = calendar()
    first = table.sessions[0]
    assert table.session_at(first.open_at) == first
    assert table.session_at(first.close_at) is None
    assert table.next_open_after(first.open_at) == table.sessions[1]
    assert table.next_open_after(table.sessions[1].open_at) is None
    with pytest.raises(ValueError, match="does not cover"):
        table.session_at(AT + timedelta(days=30))


def test_blackouts_hold_at_both_ends() -> None:
    session = calendar().sessions[0]
    delay = timedelta(minutes=30)

    def tradable(at: datetime) -> bool:
        return is_tradable(session, at, delay_after_open=delay, delay_before_close=delay)

    assert tradable(session.open_at + delay)
    assert tradable(session.close_at - delay)
    assert not tradable(session.open_at + delay - timedelta(seconds=1))
    assert not tradable(session.close_at - delay + timedelta(seconds=1))
    assert not is_tradable(None, AT, delay_after_open=delay, delay_before_close=delay)


def test_a_decision_explains_itself() -> None:
    reason = Reason(code="x", text="because")
    Decision(symbol="SPY", kind=IntentKind.WRITE, outcome=Outcome.NOTHING, reasons=(reason,))
    with pytest.raises(ValueError, match="at least one reason"):
        Decision(symbol="SPY", kind=IntentKind.WRITE, outcome=Outcome.NOTHING, reasons=())
    with pytest.raises(ValueError, match="belongs to the outcome"):
        Decision(symbol="SPY", kind=IntentKind.WRITE, outcome=Outcome.ORDER, reasons=(reason,))


def test_days_to_expiry_counts_calendar_days() -> None:
    assert days_to_expiry(date(2026, 9, 18), date(2026, 8, 13)) == 36
    assert days_to_expiry(date(2026, 8, 13), date(2026, 8, 14)) == -1

"""Bars of every size and kind agree with each other, with the closes and with the quotes."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.market.grounds import DAY, FIRST, shipped, synthetic
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.market.quotes import Market
from theta.simulator.market.reference import Bar
from theta.simulator.market.sources import Recorded, open_market

SESSIONS = calendar.session_days_back(date(2026, 10, 30), 400)
SIZES = (60, 300, 900, 1_800, 3_600, 7_200)


def stock_of(market: Market, symbol: str) -> Contract:
    contract = market.book.stock(symbol)
    assert contract is not None
    return contract


def hours_of(day: date) -> tuple[float, float]:
    hours = calendar.session(day)
    assert hours is not None
    return hours


def sane(bars: list[Bar]) -> None:
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(SESSIONS), st.sampled_from(SIZES), st.sampled_from(["SPY", "VOO"]))
def test_bars_of_a_session_make_its_day(day: date, seconds: int, symbol: str) -> None:
    market, (opened, closed) = shipped(), hours_of(day)
    stock = stock_of(market, symbol)
    (whole,) = market.bars(stock, "TRADES", opened, closed, DAY)
    parts = market.bars(stock, "TRADES", opened, closed, seconds)
    sane([whole, *parts])
    assert parts[0].at == opened
    assert (parts[0].open, parts[-1].close) == (whole.open, whole.close)
    assert max(bar.high for bar in parts) == whole.high
    assert min(bar.low for bar in parts) == whole.low
    assert sum(bar.volume for bar in parts) == pytest.approx(whole.volume, abs=len(parts))
    path = market.known_source(symbol).path
    assert whole.close == pytest.approx(path.close(day), abs=0.006)


def test_bars_are_the_same_whenever_they_are_asked_for() -> None:
    market = shipped()
    other = open_market(7, [Recorded("SPY")])
    stock = stock_of(market, "SPY")
    opened, closed = hours_of(date(2026, 8, 19))
    early = market.bars(stock, "TRADES", opened, opened + 7_200, 300)
    assert market.bars(stock, "TRADES", opened, closed, 300)[:24] == early
    assert other.bars(stock, "TRADES", opened, opened + 7_200, 300) == early
    assert shipped(8).bars(stock, "TRADES", opened, opened + 7_200, 300) != early


def test_the_running_bar_ends_at_the_price_now() -> None:
    market = shipped()
    stock, opened = stock_of(market, "SPY"), hours_of(date(2026, 8, 13))[0]
    now = opened + 10_000
    for seconds in (DAY, 3_600, 300, 60):
        last = market.bars(stock, "TRADES", opened, now, seconds)[-1]
        assert last.close == pytest.approx(market.spot("SPY", now), abs=0.35)
        assert last.at <= now
    five = market.bars(stock, "TRADES", opened, now, 300)
    (day,) = market.bars(stock, "TRADES", opened, now, DAY)
    assert (day.high, day.low) == (max(b.high for b in five), min(b.low for b in five))


def test_a_price_that_was_set_shows_from_then_on() -> None:
    market = open_market(3, [Recorded("SPY")])
    stock, opened = stock_of(market, "SPY"), hours_of(date(2026, 8, 13))[0]
    before = market.bars(stock, "TRADES", opened, opened + 6_000, 300)
    market.set_price("SPY", 600.0, opened + 6_000)
    after = market.bars(stock, "TRADES", opened, opened + 12_000, 300)
    assert [bar.open for bar in after[:20]] == [bar.open for bar in before]
    assert 550 < after[-1].close < 650
    assert market.prior_close("SPY", opened + 6_000) == 772.49
    assert 550 < market.prior_close("SPY", opened + DAY) < 650


def test_early_closes_and_holidays_shape_the_bars() -> None:
    market, stock = shipped(), stock_of(shipped(), "SPY")
    opened, closed = hours_of(date(2026, 11, 27))
    assert len(market.bars(stock, "TRADES", opened, closed, 300)) == 42
    thanksgiving = calendar.start_of(date(2026, 11, 26))
    assert market.bars(stock, "TRADES", thanksgiving, thanksgiving + DAY - 1, 300) == []
    hours = market.bars(stock, "TRADES", *hours_of(date(2026, 8, 19)), 3_600)
    assert [calendar.new_york(bar.at).strftime("%H%M") for bar in hours] == [
        "0930", "1000", "1100", "1200", "1300", "1400", "1500",
    ]  # fmt: skip


def test_extended_hours_surround_the_session() -> None:
    market, stock = shipped(), stock_of(shipped(), "SPY")
    midnight = calendar.start_of(date(2026, 8, 19))
    bars = market.bars(stock, "TRADES", midnight, midnight + DAY - 1, 1_800, False)
    assert len(bars) == 32
    assert bars[0].open == bars[5].close
    assert bars[-1].close == pytest.approx(
        market.known_source("SPY").path.close(date(2026, 8, 19)), abs=0.01
    )


@pytest.mark.parametrize("right", ["C", "P"])
@pytest.mark.parametrize("seconds", [DAY, 1_800])
def test_option_bars_follow_their_quotes(right: str, seconds: int) -> None:
    market = shipped()
    option = market.book.option("SPY", "20260918", 760.0, right)
    opened, closed = hours_of(date(2026, 8, 18))
    sides = {
        what: market.bars(option, what, opened, closed, seconds)
        for what in ("BID", "MIDPOINT", "ASK", "TRADES")
    }
    assert len({len(bars) for bars in sides.values()}) == 1
    for bid, middle, ask in zip(sides["BID"], sides["MIDPOINT"], sides["ASK"], strict=True):
        sane([bid, middle, ask])
        assert bid.close < middle.close < ask.close
    if seconds != DAY:
        at = opened + 1_800
        quote = market.quote(option, at)
        assert sides["BID"][1].open == quote.bid
        assert sides["ASK"][1].open == quote.ask
    expired = market.book.option("SPY", "20260814", 760.0, right)
    assert market.bars(expired, "TRADES", opened, closed, seconds) == []
    assert market.head(option, "TRADES") < opened


def test_a_spread_has_bars_of_its_own() -> None:
    market = shipped()
    low, high = (market.book.option("SPY", "20260918", k, "P") for k in (740.0, 760.0))
    bag = market.book.combination((Leg(high.con_id, 1, "SELL"), Leg(low.con_id, 1, "BUY")))
    opened, closed = hours_of(date(2026, 8, 18))
    bars = market.bars(bag, "MIDPOINT", opened, closed, 3_600)
    assert len(bars) == 7
    assert all(-20 < bar.close < 0 for bar in bars)


@pytest.mark.parametrize("what", ["HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"])
def test_volatilities_have_a_year_of_days(what: str) -> None:
    for market, symbol in ((shipped(), "SPY"), (synthetic(), "MIDDLE")):
        stock = stock_of(market, symbol)
        bars = market.bars(stock, what, FIRST - 365 * DAY, FIRST, DAY)
        assert len(bars) in (250, 251, 252)
        sane(bars)
        assert all(0.02 < bar.close < 1.0 for bar in bars)
        assert len({bar.close for bar in bars}) > 200
    assert (
        market.bars(
            market.book.option("MIDDLE", "20260918", 310.0, "C"), what, FIRST, FIRST + DAY, DAY
        )
        == []
    )


def test_unknown_kinds_have_no_bars() -> None:
    stock = stock_of(shipped(), "SPY")
    assert shipped().bars(stock, "FEE_RATE", FIRST - DAY, FIRST, DAY) == []
    assert shipped().head(stock, "TRADES") < FIRST - 700 * DAY

"""Prices, volatility, quotes, paths and sessions."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.simulator.market import calendar, chains, pricing
from theta.simulator.market.contracts import Query
from theta.simulator.market.quotes import Market

SYMBOLS = ("SPY", "QQQ", "IWM")
FIRST = chains.snapshots()[0].taken_at


@functools.cache
def market(seed: int = 7) -> Market:
    return Market(seed, {symbol: symbol for symbol in SYMBOLS}, 0.14)


@given(
    st.booleans(),
    st.floats(50, 900),
    st.floats(0.8, 1.25),
    st.floats(0.02, 1.0),
    st.floats(0.05, 1.5),
    st.floats(-0.05, 0.05),
)
def test_implied_volatility_reprices(
    is_call: bool, spot: float, moneyness: float, years: float, vol: float, carry: float
) -> None:
    terms = {"spot": spot, "strike": spot * moneyness, "years": years, "carry": carry}
    value = pricing.price(is_call=is_call, vol=vol, **terms)
    found = pricing.implied_vol(value, is_call=is_call, **terms)
    if found is not None:
        assert pricing.price(is_call=is_call, vol=found, **terms) == pytest.approx(value, abs=1e-4)
    else:
        lowest = pricing.price(is_call=is_call, vol=1e-4, **terms)
        assert value == pytest.approx(lowest, abs=1e-9)


@given(st.floats(50, 900), st.floats(0.8, 1.25), st.floats(0.02, 1.0), st.floats(0.05, 1.5))
def test_parity_and_greeks_agree_with_prices(
    spot: float, moneyness: float, years: float, vol: float
) -> None:
    terms = {"spot": spot, "strike": spot * moneyness, "years": years, "vol": vol, "carry": 0.02}
    call, put = pricing.greeks(is_call=True, **terms), pricing.greeks(is_call=False, **terms)
    assert -1 <= put.delta <= 0 <= call.delta <= 1
    assert call.gamma == put.gamma >= 0
    step = spot * 1e-4
    up = pricing.price(is_call=True, **{**terms, "spot": spot + step})
    down = pricing.price(is_call=True, **{**terms, "spot": spot - step})
    assert (up - down) / (2 * step) == pytest.approx(call.delta, abs=1e-3)
    more = pricing.price(is_call=False, **{**terms, "vol": vol + 5e-4})
    less = pricing.price(is_call=False, **{**terms, "vol": vol - 5e-4})
    assert (more - less) * 10 == pytest.approx(put.vega, rel=0.01, abs=1e-4)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_path_goes_through_every_recorded_point(symbol: str) -> None:
    for snapshot in chains.snapshots():
        found = market().spot(symbol, snapshot.taken_at)
        assert found == pytest.approx(snapshot.spots[symbol], rel=3e-4)
    assert market().prior_close(symbol, FIRST) == round(
        chains.snapshots()[0].prior_closes[symbol], 2
    )


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(SYMBOLS), st.integers(0, 20 * 86_400), st.data())
def test_quotes_are_sane_at_any_instant(symbol: str, seconds: int, data: st.DataObject) -> None:
    now = FIRST + seconds
    keys = market().listed(symbol, now)
    key = data.draw(st.sampled_from(keys))
    contract = market().book.option(symbol, *key)
    assert market().book.by_id(contract.con_id) == contract
    quote = market().quote(contract, now)
    if not calendar.is_open(now):
        assert quote.bid is None
        return
    assert quote.bid is not None
    assert quote.ask is not None
    assert 0 <= quote.bid < quote.ask
    for price in (quote.bid, quote.ask):
        assert round(price * 100) == pytest.approx(price * 100)
    assert (quote.bid_size > 0) == (quote.bid > 0)
    stock = market().book.stock(symbol)
    assert stock is not None
    under = market().quote(stock, now)
    assert under.bid is not None
    assert under.ask is not None
    assert 0 < under.bid < under.ask


def test_recorded_quotes_come_back_at_the_recorded_instant() -> None:
    now = FIRST + 0.5
    checked = 0
    for strike in range(700, 780, 5):
        (contract,) = market().find(
            Query(symbol="SPY", sec_type="OPT", expiry="20260918", strike=strike, right="P"), now
        )
        row = chains.load(0, "SPY").rows["20260918", float(strike), "P"]
        quote = market().quote(contract, now)
        # The second before the recording: the path is at most a few cents away.
        assert quote.bid == pytest.approx(row.bid, abs=0.04)
        assert quote.ask == pytest.approx(row.ask, abs=0.04)
        checked += 1
    assert checked == 16


def test_another_seed_gives_another_path_through_the_same_points() -> None:
    later = FIRST + 3 * 3600
    assert market(1).spot("SPY", later) != market(2).spot("SPY", later)
    assert market(1).spot("SPY", later) == Market(1, {"SPY": "SPY"}, 0.14).spot("SPY", later)


def test_the_path_goes_on_after_the_last_recorded_point() -> None:
    far = calendar.session(date(2026, 10, 15))
    assert far is not None
    assert 500 < market().spot("SPY", far[0]) < 1100


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2026, 8, 13), ("13:30", "20:00")),
        (date(2026, 11, 27), ("14:30", "18:00")),
        (date(2026, 12, 24), ("14:30", "18:00")),
        (date(2026, 7, 3), None),
        (date(2026, 11, 26), None),
        (date(2026, 4, 3), None),
        (date(2026, 8, 15), None),
    ],
)
def test_sessions_of_2026(day: date, hours: tuple[str, str] | None) -> None:
    found = calendar.session(day)
    assert (found is None) == (hours is None)
    if found is not None and hours is not None:
        shown = [f"{datetime.fromtimestamp(t, UTC):%H:%M}" for t in found]
        assert tuple(shown) == hours

"""No quote is malformed, and no two of them can be traded against each other."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.market import arbitrage
from tests.simulator.market.grounds import DAY, FIRST, LAST, in_session, shared, shipped, synthetic
from theta.simulator.market import calendar
from theta.simulator.market.model import last_trading_instant
from theta.simulator.market.quotes import Market
from theta.simulator.market.sources import Folder, open_market


def check(market: Market, symbol: str, at: float, data: st.DataObject) -> None:
    now = in_session(at)
    classes = [item.name for item in market.book.underlyings[symbol].classes]
    name = data.draw(st.sampled_from(classes))
    expiries = sorted({key[0] for key in market.listed(symbol, now, name)})
    expiry = data.draw(st.sampled_from(expiries))
    assert list(arbitrage.offences(market, symbol, expiry, now, name)) == []


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(["SPY", "QQQ", "IWM", "VOO", "SPX", "VIX"]), st.floats(0, 60), st.data())
def test_recorded_chains_offer_no_certain_gain(
    symbol: str, days: float, data: st.DataObject
) -> None:
    check(shipped(), symbol, FIRST + days * DAY, data)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["CHEAP", "PAYER", "MIDDLE", "DEAR"]),
    st.integers(1, 3),
    st.floats(0, 400),
    st.data(),
)
def test_synthetic_days_offer_no_certain_gain(
    symbol: str, seed: int, days: float, data: st.DataObject
) -> None:
    check(synthetic(seed), symbol, FIRST + days * DAY, data)


@pytest.mark.parametrize("price", [420.0, 1_150.0])
def test_a_crash_and_a_leap_offer_no_certain_gain(price: float) -> None:
    market = Market(3, {"SPY": "SPY"})
    now = in_session(FIRST + DAY)
    market.set_price("SPY", price, now)
    for expiry in ("20260821", "20260918"):
        assert list(arbitrage.offences(market, "SPY", expiry, now + 60)) == []


def test_the_checks_see_an_arbitrage() -> None:
    market = shipped()
    now = in_session(FIRST + 1_800)
    book = arbitrage.quotes(market, "SPY", "20260918", "SPY", now)
    strikes = sorted({strike for strike, _ in book})
    swapped = dict(book)
    low, high = strikes[len(strikes) // 2], strikes[len(strikes) // 2 + 10]
    swapped[low, "C"], swapped[high, "C"] = book[high, "C"], book[low, "C"]
    assert list(arbitrage.between_strikes(book, "C")) == []
    assert list(arbitrage.between_strikes(swapped, "C")) != []
    assert list(arbitrage.parity(market, swapped, "SPY", "20260918", now)) != []


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["SPY", "QQQ", "IWM", "VOO", "SPX", "VIX"]),
    st.integers(1, 2),
    st.floats(0, 150),
    st.data(),
)
def test_recorded_chains_offer_no_certain_gain_at_length(
    symbol: str, seed: int, days: float, data: st.DataObject
) -> None:
    check(shipped(seed), symbol, FIRST + days * DAY, data)


FOLDERS = [
    ("chain_eod_2026-05_08", "eod", ("KO", "XLF", "NVDA", "TLT", "AMD"), "2026-06-01", 80),
    ("chain_bidask_2026-08_SPY_QQQ_IWM", "snapshots", ("IWM", "QQQ"), "2026-08-13", 30),
    ("chain_snapshots_cboe", "cboe", ("SPY",), "2022-07-12", 20),
    ("daily", "closes", ("AAPL", "KO", "TSLA"), "2019-06-03", 300),
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "kind", "symbols", "day", "days"), FOLDERS)
def test_every_kind_of_folder_offers_no_certain_gain(
    name: str, kind: str, symbols: tuple[str, ...], day: str, days: int
) -> None:
    market = open_market(5, [Folder(shared(name), kind, symbols)])
    start = calendar.session(date.fromisoformat(day))
    assert start is not None

    @settings(max_examples=20, deadline=None)
    @given(st.sampled_from(symbols), st.floats(0, days), st.data())
    def at_any_instant(symbol: str, ahead: float, data: st.DataObject) -> None:
        check(market, symbol, start[0] + ahead * DAY, data)

    at_any_instant()


def test_a_line_that_is_listed_stays_listed_until_it_expires() -> None:
    for market, symbol in ((synthetic(), "MIDDLE"), (shipped(), "IWM"), (shipped(), "SPX")):
        begin = in_session(LAST + 20 * DAY)
        before: set[tuple[str, float, str]] = set()
        for days in range(0, 40, 3):
            now = in_session(begin + days * DAY)
            listed = set(market.listed(symbol, now))
            alive = {
                key
                for key in before
                if last_trading_instant(market.book.option(symbol, *key)) > now
            }
            assert alive <= listed, f"{symbol} lost lines on day {days}"
            before = listed
        assert len({expiry for expiry, _, _ in before}) >= 3

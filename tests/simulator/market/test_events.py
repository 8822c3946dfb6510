"""Dividends, splits and adjusted contracts."""

from __future__ import annotations

from datetime import date

import pytest

from tests.simulator.market import arbitrage
from tests.simulator.market.grounds import DAY, FIRST, in_session
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Query
from theta.simulator.market.events import PLANS, Events
from theta.simulator.market.quotes import Market
from theta.simulator.market.reference import CorporateAction
from theta.simulator.market.sources import Synthetic, open_market


def made(**terms: float) -> Market:
    return open_market(5, [Synthetic("ABC", price=120.0, volatility=0.2, **terms)])  # type: ignore[arg-type]  # floats only


@pytest.mark.parametrize(
    ("symbol", "day"),
    [("SPY", date(2026, 9, 18)), ("QQQ", date(2026, 9, 21)), ("IWM", date(2026, 9, 16))],
)
def test_funds_pay_on_their_usual_day(symbol: str, day: date) -> None:
    events = Events()
    events.plan(symbol, PLANS[symbol])
    (action,) = events.actions(FIRST, FIRST + 60 * DAY)
    assert calendar.trading_date(action.at) == day
    assert (action.kind, action.at) == ("dividend", (calendar.session(day) or (0,))[0])
    assert events.dividends_ahead(symbol, FIRST, 0.2) == [(action.at, action.amount_usd)]
    assert 0 < events.present_value(symbol, FIRST, 0.2) < action.amount_usd
    assert events.present_value(symbol, action.at, 0.1) == 0.0


def test_a_price_falls_by_its_dividend() -> None:
    market, dry = made(dividend_usd=3.0), made()
    (action,) = market.actions(FIRST, FIRST + 60 * DAY)
    before, after = action.at - 60, action.at + 60
    assert market.spot("ABC", before) == dry.spot("ABC", before)
    assert dry.spot("ABC", after) - market.spot("ABC", after) == pytest.approx(3.0, abs=0.2)


def test_a_deep_call_is_worth_no_more_than_exercise_before_the_ex_date() -> None:
    market = made(dividend_usd=3.0)
    (action,) = market.actions(FIRST, FIRST + 60 * DAY)
    last = calendar.previous_session_day(calendar.trading_date(action.at))
    now = (calendar.session(last) or (0.0, 0.0))[1] - 60
    key = next(k for k in market.listed("ABC", now) if k[2] == "C" and k[0] > "20260920")
    call = market.book.option("ABC", *key)
    view = market.view(call, now)
    assert view is not None
    quote = market.quote(call, now)
    assert quote.bid is not None
    assert quote.ask is not None
    extrinsic = (quote.bid + quote.ask) / 2 - market.intrinsic(call, now)
    assert -0.3 < extrinsic < 3.0


def split(market: Market, ratio: float) -> float:
    at = calendar.next_session(FIRST + 5 * DAY)[0]
    market.events.add([CorporateAction("split", "ABC", at, ratio=ratio)])
    return at


def test_a_whole_split_divides_price_and_strikes() -> None:
    market, plain = made(), made()
    keys = market.listed("ABC", FIRST)
    at = split(market, 4)
    now = at + 600
    assert market.spot("ABC", at - 600) == plain.spot("ABC", at - 600)
    assert market.spot("ABC", now) == pytest.approx(plain.spot("ABC", now) / 4)
    assert market.prior_close("ABC", now) == pytest.approx(
        plain.prior_close("ABC", now) / 4, abs=0.01
    )
    old = market.book.option("ABC", *keys[-1])
    new = market.book.adjusted(old, 4)
    assert (new.strike, new.shares, new.trading_class) == (keys[-1][1] / 4, 100, "ABC")
    assert market.exists(new, now)
    worth, before = market.quote(new, now), plain.quote(old, now)
    assert worth.mark == pytest.approx(before.mark / 4, abs=0.1)
    assert market.find(Query(con_id=new.con_id), now) == [new]
    for expiry in {key[0] for key in market.listed("ABC", now)}:
        assert list(arbitrage.offences(market, "ABC", expiry, now)) == []


def test_an_odd_split_moves_contracts_to_an_adjusted_class() -> None:
    market, plain = made(), made()
    keys = [key for key in market.listed("ABC", FIRST) if key[0] > "20260901"]
    old = market.book.option("ABC", *keys[0])
    at = split(market, 1.5)
    now = at + 600
    new = market.book.adjusted(old, 1.5)
    assert (new.strike, new.shares, new.multiplier) == (old.strike, 150, 100)
    assert new.trading_class == "ABC1"
    assert market.book.adjusted(market.book.option("ABC", *keys[1]), 1.5).trading_class == "ABC1"
    assert market.exists(new, now)
    assert market.book.by_id(new.con_id) is new
    assert market.quote(new, now).mark == pytest.approx(
        plain.quote(old, now).mark, rel=0.05, abs=0.1
    )
    assert market.intrinsic(new, now) == pytest.approx(plain.intrinsic(old, now), abs=0.01)
    classes = {p.trading_class for p in market.option_parameters("ABC", now)}
    assert classes == {"ABC", "ABC1"}
    found = market.find(
        Query(symbol="ABC", sec_type="OPT", trading_class="ABC1", expiry=old.expiry), now
    )
    assert new in found
    assert not market.exists(new, at - 600)


def test_bars_are_told_in_the_units_of_today() -> None:
    market, plain = made(), made()
    at = split(market, 4)
    stock = market.book.stock("ABC")
    assert stock is not None
    span = (at - 10 * DAY, at + 6 * DAY, DAY)
    bars, before = (m.bars(stock, "TRADES", *span) for m in (market, plain))
    assert [bar.close for bar in bars] == pytest.approx([b.close / 4 for b in before], abs=0.02)
    calm = market.historical_volatility("ABC", at + 6 * DAY)
    assert calm == pytest.approx(plain.historical_volatility("ABC", at + 6 * DAY), rel=0.05)


def test_strikes_after_a_split_are_around_the_new_price() -> None:
    market = made()
    now = in_session(split(market, 4) + 15 * DAY)
    spot = market.spot("ABC", now)
    strikes = {strike for _, strike, _ in market.listed("ABC", now)}
    assert 0.5 * spot < min(strikes) < spot < max(strikes) < 2 * spot


def test_two_thousand_open_symbols_hear_of_an_event() -> None:
    market = open_market(5, [Synthetic(f"S{n:04d}", price=50.0) for n in range(2_000)])
    before = [market.spot(symbol, FIRST + 30 * DAY) for symbol in market.book.symbols]
    at = calendar.next_session(FIRST + 5 * DAY)[0]
    market.events.add([CorporateAction("split", "S0007", at, ratio=2)])
    after = [market.spot(symbol, FIRST + 30 * DAY) for symbol in market.book.symbols]
    changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert changed == [7]
    assert after[7] == before[7] / 2

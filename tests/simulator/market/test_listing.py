"""What a description finds, what is listed, and on which increments it trades."""

from __future__ import annotations

import pytest

from tests.simulator.market.grounds import DAY, FIRST, LAST, in_session, shipped, synthetic
from theta.simulator.market import calendar, chains, schedule
from theta.simulator.market.contracts import Query
from theta.simulator.market.recording import day_of
from theta.simulator.market.reference import increment


def test_the_recorded_lines_are_listed_while_the_recording_lasts() -> None:
    rows = chains.load(0, "IWM").rows
    now = FIRST + 60
    alive = [key for key in rows if calendar.expiry_instant(key[0]) > now]
    assert shipped().listed("IWM", now) == sorted(alive)


def test_expiries_go_on_after_the_recording() -> None:
    now = in_session(LAST + 120 * DAY)
    expiries = sorted({key[0] for key in shipped().listed("SPY", now)})
    ahead = [(day_of(e) - calendar.trading_date(now)).days for e in expiries]
    assert ahead[0] <= 4
    assert 80 <= ahead[-1] <= 125
    assert any(schedule.is_month_expiry(day_of(e)) for e in expiries)
    spot = shipped().spot("SPY", now)
    strikes = sorted({key[1] for key in shipped().listed("SPY", now) if key[0] == expiries[-1]})
    assert strikes[0] < 0.85 * spot < 1.15 * spot < strikes[-1]


def test_an_index_has_a_morning_and_an_evening_class() -> None:
    market = shipped()
    found = {(p.exchange, p.trading_class): p for p in market.option_parameters("SPX", FIRST)}
    assert ("SMART", "SPX") in found
    weekly = found["SMART", "SPXW"]
    assert set(found["SMART", "SPX"].expiries) < set(weekly.expiries)
    both = market.find(
        Query(symbol="SPX", sec_type="OPT", expiry="20260918", strike=7700, right="C"), FIRST
    )
    assert [c.trading_class for c in both] == ["SPX", "SPXW"]
    assert all(c.cash_settled and c.european for c in both)
    assert [c.local_symbol for c in both] == ["SPX   260918C07700000", "SPXW  260918C07700000"]
    (one,) = market.find(
        Query(sec_type="OPT", local_symbol="SPXW  260918C07700000", exchange="SMART"), FIRST
    )
    assert one is both[1]


def test_the_morning_class_stops_trading_the_session_before() -> None:
    market = shipped()
    morning = market.book.option("SPX", "20260918", 7700.0, "C", "SPX")
    evening = market.book.option("SPX", "20260918", 7700.0, "C", "SPXW")
    opens, closes = calendar.session(day_of("20260918")) or (0.0, 0.0)
    assert not market.exists(morning, opens + 60)
    assert market.quote(morning, opens + 60).bid is None
    assert market.exists(evening, opens + 60)
    assert market.quote(evening, opens + 60).ask is not None
    assert market.settlement(morning, closes + 60) == market.spot("SPX", opens)
    assert market.settlement(evening, closes + 60) == market.spot("SPX", closes - 1)


def test_the_index_is_ten_funds_and_has_no_book() -> None:
    market = shipped()
    spx = market.book.stock("SPX")
    assert spx is not None
    quote = market.quote(spx, FIRST + 900)
    assert (quote.bid, quote.ask) == (None, None)
    assert quote.last == pytest.approx(10 * market.spot("SPY", FIRST + 900), abs=0.01)


def test_expired_contracts_are_found_only_when_asked_for() -> None:
    market = shipped()
    query = {"symbol": "SPY", "sec_type": "OPT", "expiry": "20260814", "strike": 770.0}
    later = FIRST + 5 * DAY
    assert market.find(Query(**query, right="P"), later) == []  # type: ignore[arg-type]  # mixed values
    found = market.find(Query(**query, right="P", include_expired=True), later)  # type: ignore[arg-type]  # mixed values
    assert [c.strike for c in found] == [770.0]
    kept = Query(con_id=found[0].con_id)
    assert market.find(kept, later) == []
    assert market.find(Query(con_id=found[0].con_id, include_expired=True), later) == found


@pytest.mark.parametrize(
    "query",
    [
        Query(symbol="NOPE", sec_type="OPT"),
        Query(symbol="SPY", sec_type="OPT", expiry="20260918", strike=740.25, right="P"),
        Query(symbol="SPY", sec_type="OPT", expiry="2026091a", strike=740, right="P"),
        Query(symbol="SPY", sec_type="OPT", expiry="99999999", strike=740, right="P"),
        Query(symbol="SPY", sec_type="OPT", multiplier="10", strike=740),
        Query(symbol="SPY", sec_type="OPT", trading_class="SPXW"),
        Query(symbol="SPY", sec_type="FUT"),
        Query(symbol="SPY", sec_type="STK", currency="EUR"),
        Query(symbol="SPX", sec_type="STK"),
        Query(symbol="SPY", sec_type="BAG"),
        Query(con_id=999),
    ],
)
def test_what_does_not_exist_is_not_found(query: Query) -> None:
    assert shipped().find(query, FIRST) == []


@pytest.mark.parametrize(
    ("symbol", "price", "step"),
    [("SPY", 2.0, 0.01), ("SPY", 12.0, 0.01), ("SPX", 2.0, 0.05), ("SPX", 12.0, 0.10)],
)
def test_increments_follow_the_class(symbol: str, price: float, step: float) -> None:
    market = shipped()
    contract = market.book.option(symbol, "20260918", 700.0, "P")
    rule, steps = market.price_rules(contract)
    assert market.rule(rule) == steps
    assert increment(steps, price) == step


def test_increments_of_synthetic_classes() -> None:
    market = synthetic()
    nickel = market.price_rules(market.book.option("CHEAP", "20260918", 8.5, "C"))[1]
    pilot = market.price_rules(market.book.option("PAYER", "20260918", 50.0, "C"))[1]
    assert [increment(nickel, p) for p in (1.0, 3.0)] == [0.05, 0.10]
    assert [increment(pilot, p) for p in (1.0, 3.0, -4.0)] == [0.01, 0.05, 0.05]
    stock = market.book.stock("CHEAP")
    assert stock is not None
    assert [increment(market.price_rules(stock)[1], p) for p in (0.5, 8.5)] == [0.0001, 0.01]


def test_open_interest_stands_for_a_day_and_volume_grows() -> None:
    market = synthetic()
    key = market.listed("MIDDLE", FIRST)[40]
    contract = market.book.option("MIDDLE", *key)
    opens = calendar.next_session(FIRST)[0]
    seen = [market.figures(contract, opens + share * 23_400) for share in (0.1, 0.5, 0.99)]
    assert seen[0][0] <= seen[1][0] <= seen[2][0]
    totals = market.option_totals("MIDDLE", FIRST)
    assert totals["C"][1] > 0 < totals["P"][1]
    recorded = shipped().book.option("SPY", "20260918", 740.0, "P")
    row = chains.load(0, "SPY").rows["20260918", 740.0, "P"]
    assert shipped().figures(recorded, FIRST + 1) == (row.volume, row.open_interest)

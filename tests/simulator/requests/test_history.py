"""Historical and real-time bars."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import POLITE, errors_of, option, stock, until
from theta.simulator.inprocess import ThreadedSimulator

CALM = (*POLITE, "broker.pacing=false")


def asking(client: Any, contract: Any, **changes: Any) -> Any:
    wanted = {
        "endDateTime": "",
        "durationStr": "2 D",
        "barSizeSetting": "5 mins",
        "whatToShow": "TRADES",
        "useRTH": True,
        **changes,
    }
    return client.reqHistoricalDataAsync(contract, **wanted)


async def test_daily_bars_end_at_the_current_price(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    polite.control("/clock", {"pause": True})
    bars = await asking(client, spy, durationStr="1 Y", barSizeSetting="1 day")
    assert 249 <= len(bars) <= 254
    assert bars[-1].date == dt.date(2026, 8, 13)
    assert bars[-2].close == 772.49
    (ticker,) = await client.reqTickersAsync(spy)
    assert bars[-1].close == pytest.approx(ticker.last, abs=0.011)
    assert all(bar.low <= min(bar.open, bar.close) for bar in bars)
    assert all(bar.high >= max(bar.open, bar.close) for bar in bars)


async def test_intraday_bars_fill_the_session(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start(*CALM)
    client = await connect(simulator)
    spy = await stock(client)
    bars = await asking(client, spy, endDateTime="20260812 16:00:00 US/Eastern", durationStr="1 D")
    assert len(bars) == 78
    assert (bars[0].date.hour, bars[0].date.minute) == (9, 30)
    assert (bars[-1].date.hour, bars[-1].date.minute) == (15, 55)
    assert all(b.date - a.date == dt.timedelta(minutes=5) for a, b in itertools.pairwise(bars))
    assert all(bar.low <= min(bar.open, bar.close) <= bar.high for bar in bars)
    (day,) = await asking(
        client,
        spy,
        endDateTime="20260812 16:00:00 US/Eastern",
        durationStr="1 D",
        barSizeSetting="1 day",
    )
    assert bars[-1].close == pytest.approx(day.close, abs=0.02)


@pytest.mark.parametrize(
    "what", ["MIDPOINT", "BID", "ASK", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"]
)
async def test_every_kind_of_bar_is_there_by_the_day_and_within_it(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any], what: str
) -> None:
    client = await connect(start(*CALM))
    spy = await stock(client)
    days = await asking(client, spy, durationStr="10 D", barSizeSetting="1 day", whatToShow=what)
    hours = await asking(client, spy, barSizeSetting="1 hour", whatToShow=what)
    assert len(days) == 10
    assert len(hours) >= 8
    low, high = (0.01, 3.0) if "VOLATILITY" in what else (300.0, 1_500.0)
    assert all(low < bar.close < high for bar in [*days, *hours])
    assert {(bar.volume, bar.average, bar.barCount) for bar in days} == {(-1, -1, -1)}


async def test_bids_are_below_asks(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    client = await connect(start(*CALM))
    put = await option(client)
    end = "20260812 16:00:00 US/Eastern"
    asked = [
        await asking(client, put, endDateTime=end, barSizeSetting="30 mins", whatToShow=what)
        for what in ("BID", "MIDPOINT", "ASK")
    ]
    assert asked[0]
    for bid, middle, ask in zip(*asked, strict=True):
        assert bid.close < middle.close < ask.close


async def test_dates_come_as_text_or_as_seconds(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any], connect: Callable[..., Any]
) -> None:
    simulator = start(*CALM)
    client = await connect(simulator)
    spy = await stock(client)
    text = await asking(client, spy)
    seconds = await asking(client, spy, formatDate=2)
    assert [bar.date.timestamp() for bar in text] == [bar.date.timestamp() for bar in seconds]
    days = await asking(client, spy, barSizeSetting="1 day", formatDate=2)
    assert all(isinstance(bar.date, dt.date) for bar in days)


@pytest.mark.slow
async def test_weeks_and_months_are_made_of_days(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    client = await connect(start(*CALM))
    spy = await stock(client)
    days = await asking(client, spy, durationStr="6 M", barSizeSetting="1 day")
    weeks = await asking(client, spy, durationStr="6 M", barSizeSetting="1W")
    months = await asking(client, spy, durationStr="6 M", barSizeSetting="1M")
    assert 25 <= len(weeks) <= 28
    assert 6 <= len(months) <= 7
    for bars in (weeks, months):
        assert max(bar.high for bar in bars) == max(bar.high for bar in days)
        assert bars[-1].close == pytest.approx(days[-1].close, abs=0.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"barSizeSetting": "7 mins"},
        {"durationStr": "400 D"},
        {"durationStr": "2 fortnights"},
        {"durationStr": "90000 S"},
        {"whatToShow": "NOTHING"},
        {"endDateTime": "yesterday"},
        {"endDateTime": "20260812 16:00:00", "keepUpToDate": True},
    ],
)
async def test_what_the_service_does_not_take_is_refused(
    polite: ThreadedSimulator, connect: Callable[..., Any], changes: dict[str, Any]
) -> None:
    client = await connect(polite)
    with pytest.raises(ib_insync.RequestError) as refused:
        await asking(client, await stock(client), **changes)
    assert refused.value.code == 321


async def test_no_data_and_too_much_data_are_162(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    client = await connect(start(*CALM))
    put = await option(client)
    with pytest.raises(ib_insync.RequestError) as empty:
        await asking(client, put, whatToShow="HISTORICAL_VOLATILITY", barSizeSetting="1 day")
    assert empty.value.code == 162
    assert "HMDS query returned no data: SPY   260918P00740000@SMART" in empty.value.message
    with pytest.raises(ib_insync.RequestError) as long:
        await asking(client, await stock(client), durationStr="1 Y", barSizeSetting="1 secs")
    assert long.value.code == 162


@pytest.mark.slow
async def test_a_kept_bar_moves_with_the_price(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start(*CALM)
    client = await connect(simulator)
    bars = await asking(client, await stock(client), keepUpToDate=True)
    count = len(bars)
    simulator.control("/price", {"symbol": "SPY", "price": 700.0})
    await until(lambda: bars[-1].close < 705)
    simulator.control("/clock", {"advance_seconds": 600})
    await until(lambda: len(bars) >= count + 2)
    client.cancelHistoricalData(bars)
    heard = errors_of(client)
    client.client.cancelHistoricalData(4711)
    await until(lambda: [(r, c) for r, c, _ in heard] == [(4711, 366)])


@pytest.mark.slow
async def test_the_head_of_the_data_comes_before_the_first_bar(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    client = await connect(start(*CALM))
    spy = await stock(client)
    head = await client.reqHeadTimeStampAsync(spy, "TRADES", True, 1)
    years = await asking(client, spy, durationStr="2 Y", barSizeSetting="1 day")
    assert head.year >= 1990
    assert head.date() <= years[0].date


@pytest.mark.slow
async def test_five_second_bars_come_one_after_the_other(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start(*CALM)
    client = await connect(simulator)
    bars = client.reqRealTimeBars(await stock(client), 5, "TRADES", True)
    await client.reqCurrentTimeAsync()
    simulator.control("/clock", {"advance_seconds": 20})
    await until(lambda: len(bars) >= 3)
    gaps = {(b.time - a.time).total_seconds() for a, b in itertools.pairwise(bars)}
    assert gaps == {5.0}
    assert all(bar.low <= bar.close <= bar.high for bar in bars)
    heard = errors_of(client)
    client.reqRealTimeBars(await stock(client), 5, "YIELD", True)
    await until(lambda: [code for _, code, _ in heard] == [420])


async def test_lost_data_end_every_subscription_to_prices(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start(*CALM)
    client = await connect(simulator)
    spy = await stock(client)
    heard = errors_of(client)
    bars = await asking(client, spy, durationStr="1 D", keepUpToDate=True)
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.last > 0)
    simulator.control("/fault", {"kind": "code", "code": 1100})
    simulator.control("/fault", {"kind": "code", "code": 1101})
    await until(lambda: (bars.reqId, 10182) in [(r, c) for r, c, _ in heard])
    client.cancelMktData(spy)
    await until(lambda: 300 in [code for _, code, _ in heard])

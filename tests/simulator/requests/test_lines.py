"""Market-data lines: generic ticks, types of data, snapshots, halts, tick by tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_async
import ib_insync
import pytest

from tests.simulator.conftest import POLITE, PUT, errors_of, is_number, option, stock, until
from tests.simulator.requests.conftest import PUT_FIELDS, SPY_FIELDS
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

ALL_TICKS = "100,101,104,105,106,165,225,232,233,236,258,456"


def line(
    request: int, contract: tuple[object, ...], ticks: str = "", **flags: bool
) -> list[object]:
    snapshot, regulatory = flags.get("snapshot", False), flags.get("regulatory", False)
    return [1, 11, request, *contract, False, ticks, snapshot, regulatory, ""]


async def test_generic_ticks_have_their_types_and_forms(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    ticker = client.reqMktData(await stock(client), ALL_TICKS)
    await until(
        lambda: (
            ticker.dividends and is_number(ticker.rtVolume) and is_number(ticker.shortableShares)
        )
    )
    assert ticker.callVolume > 0
    assert ticker.putOpenInterest > 0
    assert 0.02 < ticker.histVolatility < 1
    assert 0.02 < ticker.impliedVolatility < 1
    assert ticker.low52week <= ticker.low26week <= ticker.low13week < ticker.high13week
    assert ticker.high13week <= ticker.high26week <= ticker.high52week
    assert ticker.avVolume > 1_000
    assert ticker.avOptionVolume > 0
    assert ticker.bid <= ticker.markPrice <= ticker.ask
    assert ticker.shortableShares >= 1_000_000
    assert ticker.dividends.past12Months > 0
    assert ticker.dividends.nextAmount > 0
    assert ticker.dividends.nextDate.year >= 2026
    assert ticker.fundamentalRatios.NPRICE > 0
    assert is_number(ticker.auctionVolume)


async def test_a_trade_is_told_with_its_size_time_and_average(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite)
    client.send(*line(5, SPY_FIELDS, "233"))
    await until(lambda: [fields for fields in client.messages(46) if fields[2] == "48"])
    told = next(fields[3] for fields in client.messages(46) if fields[2] == "48")
    price, size, milliseconds, volume, average, single = told.split(";")
    (last,) = {fields[3] for fields in client.messages(1) if fields[2] == "4"}
    assert float(price) == float(last)
    assert (int(size) > 0, int(volume) > 0, single) == (True, True, "true")
    assert 1_786_000_000_000 < int(milliseconds) < 1_787_000_000_000
    assert float(average) == pytest.approx(float(price), rel=0.05)


async def test_the_day_has_an_opening_a_high_and_a_low(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    ticker = client.reqMktData(await stock(client))
    await until(lambda: is_number(ticker.low) and is_number(ticker.last))
    assert ticker.low <= ticker.open <= ticker.high
    assert ticker.low <= ticker.last <= ticker.high
    assert ticker.halted == 0
    polite.control("/price", {"symbol": "SPY", "price": ticker.high + 20})
    high = ticker.high
    await until(lambda: ticker.high > high + 15)


async def test_an_unknown_generic_tick_is_named_with_the_legal_ones(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    heard = errors_of(client)
    client.reqMktData(await stock(client), "100,999")
    await until(lambda: heard)
    _, code, text = heard[0]
    assert code == 321
    assert "Incorrect generic tick list of 100,999" in text
    assert "Legal ones for (STK) are: 100(Option Volume)" in text


async def test_unsubscribed_data_are_refused_or_come_delayed(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "limits.live_data=false")
    client = await raw(simulator)
    client.send(*line(5, SPY_FIELDS))
    await until(lambda: client.errors() == [(5, 354)])
    client.send(59, 1, 3)
    client.send(*line(6, PUT_FIELDS))
    await until(lambda: (6, 10167) in client.errors())
    await until(lambda: [m for m in client.messages(21) if m[1] == "83"])
    assert client.messages(58)[0] == ["1", "6", "3"]
    prices = {fields[2] for fields in client.messages(1)}
    assert {"66", "67", "75"} <= prices
    assert not prices & {"1", "2", "4", "9"}


async def test_without_delayed_data_either_the_refusal_says_so(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "limits.live_data=false", "limits.delayed_data=false")
    client = await raw(simulator)
    client.send(59, 1, 3)
    client.send(*line(6, SPY_FIELDS))
    await until(lambda: client.errors() == [(6, 10168)])
    assert client.messages(1) == []


async def test_delayed_quotes_are_those_of_a_quarter_of_an_hour_ago(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "limits.live_data=false")
    simulator.control("/clock", {"pause": True})
    simulator.control("/clock", {"advance_seconds": 1800})
    late = await raw(simulator)
    late.send(59, 1, 3)
    late.send(*line(6, SPY_FIELDS))
    await until(lambda: [m for m in late.messages(1) if m[2] == "66"])
    (told,) = [float(m[3]) for m in late.messages(1) if m[2] == "66"]
    live = start(*POLITE)
    live.control("/clock", {"pause": True})
    live.control("/clock", {"advance_seconds": 900})
    body = {"symbol": "SPY", "expiry": "", "strike": 0.0, "right": ""}
    before = live.control("/quote", body)["bid"]
    assert told == pytest.approx(before, abs=0.3)


@pytest.mark.parametrize(
    ("wanted", "open_type", "closed_type"), [(1, 1, 1), (2, 1, 2), (3, 1, 1), (4, 1, 2)]
)
async def test_where_live_data_are_subscribed_the_type_says_what_comes(
    polite: ThreadedSimulator,
    raw: Callable[..., Any],
    wanted: int,
    open_type: int,
    closed_type: int,
) -> None:
    client = await raw(polite)
    client.send(59, 1, wanted)
    client.send(*line(5, SPY_FIELDS))
    assert await client.until(58) == ["1", "5", str(open_type)]
    polite.control("/clock", {"jump_to": "2026-08-13T22:00:00+00:00"})
    if open_type == closed_type:
        client.send(*line(6, SPY_FIELDS))
        await until(lambda: ["1", "6", str(closed_type)] in client.messages(58))
    else:
        await until(lambda: ["1", "5", str(closed_type)] in client.messages(58))


async def test_regulatory_snapshots_are_not_permitted(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite)
    client.send(*line(5, SPY_FIELDS, regulatory=True))
    await until(lambda: client.errors() == [(5, 10188)])


async def test_a_snapshot_ends_even_where_nothing_comes(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "limits.snapshot_seconds=0.3")
    client = await raw(simulator)
    simulator.control("/fault", {"kind": "code", "code": 1100})
    client.send(*line(5, SPY_FIELDS, snapshot=True))
    assert await client.until(57) == ["1", "5"]
    assert client.messages(1) == []
    client.send(2, 2, 5)
    await until(lambda: (5, 300) in client.errors())


async def test_a_snapshot_of_an_option_brings_its_greeks_before_its_end(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite, 157)
    client.send(*line(5, PUT_FIELDS, snapshot=True))
    await client.until(57)
    assert {"10", "11", "13"} <= {fields[1] for fields in client.messages(21)}
    assert client.heard[-1][0] == "57"


async def test_a_halt_is_ticked_and_so_is_its_end(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    ticker = client.reqMktData(await stock(client))
    await until(lambda: ticker.halted == 0)
    polite.control("/fault", {"kind": "halt", "symbol": "SPY"})
    await until(lambda: ticker.halted == 1)
    polite.control("/fault", {"kind": "heal"})
    await until(lambda: ticker.halted == 0)


async def test_blanked_greeks_come_back(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    ticker = client.reqMktData(await option(client))
    await until(lambda: ticker.modelGreeks and ticker.modelGreeks.delta is not None)
    polite.control("/fault", {"kind": "blank_greeks", "symbol": "SPY"})
    await until(lambda: ticker.modelGreeks.delta is None)
    polite.control("/fault", {"kind": "heal"})
    await until(lambda: ticker.modelGreeks.delta is not None)


async def test_a_combination_is_quoted_from_its_legs(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    polite.control("/clock", {"pause": True})
    near = await option(client, ("SPY", "20260918", 740.0, "P"))
    far = await option(client, ("SPY", "20260918", 720.0, "P"))
    legs = [
        ib_insync.ComboLeg(near.conId, 1, "BUY", "SMART"),
        ib_insync.ComboLeg(far.conId, 1, "SELL", "SMART"),
    ]
    bag: Any = ib_insync.Contract(
        symbol="SPY", secType="BAG", exchange="SMART", currency="USD", comboLegs=legs
    )
    ticker = client.reqMktData(bag)
    members = [client.reqMktData(near), client.reqMktData(far)]
    await until(lambda: is_number(ticker.bid) and all(is_number(m.ask) for m in members))
    await until(lambda: is_number(members[1].bid) and is_number(members[0].bid))
    assert ticker.bid == pytest.approx(members[0].bid - members[1].ask, abs=0.011)
    assert ticker.ask == pytest.approx(members[0].ask - members[1].bid, abs=0.011)


async def test_tick_by_tick_lines_tell_trades_quotes_and_midpoints(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy, put = await stock(client), await option(client)
    trades = client.reqTickByTickData(spy, "AllLast")
    await until(lambda: trades.tickByTicks)
    assert trades.tickByTicks[0].price > 100
    heard = errors_of(client)
    client.reqTickByTickData(put, "BidAsk")
    await until(lambda: [code for _, code, _ in heard] == [10189])
    other = await connect(polite, 2)
    quotes = other.reqTickByTickData(spy, "BidAsk")
    await until(lambda: quotes.tickByTicks)
    tick = quotes.tickByTicks[0]
    assert 0 < tick.bidPrice < tick.askPrice
    third = await connect(polite, 3)
    middles = third.reqTickByTickData(spy, "MidPoint")
    await until(lambda: middles.tickByTicks)
    assert tick.bidPrice - 5 < middles.tickByTicks[0].midPoint < tick.askPrice + 5
    third.cancelTickByTickData(spy, "MidPoint")
    gone = errors_of(third)
    third.client.cancelTickByTickData(4711)
    await until(lambda: [code for _, code, _ in gone] == [300])


async def test_both_libraries_stream_the_same_line(
    polite: ThreadedSimulator, connect: Callable[..., Any], connect_async: Callable[..., Any]
) -> None:
    polite.control("/clock", {"pause": True})
    old, new = await connect(polite), await connect_async(polite)
    (theirs,) = await new.qualifyContractsAsync(ib_async.Option(*PUT, "SMART"))
    one = old.reqMktData(await option(old), "101")
    two = new.reqMktData(theirs, "101")
    await until(lambda: one.modelGreeks and one.modelGreeks.delta is not None)
    await until(lambda: two.modelGreeks and two.modelGreeks.delta is not None)
    assert (one.bid, one.ask, one.bidSize, one.close) == (two.bid, two.ask, two.bidSize, two.close)
    assert one.modelGreeks.delta == two.modelGreeks.delta
    assert one.putOpenInterest == two.putOpenInterest > 0


INDEX = """
[broker]
polite = true
tick_ms = [0, 1]
[market]
symbols = { SPY = "SPY" }
[[market.source]]
kind = "synthetic"
symbol = "SPX"
price = 6400
"""


async def test_an_index_has_a_price_and_options_but_no_book(connect: Callable[..., Any]) -> None:
    with ThreadedSimulator(Options(scenario.parse(INDEX, "index"), seed=3)) as simulator:
        client = await connect(simulator)
        index: Any = ib_insync.Index("SPX", "CBOE", "USD")
        (details,) = await client.reqContractDetailsAsync(index)
        chains = await client.reqSecDefOptParamsAsync("SPX", "", "IND", details.contract.conId)
        assert {chain.tradingClass for chain in chains} == {"SPX", "SPXW"}
        ticker = client.reqMktData(details.contract, "106")
        await until(lambda: is_number(ticker.last) and is_number(ticker.impliedVolatility))
        assert ticker.last == pytest.approx(6_400, rel=0.1)
        assert not is_number(ticker.bid)
        assert not is_number(ticker.ask)
        weekly = next(chain for chain in chains if chain.tradingClass == "SPXW")
        expiry = sorted(weekly.expirations)[-1]
        asked: Any = ib_insync.Option(
            "SPX", expiry, right="P", exchange="SMART", tradingClass="SPXW"
        )
        puts = await client.reqContractDetailsAsync(asked)
        put = puts[len(puts) // 2].contract
        assert put.localSymbol.startswith("SPXW ")
        quote = client.reqMktData(put)
        await until(lambda: quote.modelGreeks and quote.modelGreeks.delta is not None)
        assert quote.bid < quote.ask
        assert quote.minTick == 0.05

"""Contracts, chains, quotes, greeks and bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import PUT, errors_of, is_number, option, quote, stock, until
from theta.simulator.inprocess import ThreadedSimulator


async def test_contract_details_carry_what_orders_need(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    (spy,) = await client.reqContractDetailsAsync(ib_insync.Stock("SPY", "SMART", "USD"))
    assert (spy.contract.conId, spy.contract.primaryExchange) == (756733, "ARCA")
    assert spy.timeZoneId == "America/New_York"
    assert spy.liquidHours.startswith("20260813:0930-20260813:1600;20260814:0930-20260814:1600")
    assert "20260815:CLOSED" in spy.liquidHours
    (put,) = await client.reqContractDetailsAsync(ib_insync.Option(*PUT, "SMART"))
    assert put.contract.multiplier == "100"
    assert put.contract.localSymbol == "SPY   260918P00740000"
    assert put.underConId == 756733
    assert put.minTick == 0.01
    rule = await client.reqMarketRuleAsync(int(put.marketRuleIds.split(",")[0]))
    assert [(step.lowEdge, step.increment) for step in rule] == [(0.0, 0.01)]


async def test_wildcards_find_whole_expiries_and_unknown_contracts_none(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    puts = await client.reqContractDetailsAsync(
        ib_insync.Option("IWM", "20260918", right="P", exchange="SMART")
    )
    assert len(puts) > 50
    assert {d.contract.right for d in puts} == {"P"}
    strikes = [d.contract.strike for d in puts]
    assert strikes == sorted(strikes)
    everywhere = await client.reqContractDetailsAsync(
        ib_insync.Option("IWM", "", strikes[20], "P", "SMART")
    )
    assert len({d.contract.lastTradeDateOrContractMonth for d in everywhere}) > 3
    with pytest.raises(ib_insync.RequestError) as refused:
        await client.reqContractDetailsAsync(
            ib_insync.Option("SPY", "20260918", 740.25, "P", "SMART")
        )
    assert refused.value.code == 200


async def test_a_contract_id_leads_back_to_its_contract(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    (again,) = await client.reqContractDetailsAsync(ib_insync.Contract(conId=put.conId))
    assert again.contract.localSymbol == put.localSymbol


async def test_option_parameters_list_the_recorded_chain(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    chains = await client.reqSecDefOptParamsAsync("QQQ", "", "STK", 320227571)
    (smart,) = [chain for chain in chains if chain.exchange == "SMART"]
    assert smart.tradingClass == "QQQ"
    assert smart.multiplier == "100"
    assert "20260918" in smart.expirations
    assert 700.0 in smart.strikes


async def test_quotes_come_with_greeks_and_open_interest(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put, spy = await option(client), await stock(client)
    heard_blank: list[bool] = []
    ticker = client.reqMktData(put, "100,101,106")

    def look(seen: Any) -> None:
        greeks = seen.modelGreeks
        if greeks is not None:
            heard_blank.append(greeks.delta is None)

    ticker.updateEvent += look
    await until(lambda: is_number(ticker.bid) and is_number(ticker.ask))
    await until(lambda: ticker.modelGreeks and ticker.modelGreeks.delta is not None)
    assert heard_blank[0], "the first computation is blank"
    assert 0 < ticker.bid < ticker.ask
    assert ticker.putOpenInterest == 21010
    assert ticker.callOpenInterest == 0
    assert -0.25 < ticker.modelGreeks.delta < -0.1
    assert 0.1 < ticker.modelGreeks.impliedVol < 0.25
    assert ticker.modelGreeks.theta < 0 < ticker.modelGreeks.vega
    assert ticker.bidGreeks.impliedVol < ticker.askGreeks.impliedVol
    under = client.reqMktData(spy, "101,104,106")
    await until(lambda: is_number(under.impliedVolatility))
    assert under.close == 772.49
    assert under.putOpenInterest > 1_000_000
    assert 0.01 < under.histVolatility < 1


async def test_snapshots_end_and_generic_ticks_do_not_fit_them(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy, put = await stock(client), await option(client)
    tickers = await client.reqTickersAsync(spy, put)
    assert all(ticker.bid < ticker.ask for ticker in tickers)
    heard = errors_of(client)
    client.reqMktData(spy, "101", snapshot=True)
    await until(lambda: 321 in [code for _, code, _ in heard])


async def test_the_hundred_and_first_line_is_refused(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start("broker.pacing=false", "broker.tick_ms=[0,1]")
    client = await connect(simulator)
    client.client.MaxRequests = 0
    details = await client.reqContractDetailsAsync(
        ib_insync.Option("SPY", "20260918", right="P", exchange="SMART")
    )
    heard = errors_of(client)
    for detail in details[:101]:
        client.reqMktData(detail.contract)
    await until(lambda: 101 in [code for _, code, _ in heard])
    client.cancelMktData(details[0].contract)
    heard.clear()
    ticker = client.reqMktData(details[120].contract)
    await until(lambda: is_number(ticker.ask))
    assert heard == []


async def test_ticks_stream_as_the_price_moves_and_stop_when_cancelled(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    ticker = client.reqMktData(spy)
    await until(lambda: is_number(ticker.bid))
    polite.control("/price", {"symbol": "SPY", "price": 700.0})
    await until(lambda: 699 < ticker.bid < 701)
    client.cancelMktData(spy)
    heard = errors_of(client)
    client.client.cancelMktData(999_999)
    await until(lambda: 300 in [code for _, code, _ in heard])


async def test_options_are_unquoted_outside_the_session_unless_frozen(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    polite.control("/clock", {"jump_to": "2026-08-13T22:00:00+00:00"})
    live = client.reqMktData(put)
    await until(lambda: live.marketDataType == 1 and is_number(live.bid))
    assert (live.bid, live.ask, live.bidSize) == (-1.0, -1.0, 0.0)
    client.cancelMktData(put)
    client.reqMarketDataType(2)
    frozen = client.reqMktData(put)
    await until(lambda: frozen.marketDataType == 2 and frozen.bid > 0)
    assert quote(polite)["bid"] is None


async def test_an_unsupported_request_gets_an_answer(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    with pytest.raises(ib_insync.RequestError) as refused:
        await client.reqHistogramDataAsync(await stock(client), True, "1 day")
    assert refused.value.code == 322

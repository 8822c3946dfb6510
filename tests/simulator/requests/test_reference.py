"""Symbols, rules, parameters, exchanges, news and the option calculators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import errors_of, option, stock, until
from theta.simulator.inprocess import ThreadedSimulator


async def test_symbols_are_found_by_their_start_and_by_name(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    (found,) = await client.reqMatchingSymbolsAsync("QQ")
    assert (found.contract.symbol, found.contract.secType) == ("QQQ", "STK")
    assert found.derivativeSecTypes == ["OPT"]
    by_name = await client.reqMatchingSymbolsAsync("russell")
    assert [item.contract.symbol for item in by_name] == ["IWM"]
    assert by_name[0].contract.description
    assert await client.reqMatchingSymbolsAsync("NOSUCH") == []


async def test_option_parameters_come_by_exchange(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    chains = await client.reqSecDefOptParamsAsync("SPY", "", "STK", 756733)
    assert {"SMART", "CBOE", "ISE"} <= {chain.exchange for chain in chains}
    assert {chain.tradingClass for chain in chains} == {"SPY"}
    heard = errors_of(client)
    client.client.reqSecDefOptParams(999, "SPY", "", "STK", 1)
    await until(lambda: [(r, c) for r, c, _ in heard] == [(999, 321)])


async def test_the_rules_of_a_contract_can_be_asked_for(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    (details,) = await client.reqContractDetailsAsync(ib_insync.Stock("SPY", "SMART", "USD"))
    rules = set(details.marketRuleIds.split(","))
    for rule in rules:
        steps = await client.reqMarketRuleAsync(int(rule))
        assert steps[0].lowEdge == 0
        assert all(step.increment > 0 for step in steps)
    heard = errors_of(client)
    client.client.reqMarketRule(424_242)
    await until(lambda: 321 in [code for _, code, _ in heard])


async def test_a_line_names_its_exchanges_by_the_key_it_came_with(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.bboExchange)
    assert (ticker.minTick, ticker.snapshotPermissions) == (0.01, 3)
    components = await client.reqSmartComponentsAsync(ticker.bboExchange)
    assert ("ARCA", "P") in [(c.exchange, c.exchangeLetter) for c in components]


async def test_there_is_no_news_but_bulletins(
    polite: ThreadedSimulator, connect: Callable[..., Any], raw: Callable[..., Any]
) -> None:
    client = await connect(polite)
    assert await client.reqNewsProvidersAsync() == []
    client.reqNewsBulletins(False)
    await client.reqCurrentTimeAsync()
    polite.control("/fault", {"kind": "news", "text": "The exchange is late."})
    await until(client.newsBulletins)
    assert client.newsBulletins()[0].message == "The exchange is late."
    late = await raw(polite)
    late.send(12, 1, 1)
    assert (await late.until(14))[3] == "The exchange is late."
    later = await raw(polite, 178, 10)
    later.send(12, 1, 0)
    later.send(49, 1)
    await later.until(49)
    assert later.messages(14) == []
    late.send(13, 1)
    late.send(49, 1)
    await late.until(49)
    polite.control("/fault", {"kind": "news", "text": "It opens."})
    await later.until(14)
    assert len(late.messages(14)) == 1


async def test_the_calculators_are_each_others_inverse(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    priced = await client.calculateOptionPriceAsync(put, 0.25, 770.0)
    assert priced.optPrice > 1
    solved = await client.calculateImpliedVolatilityAsync(put, priced.optPrice, 770.0)
    assert solved.impliedVol == pytest.approx(0.25, abs=2e-3)
    assert solved.delta == pytest.approx(priced.delta, abs=2e-3)
    client.client.cancelCalculateImpliedVolatility(7)
    client.client.cancelCalculateOptionPrice(8)
    heard = errors_of(client)
    client.client.calculateOptionPrice(50, put, -1.0, 770.0, [])
    await until(lambda: [(r, c) for r, c, _ in heard] == [(50, 321)])


async def test_the_clients_of_both_libraries_see_the_same(
    polite: ThreadedSimulator, connect: Callable[..., Any], connect_async: Callable[..., Any]
) -> None:
    old, new = await connect(polite), await connect_async(polite)
    assert (old.client.serverVersion(), new.client.serverVersion()) == (176, 178)
    for name in ("SPY", "IWM"):
        mine = await old.reqMatchingSymbolsAsync(name)
        theirs = await new.reqMatchingSymbolsAsync(name)
        assert [c.contract.conId for c in mine] == [c.contract.conId for c in theirs]
    assert {(v.tag, v.currency): v.value for v in old.accountValues() if "Cash" in v.tag} == {
        (v.tag, v.currency): v.value for v in new.accountValues() if "Cash" in v.tag
    }

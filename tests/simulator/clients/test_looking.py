"""Account, reference and market data, the same through every client library."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator.clients.conftest import (
    CALL,
    PUT,
    VERSIONS,
    Join,
    listing,
    until,
)
from tests.simulator.clients.terms import Terms
from tests.simulator.conftest import FAST
from theta.simulator.inprocess import ThreadedSimulator

pytestmark = pytest.mark.slow

ACCOUNT = "DU1234567"
HELD = (
    "account.positions=["
    '{symbol="SPY",quantity=200,average_cost=700.0},'
    '{symbol="SPY",expiry="20260918",strike=740.0,right="P",quantity=-2,average_cost=812.5}]'
)


@pytest.fixture
def invested(start: Callable[..., ThreadedSimulator]) -> ThreadedSimulator:
    return start(*FAST, HELD)


async def test_connect(rude: ThreadedSimulator, join: Join, library: str) -> None:
    client = await join(rude, 7)
    assert client.server_version == VERSIONS[library]
    assert client.accounts == [ACCOUNT]
    await until(lambda: {2104, 2106, 2158} <= {code for _, code, _ in client.errors})
    assert rude.control("/health")["connected_clients"] == [7]
    now = await client.data.time()
    assert abs(now - rude.control("/clock")["epoch"]) < 5


async def test_portfolio(invested: ThreadedSimulator, join: Join) -> None:
    client = await join(invested)
    stock, put = await listing(client), await listing(client, PUT)
    found = {item.con_id: item for item in await client.account.holdings()}
    assert {con_id: item.quantity for con_id, item in found.items()} == {
        stock.terms.con_id: 200,
        put.terms.con_id: -2,
    }
    assert found[stock.terms.con_id].average_cost == 700.0
    assert found[put.terms.con_id].average_cost == 812.5
    assert {item.account for item in found.values()} == {ACCOUNT}
    values = await client.account.account_values()
    told = invested.control("/truth")["net_liquidation"]
    assert float(values["NetLiquidation"]) == pytest.approx(told, rel=2e-3)
    assert float(values["TotalCashValue"]) == 400_000
    assert float(values["StockMarketValue"]) > 100_000
    assert float(values["OptionMarketValue"]) < 0
    assert 0 < float(values["MaintMarginReq"]) <= float(values["InitMarginReq"])


async def test_account_summary(invested: ThreadedSimulator, join: Join) -> None:
    client = await join(invested)
    rows = await client.account.summary()
    for tag in ("NetLiquidation", "BuyingPower", "ExcessLiquidity", "AvailableFunds"):
        assert float(rows[ACCOUNT, tag]) > 0, tag
    assert rows[ACCOUNT, "AccountType"] == "INDIVIDUAL"
    assert float(rows[ACCOUNT, "Cushion"]) <= 1
    assert (ACCOUNT, "TotalCashBalance") in rows, "the ledger was asked for"


async def test_profit(invested: ThreadedSimulator, join: Join) -> None:
    client = await join(invested)
    stock = await listing(client)
    daily, unrealized, realized = await client.account.profit(ACCOUNT)
    assert realized == 0
    assert unrealized != 0
    assert abs(daily) < 50_000
    quantity, value = await client.account.profit_of(ACCOUNT, stock.terms.con_id)
    assert quantity == 200
    quote = await client.data.quote(stock.terms)
    assert value / 200 == pytest.approx((quote.bid + quote.ask) / 2, rel=0.01)


async def test_chain_discovery(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock = await listing(client)
    assert stock.long_name
    chains = await client.data.chains(stock.terms)
    (chain,) = [c for c in chains if c.exchange == "SMART" and c.trading_class == "SPY"]
    assert chain.multiplier == "100"
    assert chain.under_con_id == stock.terms.con_id
    assert "20260918" in chain.expiries
    assert 740.0 in chain.strikes
    month = Terms("SPY", "OPT", "20260918", 0.0, "P")
    puts = await client.data.details(month)
    strikes = [item.terms.strike for item in puts]
    assert 740.0 in strikes
    assert len(set(strikes)) == len(strikes)
    assert set(strikes) <= chain.strikes
    assert len({item.terms.con_id for item in puts}) == len(puts)
    assert {item.terms.multiplier for item in puts} == {"100"}
    (put,) = [item for item in puts if item.terms.strike == 740.0]
    assert put.local_symbol == "SPY   260918P00740000"
    assert put.under_con_id == stock.terms.con_id
    assert "SMART" in put.exchanges
    by_id = await listing(client, Terms(con_id=put.terms.con_id, sec_type="", exchange="SMART"))
    assert by_id.terms.strike == 740.0


async def test_quotes_with_greeks(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    found = {}
    for terms in (PUT, CALL):
        option = await listing(client, terms)
        quote = found[terms.right] = await client.data.quote(option.terms, greeks=True)
        assert 0 < quote.bid < quote.ask
        assert quote.bid_size > 0 < quote.ask_size
        assert quote.gamma is not None
        assert quote.gamma > 0
        assert quote.volatility is not None
        assert 0.01 < quote.volatility < 2
        assert quote.under_price is not None
        assert 600 < quote.under_price < 900
    put, call = found["P"].delta, found["C"].delta
    assert put is not None
    assert call is not None
    assert put < 0 < call
    assert call - put == pytest.approx(1, abs=0.1)
    stock = await client.data.quote((await listing(client)).terms)
    assert 0 < stock.ask - stock.bid < 0.2


async def test_an_unknown_contract_is_an_error(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    for terms in (Terms("NOPE"), Terms("SPY", "OPT", "20260918", 740.33, "P")):
        with pytest.raises(Exception, match="No security definition"):
            await client.data.details(terms)


async def test_historical_data(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock = (await listing(client)).terms
    bars = await client.data.bars(stock, duration="1 M", size="1 day")
    assert 15 <= len(bars) <= 23
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
    assert [bar.date for bar in bars] == sorted(bar.date for bar in bars)
    intraday = await client.data.bars(stock, duration="1 D", size="30 mins", what="MIDPOINT")
    assert 2 <= len(intraday) <= 14
    for what in ("BID", "ASK", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"):
        told = await client.data.bars(stock, duration="2 W", size="1 day", what=what)
        assert len(told) >= 8, what
        assert all(bar.close > 0 for bar in told), what
    volatility = await client.data.bars(
        stock, duration="3 M", size="1 day", what="HISTORICAL_VOLATILITY"
    )
    assert 0.01 < volatility[-1].close < 1.5


async def test_reference_data(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock, put = await listing(client), await listing(client, PUT)
    since = await client.data.head_timestamp(stock.terms)
    assert since.isdecimal()
    assert len(since) == 8
    assert (stock.terms.con_id, "SPY") in await client.data.matching("SP")
    rule = await client.data.market_rule(put.market_rules[put.exchanges.index("SMART")])
    assert rule[0] == (0.0, 0.01)
    assert all(edge >= 0 < step for edge, step in rule)


async def test_implied_volatility_and_option_price(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    volatility = await client.data.implied_volatility(put, 12.5, 745.0)
    assert 0.01 < volatility < 2
    price = await client.data.option_price(put, volatility, 745.0)
    assert price == pytest.approx(12.5, abs=0.02)


async def test_a_news_bulletin_arrives(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    heard = client.data.listen_to_bulletins()
    await client.data.time()
    rude.control("/news", {"text": "The exchange opens late."})
    await until(lambda: heard == ["The exchange opens late."])


async def test_an_unsupported_request_is_answered(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    assert await client.data.unsupported() in (10358, 321, 322, 430)
    assert client.connected
    assert await client.data.time() > 0

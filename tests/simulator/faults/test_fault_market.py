"""Every fault of market and account, as an unmodified ib_insync client sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import quote, true_order
from tests.simulator.faults.conftest import Heard, arm, limit, option, stock, until
from theta.simulator.inprocess import ControlRefusedError, ThreadedSimulator

pytestmark = pytest.mark.slow

Connect = Callable[..., Any]


# -- market ----------------------------------------------------------------------------------------


async def test_fault_freeze_quotes(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    polite.control("/clock", {"pause": True})
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.bid == quote_of(polite)["bid"])
    frozen = ticker.bid
    arm(polite, "freeze_quotes", symbol="SPY", seconds=120)
    polite.control("/clock", {"advance_seconds": 60})
    assert quote_of(polite)["bid"] == frozen
    polite.control("/clock", {"advance_seconds": 3600})
    moved = quote_of(polite)["bid"]
    assert moved != frozen
    await until(lambda: ticker.bid == moved)


def quote_of(simulator: ThreadedSimulator, symbol: str = "SPY") -> dict[str, Any]:
    return simulator.control("/quote", {"symbol": symbol})


async def test_fault_jump_quotes(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    polite.control("/clock", {"pause": True})
    before = quote_of(polite)["bid"]
    ticker = client.reqMktData(await stock(client))
    await until(lambda: ticker.bid == before)
    arm(polite, "jump_quotes", symbol="SPY", percent=-10, seconds=30)
    await until(lambda: ticker.bid < 0.92 * before)
    polite.control("/clock", {"advance_seconds": 31})
    await until(lambda: ticker.bid > 0.99 * before)


async def test_fault_price_gap(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    worth = quote(polite)["mark"]
    ticker = client.reqMktData(await stock(client))
    option_ticker = client.reqMktData(put)
    before = quote_of(polite)["bid"]
    await until(lambda: abs(ticker.bid - before) < 1 and option_ticker.bid > 0)
    arm(polite, "price_gap", symbol="SPY", percent=-5)
    await until(lambda: ticker.ask < 0.96 * before)
    await until(lambda: option_ticker.bid > 2 * worth)
    with pytest.raises(ControlRefusedError, match="percent or price"):
        arm(polite, "price_gap", symbol="SPY")


async def test_fault_blank_greeks(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    arm(polite, "blank_greeks", symbol="SPY", seconds=60)
    ticker = client.reqMktData(put)
    await until(lambda: ticker.bid > 0 and ticker.bidGreeks is not None)
    assert ticker.bidGreeks.delta is None
    assert ticker.modelGreeks is None or ticker.modelGreeks.delta is None
    polite.control("/clock", {"advance_seconds": 61})
    await until(lambda: ticker.modelGreeks is not None and ticker.modelGreeks.delta is not None)


@pytest.mark.parametrize("orders", ["held", "rejected"])
async def test_fault_halt(polite: ThreadedSimulator, connect: Connect, orders: str) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.bid > 0)
    arm(polite, "halt", symbol="SPY", orders=orders, seconds=300)
    await until(lambda: ticker.halted == 1)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "halted"))
    if orders == "rejected":
        await until(lambda: 201 in heard.codes())
        return
    await until(lambda: trade.orderStatus.permId > 0)
    polite.control("/clock", {"advance_seconds": 60})
    assert true_order(polite, "halted")["filled"] == 0
    polite.control("/clock", {"advance_seconds": 300})
    await until(lambda: ticker.halted == 0)
    await until(lambda: trade.orderStatus.status == "Filled")


async def test_fault_resume(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.bid > 0)
    arm(polite, "halt", symbol="SPY")
    await until(lambda: ticker.halted == 1)
    assert arm(polite, "resume", symbol="SPY")["was_halted"]
    await until(lambda: ticker.halted == 0)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "resumed"))
    await until(lambda: trade.orderStatus.status == "Filled")


async def test_fault_competing_session(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    ticker = client.reqMktData(spy)
    await until(lambda: ticker.bid > 0)
    arm(polite, "competing_session", seconds=60)
    await until(lambda: heard.codes().count(10197) == 1)
    qqq = await stock(client, "QQQ")
    silent = client.reqMktData(qqq)
    await until(lambda: heard.codes().count(10197) == 2)
    assert silent.bid != silent.bid, "a quote in spite of the competing session"
    polite.control("/clock", {"advance_seconds": 61})
    client.reqMktData(ib_insync.Stock("IWM", "SMART", "USD"))
    await client.reqCurrentTimeAsync()
    assert heard.codes().count(10197) == 2


# -- account ---------------------------------------------------------------------------------------


async def test_fault_margin_call(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    bought = client.placeOrder(spy, limit("BUY", 100, 900, "held"))
    await until(lambda: bought.orderStatus.status == "Filled")
    client.reqNewsBulletins(True)
    told = arm(polite, "margin_call", seconds=600)
    assert told["excess_liquidity"] < 0

    def excess() -> float:
        values = [v for v in client.accountValues() if v.tag == "ExcessLiquidity" and v.currency]
        return float(values[0].value)

    await until(lambda: excess() < 0)
    await until(lambda: "margin call" in str(client.newsBulletins()))
    heard = Heard(client)
    client.placeOrder(spy, limit("BUY", 100, 900, "more"))
    await until(lambda: 201 in heard.codes())
    polite.control("/clock", {"advance_seconds": 601})
    await until(lambda: excess() > 0)


async def test_fault_news(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    client.reqNewsBulletins(False)
    await client.reqCurrentTimeAsync()
    polite.control("/news", {"text": "The exchange is away", "type": 2, "exchange": "CBOE"})
    await until(lambda: len(client.newsBulletins()) == 1)
    (bulletin,) = client.newsBulletins()
    assert (bulletin.msgType, bulletin.message) == (2, "The exchange is away")
    assert bulletin.origExchange == "CBOE"

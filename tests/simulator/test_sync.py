"""Connecting and synchronising."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import errors_of, new_client, until
from theta.simulator.inprocess import ThreadedSimulator


async def test_connect_synchronises_within_a_second(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    started = time.monotonic()
    client = await connect(rude, 3)
    assert time.monotonic() - started < 1.0
    assert client.client.serverVersion() == 176
    assert client.managedAccounts() == ["DU1234567"]
    values = {(v.tag, v.currency): v.value for v in client.accountValues()}
    assert values["NetLiquidation", "USD"] == "400000.00"
    assert values["TotalCashBalance", "BASE"] == "400000.00"
    assert client.positions() == []
    assert client.openTrades() == []


async def test_the_lowest_version_that_a_client_speaks_is_answered(
    polite: ThreadedSimulator, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ib_insync.client.Client, "MaxClientVersion", 157)
    client = await connect(polite)
    assert client.client.serverVersion() == 157
    contract = ib_insync.Option("SPY", "20260918", 740.0, "P", "SMART")
    (details,) = await client.reqContractDetailsAsync(contract)
    assert details.contract.conId > 0
    assert details.marketRuleIds.startswith("26")
    order = ib_insync.LimitOrder("SELL", 1, 9.0, orderRef="old-client", tif="DAY")
    trade = client.placeOrder(details.contract, order)
    await until(lambda: trade.orderStatus.status == "Submitted")
    other = await connect(polite, 2)
    (seen,) = await other.reqAllOpenOrdersAsync()
    assert (seen.order.orderRef, seen.order.lmtPrice) == ("old-client", 9.0)


async def test_account_summary_tells_every_figure_asked_for(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    rows = await client.accountSummaryAsync()
    found = {row.tag: row.value for row in rows if row.currency in ("", "USD")}
    for tag in ("NetLiquidation", "ExcessLiquidity", "InitMarginReq", "MaintMarginReq"):
        assert float(found[tag]) >= 0
    assert float(found["FullMaintMarginReq"]) == 0
    assert float(found["BuyingPower"]) == 1_600_000
    assert found["AccountType"] == "INDIVIDUAL"
    assert float(found["Cushion"]) == 1


async def test_a_used_client_id_is_refused_while_its_socket_lives(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    first = await connect(polite, 5)
    second = new_client()
    heard = errors_of(second)
    with pytest.raises((ConnectionError, TimeoutError)):
        await second.connectAsync("127.0.0.1", polite.port, clientId=5, timeout=0.5)
    assert 326 in [code for _, code, _ in heard]
    assert first.isConnected()
    first.disconnect()
    await until(lambda: 5 not in polite.control("/health")["connected_clients"])
    await connect(polite, 5)


async def test_market_time_is_the_simulated_one(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    assert (await client.reqCurrentTimeAsync()).isoformat().startswith("2026-08-13T16:1")
    polite.control("/clock", {"jump_to": "next_midnight", "speed": 0})
    now = await client.reqCurrentTimeAsync()
    assert now.isoformat() == "2026-08-14T04:00:00+00:00"


async def test_farm_notices_come_with_the_connection(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = new_client()
    heard = errors_of(client)
    await client.connectAsync("127.0.0.1", polite.port, clientId=8)
    try:
        await until(lambda: {2104, 2106, 2158} <= {code for _, code, _ in heard})
    finally:
        client.disconnect()

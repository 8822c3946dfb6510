"""The official library, held back to older versions, looks and trades as today's does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.clients.official import OfficialClient
from tests.simulator.clients.terms import Terms, Ticket
from tests.simulator.conftest import POLITE, until
from theta.simulator.inprocess import ThreadedSimulator

SPY = Terms("SPY")
PUT = Terms("SPY", "OPT", expiry="20260918", strike=740.0, right="P")
PLACES_FROM = 111
"""The library itself sends no order to an older gateway."""

HELD = 'account.positions=[{symbol = "SPY", quantity = 100, average_cost = 700.0}]'


@pytest.mark.slow
@pytest.mark.parametrize("version", [100, 103, 110, 117, 123, 125, 130, 136, 144, 151, 155, 157])
async def test_an_older_client_sees_the_account_the_market_and_its_fills(
    start: Callable[..., ThreadedSimulator], monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    import ibapi.client

    monkeypatch.setattr(ibapi.client, "MAX_CLIENT_VER", version)
    simulator = start(*POLITE, HELD)
    client = OfficialClient()
    await client.connect(simulator.port, 1)
    try:
        assert client.server_version == version
        await looks(client, version)
        if version >= PLACES_FROM:
            await trades(simulator, client)
        known = {2104, 2106, 2158}
        assert [error for error in client.errors if error[1] not in known] == []
    finally:
        client.disconnect()


async def looks(client: Any, version: int) -> None:
    (held,) = await client.account.holdings()
    assert held.quantity == 100
    values = await client.account.account_values()
    assert float(values["NetLiquidation"]) > 400_000
    rows = await client.account.summary()
    assert float(rows[("DU1234567", "TotalCashValue")]) > 0
    (spy,) = await client.data.details(SPY)
    (put,) = await client.data.details(PUT)
    quote = await client.data.quote(put.terms, greeks=True)
    assert 0 < quote.bid < quote.ask
    assert quote.delta is not None
    assert -1 < quote.delta < 0
    bars = await client.data.bars(spy.terms, duration="5 D", size="1 day")
    assert len(bars) == 5
    assert all(bar.low <= bar.close <= bar.high for bar in bars)
    assert await client.data.implied_volatility(put.terms, quote.ask, 770.0) > 0
    if version >= 104:
        chains = await client.data.chains(spy.terms)
        assert "SMART" in {chain.exchange for chain in chains}
    if version >= 108:
        assert await client.data.matching("IWM")
    if version >= 118:
        assert (await client.data.head_timestamp(spy.terms)) < "20260801"
    if version >= 126:
        assert await client.data.market_rule(26) == [(0.0, 0.01)]
    if version >= 135:
        daily, unrealized, _ = await client.account.profit("DU1234567")
        assert unrealized > 1_000
        assert daily != 0
        assert (await client.account.profit_of("DU1234567", spy.terms.con_id))[0] == 100


async def trades(simulator: ThreadedSimulator, client: Any) -> None:
    (put,) = await client.data.details(PUT)
    quote = await client.data.quote(put.terms)
    placed = client.orders.place(put.terms, Ticket("SELL", 1, limit=quote.bid - 0.05, ref="old"))
    await until(lambda: placed.status == "Filled")
    assert [deal.shares for deal in await client.orders.deals()] == [1]
    assert simulator.control("/truth")["positions"]

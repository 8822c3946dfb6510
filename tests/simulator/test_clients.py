"""The successor of the client library gets along with the same gateway."""

from __future__ import annotations

from typing import Any

import ib_async

from tests.simulator.conftest import until
from theta.simulator.inprocess import ThreadedSimulator


async def test_ib_async_connects_quotes_and_trades(rude: ThreadedSimulator) -> None:
    make: Any = ib_async.IB
    client = make()
    client.RaiseRequestErrors = True
    await client.connectAsync("127.0.0.1", rude.port, clientId=11)
    try:
        assert client.client.serverVersion() == 178
        put = ib_async.Option("SPY", "20260918", 740.0, "P", "SMART")
        await client.qualifyContractsAsync(put)
        ticker = client.reqMktData(put, "101")
        await until(lambda: ticker.modelGreeks and ticker.modelGreeks.delta)
        order = ib_async.LimitOrder("SELL", 1, 3.0, orderRef="successor", tif="DAY")
        trade = client.placeOrder(put, order)
        await until(lambda: trade.fills and trade.fills[0].commissionReport.commission)
        resting = client.placeOrder(put, ib_async.LimitOrder("SELL", 1, 50.0, tif="DAY"))
        await until(lambda: resting.orderStatus.status == "Submitted")
        client.cancelOrder(resting.order)
        await until(lambda: resting.orderStatus.status == "Cancelled")
    finally:
        client.disconnect()
    (execution,) = rude.control("/truth")["executions"]
    assert execution["order_ref"] == "successor"

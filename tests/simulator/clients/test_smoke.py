"""The quick look: every library connects, quotes and trades."""

from __future__ import annotations

from tests.simulator.clients.conftest import PUT, VERSIONS, Join, listing, status
from tests.simulator.clients.terms import Ticket
from theta.simulator.inprocess import ThreadedSimulator


async def test_a_library_connects_quotes_and_trades(
    polite: ThreadedSimulator, join: Join, library: str
) -> None:
    client = await join(polite)
    assert client.server_version == VERSIONS[library]
    assert client.accounts == ["DU1234567"]
    put = await listing(client, PUT)
    quote = await client.data.quote(put.terms, greeks=True)
    assert 0 < quote.bid < quote.ask
    assert quote.delta is not None
    assert -1 < quote.delta < 0
    placed = client.orders.place(put.terms, Ticket("SELL", 1, limit=quote.bid, ref="smoke"))
    await status(placed, "Filled")
    (execution,) = polite.control("/truth")["executions"]
    assert execution["order_ref"] == "smoke"

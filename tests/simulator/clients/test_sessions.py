"""Connections: several at once, the same id twice, losses and restarts, through every library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.clients.conftest import PUT, Join, held, listing, new_client, status, until
from tests.simulator.clients.terms import Ticket
from tests.simulator.conftest import FAST, Process
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

pytestmark = pytest.mark.slow

WORKING = ("Submitted", "PreSubmitted")
SETTINGS = [word for text in FAST for word in ("--set", text)]


async def test_two_clients_at_once(rude: ThreadedSimulator, join: Join) -> None:
    one, two = await join(rude, 1), await join(rude, 2)
    put = (await listing(one, PUT)).terms
    first = one.orders.place(put, Ticket("SELL", 1, limit=60.0, ref="of one"))
    second = two.orders.place(put, Ticket("SELL", 1, limit=61.0, ref="of two"))
    await status(first, *WORKING)
    await status(second, *WORKING)
    seen = {item.ref: item.client_id for item in await two.orders.open_orders()}
    assert seen == {"of one": 1, "of two": 2}
    one.orders.cancel(first)
    await status(first, "Cancelled")
    assert second.status in WORKING
    one.disconnect()
    await until(lambda: rude.control("/health")["connected_clients"] == [2])
    assert await two.data.time() > 0
    assert [item.ref for item in await two.orders.open_orders()] == ["of two"]


async def test_a_client_id_in_use_is_refused(
    rude: ThreadedSimulator, join: Join, library: str
) -> None:
    first = await join(rude, 5)
    second = new_client(library)
    try:
        with pytest.raises((ConnectionError, TimeoutError, OSError)):
            await second.connect(rude.port, 5)
        await until(lambda: any(code == 326 for _, code, _ in second.errors))
    finally:
        second.disconnect()
    assert first.connected
    assert await first.data.time() > 0
    assert (await join(rude, 6)).connected


async def test_an_id_is_free_again_after_disconnecting(rude: ThreadedSimulator, join: Join) -> None:
    for _ in range(3):
        client = await join(rude, 5)
        assert await client.data.time() > 0
        client.disconnect()
        await until(lambda: rude.control("/health")["connected_clients"] == [])


async def test_a_lost_connection_is_noticed_and_orders_live_on(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    placed = client.orders.place(put, Ticket("SELL", 1, limit=60.0, ref="lives"))
    await status(placed, *WORKING)
    rude.control("/fault", {"kind": "drop_connections"})
    await until(lambda: not client.connected)
    again = await join(rude)
    (seen,) = await again.orders.open_orders()
    assert (seen.ref, seen.perm_id) == ("lives", placed.perm_id)
    after = again.orders.place(put, Ticket("SELL", 1, limit=61.0, ref="after"))
    await status(after, *WORKING)
    assert after.order_id > placed.order_id


async def test_restart_and_reconnect(
    spawn: Callable[..., Process], join: Join, tmp_path: Path
) -> None:
    state = str(tmp_path / "state.sqlite")
    process = spawn("--state", state, "--seed", "7", *SETTINGS)
    client = await join(process)
    put = (await listing(client, PUT)).terms
    resting = client.orders.place(put, Ticket("SELL", 1, limit=60.0, ref="rests"))
    await status(resting, *WORKING)
    quote = await client.data.quote(put)
    limit = round(quote.bid - 0.5, 2)
    sold = client.orders.place(put, Ticket("SELL", 2, limit=limit, ref="sold"))
    await until(lambda: sum(deal.shares for deal in sold.deals) == 2)
    made = {deal.exec_id for deal in sold.deals}
    process.kill()
    await until(lambda: not client.connected)
    client.disconnect()
    process = spawn("--state", state, "--seed", "7", *SETTINGS)
    again = await join(process)
    assert again.accounts == ["DU1234567"]
    (seen,) = await again.orders.open_orders()
    assert (seen.ref, seen.perm_id, seen.limit) == ("rests", resting.perm_id, 60.0)
    assert {deal.exec_id for deal in await again.orders.deals()} == made
    (holding,) = await again.account.holdings()
    assert (holding.con_id, holding.quantity) == (put.con_id, -2)
    after = again.orders.place(put, Ticket("BUY", 2, "MKT", ref="after"))
    assert after.order_id > sold.order_id
    await until(lambda: held(process) == {})
    assert process.terminate() == 0


FAMILY = """
[[account]]
id = "DU1000001"
cash_usd = 300000
positions = [{ symbol = "SPY", quantity = 100, average_cost = 700.0 }]
[[account]]
id = "DU1000002"
cash_usd = 200000
[[account]]
id = "DU1000003"
cash_usd = 100000
cash_account = true
[broker]
ack_ms = [1, 8]
tick_ms = [1, 5]
master_client_id = 9
"""
NAMES = ["DU1000001", "DU1000002", "DU1000003"]


@pytest.fixture
def family() -> Iterator[ThreadedSimulator]:
    """Three accounts under one login; client 9 is the master."""
    with ThreadedSimulator(Options(scenario.parse(FAMILY, "family"), seed=7)) as simulator:
        yield simulator


async def test_a_login_with_three_accounts(family: ThreadedSimulator, join: Join) -> None:
    client = await join(family)
    assert client.accounts == NAMES
    (holding,) = await client.account.holdings()
    assert (holding.account, holding.quantity) == ("DU1000001", 100)
    rows = await client.account.summary()
    cash = {name: float(rows[name, "TotalCashValue"]) for name in NAMES}
    assert cash == {"DU1000001": 300_000, "DU1000002": 200_000, "DU1000003": 100_000}
    values = await client.account.account_values("DU1000002")
    assert float(values["NetLiquidation"]) == 200_000
    stock = (await listing(client)).terms
    bought = client.orders.place(stock, Ticket("BUY", 5, "MKT", ref="two", account="DU1000002"))
    await until(lambda: sum(deal.shares for deal in bought.deals) == 5)
    assert {deal.account for deal in bought.deals} == {"DU1000002"}
    held_now = {item.account: item.quantity for item in await client.account.holdings()}
    assert held_now == {"DU1000001": 100, "DU1000002": 5}


async def test_the_master_client_sees_what_others_do(family: ThreadedSimulator, join: Join) -> None:
    master, other = await join(family, 9), await join(family, 1)
    stock = (await listing(other)).terms
    bought = other.orders.place(stock, Ticket("BUY", 3, "MKT", ref="watched", account="DU1000001"))
    await status(bought, "Filled")
    deals = [deal for deal in await master.orders.deals() if deal.ref == "watched"]
    assert sum(deal.shares for deal in deals) == 3
    resting = other.orders.place(
        stock, Ticket("BUY", 1, limit=400.0, ref="seen", account="DU1000001")
    )
    await status(resting, *WORKING)
    assert [item.ref for item in await master.orders.open_orders()] == ["seen"]


async def test_client_zero_cancels_an_order_made_by_hand(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude, 0)
    client.orders.bind_manual_orders()
    terms = {"symbol": "SPY", "action": "BUY", "quantity": 1, "limit": 400.0}
    rude.control("/order", terms)

    async def bound() -> set[int]:
        return {item.order_id for item in await client.orders.open_orders() if item.order_id}

    numbers = await until(bound)
    assert len(numbers) == 1, "bound once, to one order id of this client"
    client.orders.cancel_all()

    async def gone() -> bool:
        return await client.orders.open_orders() == []

    await until(gone)

"""Orders and what becomes of them, the same through every client library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulator.clients.conftest import (
    PUT,
    SPY,
    Join,
    held,
    listing,
    status,
    truth,
    until,
)
from tests.simulator.clients.terms import Client, LegTerms, Placed, Terms, Ticket
from tests.simulator.conftest import FAST
from theta.simulator.inprocess import ThreadedSimulator

pytestmark = pytest.mark.slow

ACCOUNT = "DU1234567"
LONG_CALLS = (
    'account.positions=[{symbol="SPY",expiry="20260918",strike=700.0,right="C",'
    "quantity=3,average_cost=4500.0}]"
)
WORKING = ("Submitted", "PreSubmitted")


async def fully_told(placed: Placed) -> None:
    """Filled, and every execution has its commission report; a combination's are its legs'."""
    await status(placed, "Filled")

    def told() -> bool:
        charged = [deal for deal in placed.deals if deal.sec_type != "BAG"]
        return (
            placed.remaining == 0
            and len(charged) > 0
            and all(deal.commission is not None for deal in charged)
        )

    await until(told)


def codes_of(client: Client, placed: Placed) -> set[int]:
    return {code for number, code, _ in client.errors if number == placed.order_id}


async def test_a_market_order_fills(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock = (await listing(client)).terms
    placed = client.orders.place(stock, Ticket("BUY", 10, "MKT", ref="market"))
    await fully_told(placed)
    assert sum(deal.shares for deal in placed.deals) == 10
    assert sum(deal.commission or 0 for deal in placed.deals) > 0
    assert {deal.side for deal in placed.deals} == {"BOT"}
    assert {deal.ref for deal in placed.deals} == {"market"}
    true = truth(rude, "market")
    assert placed.perm_id == true["perm_id"]
    assert placed.order_id == true["order_id"]
    (holding,) = await client.account.holdings()
    assert (holding.con_id, holding.quantity) == (stock.con_id, 10)


async def test_a_limit_order_rests_is_modified_and_cancelled(
    rude: ThreadedSimulator, join: Join
) -> None:
    client, other = await join(rude, 1), await join(rude, 2)
    put = (await listing(client, PUT)).terms
    ticket = Ticket("SELL", 2, limit=60.0, ref="rests")
    placed = client.orders.place(put, ticket)
    await status(placed, *WORKING)
    client.orders.modify(placed, replace(ticket, quantity=3, limit=55.5))
    await until(lambda: truth(rude, "rests")["limit"] == 55.5)
    (seen,) = await other.orders.open_orders()
    assert (seen.client_id, seen.order_id) == (1, placed.order_id)
    assert (seen.ref, seen.quantity, seen.limit) == ("rests", 3, 55.5)
    assert seen.con_id == put.con_id
    client.orders.cancel(placed)
    await status(placed, "Cancelled")
    assert placed.filled == 0
    await until(lambda: 202 in codes_of(client, placed))
    assert await other.orders.open_orders() == []
    (completed,) = await other.orders.completed_orders()
    assert (completed.ref, completed.perm_id) == ("rests", placed.perm_id)
    assert completed.status == "Cancelled"


async def test_a_marketable_limit_fills_at_its_price_or_better(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    quote = await client.data.quote(put)
    placed = client.orders.place(put, Ticket("SELL", 1, limit=round(quote.bid - 0.5, 2)))
    await fully_told(placed)
    assert all(deal.price >= round(quote.bid - 0.5, 2) for deal in placed.deals)
    again = client.orders.place(put, Ticket("BUY", 1, limit=round(quote.ask + 0.5, 2)))
    await fully_told(again)
    assert all(deal.price <= round(quote.ask + 0.5, 2) for deal in again.deals)
    realized = sum(deal.realized or 0 for deal in again.deals)
    assert realized != 0, "a closing trade realizes a profit or a loss"
    assert held(rude) == {}


async def test_a_partial_fill(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    placed = client.orders.place(put, Ticket("SELL", 5, limit=60.0, ref="partly"))
    await status(placed, *WORKING)
    rude.control("/fault", {"kind": "fill_order", "order_ref": "partly", "qty": 2})
    await until(lambda: sum(deal.shares for deal in placed.deals) == 2)
    assert placed.status in WORKING
    rude.control("/fault", {"kind": "fill_order", "order_ref": "partly", "qty": 3})
    await until(lambda: sum(deal.shares for deal in placed.deals) == 5)
    assert all(deal.price == 60.0 for deal in placed.deals)
    assert held(rude) == {put.con_id: -5}


async def test_an_order_beyond_the_displayed_size_fills_in_parts(
    start: Callable[..., ThreadedSimulator], join: Join
) -> None:
    rich = start(*FAST, "account.cash_usd=100000000")
    client = await join(rich)
    put = (await listing(client, PUT)).terms
    quote = await client.data.quote(put)
    wanted = quote.bid_size + 10
    placed = client.orders.place(
        put, Ticket("SELL", wanted, limit=round(quote.bid - 0.3, 2), ref="large")
    )
    await until(lambda: placed.deals)
    assert max(deal.shares for deal in placed.deals) <= max(quote.bid_size * 3, wanted - 1)


async def test_a_rejection(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock = (await listing(client)).terms
    placed = client.orders.place(stock, Ticket("BUY", 50_000, "MKT", ref="too large"))
    await until(lambda: 201 in codes_of(client, placed))
    text = next(text for _, code, text in client.errors if code == 201)
    assert "rejected" in text.lower()
    await status(placed, "Inactive", "Cancelled")
    assert truth(rude, "too large")["final"]
    assert held(rude) == {}


async def test_a_price_between_ticks_and_an_order_type_not_taken(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    between = client.orders.place(put, Ticket("SELL", 1, limit=5.003))
    await until(lambda: 110 in codes_of(client, between))
    peg = client.orders.place(put, Ticket("SELL", 1, "MIDPRICE", limit=60.0))
    await until(lambda: 387 in codes_of(client, peg))
    assert held(rude) == {}


async def test_stop_adaptive_and_midprice_orders(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    stock, put = (await listing(client)).terms, (await listing(client, PUT)).terms
    quote = await client.data.quote(stock)
    stop = client.orders.place(
        stock, Ticket("SELL", 1, "STP", stop=round(quote.bid - 40, 2), ref="stop")
    )
    await status(stop, *WORKING)
    middle = client.orders.place(
        stock, Ticket("BUY", 5, "MIDPRICE", limit=round(quote.ask + 1, 2), ref="middle")
    )
    await status(middle, "Filled", *WORKING)
    patient = (("adaptivePriority", "Patient"),)
    adaptive = client.orders.place(
        put, Ticket("SELL", 1, limit=55.0, ref="adaptive", algo="Adaptive", algo_params=patient)
    )
    await status(adaptive, *WORKING)
    seen = {item.ref: item for item in await client.orders.open_orders()}
    assert {"stop", "adaptive"} <= set(seen)


async def test_a_combination_fills_with_an_execution_for_the_bag_and_each_leg(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude)
    short = (await listing(client, PUT)).terms
    long = (await listing(client, replace(PUT, strike=730.0))).terms
    spread = Terms(
        "SPY", "BAG", legs=(LegTerms(short.con_id, "SELL"), LegTerms(long.con_id, "BUY"))
    )
    resting = client.orders.place(spread, Ticket("BUY", 1, limit=-9.9, ref="rests"))
    await status(resting, *WORKING)
    placed = client.orders.place(spread, Ticket("BUY", 2, limit=5.0, ref="spread"))
    await fully_told(placed)
    kinds = sorted({deal.sec_type for deal in placed.deals})
    assert kinds == ["BAG", "OPT"]
    legs = [deal for deal in placed.deals if deal.sec_type == "OPT"]
    bag = [deal for deal in placed.deals if deal.sec_type == "BAG"]
    assert sum(deal.shares for deal in bag) == 2
    assert {deal.con_id for deal in legs} == {short.con_id, long.con_id}
    assert {d.con_id: d.side for d in legs} == {short.con_id: "SLD", long.con_id: "BOT"}
    assert held(rude) == {short.con_id: -2, long.con_id: 2}
    assert {item.con_id: item.quantity for item in await client.account.holdings()} == held(rude)
    client.orders.cancel(resting)
    await status(resting, "Cancelled")


async def test_what_if(rude: ThreadedSimulator, join: Join) -> None:
    client = await join(rude)
    put = (await listing(client, PUT)).terms
    told = await client.orders.what_if(put, Ticket("SELL", 1, limit=5.0))
    assert 1_000 < told.maint_margin_after <= told.init_margin_after < 400_000
    assert told.equity_after > 300_000
    assert 0 < told.commission < 5
    assert await client.orders.open_orders() == []
    assert rude.control("/truth")["orders"] == []


async def test_executions_and_completed_orders_after_reconnecting(
    rude: ThreadedSimulator, join: Join
) -> None:
    client = await join(rude, 3)
    stock = (await listing(client)).terms
    placed = client.orders.place(stock, Ticket("BUY", 4, "MKT", ref="kept"))
    await fully_told(placed)
    made = {deal.exec_id: deal.shares for deal in placed.deals}
    client.disconnect()
    again = await join(rude, 4)
    found = [deal for deal in await again.orders.deals() if deal.ref == "kept"]
    assert {deal.exec_id: deal.shares for deal in found} == made
    (completed,) = await again.orders.completed_orders()
    assert (completed.ref, completed.status) == ("kept", "Filled")


async def test_cancelling_everything(rude: ThreadedSimulator, join: Join) -> None:
    client, other = await join(rude, 1), await join(rude, 2)
    put = (await listing(client, PUT)).terms
    mine = client.orders.place(put, Ticket("SELL", 1, limit=60.0, ref="mine"))
    theirs = other.orders.place(put, Ticket("SELL", 1, limit=61.0, ref="theirs"))
    await status(mine, *WORKING)
    await status(theirs, *WORKING)
    client.orders.cancel_all()
    await status(mine, "Cancelled")
    await status(theirs, "Cancelled")
    assert await client.orders.open_orders() == []


async def test_exercising_an_option(start: Callable[..., ThreadedSimulator], join: Join) -> None:
    simulator = start(*FAST, LONG_CALLS)
    client = await join(simulator)
    call = (await listing(client, Terms("SPY", "OPT", "20260918", 700.0, "C"))).terms
    stock = (await listing(client, SPY)).terms
    client.orders.exercise(call, 1, 1, ACCOUNT)
    await client.data.time()
    simulator.control("/clock", {"jump_to": "2026-08-14T15:00:00+00:00"})
    await until(lambda: held(simulator) == {call.con_id: 2, stock.con_id: 100})
    found = {item.con_id: item.quantity for item in await client.account.holdings()}
    assert found == {call.con_id: 2, stock.con_id: 100}

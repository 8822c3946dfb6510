"""Placing, modifying, cancelling, filling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import (
    POLITE,
    errors_of,
    filled,
    limit,
    new_bag,
    option,
    quote,
    stock,
    true_order,
    until,
)
from theta.simulator.inprocess import ThreadedSimulator


async def test_a_sell_at_the_bid_fills_and_books(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    polite.control("/clock", {"pause": True})
    bid = quote(polite)["bid"]
    trade = client.placeOrder(put, limit("SELL", 1, bid - 0.05, "theta-1"))
    await until(lambda: trade.orderStatus.status == "Filled" and trade.fills)
    await until(lambda: trade.fills[0].commissionReport.commission == 1.0)
    execution = trade.fills[0].execution
    assert (execution.price, execution.side, execution.orderRef) == (bid, "SLD", "theta-1")
    assert execution.time.date().isoformat() == "2026-08-13"
    truth = polite.control("/truth")
    assert truth["cash"] == pytest.approx(400_000 + bid * 100 - 1)
    (position,) = truth["positions"]
    assert position["quantity"] == -1
    assert position["average_cost"] == pytest.approx(bid * 100 - 1)
    await until(lambda: [p.position for p in client.positions()] == [-1.0])
    await until(lambda: [p.averageCost for p in client.portfolio()] == [position["average_cost"]])


async def test_closing_returns_to_cash_plus_realized_gain(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    buy = client.placeOrder(spy, limit("BUY", 10, 900))
    await until(lambda: buy.orderStatus.status == "Filled")
    polite.control("/price", {"symbol": "SPY", "price": 790.0})
    sell = client.placeOrder(spy, ib_insync.MarketOrder("SELL", 10, tif="DAY"))
    await until(lambda: sell.orderStatus.status == "Filled")
    await until(lambda: client.positions() == [])
    truth = polite.control("/truth")
    assert truth["positions"] == []
    assert truth["cash"] == pytest.approx(400_000 + truth["realized"])
    bought, sold = buy.orderStatus.avgFillPrice, sell.orderStatus.avgFillPrice
    assert truth["realized"] == pytest.approx((sold - bought) * 10 - 2)


async def test_a_far_order_rests_is_modified_and_cancelled(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    heard = errors_of(client)
    trade = client.placeOrder(put, limit("SELL", 2, 9.0, "far"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    assert trade.orderStatus.permId > 0
    trade.order.lmtPrice = 8.5
    client.placeOrder(put, trade.order)
    await until(lambda: "Modified" in [entry.message for entry in trade.log])
    assert true_order(rude, "far")["limit"] == 8.5
    client.cancelOrder(trade.order)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    await until(lambda: (trade.order.orderId, 202) in [(r, code) for r, code, _ in heard])
    (done,) = await client.reqCompletedOrdersAsync(False)
    assert (done.order.orderRef, done.orderStatus.status) == ("far", "Cancelled")
    assert true_order(rude, "far")["status"] == "Cancelled"


async def test_perm_id_comes_with_a_later_message_only(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    seen: list[tuple[str, int]] = []
    client.openOrderEvent += lambda trade: seen.append(
        (trade.orderStatus.status, trade.order.permId)
    )
    client.placeOrder(put, limit("SELL", 1, 9.0, "perm"))
    await until(lambda: len(seen) >= 2)
    assert seen[0][1] == 0
    assert seen[1][1] == true_order(rude, "perm")["perm_id"]


async def test_an_order_inside_the_spread_fills_in_market_time(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start("broker.polite=true", "broker.hazard_seconds=30")
    client = await connect(simulator)
    wide = ("SPY", "20261030", 700.0, "P")
    put = await option(client, wide)
    simulator.control("/clock", {"pause": True})
    top = quote(simulator, wide)
    assert round(top["ask"] - top["bid"], 2) >= 0.02
    inside = round(top["bid"] + 0.01, 2)
    trade = client.placeOrder(put, limit("SELL", 1, inside, "inside"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    assert true_order(simulator, "inside")["filled"] == 0
    simulator.control("/price", {"symbol": "SPY", "price": 760.0})
    simulator.control("/clock", {"advance_seconds": 900})
    await until(lambda: trade.orderStatus.status == "Filled")
    assert trade.orderStatus.avgFillPrice == inside


async def test_more_than_the_displayed_size_fills_in_parts(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    polite = start(*POLITE, "account.cash_usd=4000000")
    client = await connect(polite)
    put = await option(client)
    trade = client.placeOrder(put, limit("SELL", 90, 0.5, "large"))
    await until(lambda: len(trade.fills) >= 1)
    polite.control("/clock", {"advance_seconds": 120})
    await until(lambda: trade.orderStatus.status == "Filled")
    ids = [fill.execution.execId for fill in trade.fills]
    assert len(ids) == len(set(ids)) >= 2
    assert sum(fill.execution.shares for fill in trade.fills) == 90
    assert trade.fills[-1].execution.cumQty == 90
    assert polite.control("/truth")["positions"][0]["quantity"] == -90


async def test_margin_refuses_with_the_text_of_tws(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    heard = errors_of(client)
    trade = client.placeOrder(put, limit("SELL", 500, 3.0, "huge"))
    await until(lambda: trade.orderStatus.status == "Inactive")
    ((_, _, text),) = [e for e in heard if e[1] == 201]
    assert "MUST EXCEED THE INITIAL MARGIN" in text
    assert true_order(polite, "huge")["final"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lmtPrice": 3.555}, 110),
        ({"totalQuantity": 0}, 434),
        ({"orderType": "MIDPRICE"}, 387),
        ({"tif": "OPG"}, 111),
        ({"account": "DU9"}, 321),
        ({"totalQuantity": 1.5}, 10243),
    ],
)
async def test_wrong_orders_are_refused_by_code(
    polite: ThreadedSimulator, connect: Callable[..., Any], change: dict[str, Any], code: int
) -> None:
    client = await connect(polite)
    put = await option(client)
    heard = errors_of(client)
    order = limit("SELL", 1, 3.55)
    for name, value in change.items():
        setattr(order, name, value)
    client.placeOrder(put, order)
    await until(lambda: code in [c for _, c, _ in heard])
    assert polite.control("/truth")["orders"] == []


async def test_unknown_contracts_ids_and_states_are_refused_by_code(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    heard = errors_of(client)
    ghost = ib_insync.Option("SPY", "20260918", 1.0, "P", "SMART", currency="USD")
    client.placeOrder(ghost, limit("SELL", 1, 1.0))
    await until(lambda: 200 in [c for _, c, _ in heard])
    client.client.cancelOrder(77_777)
    await until(lambda: (77_777, 10147) in [(r, c) for r, c, _ in heard])
    done = client.placeOrder(put, limit("SELL", 1, 0.5))
    await until(lambda: done.orderStatus.status == "Filled")
    client.client.cancelOrder(done.order.orderId)
    await until(lambda: (done.order.orderId, 10148) in [(r, c) for r, c, _ in heard])
    client.client.placeOrder(done.order.orderId, put, limit("SELL", 2, 0.5))
    await until(lambda: (done.order.orderId, 104) in [(r, c) for r, c, _ in heard])
    client.client.placeOrder(1, put, limit("SELL", 1, 0.5))
    await until(lambda: (1, 103) in [(r, c) for r, c, _ in heard])
    bag = new_bag(symbol="SPY", exchange="SMART", currency="USD")
    client.placeOrder(bag, limit("BUY", 1, 1.0))
    await until(lambda: 321 in [c for _, c, _ in heard])


async def test_a_read_only_gateway_refuses(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    client = await connect(start("broker.polite=true", "broker.read_only=true"))
    heard = errors_of(client)
    client.placeOrder(await option(client), limit("SELL", 1, 3.5))
    await until(lambda: any(c == 321 and "Read-Only" in text for _, c, text in heard))


async def test_a_what_if_order_tells_margin_and_places_nothing(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    state = await client.whatIfOrderAsync(put, limit("SELL", 1, 3.5))
    assert float(state.initMarginChange) > 5_000
    assert float(state.initMarginAfter) == float(state.initMarginBefore) + float(
        state.initMarginChange
    )
    assert state.commission == 1.0
    assert rude.control("/truth")["orders"] == []


async def test_only_the_owner_cancels_and_everyone_sees_all_orders(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    owner, other = await connect(polite, 1), await connect(polite, 2)
    put = await option(owner)
    trade = owner.placeOrder(put, limit("SELL", 1, 9.0, "owned"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    assert await other.reqOpenOrdersAsync() == []
    (seen,) = await other.reqAllOpenOrdersAsync()
    assert (seen.order.orderRef, seen.order.clientId) == ("owned", 1)
    heard = errors_of(other)
    other.client.cancelOrder(trade.order.orderId)
    await until(lambda: 10147 in [c for _, c, _ in heard])
    assert true_order(polite, "owned")["status"] == "Submitted"
    other.reqGlobalCancel()
    await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_an_order_outside_the_session_waits_for_the_open(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    polite.control("/clock", {"jump_to": "2026-08-13T21:00:00+00:00", "pause": True})
    heard = errors_of(client)
    trade = client.placeOrder(put, limit("SELL", 1, 0.5, "early"))
    await until(lambda: trade.orderStatus.status == "PreSubmitted")
    await until(lambda: 399 in [c for _, c, _ in heard])
    polite.control("/clock", {"jump_to": "next_open"})
    polite.control("/clock", {"advance_seconds": 30})
    await until(lambda: trade.orderStatus.status == "Filled")


async def test_day_orders_expire_and_lists_forget_at_midnight(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    day = client.placeOrder(put, limit("SELL", 1, 99.0, "day"))
    lasting = limit("SELL", 1, 99.0, "gtc")
    lasting.tif = "GTC"
    gtc = client.placeOrder(put, lasting)
    filled = client.placeOrder(put, limit("SELL", 1, 0.5, "filled"))
    await until(lambda: filled.orderStatus.status == "Filled" and gtc.orderStatus.permId)
    polite.control("/clock", {"jump_to": "next_close"})
    await until(lambda: day.orderStatus.status == "Cancelled")
    assert true_order(polite, "day")["end_reason"] == "expired"
    fresh = await connect(polite, 2)
    assert len(fresh.fills()) == 1
    assert len(await fresh.reqCompletedOrdersAsync(False)) == 2
    polite.control("/clock", {"jump_to": "next_midnight"})
    late = await connect(polite, 3)
    assert late.fills() == []
    assert await late.reqCompletedOrdersAsync(False) == []
    assert [t.order.orderRef for t in await late.reqAllOpenOrdersAsync()] == ["gtc"]
    assert len(polite.control("/truth")["executions"]) == 1


async def test_an_expired_put_is_assigned_or_gone(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    for strike in (760.0, 790.0):
        put = await option(client, ("SPY", "20260814", strike, "P"))
        trade = client.placeOrder(put, limit("SELL", 1, 0.05))
        polite.control("/clock", {"advance_seconds": 60})
        await filled(trade)
    before = polite.control("/truth")["cash"]
    polite.control("/clock", {"jump_to": "2026-08-15T12:00:00+00:00"})
    truth = polite.control("/truth")
    (stock_position,) = truth["positions"]
    assert (stock_position["symbol"], stock_position["quantity"]) == ("SPY", 100)
    assert truth["cash"] == pytest.approx(before - 79_000)


async def test_executions_pass_the_filter(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put, spy = await option(client), await stock(client)
    for contract, order in ((put, limit("SELL", 1, 0.5)), (spy, limit("BUY", 1, 900))):
        trade = client.placeOrder(contract, order)
        await filled(trade)
    ask = client.reqExecutionsAsync
    assert len(await ask(ib_insync.ExecutionFilter())) == 2
    assert len(await ask(ib_insync.ExecutionFilter(secType="OPT"))) == 1
    assert len(await ask(ib_insync.ExecutionFilter(side="BUY"))) == 1
    assert await ask(ib_insync.ExecutionFilter(clientId=9)) == []
    assert await ask(ib_insync.ExecutionFilter(time="20260813-23:59:59")) == []
    await asyncio.sleep(0)

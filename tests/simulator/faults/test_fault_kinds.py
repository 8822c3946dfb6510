"""Every kind of fault of the catalogue, as an unmodified ib_insync client sees it.

The test of a kind is named ``test_fault_`` and the kind; ``test_catalogue`` misses one that is not
here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import errors_of, new_client, true_order
from tests.simulator.faults.conftest import (
    Heard,
    arm,
    comes_back,
    limit,
    option,
    refused,
    stock,
    until,
)
from theta.simulator.inprocess import ControlRefusedError, ThreadedSimulator

pytestmark = pytest.mark.slow

Connect = Callable[..., Any]


async def accepted(simulator: ThreadedSimulator) -> bool:
    return not await refused(simulator)


async def working(client: Any, ref: str = "working", price: float = 90.0) -> Any:
    """A resting order."""
    put = await option(client)
    trade = client.placeOrder(put, limit("SELL", 1, price, ref))
    await until(lambda: trade.orderStatus.status == "Submitted")
    return trade


# -- connection ------------------------------------------------------------------------------------


async def test_fault_drop_connections(polite: ThreadedSimulator, connect: Connect) -> None:
    client, other = await connect(polite, 1), await connect(polite, 2)
    assert arm(polite, "drop_connections", client_id=1, refuse_seconds=4)["connections"] == 1
    await until(lambda: not client.isConnected())
    assert other.isConnected()
    assert await refused(polite)
    await until(lambda: accepted(polite), 10)


async def test_fault_half_open(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite, 4)
    arm(polite, "half_open")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.reqCurrentTimeAsync(), 0.3)
    other = new_client()
    heard = errors_of(other)
    with pytest.raises((ConnectionError, TimeoutError)):
        await other.connectAsync("127.0.0.1", polite.port, clientId=4, timeout=0.5)
    assert 326 in [code for _, code, _ in heard]
    assert client.isConnected()


async def test_fault_mute_port(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    arm(polite, "mute_port")
    await until(lambda: not client.isConnected())
    reader, writer = await asyncio.open_connection("127.0.0.1", polite.port)
    writer.write(b"API\0\0\0\0\x09v100..176")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.3)
    writer.close()
    arm(polite, "heal")
    assert await accepted(polite)


async def test_fault_restart(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    client.client.updateReqId(1_000)
    await working(client)
    # An open order would tell the client its own id again.
    arm(polite, "fill_order", order_ref="working")
    arm(polite, "restart", times=2, down_seconds=2, up_seconds=6, ids_back=900)
    await until(lambda: not client.isConnected())
    assert await refused(polite)
    again = await comes_back(connect, polite, 1)
    assert again.client._reqIdSeq < 500
    await until(lambda: not again.isConnected(), 10)
    await until(lambda: accepted(polite), 10)


async def test_fault_daily_reset(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    heard = Heard(client)
    arm(polite, "daily_reset", warning_seconds=0.2, down_seconds=3)
    await until(lambda: 1100 in heard.codes())
    await until(lambda: not client.isConnected())
    assert await refused(polite)
    await until(lambda: accepted(polite), 10)
    fresh = await connect(polite, 1)
    assert await fresh.reqCurrentTimeAsync()


async def test_fault_login_expired(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    arm(polite, "login_expired")
    await until(lambda: not client.isConnected())
    assert await refused(polite)
    assert polite.control("/faults")["armed"] == ["login_expired"]


async def test_fault_login(polite: ThreadedSimulator, connect: Connect) -> None:
    arm(polite, "login_expired")
    assert await refused(polite)
    assert arm(polite, "login") == {"kind": "login", "was_logged_out": True}
    assert (await connect(polite)).isConnected()


async def test_fault_code(polite: ThreadedSimulator, connect: Connect) -> None:
    heard = Heard(await connect(polite))
    arm(polite, "code", code=2108)
    arm(polite, "code", code=1300, message="Port moved")
    await until(lambda: (-1, 1300, "Port moved") in heard.errors)
    assert 2108 in heard.codes()


async def test_fault_codes(polite: ThreadedSimulator, connect: Connect) -> None:
    heard = Heard(await connect(polite))
    sequence = [1100, 1101, 1102, 2103, 2104, 2105, 2106, 2107, 2108, 2110, 2157, 2158]
    arm(polite, "codes", codes=sequence, gap_ms=5)
    await until(lambda: heard.codes() == sequence)


@pytest.mark.parametrize(("data_lost", "code"), [(False, 1102), (True, 1101)])
async def test_fault_connectivity_lost(
    polite: ThreadedSimulator, connect: Connect, data_lost: bool, code: int
) -> None:
    client = await connect(polite)
    trade = await working(client)
    heard = Heard(client)
    arm(polite, "connectivity_lost", seconds=60, data_lost=data_lost)
    await until(lambda: 1100 in heard.codes())
    arm(polite, "fill_order", order_ref="working")
    await client.reqCurrentTimeAsync()
    assert trade.fills == []
    polite.control("/clock", {"advance_seconds": 61})
    await until(lambda: code in heard.codes())
    await until(lambda: len(trade.fills) == 1)


@pytest.mark.parametrize(
    ("farm", "broken", "mended"),
    [("market", 2103, 2104), ("history", 2105, 2106), ("definitions", 2157, 2158)],
)
async def test_fault_farm_lost(
    polite: ThreadedSimulator, connect: Connect, farm: str, broken: int, mended: int
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    client.reqMktData(spy)
    heard = Heard(client)
    arm(polite, "farm_lost", farm=farm)
    await until(lambda: broken in heard.codes())
    if farm == "history":
        with pytest.raises(ib_insync.wrapper.RequestError):
            await client.reqHistoricalDataAsync(spy, "", "5 D", "1 day", "TRADES", True)
        assert 162 in heard.codes()
    waiting = asyncio.ensure_future(client.reqContractDetailsAsync(ib_insync.Stock("QQQ")))
    if farm == "definitions":
        await client.reqCurrentTimeAsync()
        assert not waiting.done()
    if farm == "market":
        ticks = heard.count("tick")
        arm(polite, "price_gap", symbol="SPY", percent=1)
        await client.reqCurrentTimeAsync()
        polite.control("/clock", {"advance_seconds": 5})
        await asyncio.sleep(0.6)  # a beat in which nothing may come
        assert heard.count("tick") == ticks
    arm(polite, "heal")
    await until(lambda: mended in heard.codes())
    assert await asyncio.wait_for(waiting, 5)
    await until(lambda: heard.count("tick") > 0)


async def test_fault_heal(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    heard = Heard(client)
    arm(polite, "code", code=1100)
    arm(polite, "swallow", callback="orderStatus", n=0)
    arm(polite, "halt", symbol="SPY")
    assert len(polite.control("/faults")["armed"]) == 3
    arm(polite, "heal")
    assert polite.control("/faults")["armed"] == []
    await until(lambda: 1102 in heard.codes())


# -- callbacks -------------------------------------------------------------------------------------


async def test_fault_delay_callbacks_ms(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    arm(polite, "delay_callbacks_ms", ms=400)
    trade = client.placeOrder(put, limit("SELL", 1, 90.0, "slow"))
    await until(lambda: true_order(polite, "slow")["status"] == "Submitted")
    assert trade.orderStatus.permId == 0
    await until(lambda: trade.orderStatus.permId > 0)


async def test_fault_delay(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    arm(polite, "delay", callback="execDetails", ms=300)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "late"))
    await until(lambda: trade.orderStatus.status == "Filled")
    assert trade.fills == []
    await until(lambda: len(trade.fills) == 1)
    assert heard.names.index("commissionReport") < heard.names.index("execDetails")


async def test_fault_reorder(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    arm(polite, "reorder", callback="execDetails", n=1)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "swapped"))
    await until(lambda: trade.fills and "commissionReport" in heard.names)
    assert heard.names.index("commissionReport") < heard.names.index("execDetails")


@pytest.mark.parametrize("callback", ["openOrder", "orderStatus", "execDetails", "position"])
async def test_fault_duplicate(polite: ThreadedSimulator, connect: Connect, callback: str) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    arm(polite, "duplicate", callback=callback, n=1, times=4)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "twice"))
    await until(trade.isDone)
    await until(lambda: heard.count(callback) >= 5)


@pytest.mark.parametrize(
    "callback", ["openOrder", "orderStatus", "execDetails", "commissionReport"]
)
async def test_fault_swallow(polite: ThreadedSimulator, connect: Connect, callback: str) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    arm(polite, "swallow", callback=callback, n=0)
    client.placeOrder(spy, limit("BUY", 1, 900, "lost"))
    await until(lambda: true_order(polite, "lost")["status"] == "Filled")
    other = "execDetails" if callback != "execDetails" else "orderStatus"
    await until(lambda: other in heard.names)
    await client.reqCurrentTimeAsync()
    assert heard.count(callback) == 0
    arm(polite, "heal")
    if callback == "execDetails":
        assert len(await client.reqExecutionsAsync()) == 1


async def test_swallowed_account_and_tick_callbacks(
    polite: ThreadedSimulator, connect: Connect
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    for callback in ("tick", "account"):
        arm(polite, "swallow", callback=callback, n=0)
    client.reqMktData(spy)
    client.placeOrder(spy, limit("BUY", 1, 900, "lost"))
    await until(lambda: heard.count("position") > 0)
    assert heard.count("tick") == heard.count("account") == 0


# -- orders ----------------------------------------------------------------------------------------


async def test_fault_swallow_next_ack(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    arm(polite, "swallow_next_ack")
    trade = client.placeOrder(put, limit("SELL", 1, 90.0, "silent"))
    await until(lambda: true_order(polite, "silent")["status"] == "Submitted")
    assert trade.orderStatus.permId == 0
    await client.reqAllOpenOrdersAsync()
    assert trade.orderStatus.permId == true_order(polite, "silent")["perm_id"]


async def test_fault_hang_after_place(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    arm(polite, "hang_after_place")
    client.placeOrder(put, limit("SELL", 1, 90.0, "hung"))
    await until(lambda: not client.isConnected())
    again = await connect(polite, 1)
    assert "hung" in [trade.order.orderRef for trade in await again.reqAllOpenOrdersAsync()]


async def test_fault_fill_order(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    trade = await working(client)
    arm(polite, "fill_order", order_ref="working", price=95.5)
    await until(lambda: trade.orderStatus.status == "Filled")
    assert trade.orderStatus.avgFillPrice == 95.5
    with pytest.raises(ControlRefusedError, match="already"):
        arm(polite, "fill_order", order_ref="working")


async def test_fault_fill_during_disconnect(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    await working(client, "gone")
    arm(polite, "fill_during_disconnect", order_ref="gone")
    arm(polite, "drop_connections")
    await until(lambda: true_order(polite, "gone")["status"] == "Filled")
    again = await connect(polite, 1)
    assert [fill.execution.orderRef for fill in again.fills()] == ["gone"]


async def test_fault_roll_back_ids(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    client.client.updateReqId(1_000)
    trade = await working(client)
    told = arm(polite, "roll_back_ids", by=900)
    assert told["next_ids"]["1"] <= trade.order.orderId - 899
    # An open order would tell the client its own id again.
    arm(polite, "fill_order", order_ref="working")
    client.disconnect()
    again = await connect(polite, 1)
    assert again.client._reqIdSeq < 500


async def test_fault_refuse_next_order(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    put = await option(client)
    heard = Heard(client)
    arm(polite, "refuse_next_order", code=460, message="No permission")
    trade = client.placeOrder(put, limit("SELL", 1, 90.0, "refused"))
    await until(lambda: (trade.order.orderId, 460, "No permission") in heard.errors)
    assert true_order(polite, "refused")["status"] == "Inactive"


async def test_fault_order_error(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    trade = await working(client)
    heard = Heard(client)
    arm(polite, "order_error", order_ref="working", code=10999, message="Never seen")
    await until(lambda: (trade.order.orderId, 10999, "Never seen") in heard.errors)
    assert true_order(polite, "working")["status"] == "Submitted"


async def test_fault_executions_gone(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    await working(client)
    arm(polite, "fill_order", order_ref="working")
    assert len(await client.reqExecutionsAsync()) == 1
    polite.control("/clock", {"advance_seconds": 1})
    assert arm(polite, "executions_gone")["executions"] == 1
    assert await client.reqExecutionsAsync() == []


async def test_fault_polite(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    arm(polite, "polite", on=False)
    trades = [client.placeOrder(spy, limit("BUY", 1, 900, f"rude-{n}")) for n in range(10)]
    await until(lambda: all(trade.fills for trade in trades))
    # Executions before any word of a fill, and some statuses doubled.
    await until(lambda: heard.count("orderStatus") > 20)


async def test_fault_tune(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite)
    spy = await stock(client)
    heard = Heard(client)
    assert arm(polite, "tune", read_only=True)["read_only"]
    client.placeOrder(spy, limit("BUY", 1, 900, "no"))
    await until(lambda: 321 in heard.codes())
    arm(polite, "tune", read_only=False, fill_probability=0)
    trade = client.placeOrder(spy, limit("BUY", 1, 900, "never"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    polite.control("/clock", {"advance_seconds": 600})
    assert true_order(polite, "never")["status"] == "Submitted"


async def test_fault_manual_order(polite: ThreadedSimulator, connect: Connect) -> None:
    client = await connect(polite, 5)
    body = {"symbol": "SPY", "action": "BUY", "quantity": 3, "limit": 100.0, "order_ref": "hand"}
    told = polite.control("/order", body)
    (seen,) = await client.reqAllOpenOrdersAsync()
    assert (seen.order.permId, seen.order.totalQuantity) == (told["perm_id"], 3)
    assert seen.order.clientId == 0
    # Client 0 binds it, and then may cancel it as its own.
    owner = await connect(polite, 0)
    (trade,) = await owner.reqOpenOrdersAsync()
    assert trade.order.permId == told["perm_id"]
    assert trade.order.orderId != 0
    owner.cancelOrder(trade.order)
    await until(lambda: true_order(polite, "hand")["status"] == "Cancelled")
    with pytest.raises(ControlRefusedError, match="limit must be given"):
        arm(polite, "manual_order", symbol="SPY", action="BUY", quantity=3)

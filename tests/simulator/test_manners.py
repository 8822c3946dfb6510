"""What an honest broker does to a client: late, doubled, missing answers; and the armed faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import (
    FAST,
    errors_of,
    limit,
    new_client,
    option,
    stock,
    true_order,
    until,
    until_truly_filled,
)
from theta.simulator.inprocess import ControlRefusedError, ThreadedSimulator


class Recorder:
    """Records raw callbacks of a client in their order, before the library digests them."""

    def __init__(self, client: Any) -> None:
        self.heard: list[tuple[str, Any]] = []
        wrapper = client.wrapper
        status, execution, report = (
            wrapper.orderStatus,
            wrapper.execDetails,
            wrapper.commissionReport,
        )

        def order_status(order_id: int, state: str, *rest: Any) -> None:
            self.heard.append(("status", (order_id, state)))
            status(order_id, state, *rest)

        def exec_details(request: int, contract: Any, item: Any) -> None:
            self.heard.append(("execution", (item.orderId, item.execId)))
            execution(request, contract, item)

        def commission_report(item: Any) -> None:
            self.heard.append(("commission", item.execId))
            report(item)

        wrapper.orderStatus = order_status
        wrapper.execDetails = exec_details
        wrapper.commissionReport = commission_report

    def of(self, order_id: int) -> list[tuple[str, Any]]:
        return [
            item for item in self.heard if isinstance(item[1], tuple) and item[1][0] == order_id
        ]


async def test_executions_precede_statuses_which_are_doubled_or_missing(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    recorder = Recorder(client)
    spy = await stock(client)
    trades = [client.placeOrder(spy, limit("BUY", 1, 900, f"m-{n}")) for n in range(40)]
    await until(lambda: all(trade.fills for trade in trades), 10)
    await until(lambda: all(t.fills[0].commissionReport.execId for t in trades))
    await asyncio.sleep(0.1)
    last = [recorder.of(trade.order.orderId) for trade in trades]
    filled = [[i for i in heard if i == ("status", (i[1][0], "Filled"))] for heard in last]
    assert any(len(statuses) == 0 for statuses in filled), "some fills have no status"
    assert any(len(statuses) == 2 for statuses in filled), "some statuses are doubled"
    for heard in last:
        kinds = [kind for kind, value in heard if value[1] != "PendingSubmit"]
        assert kinds[0] == "execution"
    for trade in trades:
        exec_id = trade.fills[0].execution.execId
        order = [i for i, item in enumerate(recorder.heard) if exec_id in str(item)]
        assert recorder.heard[order[0]][0] == "execution"
        assert recorder.heard[order[-1]] == ("commission", exec_id)


async def test_the_same_seed_gives_the_same_fills_and_waits(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    async def story(seed: int) -> list[Any]:
        simulator = start(*FAST, seed=seed)
        simulator.control("/clock", {"pause": True})
        client = await connect(simulator, seed)
        put = await option(client)
        for number in range(3):
            client.placeOrder(put, limit("SELL", 4, 3.4, f"s-{number}"))
            await until_truly_filled(simulator, f"s-{number}")
        simulator.control("/clock", {"jump_to": "next_open"})
        truth = simulator.control("/truth")
        quoted = simulator.control("/quote", {"symbol": "QQQ"})
        fills = [(e["exec_id"], e["shares"], e["price"]) for e in truth["executions"]]
        return [*fills, truth["cash"], quoted["bid"], quoted["bid_size"]]

    first, second, other = await story(21), await story(21), await story(22)
    assert first == second
    assert first[-2:] != other[-2:]


async def test_a_swallowed_order_lives_in_silence_until_asked_for(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    rude.control("/fault", {"kind": "swallow_next_ack", "n": 1})
    trade = client.placeOrder(put, limit("SELL", 1, 9.0, "silent"))
    await until(lambda: true_order(rude, "silent")["status"] == "Submitted")
    assert true_order(rude, "silent")["callbacks_swallowed"]
    assert trade.orderStatus.permId == 0
    await client.reqAllOpenOrdersAsync()
    assert trade.orderStatus.permId == true_order(rude, "silent")["perm_id"]


async def test_an_order_is_accepted_although_the_connection_drops_before_the_answer(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    rude.control("/fault", {"kind": "hang_after_place"})
    trade = client.placeOrder(put, limit("SELL", 1, 9.0, "hung"))
    await until(lambda: not client.isConnected())
    assert trade.orderStatus.permId == 0
    again = await connect(rude, 1)
    await until(lambda: true_order(rude, "hung")["status"] == "Submitted")
    (seen,) = await again.reqAllOpenOrdersAsync()
    assert seen.order.orderRef == "hung"


async def test_a_fill_during_a_disconnect_is_found_in_the_executions(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    trade = client.placeOrder(put, limit("SELL", 1, 9.0, "gone"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    rude.control("/fault", {"kind": "fill_during_disconnect", "order_ref": "gone"})
    rude.control("/fault", {"kind": "drop_connections"})
    await until(lambda: not client.isConnected())
    await until(lambda: true_order(rude, "gone")["status"] == "Filled")
    again = await connect(rude, 1)
    assert [fill.execution.orderRef for fill in again.fills()] == ["gone"]
    assert [p.position for p in again.positions()] == [-1.0]


async def test_lost_connectivity_holds_callbacks_until_restored(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude)
    put = await option(client)
    heard = errors_of(client)
    trade = client.placeOrder(put, limit("SELL", 1, 9.0, "lost"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    rude.control("/fault", {"kind": "code", "code": 1100})
    await until(lambda: 1100 in [c for _, c, _ in heard])
    rude.control("/fault", {"kind": "fill_order", "order_ref": "lost"})
    await client.reqCurrentTimeAsync()
    assert trade.fills == []
    rude.control("/fault", {"kind": "code", "code": 1102})
    await until(lambda: len(trade.fills) == 1)


async def test_half_open_connections_fall_silent_and_keep_their_client_id(
    rude: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(rude, 4)
    assert rude.control("/fault", {"kind": "half_open"})["connections"] == 1
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.reqCurrentTimeAsync(), 0.3)
    other = new_client()
    heard = errors_of(other)
    with pytest.raises((ConnectionError, TimeoutError)):
        await other.connectAsync("127.0.0.1", rude.port, clientId=4, timeout=0.5)
    assert 326 in [c for _, c, _ in heard]
    rude.control("/fault", {"kind": "heal"})
    await until(lambda: not client.isConnected())
    await connect(rude, 4)


async def test_rolled_back_ids_make_a_modify_a_new_order(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    trade = client.placeOrder(put, limit("SELL", 1, 9.0, "first"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    told = polite.control("/fault", {"kind": "roll_back_ids", "by": 5})
    assert told["next_ids"]["1"] <= trade.order.orderId
    trade.order.lmtPrice = 8.0
    client.placeOrder(put, trade.order)
    await until(lambda: len(polite.control("/truth")["orders"]) == 2)
    limits = [o["limit"] for o in polite.control("/truth")["orders"]]
    assert limits == [9.0, 8.0]


async def test_the_next_order_can_be_refused_and_callbacks_delayed(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    put = await option(client)
    heard = errors_of(client)
    polite.control("/fault", {"kind": "refuse_next_order", "code": 460, "message": "No permission"})
    client.placeOrder(put, limit("SELL", 1, 9.0, "refused"))
    await until(lambda: 460 in [c for _, c, _ in heard])
    assert true_order(polite, "refused")["status"] == "Inactive"
    polite.control("/fault", {"kind": "delay_callbacks_ms", "ms": 400})
    slow = client.placeOrder(put, limit("SELL", 1, 9.0, "slow"))
    await until(lambda: true_order(polite, "slow")["status"] == "Submitted")
    assert slow.orderStatus.permId == 0
    await until(lambda: slow.orderStatus.permId > 0)


async def test_too_many_messages_a_second_end_the_connection(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    client.client.MaxRequests = 0
    heard = errors_of(client)
    for _ in range(60):
        client.client.reqCurrentTime()
    await until(lambda: not client.isConnected())
    assert 100 in [c for _, c, _ in heard]
    assert polite.control("/truth")["messages"]["pacing_violations"] == 1


async def test_messages_are_counted_by_type_and_client(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite, 6)
    polite.control("/reset_counters", {})
    put = await option(client)
    client.placeOrder(put, limit("SELL", 1, 9.0))
    await until(lambda: polite.control("/truth")["messages"]["by_type"].get("placeOrder") == 1)
    counted = polite.control("/truth")["messages"]
    assert counted["by_client"] == {"6": {"reqContractDetails": 1, "placeOrder": 1}}
    assert counted["total"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nowhere", {}, 404),
        ("/truth", {}, 405),
        ("/fault", {"kind": "explode"}, 400),
        ("/fault", {"kind": "code", "code": "x"}, 400),
        ("/fault", {"kind": "code", "code": 1100, "colour": 1}, 400),
        ("/fault", {"kind": "fill_order", "order_ref": "none"}, 404),
        ("/clock", {"jump_to": "2020-01-01T00:00:00+00:00"}, 400),
        ("/clock", {"speed": -1}, 400),
        ("/price", {"symbol": "XYZ", "price": 1}, 404),
        ("/quote", {"symbol": "SPY", "expiry": "20990101", "strike": 1, "right": "P"}, 404),
    ],
)
def test_the_control_api_refuses_in_one_sentence(
    polite: ThreadedSimulator, path: str, body: dict[str, Any], status: int
) -> None:
    with pytest.raises(ControlRefusedError) as refused:
        polite.control(path, body)
    assert refused.value.status == status

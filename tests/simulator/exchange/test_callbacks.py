"""What clients hear of combinations, assignments, other clients' orders and other accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import (
    PUT,
    errors_of,
    limit,
    new_bag,
    option,
    stock,
    true_order,
    until,
)
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

NEARER = ("SPY", "20260918", 730.0, "P")


async def put_spread(client: Any) -> Any:
    """Bought for a credit: the dearer put is sold."""
    long, short = await option(client, NEARER), await option(client, PUT)
    legs = [
        ib_insync.ComboLeg(conId=long.conId, ratio=1, action="BUY", exchange="SMART"),
        ib_insync.ComboLeg(conId=short.conId, ratio=1, action="SELL", exchange="SMART"),
    ]
    return new_bag(symbol="SPY", exchange="SMART", currency="USD", comboLegs=legs)


async def test_a_combination_fills_for_a_credit_and_leaves_its_legs(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    bag = await put_spread(client)
    trade = client.placeOrder(bag, limit("BUY", 2, -0.5, "spread"))
    await until(lambda: trade.orderStatus.status == "Filled")
    await until(lambda: len(client.fills()) == 3)
    kinds = [fill.contract.secType for fill in client.fills()]
    assert kinds == ["BAG", "OPT", "OPT"]
    net, long, short = (fill.execution.price for fill in client.fills())
    assert net < -0.5
    assert abs(long - short - net) < 1e-9
    await until(lambda: [fill.commissionReport.commission for fill in client.fills()][1:] != [0, 0])
    await until(lambda: sorted(p.position for p in client.positions()) == [-2, 2])
    assert {p.contract.secType for p in client.positions()} == {"OPT"}
    again = await connect(polite, 2)
    assert len(await again.reqExecutionsAsync()) == 3


async def test_a_resting_combination_is_told_with_its_legs_and_negative_limit(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    bag = await put_spread(client)
    trade = client.placeOrder(bag, limit("BUY", 1, -9.0, "patient"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    other = await connect(polite, 2)
    (seen,) = await other.reqAllOpenOrdersAsync()
    assert (seen.contract.secType, seen.order.lmtPrice) == ("BAG", -9.0)
    assert [leg.action for leg in seen.contract.comboLegs] == ["BUY", "SELL"]


async def test_a_what_if_of_a_combination_tells_its_width(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    state = await client.whatIfOrderAsync(await put_spread(client), limit("BUY", 3, -0.5))
    assert float(state.initMarginChange) == 3_000
    assert state.commission > 0
    assert polite.control("/truth")["orders"] == []


async def test_a_bracket_of_the_library_works(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    spy = await stock(client)
    orders = client.bracketOrder("BUY", 10, 900.0, 990.0, 600.0, tif="GTC")
    trades = [client.placeOrder(spy, order) for order in orders]
    await until(lambda: trades[0].orderStatus.status == "Filled")
    await until(lambda: trades[1].orderStatus.status == "Submitted")
    await until(lambda: trades[2].orderStatus.status == "PreSubmitted")
    polite.control("/price", {"symbol": "SPY", "price": 1_000.0})
    await until(lambda: trades[1].orderStatus.status == "Filled")
    await until(lambda: trades[2].orderStatus.status == "Cancelled")
    await until(lambda: client.positions() == [])


async def test_a_master_client_hears_of_every_order(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start("broker.polite=true", "broker.master_client_id=9")
    owner, master = await connect(simulator, 1), await connect(simulator, 9)
    heard: list[tuple[int, str]] = []
    master.orderStatusEvent += lambda trade: heard.append(
        (trade.order.permId, trade.orderStatus.status)
    )
    trade = owner.placeOrder(await option(owner), limit("SELL", 1, 0.5, "watched"))
    await until(lambda: trade.orderStatus.status == "Filled")
    await until(lambda: len(master.fills()) == 1)
    assert master.fills()[0].execution.clientId == 1
    await until(lambda: master.fills()[0].commissionReport.commission > 0)
    stranger = await connect(simulator, 2)
    assert stranger.fills()[0].commissionReport.commission == 0


async def test_client_zero_binds_what_a_person_places(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    zero, other = await connect(polite, 0), await connect(polite, 1)
    polite.control(
        "/fault",
        {
            "kind": "manual_order", "symbol": "SPY", "action": "BUY", "quantity": 5,
            "order_type": "LMT", "limit": 100.0, "order_ref": "by hand",
        },
    )  # fmt: skip
    # The library's client 0 asks to have such orders bound as soon as it connects.
    await until(lambda: [t.order.orderId > 0 for t in zero.openTrades()] == [True])
    assert await other.reqOpenOrdersAsync() == []
    (seen,) = await other.reqAllOpenOrdersAsync()
    assert (seen.order.clientId, seen.order.orderRef) == (0, "by hand")
    (mine,) = zero.openTrades()
    zero.cancelOrder(mine.order)
    await until(lambda: true_order(polite, "by hand")["status"] == "Cancelled")


TWO_ACCOUNTS = """
[[account]]
id = "DU1"
cash_usd = 400000

[[account]]
id = "DU2"
cash_usd = 20000
cash_account = true

[broker]
polite = true
"""


@pytest.fixture
def two_accounts() -> Iterator[ThreadedSimulator]:
    with ThreadedSimulator(Options(scenario.parse(TWO_ACCOUNTS, "two"), seed=7)) as simulator:
        yield simulator


async def test_an_assignment_is_told_to_client_zero_and_to_every_position_subscriber(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    zero, trader = await connect(polite, 0), await connect(polite, 1)
    put = await option(trader, ("SPY", "20260814", 790.0, "P"))
    trade = trader.placeOrder(put, limit("SELL", 1, 0.05))
    await until(lambda: trade.orderStatus.status == "Filled")
    polite.control("/clock", {"pause": True, "jump_to": "2026-08-15T12:00:00+00:00"})
    await until(lambda: len([f for f in zero.fills() if f.execution.clientId == 0]) == 2)
    gone, shares = (f for f in zero.fills() if f.execution.clientId == 0)
    assert (gone.contract.secType, gone.execution.price, gone.execution.side) == ("OPT", 0, "BOT")
    assert (shares.contract.secType, shares.execution.price) == ("STK", 790.0)
    held = [("SPY", "STK", 100.0)]
    await until(
        lambda: (
            [(p.contract.symbol, p.contract.secType, p.position) for p in trader.positions()]
            == held
        )
    )


async def test_an_exercise_is_asked_for_and_refused_in_words(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    call = await option(client, ("SPY", "20260918", 700.0, "C"))
    trade = client.placeOrder(call, limit("BUY", 1, 200.0))
    await until(lambda: trade.orderStatus.status == "Filled")
    heard = errors_of(client)
    client.exerciseOptions(call, 1, 9, client.managedAccounts()[0], 0)
    await until(lambda: any("exceeds the long position" in text for _, _, text in heard))
    client.exerciseOptions(call, 1, 1, client.managedAccounts()[0], 0)
    await client.reqCurrentTimeAsync()
    polite.control("/clock", {"jump_to": "next_midnight"})
    await until(lambda: [p.position for p in client.positions()] == [100.0])


async def test_accounts_under_one_login_are_kept_apart(
    two_accounts: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(two_accounts)
    assert client.managedAccounts() == ["DU1", "DU2"]
    put, spy = await option(client), await stock(client)
    heard = errors_of(client)
    client.placeOrder(spy, limit("BUY", 1, 900))
    await until(lambda: 435 in [code for _, code, _ in heard])
    first = client.placeOrder(put, limit("SELL", 1, 0.5, account="DU1"))
    second = client.placeOrder(spy, limit("BUY", 10, 900, account="DU2"))
    await until(lambda: {first.orderStatus.status, second.orderStatus.status} == {"Filled"})
    await until(lambda: {p.account for p in client.positions()} == {"DU1", "DU2"})
    poor = client.placeOrder(put, limit("SELL", 1, 0.5, account="DU2"))
    await until(lambda: poor.orderStatus.status == "Inactive")
    assert any("CASH NEEDED FOR THIS ORDER" in text for _, code, text in heard if code == 201)


async def test_the_truth_tells_what_moved_without_a_trade(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    gone = await option(client, ("SPY", "20260814", 700.0, "P"))
    trade = client.placeOrder(gone, limit("BUY", 3, 1.0))
    await until(lambda: trade.orderStatus.status == "Filled")
    polite.control("/clock", {"pause": True, "jump_to": "2026-08-15T12:00:00+00:00"})
    truth = polite.control("/truth")
    (flow,) = truth["flows"]
    assert (flow["kind"], flow["amount"], flow["units"]) == ("expiry", 0.0, [[gone.conId, "-3"]])
    assert {item["kind"] for item in truth["executions"]} == {"trade"}
    assert truth["positions"] == []

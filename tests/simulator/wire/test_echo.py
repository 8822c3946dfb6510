"""Through a socket: the broker remembers an order with everything it was sent with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_insync

from tests.simulator.conftest import limit, option, stock, until
from theta.simulator.inprocess import ThreadedSimulator

make_leg: Any = ib_insync.ComboLeg
make_bag: Any = ib_insync.Bag

ATTRIBUTES = {
    "ocaGroup": "group", "ocaType": 2, "discretionaryAmt": 0.05, "settlingFirm": "SETT",
    "clearingAccount": "CLR", "clearingIntent": "Away", "designatedLocation": "here",
    "rule80A": "I", "percentOffset": 0.25, "triggerMethod": 4, "algoId": "not told",
    "solicited": True, "randomizeSize": True, "duration": 60,
}  # fmt: skip


async def told(client: ib_insync.IB, ref: str) -> Any:
    """The order as another client's list of all open orders shows it."""
    trades = await client.reqAllOpenOrdersAsync()
    (found,) = [trade for trade in trades if trade.order.orderRef == ref]
    return found


def same(order: Any) -> None:
    for name, value in ATTRIBUTES.items():
        if name != "algoId":
            assert getattr(order, name) == value, name


async def test_an_order_keeps_its_attributes_through_a_change_and_its_end(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    owner, other = await connect(polite, 1), await connect(polite, 2)
    put = await option(owner)
    order = limit("SELL", 2, 60.0, "full", **ATTRIBUTES)
    trade = owner.placeOrder(put, order)
    await until(lambda: trade.orderStatus.status in ("PreSubmitted", "Submitted"))
    same((await told(other, "full")).order)
    order.lmtPrice, order.totalQuantity = 61.0, 3
    owner.placeOrder(put, order)

    async def changed() -> bool:
        return bool((await told(other, "full")).order.lmtPrice == 61.0)

    await until(changed)
    seen = await told(other, "full")
    assert seen.order.totalQuantity == 3
    same(seen.order)
    owner.cancelOrder(order)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    (done,) = [
        one for one in await other.reqCompletedOrdersAsync(False) if one.order.orderRef == "full"
    ]
    assert (done.order.settlingFirm, done.order.rule80A) == ("SETT", "I")


async def test_a_combination_keeps_its_legs_prices_and_routing(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    owner, other = await connect(polite, 1), await connect(polite, 2)
    low = await option(owner, ("SPY", "20260918", 735.0, "P"))
    high = await option(owner)
    bag = make_bag(symbol="SPY", exchange="SMART", currency="USD")
    bag.comboLegs = [
        make_leg(conId=high.conId, ratio=1, action="SELL", exchange="SMART", openClose=1),
        make_leg(conId=low.conId, ratio=1, action="BUY", exchange="SMART"),
    ]
    order = limit("BUY", 1, -4.99, "spread")
    order.smartComboRoutingParams = [ib_insync.TagValue("NonGuaranteed", "0")]
    trade = owner.placeOrder(bag, order)
    await until(lambda: trade.orderStatus.status in ("PreSubmitted", "Submitted"))
    seen = await told(other, "spread")
    legs = [(leg.conId, leg.ratio, leg.action, leg.openClose) for leg in seen.contract.comboLegs]
    assert legs == [(high.conId, 1, "SELL", 1), (low.conId, 1, "BUY", 0)]
    assert seen.order.smartComboRoutingParams == [ib_insync.TagValue("NonGuaranteed", "0")]
    assert (seen.contract.secType, seen.order.lmtPrice) == ("BAG", -4.99)


async def test_details_differ_by_kind_of_contract(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite, 1)
    spy, put = await stock(client), await option(client)
    bag = make_bag(symbol="SPY", exchange="SMART", currency="USD")
    (of_stock,) = await client.reqContractDetailsAsync(spy)
    (of_option,) = await client.reqContractDetailsAsync(put)
    (of_bag,) = await client.reqContractDetailsAsync(bag)
    assert (of_stock.stockType, of_option.stockType, of_bag.stockType) == ("ETF", "", "")
    assert (of_option.underConId, of_option.underSymbol) == (spy.conId, "SPY")
    assert (of_option.contract.multiplier, of_option.realExpirationDate) == ("100", "20260918")
    assert of_bag.contract.secType == "BAG"
    for details in (of_stock, of_option, of_bag):
        exchanges = details.validExchanges.split(",")
        assert len(details.marketRuleIds.split(",")) == len(exchanges)
        (rule,) = {int(one) for one in details.marketRuleIds.split(",")}
        steps = [step.increment for step in await client.reqMarketRuleAsync(rule)]
        assert details.minTick in steps
        assert details.liquidSessions()
    assert len(of_stock.tradingHours) >= len(of_stock.liquidHours)
    assert of_stock.tradingHours != of_stock.liquidHours

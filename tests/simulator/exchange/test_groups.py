"""Brackets, one-cancels-all groups, untransmitted orders."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.simulator.exchange.floor import Floor, limit, market
from theta.simulator.exchange.matching import Fill
from theta.simulator.exchange.model import PENDING, PRE_SUBMITTED, SUBMITTED, Order


def bracket(floor: Floor, entry: float) -> tuple[Order, Order, Order]:
    """Buy 10 shares, then take profit 20 above or stop 20 below, sent as a bracket is."""
    spy, spot = floor.stock(), round(floor.spot())
    parent = floor.place(spy, limit("BUY", 10, entry, transmit=False))
    profit = floor.place(spy, limit("SELL", 10, spot + 20, parent_id=1, transmit=False))
    assert (parent.status, profit.status) == (PENDING, PENDING)
    loss = floor.place(
        spy, market("SELL", 10, order_type="STP", stop=Decimal(spot - 20), parent_id=1)
    )
    return parent, profit, loss


def test_a_bracket_is_held_until_its_last_order_is_transmitted() -> None:
    floor = Floor()
    parent, profit, loss = bracket(floor, 900)
    assert parent.remaining == 0
    assert (profit.status, loss.status) == (SUBMITTED, PRE_SUBMITTED)


def test_children_wait_for_the_parent_and_end_with_it() -> None:
    floor = Floor()
    parent, profit, loss = bracket(floor, 100)
    assert [order.status for order in (parent, profit, loss)] == [
        SUBMITTED,
        PRE_SUBMITTED,
        PRE_SUBMITTED,
    ]
    floor.price(floor.spot() + 100)
    floor.wait(30)
    assert profit.filled == 0
    floor.exchange.request_cancel(parent)
    floor.exchange.finish_cancel(parent)
    assert {order.status for order in (parent, profit, loss)} == {"Cancelled"}


def test_one_child_cancels_the_other() -> None:
    floor = Floor()
    _, profit, loss = bracket(floor, 900)
    floor.price(floor.spot() + 40)
    floor.wait(5)
    assert (int(profit.remaining), loss.status) == (0, "Cancelled")
    assert floor.account.quantity(floor.stock().con_id) == 0


def test_an_untransmitted_order_is_transmitted_by_placing_it_again() -> None:
    floor = Floor()
    spy = floor.stock()
    order = floor.place(spy, limit("BUY", 10, 900, transmit=False))
    floor.wait(60)
    assert (order.status, int(order.filled)) == (PENDING, 0)
    floor.exchange.modify(order, limit("BUY", 10, 900))
    floor.exchange.acknowledge(order)
    assert order.remaining == 0


@pytest.mark.parametrize(("kind", "left"), [(1, None), (2, 4), (3, 4)])
def test_a_group_cancels_or_reduces(kind: int, left: int | None) -> None:
    floor = Floor(hazard_seconds=1e9)
    put = floor.option(740.0, "P")
    resting = floor.place(put, limit("SELL", 8, 90.0, oca_group="g", oca_type=kind))
    other = floor.place(put, limit("SELL", 8, 91.0, oca_group="other", oca_type=kind))
    order = floor.place(put, limit("SELL", 8, 80.0, oca_group="g", oca_type=kind))
    floor.exchange.fill(order, Fill(4, Decimal(80)), floor.clock.now())
    if left is None:
        assert resting.status == "Cancelled"
    else:
        assert (int(resting.quantity), resting.status) == (left, SUBMITTED)
    floor.exchange.fill(order, Fill(4, Decimal(80)), floor.clock.now())
    assert resting.status == "Cancelled"
    assert (other.status, int(other.quantity)) == (SUBMITTED, 8)

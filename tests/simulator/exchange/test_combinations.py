"""Combinations trade on the net price; legs carry the positions."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.simulator.exchange.floor import Floor, limit, market
from theta.simulator.exchange.combinations import net, share_out
from theta.simulator.market.contracts import Contract, Leg

FLOOR = Floor()


def put_spread(floor: Floor) -> Contract:
    """Bought for a credit: the nearer put is sold."""
    return floor.bag((floor.option(730.0, "P"), 1, "BUY"), (floor.option(740.0, "P"), 1, "SELL"))


def test_a_fill_is_told_for_the_bag_and_for_each_leg() -> None:
    floor = Floor()
    bag = put_spread(floor)
    order = floor.place(bag, market("BUY", 3))
    first, *legs = floor.ears.fills
    quote = floor.quote(bag)
    assert quote.ask is not None
    assert quote.ask < 0
    assert (first.con_id, float(first.price), int(first.shares)) == (bag.con_id, quote.ask, 3)
    assert first.commission == 0
    assert not first.leg
    assert [item.side for item in legs] == ["BOT", "SLD"]
    assert all(item.leg for item in legs)
    assert legs[0].price - legs[1].price == first.price
    assert len({item.exec_id.rsplit(".", 2)[0] for item in floor.ears.fills}) == 1
    assert len({item.exec_id for item in floor.ears.fills}) == 3
    assert {c: p.quantity for c, p in floor.account.positions.items()} == {
        bag.legs[0].con_id: 3,
        bag.legs[1].con_id: -3,
    }
    paid = sum((item.signed * item.price * 100 for item in legs), Decimal(0))
    fees = sum((item.commission for item in legs), Decimal(0))
    assert floor.account.cash == 400_000 - paid - fees
    assert fees == order.fees == Decimal("3.90")


def test_a_credit_limit_is_a_negative_price() -> None:
    floor = Floor(hazard_seconds=1e9)
    bag = put_spread(floor)
    ask = floor.quote(bag).ask
    assert ask is not None
    greedy = floor.place(bag, limit("BUY", 1, round(ask - 1, 2)))
    assert greedy.filled == 0
    modest = floor.place(bag, limit("BUY", 1, round(ask + 0.02, 2)))
    assert float(modest.last_price) == ask


def test_a_buy_write_is_margined_as_covered() -> None:
    floor = Floor()
    call = floor.option(780.0, "C")
    bag = floor.bag((floor.stock(), 100, "BUY"), (call, 1, "SELL"))
    order = floor.place(bag, market("BUY", 2))
    assert order.remaining == 0
    assert floor.account.quantity(floor.stock().con_id) == 200
    assert floor.account.quantity(call.con_id) == -2
    worth = floor.account.mark(floor.stock(), floor.clock.now()) * 200
    assert floor.account.standing(floor.clock.now()).initial == worth / 2


def test_a_bag_survives_a_restart(tmp_path: Path) -> None:
    floor = Floor(state=tmp_path / "x.db", hazard_seconds=1e9)
    bag = put_spread(floor)
    order = floor.place(bag, limit("BUY", 1, -9.0))
    floor.store.close()
    again = Floor(state=tmp_path / "x.db", hazard_seconds=1e9)
    (kept,) = again.exchange.working.values()
    assert (kept.perm_id, kept.con_id, kept.limit) == (order.perm_id, bag.con_id, Decimal("-9.0"))
    assert again.account.contract(kept.con_id).legs == bag.legs


legs_strategy = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 3_000).map(lambda cents: Decimal(cents) / 100),
    ),
    min_size=2,
    max_size=4,
)


@given(legs_strategy, st.integers(-500, 500))
def test_leg_prices_add_up_to_the_net_price(rows: list[tuple[int, str, Decimal]], off: int) -> None:
    strikes = (700.0, 720.0, 740.0, 760.0)
    contracts = [FLOOR.option(strike, "P") for strike in strikes[: len(rows)]]
    legs = [
        (Leg(contract.con_id, ratio, action), contract, mark)
        for contract, (ratio, action, mark) in zip(contracts, rows, strict=True)
    ]
    bag = FLOOR.market.book.combination([leg for leg, _, _ in legs])
    fair = sum((leg.sign * leg.ratio * mark for leg, _, mark in legs), Decimal(0))
    price = fair + Decimal(off) / 100
    # A combination that only buys cannot bring money in, nor one that only sells cost any.
    assume(price >= 0 if all(leg.sign > 0 for leg, _, _ in legs) else True)
    assume(price <= 0 if all(leg.sign < 0 for leg, _, _ in legs) else True)
    shared = share_out(bag, legs, price)
    assert abs(net(bag, shared) - price) < Decimal("1e-12")
    assert all(each.price >= 0 for each in shared)
    if any(leg.ratio == 1 and mark > 6 for leg, _, mark in legs) and len(legs) == 2:
        assert all(each.price == each.price.quantize(Decimal("0.01")) for each in shared)


@pytest.mark.parametrize("ratio", [2, 3])
def test_ratios_carry_the_positions(ratio: int) -> None:
    floor = Floor()
    near, far = floor.option(740.0, "P"), floor.option(700.0, "P")
    bag = floor.bag((near, 1, "BUY"), (far, ratio, "SELL"))
    floor.place(bag, market("BUY", 1))
    assert floor.account.quantity(near.con_id) == 1
    assert floor.account.quantity(far.con_id) == -ratio

"""The ledger conserves money and units whatever is traded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.simulator.exchange.account import Account
from theta.simulator.exchange.commissions import charge
from theta.simulator.market import chains
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market

START = Decimal(400_000)
NOW = chains.snapshots()[0].taken_at + 1
MARKET = Market(7, {"SPY": "SPY"}, 0.14)

TRADES = st.lists(
    st.tuples(
        st.sampled_from(["stock", "put", "call"]),
        st.integers(-20, 20).filter(bool),
        st.integers(1, 90_000).map(lambda cents: Decimal(cents) / 100),
    ),
    max_size=25,
)


def contract(kind: str) -> Contract:
    spy = MARKET.book.stock("SPY")
    assert spy is not None
    right = {"put": "P", "call": "C"}.get(kind)
    return MARKET.book.option("SPY", "20260918", 740.0, right) if right else spy


@given(TRADES)
def test_cash_cost_and_gain_always_add_up(trades: list[tuple[str, int, Decimal]]) -> None:
    account = Account("DU1", "INDIVIDUAL", START, MARKET)
    units: dict[int, int] = {}
    spent = fees = Decimal(0)
    for kind, signed, price in trades:
        traded = contract(kind)
        fee, _ = charge(traded, Decimal(abs(signed)), price)
        account.apply(traded, Decimal(signed), price, fee)
        units[traded.con_id] = units.get(traded.con_id, 0) + signed
        spent += signed * price * traded.multiplier
        fees += fee
    assert {c: int(p.quantity) for c, p in account.positions.items()} == units
    assert account.cash == START - spent - fees
    assert account.commissions == fees
    invested = sum((p.quantity * p.average_cost for p in account.positions.values()), Decimal(0))
    assert float(account.cash + invested) == pytest.approx(float(START + account.realized))


@pytest.mark.parametrize(("calls", "needs_margin"), [(-1, False), (-2, True)])
def test_shares_cover_as_many_calls_as_they_can(calls: int, needs_margin: bool) -> None:
    account = Account("DU1", "INDIVIDUAL", START, MARKET)
    account.hold(contract("stock"), Decimal(100), Decimal(700))
    shares_only = account.standing(NOW).initial
    with_calls = account.standing(NOW, {contract("call"): Decimal(calls)}).initial
    assert (with_calls > shares_only) == needs_margin

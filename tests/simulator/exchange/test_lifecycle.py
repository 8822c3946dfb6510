"""Expiry, assignment, exercise, dividends, splits, interest."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.simulator.exchange.floor import OPENED, Floor, limit
from theta.simulator.market import calendar
from theta.simulator.market.reference import CorporateAction

FRIDAY = "20260814"
SATURDAY = calendar.next_midnight(calendar.expiry_instant(FRIDAY))
MONDAY_OPEN = calendar.next_session(SATURDAY)[0]


def dividend(amount: float, at: float = MONDAY_OPEN) -> CorporateAction:
    return CorporateAction("dividend", "SPY", at, amount)


def split(ratio: float) -> CorporateAction:
    return CorporateAction("split", "SPY", MONDAY_OPEN, ratio=ratio)


def held(floor: Floor) -> dict[str, Decimal]:
    account = floor.account
    return {
        account.contract(con_id).local_symbol: position.quantity
        for con_id, position in account.positions.items()
        if position.quantity
    }


# -- expiry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "signed", "shares"), [("P", -2, 200), ("P", 2, -200), ("C", 2, 200), ("C", -2, -200)]
)
def test_in_the_money_is_exercised_or_assigned(right: str, signed: int, shares: int) -> None:
    floor = Floor(cash=Decimal(4_000_000))
    strike = 850.0 if right == "P" else 650.0
    option = floor.option(strike, right, FRIDAY)
    floor.trade(option, signed, 100.0)
    before, known = floor.account.cash, len(floor.exchange.executions)
    floor.go(SATURDAY)
    assert held(floor) == {"SPY": shares}
    assert floor.account.cash == before - Decimal(shares) * Decimal(str(strike))
    gone, delivered = floor.exchange.executions[known:]
    assert (gone.con_id, int(gone.price), int(gone.shares)) == (option.con_id, 0, 2)
    assert (delivered.con_id, delivered.price) == (floor.stock().con_id, Decimal(str(strike)))
    assert gone.kind == delivered.kind == ("exercise" if signed > 0 else "assignment")
    assert (gone.client_id, gone.order_ref, int(gone.commission)) == (0, "", 0)
    (turn,) = floor.ears.turns
    assert turn.executions == [gone, delivered]


def test_out_of_the_money_is_gone_without_an_execution() -> None:
    floor = Floor()
    floor.trade(floor.option(600.0, "P", FRIDAY), -1, 0.5)
    floor.trade(floor.option(900.0, "C", FRIDAY), 1, 0.5)
    cash, known = floor.account.cash, len(floor.exchange.executions)
    floor.go(SATURDAY - 1)
    assert len(held(floor)) == 2
    floor.go(SATURDAY)
    assert held(floor) == {}
    assert (floor.account.cash, len(floor.exchange.executions)) == (cash, known)
    assert [flow.kind for flow in floor.exchange.books.flows] == ["expiry", "expiry"]
    fees = Decimal(2)
    assert floor.account.realized == -fees
    assert {contract.strike for _, contract in floor.ears.turns[0].touched} == {600.0, 900.0}


def test_it_does_not_matter_whether_anybody_was_there_at_midnight(tmp_path: Path) -> None:
    floor = Floor(state=tmp_path / "x.db")
    floor.trade(floor.option(850.0, "P", FRIDAY), -1, 80.0)
    floor.exchange.save_clock()
    floor.store.close()
    again = Floor(state=tmp_path / "x.db", at=SATURDAY + 40_000)
    again.exchange.step()
    assert held(again) == {"SPY": 100}
    assert again.exchange.executions[-1].at == SATURDAY


def test_an_order_dies_with_its_option() -> None:
    floor = Floor()
    order = floor.place(floor.option(740.0, "P", FRIDAY), limit("SELL", 1, 90.0, tif="GTC"))
    floor.go(SATURDAY + 86_400)
    assert order.is_final


@pytest.mark.parametrize(("signed", "right"), [(-1, "P"), (2, "C")])
def test_an_index_option_settles_in_cash(signed: int, right: str) -> None:
    floor = Floor(cash=Decimal(4_000_000))
    strike = 8_500.0 if right == "P" else 6_500.0
    option = floor.market.book.option("SPX", FRIDAY, strike, right, "SPXW")
    floor.trade(option, signed, 900.0)
    cash = floor.account.cash
    floor.go(SATURDAY)
    assert held(floor) == {}
    settled = floor.exchange.executions[-1]
    closed = floor.market.settlement(option, calendar.expiry_instant(FRIDAY))
    worth = Decimal(str(round(closed, 2))) - Decimal(str(strike))
    assert settled.price == abs(worth)
    assert (settled.kind, settled.con_id) == ("settlement", option.con_id)
    assert floor.account.cash == cash + signed * abs(worth) * 100


def test_a_european_option_is_not_exercised_early_nor_its_order_kept_beyond_its_last_day() -> None:
    floor = Floor(cash=Decimal(4_000_000))
    weekly = floor.market.book.option("SPX", "20260918", 6_500.0, "C", "SPXW")
    floor.trade(weekly, 1, 900.0)
    found = floor.exchange.exercise("DU1", weekly.con_id, 1, 1, 0)
    assert found is not None
    assert "at its expiry only" in found[1]
    monthly = floor.market.book.option("SPX", "20260918", 6_500.0, "C", "SPX")
    order = floor.place(monthly, limit("BUY", 1, 0.05, tif="GTC"))
    assert order.expires_at == calendar.expiry_instant("20260917")


# -- exercise by request ---------------------------------------------------------------------------


def test_an_exercise_takes_effect_at_midnight() -> None:
    floor = Floor()
    call = floor.option(700.0, "C")
    floor.trade(call, 3)
    assert floor.exchange.exercise("DU1", call.con_id, 2, 1, 0) is None
    floor.wait(60)
    assert floor.account.quantity(call.con_id) == 3
    floor.go(calendar.next_midnight(floor.clock.now()))
    assert held(floor) == {call.local_symbol: 1, "SPY": 200}
    floor.wait(86_400)
    assert held(floor) == {call.local_symbol: 1, "SPY": 200}


def test_a_lapse_lets_the_money_go(tmp_path: Path) -> None:
    floor = Floor(state=tmp_path / "x.db")
    call = floor.option(700.0, "C", FRIDAY)
    floor.trade(call, 2)
    assert floor.exchange.exercise("", call.con_id, 1, 2, 1) is None
    floor.exchange.save_clock()
    floor.store.close()
    again = Floor(state=tmp_path / "x.db")
    again.go(SATURDAY)
    assert held(again) == {"SPY": 100}


@pytest.mark.parametrize(
    ("strike", "quantity", "action", "override", "words"),
    [
        (700.0, 5, 1, 0, "exceeds the long position"),
        (700.0, 1, 3, 0, "Invalid exercise action"),
        (800.0, 1, 1, 0, "out of the money"),
        (700.0, 1, 2, 0, "in the money"),
        (800.0, 1, 1, 1, ""),
    ],
)
def test_an_exercise_is_refused_in_words(
    strike: float, quantity: int, action: int, override: int, words: str
) -> None:
    floor = Floor()
    call = floor.option(strike, "C")
    floor.trade(call, 2, 1.0)
    found = floor.exchange.exercise("DU1", call.con_id, quantity, action, override)
    assert (found is None) == (not words)
    if found is not None:
        assert words in found[1]


# -- dividends -------------------------------------------------------------------------------------


def test_a_dividend_goes_to_who_held_overnight() -> None:
    floor = Floor(actions=[dividend(2.0)])
    floor.trade(floor.stock(), 100)
    cash = floor.account.cash
    floor.go(MONDAY_OPEN)
    assert floor.account.cash == cash + 200
    (flow,) = floor.exchange.books.flows
    assert (flow.kind, int(flow.amount), flow.account) == ("dividend", 200, "DU1")
    floor.wait(86_400)
    assert floor.account.cash == cash + 200


def test_who_buys_on_the_ex_date_gets_nothing_and_who_is_short_pays() -> None:
    floor = Floor(actions=[dividend(2.0)])
    floor.go(MONDAY_OPEN - 3600)
    floor.place(floor.stock(), limit("BUY", 10, 990.0, outside_rth=True))
    floor.go(MONDAY_OPEN)
    assert floor.exchange.books.flows == []
    short = Floor(actions=[dividend(2.0)])
    short.trade(short.stock(), -10)
    cash = short.account.cash
    short.go(MONDAY_OPEN)
    assert short.account.cash == cash - 20


@pytest.mark.parametrize(
    ("amount", "chance", "assigned"), [(5.0, 1.0, True), (5.0, 0.0, False), (0.0001, 1.0, False)]
)
def test_a_short_call_is_assigned_the_night_before_it_would_lose_the_dividend(
    amount: float, chance: float, assigned: bool
) -> None:
    floor = Floor(actions=[dividend(amount)], early_assignment=chance)
    floor.trade(floor.stock(), 100)
    call = floor.option(700.0, "C", "20260821")
    floor.trade(call, -1)
    cash = floor.account.cash
    floor.go(MONDAY_OPEN)
    assert (held(floor) == {}) == assigned
    if assigned:
        assert floor.account.cash == cash + 70_000
        assert floor.exchange.executions[-1].kind == "assignment"
    else:
        assert floor.account.cash == cash + Decimal(str(amount)) * 100


# -- splits ----------------------------------------------------------------------------------------


def test_a_whole_split_multiplies_shares_and_options() -> None:
    floor = Floor(actions=[split(4)])
    floor.trade(floor.stock(), 10)
    put = floor.option(740.0, "P")
    floor.trade(put, -2, 5.0)
    order = floor.place(put, limit("BUY", 1, 0.05, tif="GTC"))
    costs = [p.quantity * p.average_cost for p in floor.account.positions.values()]
    floor.go(MONDAY_OPEN)
    smaller = floor.option(185.0, "P")
    assert held(floor) == {"SPY": 40, smaller.local_symbol: -8}
    after = [p.quantity * p.average_cost for p in floor.account.positions.values() if p.quantity]
    assert sorted(map(float, after)) == pytest.approx(sorted(map(float, costs)))
    assert (order.status, order.end_reason) == ("Cancelled", "corporate action")


def test_an_odd_split_adjusts_the_option_and_pays_the_fraction(tmp_path: Path) -> None:
    floor = Floor(actions=[split(1.5)], state=tmp_path / "x.db")
    floor.trade(floor.stock(), 5)
    put = floor.option(850.0, "P", "20260821")
    floor.trade(put, -1, 80.0)
    cash = floor.account.cash
    floor.go(MONDAY_OPEN)
    (adjusted,) = (
        c for c in map(floor.account.contract, floor.account.positions) if c.shares == 150
    )
    assert held(floor) == {"SPY": 7, adjusted.local_symbol: -1}
    fraction = Decimal(str(round(floor.market.spot("SPY", MONDAY_OPEN), 4))) / 2
    assert floor.account.cash == cash + fraction.quantize(Decimal("0.01"))
    floor.exchange.save_clock()
    floor.store.close()
    again = Floor(actions=[split(1.5)], state=tmp_path / "x.db", at=MONDAY_OPEN + 60)
    assert held(again) == {"SPY": 7, adjusted.local_symbol: -1}
    before = again.account.cash
    again.go(calendar.next_midnight(calendar.expiry_instant("20260821")))
    assert held(again) == {"SPY": 157}
    assert again.account.cash == before - 85_000


# -- interest --------------------------------------------------------------------------------------


def test_interest_accrues_daily_and_is_posted_on_the_third_session() -> None:
    floor = Floor()
    rate = Decimal(str(round(floor.market.rate(OPENED), 6))) - Decimal("0.005")
    daily = (Decimal(390_000) * rate / 360).quantize(Decimal("0.000001"))
    floor.go(calendar.next_midnight(OPENED))
    assert floor.account.accrued == daily
    values = floor.account.values(floor.clock.now())
    assert values["NetLiquidation"] == 400_000 + values["AccruedCash"]
    assert floor.account.cash == 400_000
    september = calendar.expiry_instant("20260902")
    floor.go(september)
    assert floor.account.cash == 400_000
    floor.go(calendar.next_midnight(september))
    (flow,) = floor.exchange.books.flows
    assert (flow.kind, floor.account.cash) == ("interest", 400_000 + flow.amount)
    assert abs(flow.amount - daily * 20) < daily * 2


def test_borrowed_cash_costs_interest() -> None:
    floor = Floor(cash=Decimal(50_000))
    floor.trade(floor.stock(), 100)
    assert floor.account.cash < 0
    floor.go(calendar.next_midnight(OPENED))
    assert floor.account.accrued < 0

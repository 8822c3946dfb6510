"""Cash and units are conserved, whatever is ordered and whatever time does to positions."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.simulator.exchange.floor import CASH, OPENED, Floor, limit, market
from theta.simulator.exchange.matching import Fill
from theta.simulator.exchange.model import PENDING_CANCEL, Order, OrderRequest
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.reference import CorporateAction

MONDAY = calendar.next_session(calendar.next_midnight(OPENED + 86_400))[0]
TUESDAY, WEDNESDAY = MONDAY + 86_400, MONDAY + 2 * 86_400
ACTIONS = {
    "whole": CorporateAction("split", "SPY", WEDNESDAY, ratio=2.0),
    "odd": CorporateAction("split", "SPY", WEDNESDAY, ratio=1.5),
    "reverse": CorporateAction("split", "SPY", WEDNESDAY, ratio=0.1),
}
DIVIDENDS = (
    CorporateAction("dividend", "SPY", TUESDAY, 3.0),
    CorporateAction("dividend", "QQQ", WEDNESDAY, 0.5),
)
ACCOUNTS = (("DU1", False), ("DU2", True))
KINDS = ["stock", "call", "put", "soon", "spread", "buy-write", "other"]


class Conservation(RuleBasedStateMachine):
    """Two accounts, a margin and a cash one, under one login."""

    @initialize(split=st.sampled_from(sorted(ACTIONS)))
    def open(self, split: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.actions = (*DIVIDENDS, ACTIONS[split])
        self.floor = self._floor(OPENED)
        self.ids = 0

    def _floor(self, at: float) -> Floor:
        return Floor(
            cash=CASH,
            accounts=ACCOUNTS,
            state=Path(self.folder.name) / "state.db",
            at=at,
            actions=self.actions,
            hazard_seconds=60.0,
        )

    def teardown(self) -> None:
        if hasattr(self, "floor"):
            self.floor.store.close()
            self.folder.cleanup()

    def _contract(self, kind: str) -> Contract:
        floor = self.floor
        if kind == "spread":
            legs = (floor.option(730.0, "P"), 1, "BUY"), (floor.option(740.0, "P"), 2, "SELL")
            return floor.bag(*legs)
        if kind == "buy-write":
            return floor.bag((floor.stock(), 100, "BUY"), (floor.option(760.0, "C"), 1, "SELL"))
        return {
            "stock": floor.stock(),
            "other": floor.stock("QQQ"),
            "call": floor.option(760.0, "C"),
            "put": floor.option(740.0, "P"),
            "soon": floor.option(770.0, "P", "20260814"),
        }[kind]

    # -- what clients do ---------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(KINDS),
        side=st.sampled_from(["BUY", "SELL"]),
        quantity=st.integers(1, 120),
        off=st.sampled_from([None, -0.5, -0.01, 0.0, 0.01, 0.5]),
        tif=st.sampled_from(["DAY", "GTC", "IOC", "FOK"]),
        account=st.sampled_from([name for name, _ in ACCOUNTS]),
        group=st.sampled_from(["", "", "g"]),
        oca=st.integers(1, 3),
    )
    def place(
        self,
        kind: str,
        side: str,
        quantity: int,
        off: float | None,
        tif: str,
        account: str,
        group: str,
        oca: int,
    ) -> None:
        contract = self._contract(kind)
        if not contract.is_combination and not self.floor.market.exists(
            contract, self.floor.clock.now()
        ):
            return
        asked = market(side, quantity, tif=tif, account=account, oca_group=group, oca_type=oca)
        if off is not None:
            mark = self.floor.market.quote(contract, self.floor.clock.now()).mark
            price = round(mark + off, 2)
            if price <= 0 and not contract.is_combination:
                return
            more = {"tif": tif, "account": account, "oca_group": group, "oca_type": oca}
            asked = limit(side, quantity, price, **more)
        self._send(contract, asked)

    def _send(self, contract: Contract, asked: OrderRequest) -> None:
        self.ids += 1
        refused = self.floor.refusal(contract, asked)
        text = refused[1] if refused else ""
        order = self.floor.exchange.place(1, self.ids, contract, asked, text)
        if not refused:
            self.floor.exchange.acknowledge(order)

    def _pick(self, number: int) -> Order | None:
        live = [o for o in self.floor.exchange.working.values() if o.status != PENDING_CANCEL]
        return live[number % len(live)] if live else None

    @rule(number=st.integers(0, 50))
    def cancel(self, number: int) -> None:
        order = self._pick(number)
        if order is not None:
            self.floor.exchange.request_cancel(order)
            self.floor.exchange.finish_cancel(order)

    @rule(number=st.integers(0, 50), quantity=st.integers(1, 40))
    def fill(self, number: int, quantity: int) -> None:
        order = self._pick(number)
        if order is None:
            return
        price = order.limit if order.limit is not None else Decimal("2.50")
        shares = min(quantity, int(order.remaining))
        self.floor.exchange.fill(order, Fill(shares, price), self.floor.clock.now())

    @rule(account=st.sampled_from(["DU1", "DU2"]), quantity=st.integers(1, 5))
    def exercise(self, account: str, quantity: int) -> None:
        for con_id in list(self.floor.exchange.accounts[account].positions):
            self.floor.exchange.exercise(account, con_id, quantity, 1, 1)

    # -- what time does ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 30, 600, 7_200, 86_400, 86_400, 3 * 86_400]))
    def wait(self, seconds: int) -> None:
        late = self.floor.clock.now() > OPENED + 12 * 86_400
        self.floor.wait(min(seconds, 600) if late else seconds)

    @rule(price=st.integers(700, 820))
    def jolt(self, price: int) -> None:
        self.floor.price(float(price))

    @rule()
    def restart(self) -> None:
        now = self.floor.clock.now()
        before = self._books()
        self.floor.exchange.save_clock()
        self.floor.store.close()
        self.floor = self._floor(now)
        assert self._books() == before

    def _books(self) -> object:
        exchange = self.floor.exchange
        accounts = {
            name: (account.cash, account.realized, account.accrued, account.positions)
            for name, account in exchange.accounts.items()
        }
        return accounts, exchange.orders, exchange.executions, exchange.books.flows

    # -- what always holds -------------------------------------------------------------------------

    @invariant()
    def cash_and_units_add_up(self) -> None:
        if not hasattr(self, "floor"):
            return
        exchange = self.floor.exchange
        for account in exchange.accounts.values():
            cash, fees = CASH, Decimal(0)
            units: dict[int, Decimal] = defaultdict(Decimal)
            for item in exchange.executions:
                contract = account.contract(item.con_id)
                if item.account != account.name or contract.is_combination:
                    continue
                cash -= item.signed * item.price * contract.multiplier + item.commission
                fees += item.commission
                units[item.con_id] += item.signed
            for flow in exchange.books.flows:
                if flow.account == account.name:
                    cash += flow.amount
                    for con_id, change in flow.units:
                        units[con_id] += change
            held = {c: p.quantity for c, p in account.positions.items() if p.quantity}
            assert held == {c: u for c, u in units.items() if u}
            assert abs(account.cash - cash) < Decimal("1e-9")
            assert account.commissions == fees

    @invariant()
    def every_fill_is_in_one_chain(self) -> None:
        if not hasattr(self, "floor"):
            return
        exchange = self.floor.exchange
        ids = [item.exec_id for item in exchange.executions]
        assert len(ids) == len(set(ids))
        filled: dict[int, Decimal] = defaultdict(Decimal)
        for item in exchange.executions:
            if not item.leg and item.perm_id in exchange.orders:
                filled[item.perm_id] += item.shares
        for order in exchange.orders.values():
            assert order.filled == filled[order.perm_id] <= order.quantity
            assert order.is_final == (order.perm_id not in exchange.working)

    @invariant()
    def combinations_cost_what_their_legs_do(self) -> None:
        if not hasattr(self, "floor"):
            return
        exchange = self.floor.exchange
        chains: dict[str, list[Decimal]] = defaultdict(list)
        for item in exchange.executions:
            contract = self.floor.account.contract(item.con_id)
            if item.leg or contract.is_combination:
                worth = item.signed * item.price * contract.multiplier
                chains[item.exec_id.split(".")[1]].append(worth)
        for whole, *legs in chains.values():
            assert abs(whole - sum(legs)) < Decimal("1e-6")


def run(examples: int, steps: int, *, shrink: bool = True) -> None:
    """Tell the stories. Shrinking a long one takes minutes."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(
        Conservation,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(*phases, Phase.shrink) if shrink else phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_cash_and_units_are_conserved() -> None:
    run(examples=3, steps=10)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cash_and_units_are_conserved_over_long_stories() -> None:
    run(examples=40, steps=40, shrink=False)

"""Whatever clients do and however time goes, cash and positions are what the books explain.

Random order flow goes over the wire into a simulator on virtual time: three accounts, two clients,
stocks, options and a combination; modifications, cancels, price gaps, jumps over closes and
expiries, and restarts from the state file. The model here knows nothing of the exchange but its
opening: it adds up what the executions and flows say.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import ib_insync
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.simulator.transcripts.virtual import Greeting, VirtualLoop
from tests.support.tws_socket import Encoder
from theta.simulator.exchange.store import Store
from theta.simulator.gateway.gateway import Gateway
from theta.simulator.gateway.session import Session
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options, build

ACCOUNTS = ("DU1", "DU2", "DU3")
CASH = {"DU1": Decimal(300_000), "DU2": Decimal(2_000_000), "DU3": Decimal(50_000)}
SCENARIO = """
[[account]]
id = "DU1"
cash_usd = 300000
positions = [{ symbol = "SPY", quantity = 150, average_cost = 700.0 }]
[[account]]
id = "DU2"
cash_usd = 2000000
positions = [
  { symbol = "SPY", expiry = "20260821", strike = 760.0, right = "C", quantity = 4 },
]
[[account]]
id = "DU3"
cash_usd = 50000
cash_account = true
[market]
symbols = { SPY = "SPY", QQQ = "QQQ" }
[broker]
pacing = false
ack_ms = [1, 40]
tick_ms = [1, 5]
"""
NEAR, FAR = "20260821", "20260918"
OPTIONS = ((NEAR, 760.0, "C"), (NEAR, 750.0, "P"), (FAR, 740.0, "P"), (FAR, 780.0, "C"))
CENT = Decimal("0.01")
ENCODER = Encoder(176)

accounts = st.sampled_from(ACCOUNTS)
sides = st.sampled_from(["BUY", "SELL"])


@dataclass
class Ledger:
    """What an account must hold by the books."""

    cash: Decimal
    units: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


class Silent(asyncio.Transport):
    """Takes what a session writes and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.bytes += len(data)

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    close = abort

    def pause_reading(self) -> None:
        """Nothing is read by itself here."""


class OrderFlow(RuleBasedStateMachine):
    """One simulator under random clients."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="conservation-")
        self.loop = VirtualLoop()
        self.sessions: dict[int, Session] = {}
        self.placed: list[tuple[int, int, ib_insync.Contract, ib_insync.Order]] = []
        self.next_ids = {1: 1, 2: 1}
        self.opening: dict[str, dict[int, Decimal]] = {}
        self.store: Store
        self.gateway: Gateway
        self.beat: asyncio.Task[None]

    # -- the simulator -----------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    async def _start(self) -> None:
        self.store = Store(Path(self.folder.name) / "state.sqlite")
        options = Options(scenario.parse(SCENARIO, "conservation"), seed=11, speed=1.0)
        self.gateway = build(options, self.store)
        self.gateway.exchange.clock.run_on(self.loop.time)
        self.beat = asyncio.create_task(self.gateway.run())
        for client in (1, 2):
            session = self.sessions[client] = Session(self.gateway)
            session.connection_made(Silent())
            session.data_received(Greeting(client, 176).data())
        await asyncio.sleep(0.1)

    async def _stop(self) -> None:
        """As a kill: nothing is told, what is durable stays."""
        self.beat.cancel()
        self.gateway.closed = True
        for session in self.sessions.values():
            session.connection_lost(None)
        await asyncio.sleep(0)
        self.store.close()

    def _send(self, client: int, request: str, *arguments: Any) -> None:
        async def say() -> None:
            self.sessions[client].data_received(ENCODER.taken(request, *arguments))
            await asyncio.sleep(0.06)

        self._run(say())

    @initialize()
    def _begin(self) -> None:
        self._run(self._start())
        book = self.gateway.exchange.market.book
        self.spy = self._known(book.stock("SPY"))
        self.qqq = self._known(book.stock("QQQ"))
        self.options = [book.option("SPY", *terms) for terms in OPTIONS]
        spread = [Leg(self.options[2].con_id, 1, "SELL"), Leg(self.options[3].con_id, 2, "BUY")]
        self.spread = book.combination(spread)
        for name, account in self.gateway.exchange.accounts.items():
            self.opening[name] = {
                con_id: item.quantity for con_id, item in account.positions.items()
            }

    @staticmethod
    def _known(contract: Contract | None) -> Contract:
        assert contract is not None
        return contract

    # -- what clients do ---------------------------------------------------------------------------

    def _place(self, client: int, contract: ib_insync.Contract, order: ib_insync.Order) -> None:
        number, self.next_ids[client] = self.next_ids[client], self.next_ids[client] + 1
        self.placed.append((client, number, contract, order))
        self._send(client, "placeOrder", number, contract, order)

    @rule(
        client=st.sampled_from([1, 2]),
        account=accounts,
        side=sides,
        what=st.integers(0, 5),
        quantity=st.integers(1, 40),
        kind=st.sampled_from(["MKT", "LMT", "LMT", "LMT", "STP"]),
        away=st.integers(-30, 30),
        tif=st.sampled_from(["DAY", "GTC", "IOC"]),
    )
    def place(
        self, client: int, account: str, side: str, what: int, quantity: int, kind: str, away: int,
        tif: str,
    ) -> None:  # fmt: skip
        known = [self.spy, self.qqq, *self.options][what]
        now = self.gateway.exchange.clock.now()
        mark = self.gateway.exchange.market.quote(known, now).mark
        price = round(max(0.05, mark + away * 0.05), 2)
        contract = ib_insync.Contract(conId=known.con_id, exchange="SMART")
        order = ib_insync.Order(
            action=side, totalQuantity=quantity, orderType=kind, tif=tif, account=account
        )
        if kind == "LMT":
            order.lmtPrice = price
        elif kind == "STP":
            order.auxPrice = price
        self._place(client, contract, order)

    @rule(
        client=st.sampled_from([1, 2]),
        account=accounts,
        side=sides,
        quantity=st.integers(1, 5),
        away=st.integers(-20, 20),
    )
    def place_combination(
        self, client: int, account: str, side: str, quantity: int, away: int
    ) -> None:
        legs = [
            ib_insync.ComboLeg(conId=leg.con_id, ratio=leg.ratio, action=leg.action)
            for leg in self.spread.legs
        ]
        for leg in legs:
            leg.exchange = "SMART"
        contract = ib_insync.Contract(
            symbol="SPY", secType="BAG", exchange="SMART", currency="USD", comboLegs=legs
        )
        now = self.gateway.exchange.clock.now()
        mark = self.gateway.exchange.market.quote(self.spread, now).mark
        order = ib_insync.Order(
            action=side, totalQuantity=quantity, orderType="LMT", tif="DAY", account=account,
            lmtPrice=round(mark + away * 0.05, 2),
        )  # fmt: skip
        self._place(client, contract, order)

    @rule(back=st.integers(1, 12), quantity=st.integers(1, 60))
    def modify(self, back: int, quantity: int) -> None:
        if back > len(self.placed):
            return
        client, number, contract, order = self.placed[-back]
        order.totalQuantity = quantity
        self._send(client, "placeOrder", number, contract, order)

    @rule(back=st.integers(1, 12))
    def cancel(self, back: int) -> None:
        if back <= len(self.placed):
            client, number, _, _ = self.placed[-back]
            self._send(client, "cancelOrder", number, "")

    @rule(client=st.sampled_from([1, 2]))
    def _cancel_everything(self, client: int) -> None:
        self._send(client, "reqGlobalCancel")

    @rule(account=accounts, quantity=st.integers(1, 3), action=st.sampled_from([1, 2]))
    def exercise(self, account: str, quantity: int, action: int) -> None:
        call = ib_insync.Contract(conId=self.options[0].con_id, exchange="SMART")
        self._send(1, "exerciseOptions", 900, call, action, quantity, account, 1)

    # -- what happens to them ----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.3, 2.0, 30.0, 600.0]))
    def wait(self, seconds: float) -> None:
        self._run(self._slept(seconds))

    @staticmethod
    async def _slept(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @rule(hours=st.sampled_from([3, 16, 24, 96]))
    def jump(self, hours: int) -> None:
        clock = self.gateway.exchange.clock
        clock.jump_to(clock.now() + hours * 3600)
        self._run(self._slept(0.6))

    @rule(percent=st.integers(-12, 12), symbol=st.sampled_from(["SPY", "QQQ"]))
    def gap(self, percent: int, symbol: str) -> None:
        exchange = self.gateway.exchange
        spot = exchange.market.spot(symbol, exchange.clock.now())
        exchange.set_price(symbol, round(spot * (1 + percent / 100), 2))

    @rule(number=st.integers(0, 9), share=st.integers(1, 5))
    def fill_by_hand(self, number: int, share: int) -> None:
        working = [o for o in self.gateway.exchange.working.values() if o.status == "Submitted"]
        if number < len(working):
            order = working[number]
            part = max(1, int(order.remaining) // share)

            async def fill() -> None:
                self.gateway.fill_now(order, part)

            self._run(fill())

    @rule()
    def restart(self) -> None:
        before = self._holdings()
        self._run(self._stop())
        self._run(self._start())
        assert self._holdings() == before

    # -- what must hold ----------------------------------------------------------------------------

    def _holdings(self) -> dict[str, tuple[Decimal, dict[int, Decimal]]]:
        return {
            name: (
                account.cash,
                {c: p.quantity for c, p in sorted(account.positions.items()) if p.quantity},
            )
            for name, account in self.gateway.exchange.accounts.items()
        }

    def _explained(self) -> dict[str, Ledger]:
        exchange = self.gateway.exchange
        ledgers = {name: Ledger(CASH[name]) for name in ACCOUNTS}
        for name, held in self.opening.items():
            for con_id, quantity in held.items():
                ledgers[name].units[con_id] += quantity
        for item in exchange.executions:
            contract = exchange.account.contract(item.con_id)
            ledger = ledgers[item.account]
            ledger.cash -= item.commission
            if not contract.is_combination:
                ledger.units[item.con_id] += item.signed
                ledger.cash -= item.signed * item.price * contract.multiplier
        for flow in exchange.books.flows:
            ledgers[flow.account].cash += flow.amount
            for con_id, change in flow.units:
                ledgers[flow.account].units[con_id] += change
        return ledgers

    @invariant()
    def _cash_and_positions_are_explained(self) -> None:
        if not self.opening:
            return
        for name, ledger in self._explained().items():
            cash, held = self._holdings()[name]
            assert abs(cash - ledger.cash) < CENT, name
            assert held == {c: q for c, q in sorted(ledger.units.items()) if q}, name

    @invariant()
    def _every_order_adds_up(self) -> None:
        if not self.opening:
            return
        exchange = self.gateway.exchange
        filled: defaultdict[int, Decimal] = defaultdict(Decimal)
        for item in exchange.executions:
            assert item.shares > 0
            if not item.leg:
                filled[item.perm_id] += item.shares
        for order in exchange.orders.values():
            assert order.filled == filled[order.perm_id]
            assert 0 <= order.filled <= order.quantity
            assert (order.status == "Filled") == (order.filled == order.quantity)

    @invariant()
    def _legs_cost_what_their_combination_does(self) -> None:
        if not self.opening:
            return
        exchange = self.gateway.exchange
        executions = exchange.executions
        for bag in executions:
            contract = exchange.account.contract(bag.con_id)
            if not contract.is_combination:
                continue
            chain = bag.exec_id.split(".")[1]
            legs = [e for e in executions if e.leg and e.exec_id.split(".")[1] == chain]
            assert len(legs) == len(contract.legs)
            paid = sum((leg.signed * leg.price for leg in legs), Decimal())
            assert abs(paid - bag.signed * bag.price) < CENT * bag.shares

    @invariant()
    def _a_cash_account_is_never_short_of_shares_by_its_own_orders(self) -> None:
        if not self.opening:
            return
        exchange = self.gateway.exchange
        sold = [e for e in exchange.executions if e.account == "DU3" and e.kind == "trade"]
        for con_id in {e.con_id for e in sold}:
            if exchange.account.contract(con_id).sec_type == "STK":
                traded = sum((e.signed for e in exchange.executions
                              if e.account == "DU3" and e.con_id == con_id), Decimal())  # fmt: skip
                delivered = any(e.kind != "trade" for e in exchange.executions)
                assert traded >= 0 or delivered

    def teardown(self) -> None:
        if self.opening:
            self._run(self._stop())
        self.loop.close()
        self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_cash_and_positions_are_conserved() -> None:
    run_state_machine_as_test(
        OrderFlow,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

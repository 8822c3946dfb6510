"""The model's world: one broker, one database, gateway processes, and simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar
from uuid import UUID

from tests.property.gateway.gateway_process import (
    SESSION,
    GatewayProcess,
    Killed,
    ModelClock,
    ModelIds,
    Rules,
)
from tests.property.gateway.model_broker import ModelBroker
from tests.property.gateway.oracle import Oracle
from tests.support.fake_broker import BrokerScript, FakeBroker, FakeOrder
from tests.support.memory_database import IntentRow, MemoryDatabase, ReservationRow
from tests.support.memory_session import LockState
from tests.support.memory_spools import Disk
from theta.broker_gateway.ports import Evidence, EvidenceKind, OrderToPlace
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState, TradingState
from theta.common.domain.portfolio import Position
from theta.common.errors import OutcomeUnknownError, RejectedError, StaleDataError, TransientError

Answer = TypeVar("Answer")
ACCOUNT = "DU0000001"
FAR = datetime(2099, 1, 1, tzinfo=UTC)
TURN_SECONDS = 2.5
SWEEP_EVERY_SECONDS = 5.0
EXPECTED = (TransientError, OutcomeUnknownError, StaleDataError, RejectedError)
"""What the program's own loops take for a peer that is away or a no."""


def put(symbol: str, strike: int) -> Contract:
    return Contract(
        symbol=symbol, sec_type=SecType.OPTION, expiry=date(2026, 12, 18),
        strike=Decimal(strike), right=Right.PUT, multiplier=100, trading_class=symbol,
    )  # fmt: skip


OPENINGS = (put("SPY", 740), put("SPY", 730), put("QQQ", 600))
HELD = put("SPY", 700)
HELD_QUANTITY = -4


class Wire:
    """What all share, and what is said on the wire."""

    oracle: Oracle

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.clock, self.ids = ModelClock(), ModelIds()
        self.db = MemoryDatabase(self.clock.wall_at)
        self.db.order_id_floor = 1000
        self.script = BrokerScript((ACCOUNT,))
        self.script.hold(
            ACCOUNT,
            Position(contract=HELD, quantity=Decimal(HELD_QUANTITY), average_cost_usd=None),
        )
        self.lock_state = LockState()
        self.processes: list[GatewayProcess] = []
        self.disks = {"a": Disk(), "b": Disk()}
        self.past: dict[str, FakeOrder] = {}
        """Orders of earlier days, which no list of the broker shows any more."""
        self.tws_up = self.link_up = True
        self.slow_seconds: float | None = None
        self.at_write: Callable[[], None] | None = None
        self.between: dict[str, Callable[[], None]] = {}
        self.wire_is_slow = False
        self._wire: list[tuple[GatewayProcess, Evidence]] = []
        self.heard: list[tuple[GatewayProcess, Evidence]] = []
        self._on_its_way: list[tuple[float, OrderToPlace]] = []
        self._connection_no = 0
        self._next_sweep = 0.0
        self._nobody = FakeBroker(lambda evidence: None, script=self.script)

    def hear(self, process: GatewayProcess, evidence: Evidence) -> None:
        if self.wire_is_slow:
            self._wire.append((process, evidence))
        else:
            self._arrive(process, evidence)

    def deliver(self, position: int) -> None:
        """Deliver one delayed callback, not necessarily the oldest."""
        if self._wire:
            self._arrive(*self._wire.pop(position % len(self._wire)))

    def repeat(self, position: int) -> None:
        """Deliver a callback of this connection again."""
        if self.heard:
            process, evidence = self.heard[position % len(self.heard)]
            process.evidence.sink(evidence)

    def flush(self) -> None:
        waiting, self._wire = self._wire, []
        for process, evidence in waiting:
            self._arrive(process, evidence)

    def hang_up(self, process: GatewayProcess) -> None:
        process.broker.controls.disconnect()
        self._wire = [item for item in self._wire if item[0] is not process]
        self.heard = [item for item in self.heard if item[0] is not process]

    def _arrive(self, process: GatewayProcess, evidence: Evidence) -> None:
        if evidence.kind is EvidenceKind.EXECUTION:
            self.oracle.told(str(evidence.payload["exec_id"]))
        self.heard.append((process, evidence))
        process.evidence.sink(evidence)


class Market(Wire):
    """The broker's side, and time."""

    def voice(self) -> FakeBroker:
        """The session that the broker tells things to: the connected one, or nobody."""
        return next((one.broker for one in self.processes if one.broker.connected), self._nobody)

    def order(self, ref: str) -> FakeOrder | None:
        """The broker's order, of today or of earlier days."""
        return self.script.orders.get(ref) or self.past.get(ref)

    def send_slowly(self, order: OrderToPlace, seconds: float) -> None:
        self._on_its_way.append((self.clock.boottime_seconds() + seconds, order))

    def land_everything(self) -> None:
        waiting, self._on_its_way = self._on_its_way, []
        for _, order in waiting:
            self.voice().controls.take(order)

    def fill(self, ref: str, quantity: int, *, told: bool = True) -> None:
        """Fill what remains of the order, at most `quantity`; told if the link is up.

        One that is not `told` shows in the broker's lists alone.
        """
        order = self.script.orders[ref]
        left = int(order.told.quantity - (order.told.filled or 0))
        if left > 0:
            self.voice().controls.fill(
                ref, min(left, quantity), Decimal("5.00"), tell=told and self.link_up
            )

    def fillable(self) -> list[str]:
        """Open orders, oldest first."""
        return [ref for ref, order in self.script.orders.items() if not order.is_final]

    def shift_order_ids(self) -> None:
        """The broker numbers its orders anew, as after a roll-back of ids."""
        self.land_everything()
        for order in self.script.orders.values():
            order.told = replace(order.told, order_id=order.told.order_id - 1)

    def answered(self, method: str) -> None:
        """A list's End: everything said before it has arrived; then the world goes on."""
        self.flush()
        action = self.between.pop(method, None)
        if action is not None:
            action()

    def midnight(self) -> None:
        """The session ends, day orders expire, and the broker's lists of the day end."""
        self.land_everything()
        for ref, order in self.script.orders.items():
            if not order.is_final:
                self.voice().controls.finish(ref, "Cancelled", tell=self.link_up)
        self.flush()
        self.oracle.day_ends()
        self.past.update(self.script.orders)
        self.script.orders.clear()
        tomorrow = (self.script.at + timedelta(days=1)).date()
        self.script.at = datetime(
            tomorrow.year, tomorrow.month, tomorrow.day, 14, 0, tzinfo=UTC
        ) + timedelta(microseconds=self.script.at.microsecond)

    def approve(self, contract: Contract, quantity: int, *, opening: bool) -> UUID:
        """An intent as risk leaves it: approved, its buying power reserved."""
        intent_id, now = self.ids.uuid(), self.clock.wall_at()
        row = IntentRow(
            id=intent_id, account=ACCOUNT, session=SESSION, source="operator", strategy="wheel",
            symbol=contract.symbol, kind=IntentKind.WRITE if opening else IntentKind.CLOSE,
            effect=Effect.OPENING if opening else Effect.REDUCING,
            action=Action.SELL if opening else Action.BUY, quantity=quantity,
            limit_price=Decimal("5.00"), price_floor=Decimal("4.50"),
            price_ceiling=Decimal("5.50"), contract=contract, state=OrderState.APPROVED,
            expires_market_at=FAR, created_at=now, updated_at=now,
        )  # fmt: skip
        self.db.intents[intent_id] = row
        self.db.reservations[intent_id] = ReservationRow(intent_id=intent_id, account=ACCOUNT)
        return intent_id

    def advance(self, seconds: float) -> None:
        """Let time pass for everyone; what is on its way arrives."""
        self.clock.advance(seconds)
        self.script.advance(seconds)
        now = self.clock.boottime_seconds()
        due = [item for item in self._on_its_way if item[0] <= now]
        self._on_its_way = [item for item in self._on_its_way if item[0] > now]
        for _, order in due:
            self.voice().controls.take(order)

    def next_connection_no(self) -> int:
        self._connection_no += 1
        return self._connection_no


class Crew(Market):
    """The gateway processes that live now."""

    def running(self, name: str) -> GatewayProcess | None:
        return next((one for one in self.processes if one.name == name), None)

    def acting(self) -> list[GatewayProcess]:
        return [one for one in self.processes if one.runs]

    def bury(self, process: GatewayProcess) -> None:
        """Everything in its memory is gone; its sockets close."""
        process.alive = False
        self.hang_up(process)
        self.processes.remove(process)

    def accepts(self, process: GatewayProcess) -> bool:
        """Whether TWS takes the client id: not while another socket holds it."""
        others = (one for one in self.processes if one is not process)
        fenced = self.rules.client_id_is_a_fence and any(one.broker.connected for one in others)
        return self.tws_up and self.link_up and not fenced

    def attempt(self, process: GatewayProcess, action: Callable[[], Answer]) -> Answer | None:
        """Run a step of the process as its own loops would; `None` when it came to nothing."""
        if not process.runs:
            return None
        try:
            return action()
        except Killed as killed:
            if killed.process is not process:
                raise
            self.bury(process)
        except EXPECTED:
            pass
        return None

    def turn(self, process: GatewayProcess) -> None:
        """One round of every thread of the process."""
        for step in (process.keep_house, process.watch.turn, process.evidence.write_pending):
            self.attempt(process, step)

    def pass_time(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / TURN_SECONDS))):
            self.advance(TURN_SECONDS)
            for process in self.acting():
                self.turn(process)
            if self.clock.boottime_seconds() >= self._next_sweep:
                self._next_sweep = self.clock.boottime_seconds() + SWEEP_EVERY_SECONDS
                self.sweep()

    def freeze(self, process: GatewayProcess, seconds: float) -> None:
        """Stop the process while the others go on."""
        process.frozen = True
        self.pass_time(seconds)
        process.frozen = False

    def sweep(self) -> None:
        """Bring unfinished work to a gateway, judged by state alone, as the sweeper does."""
        for process in self.acting():
            if not process.broker.connected or self.db.away:
                continue
            for intent in list(self.db.intents.values()):
                if intent.state is OrderState.APPROVED:
                    self.attempt(process, partial(process.submitting.submit, intent.id))
            for child_id in self.cancels_wanted():
                self.attempt(process, partial(process.cancelling.cancel, child_id))

    def cancels_wanted(self) -> list[UUID]:
        live = {OrderState.SUBMITTING, OrderState.WORKING, OrderState.UNKNOWN}
        asked = set(self.db.outbox.values())
        asked |= {row.child_id for row in self.db.commands.values() if row.kind == "cancel"}
        halted = self.db.gates.get(ACCOUNT) is TradingState.HALTED
        reducing = self.db.gates.get(ACCOUNT) is TradingState.REDUCING
        return [
            child.id
            for child in self.db.children.values()
            if child.state in live
            and (
                child.id in asked
                or halted
                or (reducing and self.db.intents[child.intent_id].effect is Effect.OPENING)
            )
        ]

    def lose_link(self) -> None:
        """1100: TWS lives, and hears nothing of the broker."""
        self.link_up = False
        for process in self.processes:
            process.broker.broker_link = False

    def drop(self) -> None:
        """The sockets break."""
        for process in self.processes:
            self.hang_up(process)


class World(Crew):
    """Everything that a deed may touch."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self.oracle = Oracle(self)

    def new_session(self, process: GatewayProcess) -> ModelBroker:
        return ModelBroker(self, process)

    def start(self, name: str) -> GatewayProcess:
        process = GatewayProcess(self, name, self.disks[name])
        self.processes.append(process)
        return process

    def connect(self) -> None:
        """TWS and its link to the broker are back (1102): the gateway reconciles."""
        self.tws_up = self.link_up = True
        for process in self.processes:
            if process.broker.connected and not process.broker.broker_link:
                process.broker.broker_link = True
                process.watch.ask("1102")

    def heal(self) -> None:
        """Take every fault away, let time pass, and give every intent the time that it needs."""
        self.db.come_back()
        self.db.doubt, self.slow_seconds, self.at_write = None, None, None
        self.between.clear()
        self.wire_is_slow = False
        self.flush()
        for process in self.processes:
            process.steps.at.clear()
        for name, disk in self.disks.items():
            # What a gateway spooled is on its disk: it must come back to store it.
            if self.running(name) is None and (disk.files or disk.records or name == "a"):
                self.start(name)
        self.connect()
        self.pass_time(10)
        for process in self.processes:
            process.watch.ask("heal")
        for _ in range(8):
            self.pass_time(5)
            if self.oracle.is_quiet():
                break
        self.pass_time(7.5)

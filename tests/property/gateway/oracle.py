"""What must hold of the broker and the records at every moment, and once everything is healed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

from tests.support.memory_database import ChildRow
from tests.support.memory_stores import effective_state
from theta.broker_gateway.domain.fills import filled_quantity
from theta.broker_gateway.domain.records import LiveOrder
from theta.broker_gateway.ports import OrderToPlace
from theta.common.domain.orders import FINAL, POSSIBLY_LIVE, Effect, OrderState, TradingState

if TYPE_CHECKING:
    from tests.property.gateway.world import World

_S = OrderState
WAITING = frozenset({_S.APPROVED, _S.WORKING, _S.NEEDS_PERSON})
"""States in which an intent may wait when nothing is wrong any more: for the gate, for the market,
for a person."""
ENDED = frozenset({_S.CANCELLED, _S.EXPIRED, _S.REJECTED_BY_BROKER})
ENDS = {"Filled": frozenset({_S.FILLED}), "Cancelled": ENDED, "Inactive": ENDED}
"""What the records may say of an order that ended so at the broker."""


class BrokenRuleError(AssertionError):
    """A rule of the order protocol does not hold."""


class Oracle:
    """Told of every write and every execution; reads the broker's truth and the committed rows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._places: Counter[str] = Counter()
        self._told: set[str] = set()
        self._released: set[object] = set()
        self._reconciled = 0
        self._journalled = 0
        self._ever_absent: set[UUID] = set()
        self._forgotten: set[object] = set()
        """Contracts in which the broker filled an order after it had confirmed its end, and told
        nobody before midnight: §3's unexplained difference is all that can be known of it."""
        self.filled_late: set[str] = set()
        """Orders that filled after the broker had ended them."""
        self.frozen_write = False
        """The next write is of a process that froze after its last test: §4's one exception."""
        self.broken: list[str] = []

    # -- what happens --------------------------------------------------------------------------

    def order_at(self, order_id: int) -> str | None:
        """Return the reference of the broker's order with this id, `None` without one."""
        for ref, order in self._world.script.orders.items():
            if order.told.order_id == order_id:
                return ref
        return None

    def placed(self, order: OrderToPlace) -> None:
        frozen, self.frozen_write = self.frozen_write, False
        db = self._world.db
        self._places[order.order_ref] += 1
        if self._places[order.order_ref] > 1:
            self.broken.append(f"{order.order_ref} was placed twice")
        child = self._child(order.order_ref)
        commands = [] if child is None else db.commands_of(child.id, "place")
        if db.in_transaction or [row.order_id for row in commands] != [order.order_id]:
            self.broken.append(f"{order.order_ref} was written without a committed command")
            return
        assert child is not None
        intent = db.intents[child.intent_id]
        state = effective_state(db, intent.account, strategy=intent.strategy, symbol=intent.symbol)
        halted = state is TradingState.HALTED
        if halted and intent.effect is Effect.OPENING and not frozen:
            self.broken.append(f"{order.order_ref} opens after a committed halt")

    def modified(self, order: OrderToPlace, target: str | None) -> None:
        if target != order.order_ref:
            self.broken.append(f"a modify of {order.order_ref} went to {target or 'no order'}")
        child = self._child(order.order_ref)
        if child is None or not self._world.db.commands_of(child.id, "modify"):
            self.broken.append(f"a modify of {order.order_ref} without a committed command")

    def cancelled(self, seen: LiveOrder | None, order_id: int, target: str | None) -> None:
        """A cancel may miss an order that is on its way or over; it must never hit another one."""
        if target is None:
            return
        known = {row.order_id for row in self._world.db.commands.values()}
        meant = order_id in known or (seen is not None and seen.order_id == order_id)
        child = self._child(target)
        asked = child is not None and (
            self._world.db.commands_of(child.id, "cancel") or self._is_spooled(target)
        )
        if not meant or not asked:
            self.broken.append(f"a cancel for order id {order_id} went to {target}")

    def told(self, exec_id: str) -> None:
        """An execution reached a gateway: from here on it must not be lost."""
        self._told.add(exec_id)

    def day_ends(self) -> None:
        """The broker forgets what it did not tell; see `_forgotten`."""
        for ref, order in self._world.script.orders.items():
            if ref in self.filled_late and any(f.exec_id not in self._told for f in order.fills):
                self._forgotten.add(order.told.contract.economic_key)

    # -- at every moment -----------------------------------------------------------------------

    def check(self) -> None:
        """Raise BrokenRuleError for what does not hold now."""
        self.broken += self._world.db.violations
        self._world.db.violations.clear()
        self._check_conservation()
        self._read_journal()
        for child in self._world.db.children.values():
            self._check_child(child)
        self._check_missing()
        self._check_reservations()
        if self.broken:
            raise BrokenRuleError("; ".join(dict.fromkeys(self.broken)))

    def _read_journal(self) -> None:
        """Note what was judged absent, though evidence may have mended it within one step."""
        journal = self._world.db.journal
        for number in range(self._journalled, len(journal)):
            kind, subject = journal[number]
            if kind == "child.absent":
                self._ever_absent.add(UUID(subject))
        self._journalled = len(journal)

    def _check_conservation(self) -> None:
        for intent in self._world.db.intents.values():
            total = 0
            for child in self._world.db.children_of(intent.id):
                order = self._world.order(child.order_ref)
                if order is not None:
                    filled = int(order.told.filled or 0)
                    total += filled if order.is_final else int(order.told.quantity)
            if total > intent.quantity:
                self.broken.append(f"{total} filled or open of an intent for {intent.quantity}")

    def _check_child(self, child: ChildRow) -> None:
        db = self._world.db
        if child.id in self._ever_absent and self._world.order(child.order_ref) is not None:
            self.broken.append(f"{child.order_ref} was judged absent, and the broker has it")
        fills = db.fills_of(child.id)
        total = int(filled_quantity({row.exec_id: row.quantity for row in fills}))
        if total != child.filled_quantity or total > child.quantity:
            self.broken.append(
                f"{child.order_ref}: {child.filled_quantity} of {child.quantity} recorded as"
                f" filled, {total} in executions"
            )
        order = self._world.order(child.order_ref)
        real = {} if order is None else {fill.exec_id: fill.quantity for fill in order.fills}
        for row in fills:
            if not row.inferred and real.get(row.exec_id) != row.quantity:
                self.broken.append(f"{child.order_ref}: {row.exec_id} is not the broker's")

    def _check_missing(self) -> None:
        rows = list(self._world.db.reconciliations.values())
        for row in rows[self._reconciled :]:
            for difference in row.differences:
                ref = str(difference["subject"])
                if difference["kind"] == "order_missing" and ref in self._world.script.orders:
                    self.broken.append(f"{ref} was found missing, and the broker's lists had it")
        self._reconciled = len(rows)

    def _check_reservations(self) -> None:
        db = self._world.db
        for row in db.reservations.values():
            if row.released_at is None or row.intent_id in self._released:
                continue
            self._released.add(row.intent_id)
            if db.intents[row.intent_id].state not in FINAL:
                self.broken.append("buying power was released before its intent ended")
            for child in db.children_of(row.intent_id):
                order = self._world.order(child.order_ref)
                if order is not None and not order.is_final:
                    self.broken.append(f"buying power was released while {child.order_ref} is open")

    # -- healed --------------------------------------------------------------------------------

    def is_quiet(self) -> bool:
        moving = {_S.SUBMITTING, _S.UNKNOWN}
        return not any(row.state in moving for row in self._world.db.intents.values())

    def check_healed(self) -> None:
        """Raise BrokenRuleError for what does not hold though every fault was taken away."""
        self.check()
        db = self._world.db
        for intent in db.intents.values():
            if intent.state not in FINAL | WAITING:
                self.broken.append(f"an intent stays {intent.state}: {intent.state_reason}")
        for child in db.children.values():
            if db.intents[child.intent_id].contract.economic_key not in self._forgotten:
                self._check_end(child)
        for ref, order in [*self._world.script.orders.items(), *self._world.past.items()]:
            if self._child(ref) is None:
                self.broken.append(f"{ref} is at the broker and not recorded")
            for fill in order.fills:
                if fill.exec_id in self._told and fill.exec_id not in db.executions:
                    self.broken.append(f"{fill.exec_id} was told and is not recorded")
        if db.gates.get("DU0000001") is TradingState.HALTED:
            for ref in self._world.fillable():
                self.broken.append(f"{ref} is open although the account is halted")
        self.check()

    def _check_end(self, child: ChildRow) -> None:
        order = self._world.order(child.order_ref)
        if child.state is _S.NEEDS_PERSON:
            return
        if order is None:
            if child.state in POSSIBLY_LIVE or child.filled_quantity:
                self.broken.append(f"{child.order_ref} is {child.state}, and the broker has none")
            return
        told = order.told
        filled = int(told.filled or 0)
        if child.filled_quantity != filled:
            self.broken.append(
                f"{child.order_ref}: {child.filled_quantity} recorded, {filled} filled"
            )
        if child.state not in ENDS.get(told.status, {_S.WORKING}):
            self.broken.append(f"{child.order_ref} is {child.state}, and {told.status} there")

    # -- private -------------------------------------------------------------------------------

    def _child(self, ref: str) -> ChildRow | None:
        return next((row for row in self._world.db.children.values() if row.order_ref == ref), None)

    def _is_spooled(self, ref: str) -> bool:
        return any(
            sent["order_ref"] == ref
            for disk in self._world.disks.values()
            for record in disk.records.values()
            for sent in record.get("cancels", ())
        )

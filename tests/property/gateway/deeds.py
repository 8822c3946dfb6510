"""What people, the market and faults may do to the model: one deed is one step of a story."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from uuid import UUID

from tests.property.gateway.gateway_process import GatewayProcess, Killed, Rules
from tests.property.gateway.world import HELD, OPENINGS, World
from tests.support.fake_broker import Write
from tests.support.memory_database import Doubt
from theta.common.domain.orders import POSSIBLY_LIVE

CLAIM_POINTS = {
    "gateway.claim.before_commit": ("kill", "lose_database"),
    "gateway.claim.after_commit": (
        "kill", "sleep", "freeze", "drop", "lose_link", "halt", "lose_database", "turn", "other",
        "reconnect",
    ),
    "gateway.send.before_write": ("kill", "sleep", "freeze", "lose_database", "other"),
    "gateway.send.after_write": ("kill", "fill", "lose_database", "freeze", "other"),
    "gateway.sent.after_commit": ("kill", "fill", "turn", "halt"),
}  # fmt: skip
CANCEL_POINTS = {
    "gateway.cancel.before_write": ("kill", "fill", "lose_database", "freeze"),
    "gateway.cancel.after_write": ("kill", "fill", "lose_database"),
}
MODIFY_POINTS = {
    "gateway.modify.before_commit": ("kill", "lose_database"),
    "gateway.modify.after_commit": ("kill", "fill", "sleep", "halt", "turn", "reconnect"),
    "gateway.modify.before_write": ("kill", "fill", "freeze"),
    "gateway.modify.after_write": ("kill", "fill"),
}
RECORD_POINTS = {
    "gateway.record.after_spool": ("kill", "fill", "lose_database"),
    "gateway.record.before_commit": ("kill", "lose_database"),
    "gateway.record.after_commit": ("kill", "fill", "lose_database"),
}
HALT_POINTS = {
    "gateway.halt.before_commit": ("kill", "lose_database"),
    "gateway.halt.after_commit": ("kill", "fill"),
}
EVERY_FATE = (Write.ACKNOWLEDGED, *Write)
ANSWERS = ("open_orders", "completed_orders", "executions")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong with one write: its fate, a slow way to the broker, a fault on the way."""

    fate: Write = Write.ACKNOWLEDGED
    slow_seconds: float | None = None
    point: str = ""
    act: str = ""


NO_TROUBLE = Trouble()


def troubles(points: Mapping[str, tuple[str, ...]], *, slow: bool = False) -> list[Trouble]:
    """Every single trouble, some in pairs, and none in a third of the cases."""
    fates = [Trouble(fate) for fate in EVERY_FATE]
    if slow:
        late = (Write.ACKNOWLEDGED, Write.ACKNOWLEDGED, Write.BROKEN_TAKEN, Write.BROKEN_TAKEN)
        fates += [Trouble(fate, seconds) for fate, seconds in itertools.product(late, (3.0, 7.0))]
    found = [
        Trouble(fate, None, point, act)
        for point, acts in points.items()
        for act in acts
        for fate in (Write.ACKNOWLEDGED, Write.SILENT)
    ]
    return [*fates, *found, *([NO_TROUBLE] * (len(found) // 2))]


class OrderDeeds:
    """What people and the market do to orders."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.world = World(rules)
        self.world.start("a")
        self.world.pass_time(5)

    def order(self, which: int, quantity: int, trouble: Trouble) -> None:
        """Approve an intent and submit it; `which` from 0 to 3."""
        opening = which < len(OPENINGS)
        contract = OPENINGS[which] if opening else HELD
        self.submit(self.world.approve(contract, quantity, opening=opening), trouble)

    def submit_again(self, position: int, trouble: Trouble) -> None:
        intents = list(self.world.db.intents)
        if intents:
            self.submit(intents[position % len(intents)], trouble)

    def submit(self, intent_id: UUID, trouble: Trouble) -> None:
        """Submit an intent, whatever became of it before."""
        for process in self._acting(trouble):
            self.world.attempt(process, partial(process.submitting.submit, intent_id))
        self._end_step()

    def freeze_at_the_write(self, which: int, seconds: float) -> None:
        """Stop the sender between its last test and the write: §4's stated exception."""
        intent_id = self.world.approve(OPENINGS[which % len(OPENINGS)], 1, opening=True)
        for process in self._acting(NO_TROUBLE):
            self._standby()

            def frozen(process: GatewayProcess = process) -> None:
                self.world.freeze(process, seconds)
                self.world.oracle.frozen_write = True

            self.world.at_write = frozen
            self.world.attempt(process, partial(process.submitting.submit, intent_id))
        self._end_step()

    def cancel(self, position: int, trouble: Trouble) -> None:
        children = self._children()
        for process in self._acting(trouble):
            if children:
                child_id = children[position % len(children)]
                self.world.attempt(process, partial(process.cancelling.cancel, child_id))
        self._end_step()

    def modify(self, position: int, trouble: Trouble) -> None:
        """Give an order one of eight new prices, one of them out of bounds."""
        children = self._children()
        price = Decimal("4.40") + Decimal("0.15") * (position % 8)
        for process in self._acting(trouble):
            if children:
                change = partial(
                    process.modifying.modify, children[position % len(children)], price,
                    actor="ann", reason="drill",
                )  # fmt: skip
                self.world.attempt(process, change)
        self._end_step()

    def fill(self, position: int, quantity: int, *, told: bool = True) -> None:
        open_refs = self.world.fillable()
        if open_refs:
            self.world.fill(open_refs[position % len(open_refs)], quantity, told=told)

    def fill_between_two_answers(self, position: int, quantity: int, after: str) -> None:
        """Fill it after the broker's next answer to `after`, and ask for the lists.

        The callback of every second such fill is slower than the lists.
        """
        told = position % 2 == 0
        self.world.between[after] = partial(self.fill, position, quantity, told=told)
        for process in self.world.acting():
            process.watch.ask("drill")
            self.world.turn(process)
        self.world.between.clear()

    def late_fill(self, position: int) -> None:
        """A fill that crossed a cancel, told after the cancel was confirmed."""
        ended = [
            ref
            for ref, order in self.world.script.orders.items()
            if order.told.status == "Cancelled"
        ]
        if ended:
            ref = ended[position % len(ended)]
            self.world.oracle.filled_late.add(ref)
            self.world.fill(ref, 1)

    def broker_ends(self, position: int, status: str) -> None:
        """The exchange or the broker ends an order by itself."""
        open_refs = self.world.fillable()
        if open_refs:
            ref = open_refs[position % len(open_refs)]
            self.world.voice().controls.finish(ref, status, tell=self.world.link_up)

    def halt(self, trouble: Trouble) -> None:
        for process in self._acting(trouble):
            self._halt(process)
        self._end_step()

    def _children(self) -> list[UUID]:
        """Children that may be live; without one, all."""
        children = self.world.db.children.values()
        live = [child.id for child in children if child.state in POSSIBLY_LIVE]
        return live or [child.id for child in children]

    def _acting(self, trouble: Trouble) -> list[GatewayProcess]:
        """The process that acts first, armed with the trouble; none when none runs."""
        self.world.script.next_write = trouble.fate
        self.world.slow_seconds = trouble.slow_seconds
        found = sorted(self.world.acting(), key=lambda one: not one.broker.connected)[:1]
        if trouble.point:
            for process in found:
                process.steps.at[trouble.point] = partial(self._deed, process, trouble.act)
        return found

    def _deed(self, process: GatewayProcess, act: str) -> None:
        world = self.world
        if act == "kill":
            raise Killed(process)
        if act == "freeze":
            self._standby()
            world.freeze(process, 17.5)
        elif act == "reconnect":
            world.drop()
            world.turn(process)
        elif act == "other":
            self._other(process)
        elif act == "halt":
            self._halt(process)
        elif act == "turn":
            world.turn(process)
        elif act == "fill":
            self.fill(-1, 1)
        elif act == "sleep":
            world.advance(3)
        else:
            {"drop": world.drop, "lose_link": world.lose_link, "lose_database": world.db.lose}[
                act
            ]()

    def _other(self, process: GatewayProcess) -> None:
        """Another gateway takes up the same work meanwhile."""
        self._standby()
        for one in self.world.acting():
            if one is not process:
                self.world.turn(one)
                for intent_id in list(self.world.db.intents):
                    self.world.attempt(one, partial(one.submitting.submit, intent_id))

    def _standby(self) -> None:
        name = next((one for one in "ab" if self.world.running(one) is None), None)
        if name is not None:
            self.world.start(name)

    def _halt(self, process: GatewayProcess) -> None:
        halt = partial(
            process.halting.halt, scope="account", scope_key=None, account=None, reason="drill",
            actor="ann",
        )  # fmt: skip
        self.world.attempt(process, halt)

    def _end_step(self) -> None:
        """What was meant for one write or one step does not wait for a later one."""
        self.world.script.next_write = Write.ACKNOWLEDGED
        self.world.slow_seconds = self.world.at_write = None
        self.world.oracle.frozen_write = False
        for process in self.world.processes:
            process.steps.at.clear()
            if not self.world.wire_is_slow:
                self.world.attempt(process, process.evidence.write_pending)


class Deeds(OrderDeeds):
    """A story: its world, and what may happen next. Every deed may be done at any time."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self.troublesome: dict[str, Callable[[int], None]] = {
            "mend": lambda _: self.mend(),
            "kill": lambda _: self.kill(again=True),
            "kill for good": lambda _: self.kill(again=False),
            "start a": lambda _: self.start("a"),
            "start b": lambda _: self.start("b"),
            "drop": lambda _: self.world.drop(),
            "tws away": lambda _: self.tws_away(),
            "lose link": lambda _: self.world.lose_link(),
            "link back": lambda _: self.world.connect(),
            "shift ids": self.shift_order_ids,
            "database away": lambda _: self.world.db.lose(),
            "database back": lambda _: self.world.db.come_back(),
            "doubt, kept": lambda _: self._doubt(Doubt.KEPT),
            "doubt, undone": lambda _: self._doubt(Doubt.UNDONE),
            "slow wire": lambda _: self._slow_wire(),
            "fast wire": lambda _: self.fast_wire(),
            "deliver": self.world.deliver,
            "repeat": self.world.repeat,
            "repeat another": lambda number: self.world.repeat(number * 3 + 1),
            "midnight": lambda _: self.midnight(),
            "dead over midnight": self.dead_over_midnight,
            "halt": lambda number: self.halt(HALTS[number % len(HALTS)]),
            "resume": lambda _: self.resume(),
            "resume again": lambda _: self.resume(),
            "turn": lambda number: self.turn(RECORDS[number % len(RECORDS)]),
            "another turn": lambda number: self.turn(RECORDS[number * 5 % len(RECORDS)]),
        }

    def midnight(self) -> None:
        self.world.midnight()
        self._end_step()

    def dead_over_midnight(self, position: int) -> None:
        """A fill is told, the gateway dies at once and comes back on the next day."""
        self.fill(position, 1)
        self.kill(again=False)
        self.midnight()
        self.start("a")

    def resume(self) -> None:
        for process in self.world.acting():
            lift = partial(
                process.resuming.resume, scope="account", scope_key=None, account=None,
                reason="go", actor="ann",
            )  # fmt: skip
            self.world.attempt(process, lift)

    def kill(self, *, again: bool) -> None:
        for process in self.world.acting()[:1]:
            self.world.bury(process)
            if again:
                self.world.start(process.name)

    def start(self, name: str) -> None:
        if self.world.running(name) is None:
            self.world.start(name)

    def tws_away(self) -> None:
        self.world.tws_up = False
        self.world.drop()

    def shift_order_ids(self, position: int) -> None:
        """Order ids roll back while TWS is away for a moment; then somebody wants a new price."""
        self.world.drop()
        self.world.shift_order_ids()
        self.world.pass_time(5)
        self.modify(position, NO_TROUBLE)

    def mend(self) -> None:
        """Whoever is away comes back."""
        self.world.db.come_back()
        self.world.connect()
        self.fast_wire()
        self.start("a")
        self.world.pass_time(5)

    def fast_wire(self) -> None:
        self.world.wire_is_slow = False
        self.world.flush()

    def turn(self, trouble: Trouble) -> None:
        for process in self._acting(trouble):
            self.world.turn(process)
        self._end_step()

    def heal(self) -> None:
        self.world.heal()
        self.world.oracle.check_healed()

    def _doubt(self, doubt: Doubt) -> None:
        self.world.db.doubt = doubt

    def _slow_wire(self) -> None:
        self.world.wire_is_slow = True


CLAIMS = troubles(CLAIM_POINTS, slow=True)
CANCELS = troubles(CANCEL_POINTS)
MODIFIES = troubles(MODIFY_POINTS)
RECORDS = [NO_TROUBLE, *(one for one in troubles(RECORD_POINTS) if one.point)]
HALTS = [NO_TROUBLE, *(one for one in troubles(HALT_POINTS) if one.point)]

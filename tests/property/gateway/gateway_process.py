"""One gateway process of the model: the real use cases on memory, in one thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from tests.support.memory_evidence import MemoryEvidence
from tests.support.memory_orders import MemoryOrders
from tests.support.memory_session import (
    MemoryGate,
    MemorySenderLock,
    MemorySession,
    MemorySnapshots,
)
from tests.support.memory_spools import (
    Disk,
    MemoryEvidenceSpool,
    MemoryQuarantine,
    MemoryRecordSpool,
)
from tests.support.memory_stores import MemoryClaims, MemoryModifies
from theta.broker_gateway.domain.records import FollowUp
from theta.broker_gateway.ports import Evidence
from theta.broker_gateway.use_cases.cancel_order import CancelOrder
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import HaltTrading
from theta.broker_gateway.use_cases.hold_lease import HoldLease
from theta.broker_gateway.use_cases.modify_order import ModifyOrder
from theta.broker_gateway.use_cases.reconcile import Reconcile
from theta.broker_gateway.use_cases.record_evidence import RecordEvidence
from theta.broker_gateway.use_cases.refresh_accounts import RefreshAccounts
from theta.broker_gateway.use_cases.resolve_unknown import ResolveUnknown
from theta.broker_gateway.use_cases.resume_trading import ResumeTrading
from theta.broker_gateway.use_cases.submit_order import SubmitOrder
from theta.broker_gateway.use_cases.take_snapshot import TakeSnapshot
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.broker_gateway.use_cases.watch_session import WatchSession

if TYPE_CHECKING:
    from tests.property.gateway.world import World

Answer = TypeVar("Answer")
INSTALLATION = "theta"
SESSION = "main"
CLIENT_ID = 17
ROUNDS_APART_SECONDS = 10.0
ACKNOWLEDGED_WITHIN_SECONDS = 3.0


class Killed(BaseException):
    """The process died here."""

    def __init__(self, process: GatewayProcess) -> None:
        super().__init__(process.name)
        self.process = process


class ModelClock:
    """Process, wall and database time in one; no two readings are equal."""

    def __init__(self) -> None:
        self._micros = 1_000_000_000
        self._began = datetime(2026, 8, 18, 15, 0, tzinfo=UTC)

    def boottime_seconds(self) -> float:
        self._micros += 1
        return self._micros / 1e6

    def wall_at(self) -> datetime:
        self._micros += 1
        return self._began + timedelta(microseconds=self._micros - 1_000_000_000)

    def advance(self, seconds: float) -> None:
        self._micros += int(seconds * 1e6)


class ModelIds:
    """Identities in order, so that a seed always tells the same story."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> UUID:
        self._count += 1
        return UUID(int=self._count)

    def token(self) -> str:
        self._count += 1
        letters = "abcdefghijklmnopqrstuvwxyz"
        number, text = self._count, ""
        while number:
            number, digit = divmod(number, 26)
            text = letters[digit] + text
        return text.rjust(20, "a")


class ThisThread:
    """The session loop as the caller itself: the fake broker never waits."""

    def call(self, work: Callable[[], Answer], *, timeout_seconds: float) -> Answer:
        return work()

    def run(self, make: Callable[[], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
        steps = make().__await__()
        try:
            next(steps)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer
        raise AssertionError("the model's broker does not wait")


class FaultSteps:
    """Fault points of one process; an action is taken once."""

    def __init__(self) -> None:
        self.at: dict[str, Callable[[], None]] = {}

    def reach(self, name: str) -> None:
        action = self.at.pop(name, None)
        if action is not None:
            action()


class GatewayProcess:
    """What dies at a kill: everything here but the database, the disk and the broker."""

    def __init__(self, world: World, name: str, disk: Disk) -> None:
        self.world, self.name, self.disk = world, name, disk
        self.alive, self.frozen = True, False
        self.steps, self.guard = FaultSteps(), SessionGuard()
        self.broker = world.new_session(self)
        self._make_stores()
        self._make_sending()
        self._make_watch()

    def _make_stores(self) -> None:
        world, faults = self.world, self.steps
        db, ids, rules = world.db, world.ids, world.rules
        self.records = MemoryRecordSpool(self.disk, ids)
        self.spool = rules.spool(self.disk, ids)
        self.claims = rules.claims(db, session=SESSION, faults=faults)
        self.modifies = MemoryModifies(db, session=SESSION, faults=faults)
        self.orders = MemoryOrders(db, session=SESSION, ids=ids)
        self.gate = MemoryGate(db, faults=faults)
        self.session = MemorySession(db, session=SESSION)
        self.store = MemorySnapshots(db)
        self.lock = MemorySenderLock(db, world.lock_state, wait=world.advance)
        self.live = LiveOrders(installation=INSTALLATION, client_id=CLIENT_ID)
        evidence_store = MemoryEvidence(
            db, session=SESSION, installation=INSTALLATION, client_id=CLIENT_ID, ids=ids,
            faults=faults,
        )  # fmt: skip
        self.evidence = RecordEvidence(
            spool=self.spool, quarantine=MemoryQuarantine(self.disk), store=evidence_store,
            live=self.live, follow_up=self._follow_up, faults=faults, clock=world.clock,
        )  # fmt: skip
        self.lease = HoldLease(
            store=self.session, guard=self.guard, clock=world.clock, holder=self.name
        )

    def _make_sending(self) -> None:
        world, loop, guard, faults = self.world, ThisThread(), self.guard, self.steps
        clock, ids, broker, live = world.clock, world.ids, self.broker, self.live
        self.loop = loop
        self.submitting = SubmitOrder(
            broker=broker, loop=loop, claims=self.claims, lock=self.lock, guard=guard,
            clock=clock, ids=ids, faults=faults, installation=INSTALLATION, live=live,
            pause=world.advance,
        )  # fmt: skip
        self.cancelling = CancelOrder(
            broker=broker, loop=loop, cancels=self.claims, live=live, guard=guard,
            spool=self.records, clock=clock, ids=ids, faults=faults,
        )  # fmt: skip
        self.modifying = ModifyOrder(
            broker=broker, loop=loop, modifies=self.modifies, lock=self.lock, guard=guard,
            clock=clock, ids=ids, faults=faults, live=live, ask=self._ask,
        )  # fmt: skip
        self.halting = HaltTrading(
            broker=broker, loop=loop, gate=self.gate, cancels=self.claims, lock=self.lock,
            live=live, guard=guard, spool=self.records, clock=clock, ids=ids,
        )  # fmt: skip
        self.resuming = ResumeTrading(gate=self.gate, reconciliations=self.store, guard=guard)

    def _make_watch(self) -> None:
        world, loop = self.world, self.loop
        clock, ids, broker = world.clock, world.ids, self.broker
        snapshots = TakeSnapshot(
            broker=broker, loop=loop, store=self.store, ids=ids, alerts=self.gate
        )
        self.refreshing = RefreshAccounts(reservations=self.store, snapshots=snapshots, clock=clock)
        self.reconciling = Reconcile(
            broker=broker, loop=loop, orders=self.orders, store=self.store, gate=self.gate,
            snapshots=snapshots, guard=self.guard, drain=self._drain, pause=world.advance,
            clock=clock, installation=INSTALLATION,
        )  # fmt: skip
        self.resolving = ResolveUnknown(
            broker=broker, loop=loop, orders=self.orders, snapshots=snapshots,
            drain=self._drain, follow_up=self._follow_up, clock=clock,
            installation=INSTALLATION, interval_seconds=ROUNDS_APART_SECONDS,
            acknowledge_within_seconds=ACKNOWLEDGED_WITHIN_SECONDS, send_within_seconds=2,
        )  # fmt: skip
        self.watch = WatchSession(
            broker=broker, loop=loop, guard=self.guard, evidence=self.evidence,
            halting=self.halting, reconciling=self.reconciling, resolving=self.resolving,
            cancelling=self.cancelling, refreshing=self.refreshing,
            submit=self.submitting.submit, claims=self.claims, gate=self.gate,
            session=self.session, clock=clock, resolve_interval_seconds=ROUNDS_APART_SECONDS,
        )  # fmt: skip

    @property
    def runs(self) -> bool:
        return self.alive and not self.frozen

    def keep_house(self) -> None:
        """Lease and connection, as the housekeeping thread does."""
        held = self.lease.turn()
        broker = self.broker
        if held and not broker.connected and self.world.accepts(self):
            self.broker.controls.connect(self.world.next_connection_no())
        elif self.guard.epoch_held is None and broker.connected:
            self.world.hang_up(self)

    def sink(self, evidence: Evidence) -> None:
        self.world.hear(self, evidence)

    def _drain(self) -> bool:
        self.evidence.write_pending()
        return True

    def _ask(self, trigger: str) -> None:
        self.watch.ask(trigger)

    def _follow_up(self, follow_up: FollowUp) -> None:
        self.watch.follow_up(follow_up)


class Rules:
    """The parts that a mutation may replace by a broken one."""

    claims: type[MemoryClaims] = MemoryClaims
    spool: type[MemoryEvidenceSpool] = MemoryEvidenceSpool
    client_id_is_a_fence: bool = True

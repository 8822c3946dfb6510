"""The gateway's use cases on a fake broker and a real database, in one thread, turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Engine

from tests.support.fake_broker import FakeBroker
from theta.broker_gateway.adapters.postgres_claims import PostgresClaims
from theta.broker_gateway.adapters.postgres_evidence import PostgresEvidence
from theta.broker_gateway.adapters.postgres_gate import PostgresGate
from theta.broker_gateway.adapters.postgres_modifies import PostgresModifies
from theta.broker_gateway.adapters.postgres_orders import PostgresOrders
from theta.broker_gateway.adapters.postgres_session import PostgresSession, PostgresSnapshots
from theta.broker_gateway.adapters.sender_lock import PostgresSenderLock
from theta.broker_gateway.adapters.spool import (
    EvidenceSpool,
    Quarantine,
    RecordSpool,
    SpoolFolder,
)
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
from theta.common.adapters import RandomIds

Answer = TypeVar("Answer")

ACCOUNT = "DU0000001"


class SteppedClock:
    """Process time that tests move; wall time moves along, or is set apart."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = datetime.now(UTC)

    def boottime_seconds(self) -> float:
        return self.seconds

    def wall_at(self) -> datetime:
        return self.wall

    def advance(self, seconds: float, *, wall: float | None = None) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds if wall is None else wall)


class InlineLoop:
    """The session loop as the calling thread itself."""

    def call(self, work: Callable[[], Answer], *, timeout_seconds: float) -> Answer:
        return work()

    def run(self, make: Callable[[], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
        async def turn() -> Answer:
            return await make()

        return asyncio.run(turn())


class Steps:
    """Fault points as hooks: what a test does between two steps of the program."""

    def __init__(self) -> None:
        self.at: dict[str, Callable[[], None]] = {}
        self.reached: list[str] = []

    def reach(self, name: str) -> None:
        self.reached.append(name)
        action = self.at.pop(name, None)
        if action is not None:
            action()


class Rig:
    """One gateway, reconciled and ready after `ready()`."""

    def __init__(
        self, engine: Engine, folder: Path, *, accounts: tuple[str, ...] = (ACCOUNT,)
    ) -> None:
        self.engine = engine
        self.clock, self.steps, self.guard = SteppedClock(), Steps(), SessionGuard()
        self.loop, ids = InlineLoop(), RandomIds()
        self.broker = FakeBroker(self._sink, accounts=accounts)
        self.script, self.controls = self.broker.script, self.broker.controls
        self.folder = SpoolFolder(folder)
        self.records, self.spool = RecordSpool(folder, ids), EvidenceSpool(folder, ids)
        self.claims = PostgresClaims(engine, session="main", faults=self.steps)
        self.orders = PostgresOrders(engine, session="main", ids=ids)
        self.gate = PostgresGate(engine, session="main", faults=self.steps)
        self.session = PostgresSession(engine, session="main")
        self.store = PostgresSnapshots(engine, session="main", ids=ids)
        self.lock = PostgresSenderLock(engine, session="main")
        self.live = LiveOrders(installation="theta", client_id=17)
        evidence_store = PostgresEvidence(
            engine, session="main", installation="theta", client_id=17, ids=ids, faults=self.steps
        )
        self.evidence = RecordEvidence(
            spool=self.spool, quarantine=Quarantine(folder), store=evidence_store,
            live=self.live, follow_up=self._follow_up, faults=self.steps, clock=self.clock,
        )  # fmt: skip
        self.lease = HoldLease(store=self.session, guard=self.guard, clock=self.clock, holder="rig")
        self.submitting = SubmitOrder(
            broker=self.broker, loop=self.loop, claims=self.claims, lock=self.lock,
            guard=self.guard, clock=self.clock, ids=ids, faults=self.steps, installation="theta",
            live=self.live, pause=self.clock.advance,
        )  # fmt: skip
        self.cancelling = CancelOrder(
            broker=self.broker, loop=self.loop, cancels=self.claims, live=self.live,
            guard=self.guard, spool=self.records, clock=self.clock, ids=ids, faults=self.steps,
        )  # fmt: skip
        self.modifies = PostgresModifies(engine, session="main", faults=self.steps)
        self.modifying = ModifyOrder(
            broker=self.broker, loop=self.loop, modifies=self.modifies, lock=self.lock,
            guard=self.guard, clock=self.clock, ids=ids, faults=self.steps, live=self.live,
            ask=self._ask,
        )  # fmt: skip
        self.halting = HaltTrading(
            broker=self.broker, loop=self.loop, gate=self.gate, cancels=self.claims,
            lock=self.lock, live=self.live, guard=self.guard, spool=self.records,
            clock=self.clock, ids=ids,
        )  # fmt: skip
        self.resuming = ResumeTrading(gate=self.gate, reconciliations=self.store, guard=self.guard)
        self.snapshots = TakeSnapshot(
            broker=self.broker, loop=self.loop, store=self.store, ids=ids, alerts=self.gate
        )
        self.refreshing = RefreshAccounts(
            reservations=self.store, snapshots=self.snapshots, clock=self.clock
        )
        self.reconciling = Reconcile(
            broker=self.broker, loop=self.loop, orders=self.orders, store=self.store,
            gate=self.gate, snapshots=self.snapshots, guard=self.guard, drain=self.drain,
            pause=self.clock.advance, clock=self.clock, installation="theta",
        )  # fmt: skip
        self.resolving = ResolveUnknown(
            broker=self.broker, loop=self.loop, orders=self.orders, snapshots=self.snapshots,
            drain=self.drain, follow_up=self._follow_up, clock=self.clock, installation="theta",
            interval_seconds=10, acknowledge_within_seconds=0, send_within_seconds=2,
            evidence_waits=self.evidence.waits,
        )  # fmt: skip
        self.watch = WatchSession(
            broker=self.broker, loop=self.loop, guard=self.guard, evidence=self.evidence,
            halting=self.halting, reconciling=self.reconciling, resolving=self.resolving,
            cancelling=self.cancelling, refreshing=self.refreshing, submit=self.submitting.submit,
            claims=self.claims, gate=self.gate, session=self.session, clock=self.clock,
            resolve_interval_seconds=10,
        )  # fmt: skip

    def ready(self) -> None:
        """Lease held and waited for, connected, reconciled."""
        assert self.lease.turn()
        self.clock.advance(2.5)
        if not self.broker.connected:
            self.controls.connect()
        self.watch.turn()

    def submit(self, intent_id: UUID) -> str:
        outcome = self.submitting.submit(intent_id)
        self.evidence.write_pending()
        return outcome

    def pass_time(self, seconds: float) -> None:
        """Move every clock, keep the lease, and take a turn."""
        for _ in range(int(seconds // 2.5) + 1):
            self.clock.advance(seconds / (int(seconds // 2.5) + 1))
            self.lease.turn()
        self.script.advance(seconds)
        self.watch.turn()

    def resolve(self) -> None:
        """Two rounds far enough apart, and what they lead to."""
        for seconds in (3, 11, 11):
            self.pass_time(seconds)

    def drain(self) -> bool:
        self.evidence.write_pending()
        return True

    def close(self) -> None:
        self.lock.close()
        self.spool.close()
        self.folder.close()

    def _sink(self, evidence: Evidence) -> None:
        self.evidence.sink(evidence)

    def _ask(self, trigger: str) -> None:
        self.watch.ask(trigger)

    def _follow_up(self, follow_up: FollowUp) -> None:
        self.watch.follow_up(follow_up)

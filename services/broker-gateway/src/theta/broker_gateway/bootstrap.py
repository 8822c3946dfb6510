"""Wires the gateway together. Nothing here decides anything about orders."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from theta.broker_gateway.adapters.flag_file import HaltFlagFile
from theta.broker_gateway.adapters.ibkr.session import IbkrSession
from theta.broker_gateway.adapters.ibkr.session_loop import SessionLoop
from theta.broker_gateway.adapters.observer import GatewayObserver
from theta.broker_gateway.adapters.postgres_claims import PostgresClaims
from theta.broker_gateway.adapters.postgres_evidence import PostgresEvidence
from theta.broker_gateway.adapters.postgres_gate import PostgresGate
from theta.broker_gateway.adapters.postgres_modifies import PostgresModifies
from theta.broker_gateway.adapters.postgres_orders import PostgresOrders
from theta.broker_gateway.adapters.postgres_queries import PostgresQueries
from theta.broker_gateway.adapters.postgres_session import PostgresSession, PostgresSnapshots
from theta.broker_gateway.adapters.sender_lock import PostgresSenderLock
from theta.broker_gateway.adapters.session_loop import LoopCalls
from theta.broker_gateway.adapters.spool import (
    EvidenceSpool,
    Quarantine,
    RecordSpool,
    SpoolFolder,
)
from theta.broker_gateway.domain.records import FollowUp
from theta.broker_gateway.entrypoints.http.app import make_app
from theta.broker_gateway.entrypoints.http.ports import ApiParts, ClockNow
from theta.broker_gateway.entrypoints.jobs import Workers
from theta.broker_gateway.ports import SessionState
from theta.broker_gateway.settings import Settings
from theta.broker_gateway.use_cases.cancel_order import CancelOrder
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import HaltTrading
from theta.broker_gateway.use_cases.hold_lease import HoldLease
from theta.broker_gateway.use_cases.last_test import SEND_WITHIN_SECONDS
from theta.broker_gateway.use_cases.modify_order import ModifyOrder
from theta.broker_gateway.use_cases.publish_clock import PublishClock
from theta.broker_gateway.use_cases.reconcile import Reconcile
from theta.broker_gateway.use_cases.record_evidence import RecordEvidence
from theta.broker_gateway.use_cases.refresh_accounts import RefreshAccounts
from theta.broker_gateway.use_cases.refuse_live import LIVE_NOT_ALLOWED, RefuseLive
from theta.broker_gateway.use_cases.resolve_unknown import ResolveUnknown
from theta.broker_gateway.use_cases.resume_trading import ResumeTrading
from theta.broker_gateway.use_cases.submit_order import SubmitOrder
from theta.broker_gateway.use_cases.take_snapshot import TakeSnapshot
from theta.broker_gateway.use_cases.tell_people import TellPeople
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.broker_gateway.use_cases.watch_session import WatchSession
from theta.common.adapters import RandomIds, SystemClock
from theta.common.config.thetagang import load_config
from theta.common.errors import ConfigError, ThetaError, TransientError
from theta.common.http.serving import UvicornThread
from theta.common.postgres.engine import make_engine
from theta.common.process import fault_points
from theta.common.redis.connection import connect
from theta.common.telemetry.logs import get_logger

HOUSEKEEPING_SECONDS = 0.25
STALL_SECONDS = 30.0
DRAIN_SECONDS = 10.0
THREAD_STOP_SECONDS = 1.0

_log = get_logger(__name__)


@dataclass
class Fatal:
    """Why the process must end, set by whichever thread finds out."""

    error: ThetaError | None = None


def rollout_stage(config: Path) -> str:
    """Return how far orders may go; `simulated` where the file does not say it readably."""
    try:
        return load_config(config).rollout.stage
    except ConfigError as error:
        # A paper account needs nothing of the file, and a live one stays refused.
        _log.warning("the configuration was not read: a live account is refused", error=str(error))
        return "simulated"


class Gateway:
    """The running service: `start`, `failure` asked now and then, `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._ids = RandomIds()
        stage = rollout_stage(settings.config)
        self._faults = fault_points(settings.fault_file, stage=stage)
        self._fatal = Fatal()
        self._stop = threading.Event()
        self._writer_stop = threading.Event()
        self._folder = SpoolFolder(settings.spool_dir)
        self._engine = make_engine(
            settings.database_url.get_secret_value(),
            application_name=f"theta-broker-gateway-{settings.session}",
            pool_size=8,
        )
        self._loop_thread = SessionLoop(self._clock)
        self._loop = LoopCalls(self._loop_thread)
        self._guard = SessionGuard()
        self._live_rule = RefuseLive(
            guard=self._guard,
            allowed=stage == "live",
            faults_armed=settings.fault_file is not None,
        )
        self._make_stores()
        self._make_session()
        self._make_use_cases()
        self._make_entrypoints()
        self._threads: list[threading.Thread] = []

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin everything; the broker may be away, it is tried until it answers.

        Raises ConfigError or UnavailableError when the spool folder or the HTTP port is taken.
        """
        self._folder.lock()
        self._loop_thread.start()
        self._http.start()
        self._begin("housekeeping", self._keep_house)
        self._begin("evidence", lambda: self._evidence.run(self._writer_stop))
        self._begin("watch", lambda: self._watch.run(self._stop))
        self._workers.start()

    def failure(self) -> ThetaError | None:
        """Return why the process must end, `None` while it should go on."""
        return self._fatal.error

    @property
    def stalled(self) -> bool:
        """Whether the session loop stands still for so long that the process must be killed."""
        return self._loop_thread.stalled_seconds() > STALL_SECONDS

    @property
    def http_port(self) -> int:
        """The API's port, also when 0 was asked for."""
        return self._http.port

    def stop(self) -> None:
        """Stop within 5 s: no new work, orders stay as they are, socket closed, lease released."""
        self._guard.close("stopping")
        self._stop.set()
        self._watch.ask("stopping")
        self._workers.stop(THREAD_STOP_SECONDS)
        try:
            self._loop.run(self._broker.stop, timeout_seconds=THREAD_STOP_SECONDS)
        except ThetaError as error:
            _log.warning("the session did not close in time", error=str(error))
        self._writer_stop.set()
        for thread in self._threads:
            thread.join(timeout=THREAD_STOP_SECONDS)
        self._lease.release()
        self._http.stop()
        self._loop_thread.stop()
        self._lock.close()
        self._spool.close()
        self._engine.dispose()
        self._folder.close()

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # -- threads -------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        """Lease, clock, flag file, alerts: a quarter-second round that never ends by an error."""
        connected = False
        while not self._stop.wait(HOUSEKEEPING_SECONDS):
            try:
                held = self._lease.turn()
                if held and not connected:
                    # Only the lease's holder knocks: the client id is the fence (§7).
                    self._numbers_from = self._session_store.connection_no()
                    self._loop.run(self._broker.start, timeout_seconds=5.0)
                    connected = True
                elif connected and self._guard.epoch_held is None:
                    self._loop.run(self._broker.stop, timeout_seconds=5.0)
                    connected = False
                self._publishing.turn()
                self._people.turn()
            except TransientError as error:
                _log.info("housekeeping waits for a peer", error=str(error))
            except Exception:  # noqa: BLE001 - without it the lease and the clock would stop
                _log.exception("housekeeping met a bug; it goes on")

    def _next_connection_no(self) -> int:
        return self._folder.next_number("connection_no", self._numbers_from)

    def _on_accounts(self, state: SessionState) -> None:
        self._fatal.error = self._live_rule.see(state.accounts) or self._fatal.error

    def _ask(self, trigger: str) -> None:
        self._watch.ask(trigger)

    def _follow_up(self, follow_up: FollowUp) -> None:
        self._watch.follow_up(follow_up)

    def _drain(self) -> bool:
        return self._evidence.drain(DRAIN_SECONDS, time.sleep)

    # -- health --------------------------------------------------------------------------------

    def _alive(self) -> bool:
        threads = all(thread.is_alive() for thread in self._threads)
        stalled = self._loop_thread.stalled_seconds() > STALL_SECONDS / 2
        return threads and not stalled and self._workers.healthy

    def _not_ready(self) -> str | None:
        state = self._loop.call(self._broker.state, timeout_seconds=2.0)
        checks = (
            (not self._guard.is_closed(LIVE_NOT_ALLOWED),
             "live_not_allowed: a live account needs rollout.stage = live."),
            (self._guard.epoch(self._clock.boottime_seconds()) is not None,
             "The session's lease is not held (yet)."),
            (state.connected, "There is no connection to TWS; it is being tried."),
            (state.fetched, "The start-up fetch from TWS is not complete."),
            (state.broker_link, "TWS has lost its link to the broker."),
            (self._guard.reconciled_connection == state.connection_no,
             "This connection is not reconciled with the records yet."),
            (self._publishing.has_told(state.connection_no),
             "The market time of this connection is not published yet."),
            (not self._guard.is_closed("starting"), "The spool is not replayed yet."),
            (self._workers.connected, "Redis does not answer."),
        )  # fmt: skip
        for holds, message in checks:
            if not holds:
                return message
        return None

    def _clock_now(self) -> ClockNow | None:
        reading = self._broker.clock_reading()
        if reading is None:
            return None
        return ClockNow(
            market_at=reading.market_at,
            observed_age_seconds=reading.observed_age_seconds,
            rate=reading.rate,
        )

    def _market_rate(self) -> float:
        reading = self._loop.call(self._broker.clock_reading, timeout_seconds=2.0)
        return reading.rate if reading else 1.0

    # -- wiring --------------------------------------------------------------------------------

    def _make_stores(self) -> None:
        session, engine = self._settings.session, self._engine
        self._claims = PostgresClaims(engine, session=session, faults=self._faults)
        self._modifies = PostgresModifies(engine, session=session, faults=self._faults)
        self._orders = PostgresOrders(engine, session=session, ids=self._ids)
        self._gate = PostgresGate(engine, session=session, faults=self._faults)
        self._session_store = PostgresSession(engine, session=session)
        self._snapshot_store = PostgresSnapshots(engine, session=session, ids=self._ids)
        self._queries = PostgresQueries(engine, session=session)
        self._lock = PostgresSenderLock(engine, session=session)
        self._records = RecordSpool(self._folder.path, self._ids)
        self._spool = EvidenceSpool(self._folder.path, self._ids)
        self._numbers_from = 0

    def _make_session(self) -> None:
        settings = self._settings
        self._people = TellPeople(self._gate)
        self._live = LiveOrders(
            installation=settings.installation, client_id=settings.tws_client_id
        )
        self._evidence = RecordEvidence(
            spool=self._spool,
            quarantine=Quarantine(self._folder.path),
            store=PostgresEvidence(
                self._engine,
                session=settings.session,
                installation=settings.installation,
                client_id=settings.tws_client_id,
                ids=self._ids,
                faults=self._faults,
            ),
            live=self._live,
            follow_up=self._follow_up,
            faults=self._faults,
            clock=self._clock,
        )
        self._broker = IbkrSession(
            host=settings.tws_host,
            port=settings.tws_port,
            client_id=settings.tws_client_id,
            clock=self._clock,
            evidence=self._evidence.sink,
            observer=GatewayObserver(
                session=settings.session,
                tell=self._people.note,
                ask=self._ask,
                on_accounts=self._on_accounts,
                clock=self._clock,
            ),
            next_connection_no=self._next_connection_no,
        )

    def _make_use_cases(self) -> None:
        settings, clock, guard = self._settings, self._clock, self._guard
        broker, loop = self._broker, self._loop
        self._lease = HoldLease(
            store=self._session_store,
            guard=guard,
            clock=clock,
            holder=f"{socket.gethostname()}:{self._folder.path.absolute()}",
        )
        self._submitting = SubmitOrder(
            broker=broker, loop=loop, claims=self._claims, lock=self._lock, guard=guard,
            clock=clock, ids=self._ids, faults=self._faults, installation=settings.installation,
            live=self._live, pause=time.sleep,
        )  # fmt: skip
        self._cancelling = CancelOrder(
            broker=broker, loop=loop, cancels=self._claims, live=self._live, guard=guard,
            spool=self._records, clock=clock, ids=self._ids, faults=self._faults,
        )  # fmt: skip
        self._modifying = ModifyOrder(
            broker=broker, loop=loop, modifies=self._modifies, lock=self._lock, guard=guard,
            clock=clock, ids=self._ids, faults=self._faults, live=self._live, ask=self._ask,
        )  # fmt: skip
        self._halting = HaltTrading(
            broker=broker, loop=loop, gate=self._gate, cancels=self._claims, lock=self._lock,
            live=self._live, guard=guard, spool=self._records, clock=clock, ids=self._ids,
        )  # fmt: skip
        self._resuming = ResumeTrading(
            gate=self._gate, reconciliations=self._snapshot_store, guard=guard
        )
        self._snapshots = TakeSnapshot(
            broker=broker, loop=loop, store=self._snapshot_store, ids=self._ids, alerts=self._gate
        )
        self._refreshing = RefreshAccounts(
            reservations=self._snapshot_store, snapshots=self._snapshots, clock=clock
        )
        self._publishing = PublishClock(
            broker=broker, loop=loop, session=self._session_store, gate=self._gate, guard=guard,
            halting=self._halting, flag=HaltFlagFile(settings.halt_flag_file), clock=clock,
            market_rate=self._market_rate, instance=f"{socket.gethostname()}:{os.getpid()}",
        )  # fmt: skip
        self._make_watch()

    def _make_watch(self) -> None:
        settings, clock, broker, loop = self._settings, self._clock, self._broker, self._loop
        reconciling = Reconcile(
            broker=broker, loop=loop, orders=self._orders, store=self._snapshot_store,
            gate=self._gate, snapshots=self._snapshots, guard=self._guard, drain=self._drain,
            pause=time.sleep, clock=clock, installation=settings.installation,
        )  # fmt: skip
        resolving = ResolveUnknown(
            broker=broker, loop=loop, orders=self._orders, snapshots=self._snapshots,
            drain=self._drain, follow_up=self._follow_up, clock=clock,
            installation=settings.installation,
            interval_seconds=settings.resolve_interval_seconds,
            acknowledge_within_seconds=settings.acknowledge_within_seconds,
            send_within_seconds=SEND_WITHIN_SECONDS,
            evidence_waits=self._evidence.waits,
        )  # fmt: skip
        self._watch = WatchSession(
            broker=broker, loop=loop, guard=self._guard, evidence=self._evidence,
            halting=self._halting, reconciling=reconciling, resolving=resolving,
            cancelling=self._cancelling, refreshing=self._refreshing,
            submit=self._submitting.submit, claims=self._claims,
            gate=self._gate, session=self._session_store, clock=clock,
            resolve_interval_seconds=settings.resolve_interval_seconds,
        )  # fmt: skip

    def _make_entrypoints(self) -> None:
        settings = self._settings
        redis_url = settings.redis_url.get_secret_value()
        self._workers = Workers(
            lambda: connect(redis_url, check=False),
            session=settings.session,
            submit=self._submitting.submit,
            cancel=self._cancelling.cancel,
        )
        parts = ApiParts(
            queries=self._queries,
            broker=self._broker,
            loop=self._loop,
            guard=self._guard,
            halting=self._halting,
            resuming=self._resuming,
            modifying=self._modifying,
            snapshots=self._snapshots,
            ids=self._ids,
            alive=self._alive,
            not_ready=self._not_ready,
            clock_now=self._clock_now,
        )
        self._http = UvicornThread(make_app(parts), settings.http_host, settings.http_port)

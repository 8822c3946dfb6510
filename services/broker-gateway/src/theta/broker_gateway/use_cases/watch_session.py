"""The watch: reconciles, resolves, cancels again, in one thread, woken by events."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

from theta.broker_gateway.domain.records import ACTOR, FollowUp
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.cancel_order import CancelOrder
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.halt_trading import HaltTrading
from theta.broker_gateway.use_cases.reconcile import Reconcile, is_paper_account
from theta.broker_gateway.use_cases.record_evidence import RecordEvidence
from theta.broker_gateway.use_cases.refresh_accounts import RefreshAccounts
from theta.broker_gateway.use_cases.resolve_unknown import ResolveUnknown
from theta.broker_gateway.use_cases.stores import ClaimStore, GateStore, SessionLoop, SessionStore
from theta.common.domain.orders import TradingState
from theta.common.errors import OutcomeUnknownError, StaleDataError, ThetaError, TransientError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

TURN_SECONDS = 0.25
RECONCILE_EVERY_SECONDS = 60.0
ROUND_EVERY_SECONDS = 2.0
CONTRADICTION = "contradicted_evidence"

_log = get_logger(__name__)


class WatchSession:
    """`ask` and `follow_up` may be called from any thread; `run` is the watch's own."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        guard: SessionGuard,
        evidence: RecordEvidence,
        halting: HaltTrading,
        reconciling: Reconcile,
        resolving: ResolveUnknown,
        cancelling: CancelOrder,
        refreshing: RefreshAccounts,
        submit: Callable[[UUID], str],
        claims: ClaimStore,
        gate: GateStore,
        session: SessionStore,
        clock: ProcessClock,
        resolve_interval_seconds: float,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._guard = guard
        self._evidence = evidence
        self._halting = halting
        self._reconciling = reconciling
        self._resolving = resolving
        self._cancelling = cancelling
        self._refreshing = refreshing
        self._submit = submit
        self._claims = claims
        self._gate = gate
        self._session = session
        self._clock = clock
        self._round_every = min(ROUND_EVERY_SECONDS, max(0.5, resolve_interval_seconds / 2))
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._follow_ups: list[FollowUp] = []
        self._reconcile_for: str | None = None
        self._resolve_asked = False
        self._replayed = False
        self._next_reconcile = 0.0
        self._next_round = 0.0
        self._next_resend = 0.0
        self._still_unclear = 0

    def ask(self, trigger: str) -> None:
        """Ask for a reconciliation soon; `trigger` says why."""
        with self._lock:
            self._reconcile_for = self._reconcile_for or trigger
        self._wake.set()

    def follow_up(self, follow_up: FollowUp) -> None:
        with self._lock:
            self._follow_ups.append(follow_up)
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set; a peer that is away is met again at the next turn."""
        while not stop.is_set():
            self._wake.wait(TURN_SECONDS)
            self._wake.clear()
            try:
                self.turn()
            except (TransientError, OutcomeUnknownError, StaleDataError) as error:
                _log.info("the watch could not finish a turn", error=str(error))
                stop.wait(TURN_SECONDS)
            except ThetaError:
                _log.exception("the watch met an error")
            except Exception:  # noqa: BLE001 - without the watch nothing is resolved any more
                _log.exception("the watch met a bug; it goes on")
                stop.wait(1.0)

    def turn(self) -> None:
        """Do what is due now. Raises what a peer that is away raises."""
        if not self._replay():
            return
        self._act_on_follow_ups()
        epoch = self._guard.epoch(self._clock.boottime_seconds())
        state = self._loop.call(self._broker.state, timeout_seconds=5.0)
        if epoch is None:
            return
        self._resolving.mark_overdue(epoch)
        if not state.connected or not state.fetched:
            return
        now = self._clock.boottime_seconds()
        self._reconcile_if_due(state.connection_no, state.accounts, now)
        self._resolve_if_due(now)
        if now >= self._next_resend:
            self._next_resend = now + 1.0
            self._cancelling.resend()
        self._refreshing.turn(state.accounts)

    def _replay(self) -> bool:
        """Spools come before the first claim; True once nothing of the past is left."""
        if not self._replayed:
            self._evidence.replay()
            if self._halting.replay():
                self._replayed = True
                self._guard.open("starting")
                return True
            # A halt without any account yet: it is committed once the account is known.
            self._register()
            return True
        if self._guard.is_closed("unreplayed_halt"):
            self._halting.replay()
        return True

    def _register(self) -> None:
        state = self._loop.call(self._broker.state, timeout_seconds=5.0)
        self._session.register_accounts({one: is_paper_account(one) for one in state.accounts})

    def _act_on_follow_ups(self) -> None:
        with self._lock:
            waiting, self._follow_ups = self._follow_ups, []
        for number, follow_up in enumerate(waiting):
            try:
                self._act(follow_up)
            except (TransientError, OutcomeUnknownError):
                with self._lock:
                    self._follow_ups = [*waiting[number:], *self._follow_ups]
                raise

    def _act(self, follow_up: FollowUp) -> None:
        if follow_up.kind == "resolve":
            self._resolve_asked = True
        elif follow_up.kind == "cancel" and follow_up.child_id is not None:
            self._cancelling.cancel(follow_up.child_id)
        elif follow_up.kind == "snapshot":
            self._refreshing.note(follow_up.account)
        elif follow_up.kind == "reduce":
            self._reduce(follow_up.account, follow_up.reason, record_id=None)
        elif follow_up.kind == "quarantine" and follow_up.record_id is not None:
            self._tell_quarantine(follow_up, follow_up.record_id)

    def _tell_quarantine(self, follow_up: FollowUp, record_id: str) -> None:
        accounts = self._gate.accounts()
        if not accounts:  # before the very first connection: told once there is an account
            with self._lock:
                self._follow_ups.append(follow_up)
            return
        self._gate.alert(
            account="*",
            severity="critical",
            kind="evidence.quarantined",
            title="What the broker said could not be stored",
            message=f"{follow_up.reason}. Mend the cause and restart the gateway: it tries again.",
            context={"record_id": record_id},
            source_key=f"quarantine:{record_id}",
        )
        for account in [follow_up.account] if follow_up.account in accounts else accounts:
            # Once ever for each record: a person's resume stands over a restart.
            self._reduce(account, follow_up.reason, record_id=f"quarantine:{record_id}")

    def _reduce(self, account: str, reason: str, *, record_id: str | None) -> None:
        self._gate.tighten(
            account,
            scope="account",
            scope_key=account,
            state=TradingState.REDUCING,
            cause=CONTRADICTION,
            reason=reason,
            actor=ACTOR,
            record_id=record_id,
        )

    def _reconcile_if_due(self, connection_no: int, accounts: tuple[str, ...], now: float) -> None:
        first = self._guard.reconciled_connection != connection_no
        with self._lock:
            trigger, self._reconcile_for = self._reconcile_for, None
        if not first and trigger is None and now < self._next_reconcile:
            return
        trigger = trigger or ("connected" if first else "timer")
        try:
            self._session.register_accounts({one: is_paper_account(one) for one in accounts})
            self._reconciling.reconcile(trigger)
        except ThetaError:
            self.ask(trigger)
            self._wake.clear()
            raise
        self._next_reconcile = self._clock.boottime_seconds() + RECONCILE_EVERY_SECONDS
        self._resolve_asked = True  # references that ended without certainty stay watched
        if first:
            self._submit_what_waits()

    def _submit_what_waits(self) -> None:
        for intent_id in self._claims.approved_intents():
            self._submit(intent_id)

    def _resolve_if_due(self, now: float) -> None:
        if now < self._next_round and not self._resolve_asked:
            return
        asked, self._resolve_asked = self._resolve_asked, False
        self._next_round = now + self._round_every
        try:
            self._still_unclear = self._resolving.resolve(asked=asked)
        except ThetaError:
            self._resolve_asked = asked
            raise

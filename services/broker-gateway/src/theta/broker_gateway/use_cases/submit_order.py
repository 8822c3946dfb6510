"""Claim, check, write, record: one approved intent becomes one order at the broker (§5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from theta.broker_gateway.domain.records import ClaimedOrder, ClaimRequest, LiveOrder, NotClaimed
from theta.broker_gateway.domain.send_check import send_refusal, session_refusal
from theta.broker_gateway.ports import BrokerPort, OrderToPlace, SendRefusedError
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.last_test import SEND_WITHIN_SECONDS, LastTest
from theta.broker_gateway.use_cases.stores import ClaimStore, SenderLock, SessionLoop
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.common.domain.orders import make_order_ref
from theta.common.errors import OutcomeUnknownError, TransientError, UnavailableError
from theta.common.ports import FaultPoints, IdSource, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.metrics import counter, histogram
from theta.common.telemetry.traces import span

WRITE_TIMEOUT_SECONDS = 3.0
BUCKET_WAIT_SECONDS = 0.03

_log = get_logger(__name__)


class SubmitOrder:
    """Runs in the orders worker's thread; writes on the session loop."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        claims: ClaimStore,
        lock: SenderLock,
        guard: SessionGuard,
        clock: ProcessClock,
        ids: IdSource,
        faults: FaultPoints,
        installation: str,
        live: LiveOrders,
        pause: Callable[[float], None],
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._claims = claims
        self._lock = lock
        self._guard = guard
        self._clock = clock
        self._ids = ids
        self._faults = faults
        self._installation = installation
        self._live = live
        self._pause = pause
        self._test = LastTest(broker=broker, lock=lock, guard=guard, clock=clock)
        self._floor = 0
        self._floor_epoch: int | None = None

    def submit(self, intent_id: UUID) -> str:
        """Place the intent's order if everything permits; return what came of it, as a code.

        Idempotent: an intent that is not `approved` any more is left alone. Refusals before the
        claim leave it `approved`, for a later attempt.
        """
        with bind_ids(intent_id=intent_id):
            outcome = self._submit(intent_id)
            _log.info("submission ended", outcome=outcome)
            return outcome

    def _submit(self, intent_id: UUID) -> str:
        epoch = self._guard.epoch_held
        if epoch is None or epoch != self._floor_epoch:
            # While another gateway led it drew ids too, and TWS may have rolled its own back: an
            # id that an open order has would change that order.
            self._floor = max(self._floor, self._claims.highest_order_id())
            self._floor_epoch = epoch
        began, began_wall = self._clock.boottime_seconds(), self._clock.wall_at()
        with self._lock.shared():
            try:
                request = self._loop.call(
                    lambda: self._prepare(intent_id), timeout_seconds=SEND_WITHIN_SECONDS
                )
            except SendRefusedError as refused:
                return refused.reason
            with span(names.SPAN_ORDER_CLAIM, intent_id=str(intent_id)):
                claimed = self._claim(request)
            if isinstance(claimed, NotClaimed):
                return claimed.code
            self._faults.reach("gateway.claim.after_commit")
            refusal = self._write_in_time(claimed, began, began_wall)
        return self._record(claimed, refusal)

    def _prepare(self, intent_id: UUID) -> ClaimRequest:
        """On the session loop: look whether a claim makes sense, and draw the order id."""
        now = self._clock.boottime_seconds()
        state, epoch = self._broker.state(), self._guard.epoch(now)
        refusal = session_refusal(
            self._test.conditions(
                state, epoch=epoch or -1, connection_no=state.connection_no, account=None
            )
        )
        market_at = self._broker.market_at()
        if refusal is not None or epoch is None or market_at is None:
            raise SendRefusedError(refusal or ("lease_lost" if epoch is None else "no_market_time"))
        order_id = self._broker.draw_order_id(self._floor)
        self._floor = max(self._floor, order_id)
        return ClaimRequest(
            intent_id=intent_id,
            command_id=self._ids.uuid(),
            child_id=self._ids.uuid(),
            order_ref=make_order_ref(self._installation, self._ids.token()),
            epoch=epoch,
            connection_no=state.connection_no,
            client_id=state.client_id,
            order_id=order_id,
            market_at=market_at,
            send_within_ms=int(SEND_WITHIN_SECONDS * 1000),
        )

    def _claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        try:
            return self._claims.claim(request)
        except OutcomeUnknownError:
            _log.warning("the claim's commit is in doubt; reading it again")
            stands = self._claims.command_stands(request)
            return stands or NotClaimed(code="claim_lost", final=False)

    def _write_in_time(
        self, claimed: ClaimedOrder, began: float, began_wall: datetime
    ) -> tuple[str, str] | None:
        """Write it; return `None` when written, else (outcome, reason) of the command."""
        while True:
            try:
                with span(names.SPAN_ORDER_SEND, order_ref=claimed.order_ref):
                    self._loop.call(
                        lambda: self._test_and_write(claimed, began, began_wall),
                        timeout_seconds=WRITE_TIMEOUT_SECONDS,
                    )
                return None
            except SendRefusedError as refused:
                if not _is_pacing(refused.reason):
                    return "not_sent", f"send refused: {refused.reason}"
                self._pause(BUCKET_WAIT_SECONDS)
            except UnavailableError as error:
                return "not_sent", str(error)
            except Exception as error:  # noqa: BLE001 - the library writes first, asserts after
                return "unknown", f"{type(error).__name__} from the write: {error}"

    def _test_and_write(self, claimed: ClaimedOrder, began: float, began_wall: datetime) -> None:
        """The last test and the write: one callback on the session loop, no await between."""
        self._faults.reach("gateway.send.before_write")
        now = self._clock.boottime_seconds()
        wall = (self._clock.wall_at() - began_wall).total_seconds()
        conditions = self._test.conditions(
            self._broker.state(),
            epoch=claimed.epoch,
            connection_no=claimed.connection_no,
            account=claimed.account,
            elapsed=now - began,
            wall_elapsed=wall,
        )
        refusal = send_refusal(conditions)
        if refusal is not None:
            raise SendRefusedError(refusal)
        self._broker.write_place(
            OrderToPlace(
                order_ref=claimed.order_ref,
                order_id=claimed.order_id,
                connection_no=claimed.connection_no,
                account=claimed.account,
                contract=claimed.contract,
                action=claimed.action,
                quantity=claimed.quantity,
                limit_price=claimed.limit_price,
            )
        )
        self._live.placed(
            claimed.child_id,
            LiveOrder(
                order_ref=claimed.order_ref,
                account=claimed.account,
                symbol=claimed.symbol,
                order_id=claimed.order_id,
                perm_id=None,
                connection_no=claimed.connection_no,
            ),
        )
        self._faults.reach("gateway.send.after_write")

    def _record(self, claimed: ClaimedOrder, refusal: tuple[str, str] | None) -> str:
        written_at = self._clock.wall_at()
        try:
            if refusal is not None:
                outcome, reason = refusal
                self._claims.mark_unsent(
                    claimed.child_id, claimed.command_id, outcome=outcome, reason=reason
                )
                return outcome
            self._claims.mark_sent(claimed.command_id, sent_at=written_at)
        except (TransientError, OutcomeUnknownError) as error:
            # The order is out, or surely not: evidence and the resolution of unknowns settle it.
            _log.warning("the send could not be recorded", error=str(error))
            return "unrecorded"
        self._faults.reach("gateway.sent.after_commit")
        waited = (written_at - claimed.approved_at).total_seconds()
        histogram(names.APPROVE_TO_WRITE_SECONDS).record(max(0.0, waited))
        counter(names.ORDERS_SENT).add(kind=claimed.kind.value)
        return "sent"


def _is_pacing(reason: str) -> bool:
    """Tell whether the send was refused only because too much was sent just now."""
    return any(word in reason for word in ("bucket", "token", "pac", "queue", "buffer"))

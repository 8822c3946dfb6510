"""Another price for a live order: claim, test, write, as for a new one (order-protocol §5.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from theta.broker_gateway.domain.modify_check import identity_refusal
from theta.broker_gateway.domain.records import ChildRecord, ModifyRequest, NotClaimed
from theta.broker_gateway.domain.send_check import send_refusal, session_refusal
from theta.broker_gateway.ports import BrokerPort, OrderToPlace, SendRefusedError
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.last_test import SEND_WITHIN_SECONDS, LastTest
from theta.broker_gateway.use_cases.stores import ModifyStore, SenderLock, SessionLoop
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.common.errors import OutcomeUnknownError, TransientError, UnavailableError
from theta.common.ports import FaultPoints, IdSource, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.traces import span

WRITE_TIMEOUT_SECONDS = 3.0

_log = get_logger(__name__)


class ModifyOrder:
    """Runs in any thread but the session loop's; writes there.

    Not queued and never repeated: what a crash leaves behind is a claimed command, and the price is
    then the one that the broker tells.
    """

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        modifies: ModifyStore,
        lock: SenderLock,
        guard: SessionGuard,
        clock: ProcessClock,
        ids: IdSource,
        faults: FaultPoints,
        live: LiveOrders,
        ask: Callable[[str], None],
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._modifies = modifies
        self._lock = lock
        self._guard = guard
        self._clock = clock
        self._ids = ids
        self._faults = faults
        self._live = live
        self._ask = ask
        self._test = LastTest(broker=broker, lock=lock, guard=guard, clock=clock)

    def modify_intent(
        self, intent_id: UUID, limit_price: Decimal, *, actor: str, reason: str
    ) -> str:
        """Give the intent's live order a new limit; return what came of it, as `modify` does."""
        child_id = self._modifies.live_child_of(intent_id)
        if child_id is None:
            return "no_live_order"
        return self.modify(child_id, limit_price, actor=actor, reason=reason)

    def modify(self, child_id: UUID, limit_price: Decimal, *, actor: str, reason: str) -> str:
        """Give the child's order the limit `limit_price` (per share) if everything permits.

        Returns `sent`, `unknown` (it may have left: the broker is asked), or a code that says why
        nothing was sent. Nothing is tried again by itself.
        """
        began, began_wall = self._clock.boottime_seconds(), self._clock.wall_at()
        child = self._modifies.child(child_id)
        if child is None:
            return "no_such_child"
        with self._lock.shared(), bind_ids(intent_id=child.intent_id):
            try:
                request = self._loop.call(
                    lambda: self._prepare(child, limit_price, actor=actor, reason=reason),
                    timeout_seconds=SEND_WITHIN_SECONDS,
                )
            except SendRefusedError as refused:
                return refused.reason
            claimed = self._claim(request, child)
            if isinstance(claimed, NotClaimed):
                return claimed.code
            self._faults.reach("gateway.modify.after_commit")
            outcome, detail = self._write(request, claimed, began, began_wall)
            self._record(request, outcome, detail)
        _log.info("modify ended", outcome=outcome, detail=detail, order_ref=child.order_ref)
        return detail if outcome == "not_sent" else outcome

    def _prepare(
        self, child: ChildRecord, limit_price: Decimal, *, actor: str, reason: str
    ) -> ModifyRequest:
        """On the session loop: the order as this connection has seen it."""
        state = self._broker.state()
        epoch = self._guard.epoch(self._clock.boottime_seconds())
        market_at = self._broker.market_at()
        refusal = session_refusal(
            self._test.conditions(
                state, epoch=epoch or -1, connection_no=state.connection_no, account=child.account
            )
        )
        if refusal is not None or epoch is None or market_at is None:
            raise SendRefusedError(refusal or ("lease_lost" if epoch is None else "no_market_time"))
        seen = self._live.find(child.order_ref)
        if seen is None or seen.perm_id is None:
            raise SendRefusedError("not_seen_open")
        return ModifyRequest(
            command_id=self._ids.uuid(),
            child_id=child.id,
            order_ref=child.order_ref,
            account=child.account,
            epoch=epoch,
            connection_no=state.connection_no,
            order_id=child.order_id or seen.order_id,
            perm_id=child.perm_id or seen.perm_id,
            market_at=market_at,
            limit_price=limit_price,
            send_within_ms=int(SEND_WITHIN_SECONDS * 1000),
            actor=actor,
            reason=reason,
        )

    def _claim(self, request: ModifyRequest, child: ChildRecord) -> ChildRecord | NotClaimed:
        try:
            return self._modifies.claim_modify(request)
        except OutcomeUnknownError:
            _log.warning("the modify's commit is in doubt; reading it again")
            if self._modifies.modify_stands(request):
                return child
            return NotClaimed(code="claim_lost", final=False)

    def _write(
        self, request: ModifyRequest, child: ChildRecord, began: float, began_wall: datetime
    ) -> tuple[str, str]:
        """Write it; return the command's outcome and its detail."""
        try:
            with span(names.SPAN_ORDER_SEND, order_ref=request.order_ref):
                self._loop.call(
                    lambda: self._test_and_write(request, child, began, began_wall),
                    timeout_seconds=WRITE_TIMEOUT_SECONDS,
                )
        except SendRefusedError as refused:
            return "not_sent", refused.reason
        except UnavailableError as error:
            return "not_sent", str(error)
        except Exception as error:  # noqa: BLE001 - the library writes first, asserts after
            return "unknown", f"{type(error).__name__} from the write: {error}"
        return "sent", ""

    def _test_and_write(
        self, request: ModifyRequest, child: ChildRecord, began: float, began_wall: datetime
    ) -> None:
        """The last test and the write: one callback on the session loop, no await between."""
        self._faults.reach("gateway.modify.before_write")
        state = self._broker.state()
        conditions = self._test.conditions(
            state,
            epoch=request.epoch,
            connection_no=request.connection_no,
            account=request.account,
            elapsed=self._clock.boottime_seconds() - began,
            wall_elapsed=(self._clock.wall_at() - began_wall).total_seconds(),
        )
        refusal = send_refusal(conditions) or identity_refusal(
            self._live.find(request.order_ref),
            order_id=request.order_id,
            perm_id=request.perm_id,
            connection_no=state.connection_no,
        )
        if refusal is not None:
            raise SendRefusedError(refusal)
        self._broker.write_place(
            OrderToPlace(
                order_ref=request.order_ref,
                order_id=request.order_id,
                connection_no=request.connection_no,
                account=request.account,
                contract=child.contract,
                action=child.action,
                quantity=child.quantity,
                limit_price=request.limit_price,
                modifies=True,
            )
        )
        self._faults.reach("gateway.modify.after_write")

    def _record(self, request: ModifyRequest, outcome: str, detail: str) -> None:
        sent_at = None if outcome == "not_sent" else self._clock.wall_at()
        try:
            self._modifies.mark_modify(
                request.command_id, outcome=outcome, detail=detail, sent_at=sent_at
            )
        except (TransientError, OutcomeUnknownError) as error:
            _log.warning("the modify could not be recorded", error=str(error))
        if outcome == "unknown":
            self._ask("a modify whose outcome is unknown")

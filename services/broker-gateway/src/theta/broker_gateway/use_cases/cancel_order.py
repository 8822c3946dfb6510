"""Cancelling: a durable command first, then the write; again while the order is open (§5.5)."""

from __future__ import annotations

import threading
from uuid import UUID

from theta.broker_gateway.domain.records import CancelRequest, ChildRecord, LiveOrder
from theta.broker_gateway.ports import BrokerPort, SendRefusedError
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.stores import CancelStore, SessionLoop, Spool
from theta.broker_gateway.use_cases.watch_live_orders import LiveOrders
from theta.common.domain.orders import FINAL, OrderState
from theta.common.errors import OutcomeUnknownError, TransientError, UnavailableError
from theta.common.ports import FaultPoints, IdSource, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.traces import span

WRITE_TIMEOUT_SECONDS = 3.0
RESEND_AFTER_SECONDS = 5.0

_log = get_logger(__name__)


class CancelOrder:
    """Runs in the cancels worker's thread and in the watch; writes on the session loop."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        cancels: CancelStore,
        live: LiveOrders,
        guard: SessionGuard,
        spool: Spool,
        clock: ProcessClock,
        ids: IdSource,
        faults: FaultPoints,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._cancels = cancels
        self._live = live
        self._guard = guard
        self._spool = spool
        self._clock = clock
        self._ids = ids
        self._faults = faults
        self._wanted: set[UUID] = set()
        self._lock = threading.Lock()

    def cancel(self, child_id: UUID) -> str:
        """Cancel the child's order if it may be live; return what came of it, as a code.

        `later`: it could not be written now and is kept for the next `resend`.
        """
        try:
            child = self._cancels.child(child_id)
        except UnavailableError:
            return self._without_database(child_id)
        if child is None:
            return "no_such_child"
        if child.state in FINAL:
            self._forget(child_id)
            return f"child_is_{child.state.value}"
        with span(names.SPAN_ORDER_CANCEL, child_id=str(child_id), order_ref=child.order_ref):
            outcome = self._one(child)
        if outcome == "sent":
            self._forget(child_id)
        else:
            with self._lock:
                self._wanted.add(child_id)
        _log.info("cancel ended", outcome=outcome, child_id=str(child_id))
        return outcome

    def resend(self) -> int:
        """Cancel again what is still open, or could not be cancelled before; return how many."""
        with self._lock:
            due = set(self._wanted)
        due.update(self._cancels.cancels_due(older_than_seconds=RESEND_AFTER_SECONDS))
        for child_id in due:
            self.cancel(child_id)
        return len(due)

    def _one(self, child: ChildRecord) -> str:
        request = self._loop.call(
            lambda: self._prepare(child), timeout_seconds=WRITE_TIMEOUT_SECONDS
        )
        if request is None:
            return "later"
        try:
            if not self._cancels.claim_cancel(request):
                return "child_ended"
        except OutcomeUnknownError:
            return "later"  # a second command is harmless, an unrecorded cancel is not
        outcome = self._write(request)
        sent_at = self._clock.wall_at() if outcome == "sent" else None
        try:
            self._cancels.mark_cancel(request.command_id, outcome=outcome, sent_at=sent_at)
        except (TransientError, OutcomeUnknownError) as error:
            _log.warning("the cancel could not be recorded", error=str(error))
        return outcome

    def _prepare(self, child: ChildRecord) -> CancelRequest | None:
        """On the session loop: the order id by which this connection knows the order."""
        state, market_at = self._broker.state(), self._broker.market_at()
        epoch = self._guard.epoch_held
        if not state.connected or market_at is None or epoch is None:
            return None
        seen = self._live.find(child.order_ref)
        if seen is not None and seen.connection_no != state.connection_no:
            seen = None  # after a roll-back of ids this one may mean another order
        same_connection = child.connection_no == state.connection_no
        order_id = seen.order_id if seen else (child.order_id if same_connection else None)
        if order_id is None:
            return None
        return CancelRequest(
            command_id=self._ids.uuid(),
            child_id=child.id,
            order_ref=child.order_ref,
            account=child.account,
            epoch=epoch,
            connection_no=state.connection_no,
            order_id=order_id,
            market_at=market_at,
        )

    def _write(self, request: CancelRequest) -> str:
        def write() -> None:
            self._faults.reach("gateway.cancel.before_write")
            self._broker.write_cancel(request.order_id, request.connection_no)
            self._faults.reach("gateway.cancel.after_write")

        try:
            self._loop.call(write, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except (SendRefusedError, UnavailableError):
            return "not_sent"
        except Exception as error:  # noqa: BLE001 - written or not is open: it is sent again
            _log.warning("the cancel's write failed", error=str(error))
            return "unknown"
        return "sent"

    def _without_database(self, child_id: UUID) -> str:
        """Cancel from the spool what this process saw open; else wait for the database."""
        with self._lock:
            self._wanted.add(child_id)
        seen = self._live.of_child(child_id)
        if seen is None:
            return "later"
        return "sent" if self.cancel_spooled([seen], account=seen.account) else "later"

    def cancel_spooled(self, orders: list[LiveOrder], *, account: str) -> bool:
        """Write cancels after an fsynced spool record instead of a command (§4)."""
        market_at = self._loop.call(self._broker.market_at, timeout_seconds=1.0)
        record = {
            "kind": "cancels",
            "account": account,
            "market_at": (market_at or self._clock.wall_at()).isoformat(),
            "cancels": [
                {
                    "command_id": str(self._ids.uuid()),
                    "order_ref": order.order_ref,
                    "order_id": order.order_id,
                    "connection_no": order.connection_no,
                }
                for order in orders
            ],
        }
        self._spool.append(record)
        return all(self._write_seen(order) for order in orders)

    def _write_seen(self, order: LiveOrder) -> bool:
        try:
            self._loop.call(
                lambda: self._broker.write_cancel(order.order_id, order.connection_no),
                timeout_seconds=WRITE_TIMEOUT_SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - the order stays wanted and is sent again
            _log.warning("a spooled cancel was not written", error=str(error))
            return False
        return True

    def _forget(self, child_id: UUID) -> None:
        with self._lock:
            self._wanted.discard(child_id)


CANCELLABLE = frozenset({OrderState.SUBMITTING, OrderState.WORKING, OrderState.UNKNOWN})

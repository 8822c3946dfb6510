"""Finding out what became of orders whose outcome is unknown (§6)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from theta.broker_gateway.domain.absence import (
    Round,
    Sought,
    Verdict,
    day_order_is_over,
    infer_from_position,
    is_present,
    judge,
    open_order_of,
)
from theta.broker_gateway.domain.evidence import LIVE_STATUSES
from theta.broker_gateway.domain.records import ChildRecord, FollowUp
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.ask_broker import ask_round
from theta.broker_gateway.use_cases.stores import OrderStore, SessionLoop
from theta.broker_gateway.use_cases.take_snapshot import TakeSnapshot
from theta.common.domain.orders import OrderState, is_ours
from theta.common.ports import ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import gauge

ROUNDS_KEPT = 40

_log = get_logger(__name__)


class ResolveUnknown:
    """Runs in the watch thread only."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        orders: OrderStore,
        snapshots: TakeSnapshot,
        drain: Callable[[], bool],
        follow_up: Callable[[FollowUp], None],
        clock: ProcessClock,
        installation: str,
        interval_seconds: float,
        acknowledge_within_seconds: float,
        send_within_seconds: float,
        evidence_waits: Callable[[], bool] = lambda: False,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._orders = orders
        self._snapshots = snapshots
        self._drain = drain
        self._follow_up = follow_up
        self._clock = clock
        self._installation = installation
        self._interval = interval_seconds
        self._acknowledge_within = acknowledge_within_seconds
        self._send_within = send_within_seconds
        self._evidence_waits = evidence_waits
        self._rounds: list[Round] = []
        self._unclear_since: dict[UUID, float] = {}

    def mark_overdue(self, epoch: int) -> int:
        """Make unknown what nothing acknowledged in time; return how many.

        While callbacks wait to be stored, the acknowledgement may be among them: only an order
        whose connection has ended is judged then. (In a storm of orders the database is behind.)
        """
        behind = self._evidence_waits()
        overdue = self._orders.overdue(within_seconds=self._acknowledge_within, epoch=epoch)
        marked = 0
        for child in overdue:
            reason = f"no perm id and status within {self._acknowledge_within:g} s"
            if child.connection_no is not None and not self._is_current(child):
                reason = "its connection ended before the broker acknowledged it"
            elif behind:
                continue
            self._orders.mark_unknown(child.id, reason=reason)
            marked += 1
        return marked

    def resolve(self, *, asked: bool) -> int:
        """Ask one round if anything is unclear (or `asked`), judge, and return what stays unclear.

        Raises UnavailableError when the broker or the database does not answer.
        """
        unknown = self._orders.children({OrderState.UNKNOWN, OrderState.NEEDS_PERSON})
        gauge(names.ORDERS_UNKNOWN).set(float(len(unknown)))
        now = self._clock.boottime_seconds()
        known = {child.id for child in unknown}
        self._unclear_since = {
            child_id: since for child_id, since in self._unclear_since.items() if child_id in known
        }
        for child in unknown:
            # A send that was under way when it became unclear is over after `send_within`.
            self._unclear_since.setdefault(child.id, now + self._send_delay(child))
        if not unknown and not asked:
            self._rounds.clear()
            return 0
        found = ask_round(self._broker, self._loop, self._clock)
        self._keep(found)
        self._adopt_orphans(found)
        if not self._drain():
            return len(unknown)
        self._reopen(found)
        for child in unknown:
            self._judge(child, found)
        return len(self._orders.children({OrderState.UNKNOWN}))

    def _send_delay(self, child: ChildRecord) -> float:
        return 0.0 if child.connection_no is None else min(self._send_within, self._interval)

    def _keep(self, found: Round) -> None:
        kept = [r for r in self._rounds if r.connection_no == found.connection_no]
        if len(kept) >= ROUNDS_KEPT:
            # Keep the oldest: a round far enough back is what the newest is compared with.
            kept = kept[-(ROUNDS_KEPT - 1) :]
        self._rounds = [*kept, found]

    def _judge(self, child: ChildRecord, found: Round) -> None:
        if child.claimed_market_at is None:
            return
        sought = Sought(
            order_ref=child.order_ref,
            perm_id=child.perm_id,
            claimed_market_at=child.claimed_market_at,
            unclear_since_seconds=self._unclear_since[child.id],
        )
        shown = open_order_of(sought, found)
        if shown is not None:
            if shown.status in LIVE_STATUSES and shown.perm_id:
                reason = f"the open orders show it as {shown.status}"
                self._orders.move(child.id, OrderState.WORKING, reason=reason)
            return
        if is_present(sought, found):
            return  # its completed order or execution is evidence, stored by now
        verdict = judge(sought, self._rounds, interval_seconds=self._interval)
        if child.state is OrderState.NEEDS_PERSON:
            return
        if verdict is Verdict.ABSENT:
            reason = "two complete rounds of orders and executions do not show it"
            self._orders.move(child.id, OrderState.ABSENT, reason=reason)
        elif verdict is Verdict.AFTER_DAY_BOUNDARY:
            self._infer(child, found)

    def _infer(self, child: ChildRecord, found: Round) -> None:
        assert child.claimed_market_at is not None
        baseline = self._orders.position_baseline(child)
        change = None
        if baseline is not None:
            _, portfolio = self._snapshots.take(child.account)
            change = portfolio.quantity_of(child.contract) - baseline
        inference = infer_from_position(
            remaining=child.remaining,
            sign=child.sign,
            change=change,
            other_candidates=self._orders.other_candidates(child),
            over=day_order_is_over(child.claimed_market_at, found.market_at),
        )
        _log.info(
            "inferred after the day boundary", order_ref=child.order_ref, why=inference.reason
        )
        if inference.filled is None:
            self._orders.move(child.id, OrderState.NEEDS_PERSON, reason=inference.reason)
            return
        self._orders.infer(
            child, filled=inference.filled, at=found.market_at, reason=inference.reason
        )

    def _reopen(self, found: Round) -> None:
        """A complete open-orders answer newer than the end reopens a final child (§2)."""
        open_refs = {order.order_ref: order for order in found.open_orders}
        if not open_refs:
            return
        for child in self._orders.watched():
            order = open_refs.get(child.order_ref)
            if order is None or order.status not in LIVE_STATUSES:
                continue
            if child.final_event_at is not None and child.final_event_at >= found.started_at:
                continue
            was_absent = child.state is OrderState.ABSENT
            reason = f"the open orders show it as {order.status} after {child.state.value}"
            if not self._orders.move(child.id, OrderState.WORKING, reason=reason):
                continue
            if was_absent:
                self._follow_up(FollowUp(kind="reduce", account=child.account, reason=reason))
                self._follow_up(
                    FollowUp(kind="cancel", account=child.account, reason=reason, child_id=child.id)
                )

    def _adopt_orphans(self, found: Round) -> None:
        ours = {
            order.order_ref: order
            for order in (*found.open_orders, *found.completed_orders)
            if is_ours(order.order_ref, self._installation)
        }
        strange = set(ours) - self._orders.known_refs(list(ours)) if ours else set()
        for ref in sorted(strange):
            order = ours[ref]
            if self._orders.adopt_orphan(order, market_at=found.market_at) is not None:
                reason = f"order {ref} is ours but was not recorded"
                self._follow_up(FollowUp(kind="reduce", account=order.account, reason=reason))

    def _is_current(self, child: ChildRecord) -> bool:
        state = self._loop.call(self._broker.state, timeout_seconds=2.0)
        return state.connected and child.connection_no == state.connection_no

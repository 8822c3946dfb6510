"""Comparing the broker with the records: orders, executions, positions (§4, §8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from theta.broker_gateway.domain.absence import execution_day
from theta.broker_gateway.domain.differences import (
    Difference,
    order_differences,
    position_differences,
)
from theta.broker_gateway.domain.explain_positions import ASSIGNMENT, EXERCISE
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases.ask_broker import ask_round
from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.stores import (
    GateStore,
    OrderStore,
    ReconciliationStore,
    SessionLoop,
)
from theta.broker_gateway.use_cases.take_snapshot import TakeSnapshot
from theta.common.domain.orders import OrderState, TradingState
from theta.common.errors import UnavailableError
from theta.common.ports import ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import counter, histogram
from theta.common.telemetry.traces import span

ATTEMPTS = 3
"""A fill can fall between two answers: a difference counts when it is seen this often."""
PAUSE_SECONDS = 0.7
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
CAUSE = "unexplained_difference"
AUTOMATIC_CAUSES = (CAUSE, "connection", "staleness")

_log = get_logger(__name__)


def is_paper_account(account: str) -> bool:
    """Tell whether the broker's account id names a paper or simulated account."""
    return account.startswith(("DU", "DF"))


class Reconcile:
    """Runs in the watch thread only."""

    def __init__(
        self,
        *,
        broker: BrokerPort,
        loop: SessionLoop,
        orders: OrderStore,
        store: ReconciliationStore,
        gate: GateStore,
        snapshots: TakeSnapshot,
        guard: SessionGuard,
        drain: Callable[[], bool],
        pause: Callable[[float], None],
        clock: ProcessClock,
        installation: str,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._orders = orders
        self._store = store
        self._gate = gate
        self._snapshots = snapshots
        self._guard = guard
        self._drain = drain
        self._pause = pause
        self._clock = clock
        self._installation = installation

    def reconcile(self, trigger: str) -> bool:
        """Compare every account of the session; return whether all were clean.

        Raises UnavailableError or StaleDataError when an answer is incomplete: nothing is judged.
        """
        began = self._clock.boottime_seconds()
        with span(names.SPAN_RECONCILE):
            state = self._loop.call(self._broker.state, timeout_seconds=5.0)
            results = [self._account(account, trigger) for account in state.accounts]
            clean = all(results)
        if state.accounts:
            self._guard.reconciled(state.connection_no)
        histogram(names.RECONCILE_SECONDS).record(self._clock.boottime_seconds() - began)
        return clean

    def _account(self, account: str, trigger: str) -> bool:
        started_at = self._clock.wall_at()
        missing = self._orders_side(account)
        differences: list[Difference] = []
        actions: dict[str, str] = {}
        market_at: datetime | None = None
        for attempt in range(ATTEMPTS):
            differences, actions, market_at = self._positions_side(account)
            if all(d.explained for d in differences):
                break
            if attempt + 1 < ATTEMPTS:
                self._pause(PAUSE_SECONDS)
        differences = [*missing, *differences]
        clean = all(d.explained for d in differences)
        for difference in differences:
            counter(names.RECONCILE_DIFFERENCES).add(kind=difference.kind)
        self._store.store(
            account=account,
            trigger=trigger,
            clean=clean,
            differences=[d.to_record() for d in differences],
            actions=actions,
            started_at=started_at,
            market_at=market_at,
        )
        self._tell_deliveries(account, differences, market_at)
        self._conclude(account, differences)
        return clean

    def _tell_deliveries(
        self, account: str, differences: list[Difference], market_at: datetime | None
    ) -> None:
        """Tell a person what was assigned or exercised: shares came or went without an order."""
        delivered = [one for one in differences if one.kind in (ASSIGNMENT, EXERCISE)]
        if not delivered or market_at is None:
            return
        lines = [f"{one.subject}: {one.expected} → {one.observed}" for one in delivered]
        subjects = ", ".join(one.subject for one in delivered)
        self._gate.alert(
            account=account,
            severity="warning",
            kind=f"position.{delivered[0].kind}",
            title=f"{delivered[0].kind.capitalize()}: {subjects}"[:200],
            message="; ".join(lines)[:1000],
            context={"market_at": market_at.isoformat()},
            source_key=f"delivered:{account}:{market_at.date().isoformat()}:{'|'.join(lines)}"[
                :300
            ],
        )

    def _orders_side(self, account: str) -> list[Difference]:
        """Compare working children with the open orders; what is missing becomes unknown."""
        found = ask_round(self._broker, self._loop, self._clock)
        if not self._drain():
            raise UnavailableError("the broker's answers are not stored yet")
        children = [
            child
            for child in self._orders.children({OrderState.WORKING})
            if child.account == account
        ]
        refs = [order.order_ref for order in found.open_orders if order.order_ref]
        differences = order_differences(
            children, self._orders.known_refs(refs), found.open_orders,
            installation=self._installation,
        )  # fmt: skip
        result = []
        for child in differences.missing:
            shown = {order.order_ref for order in found.completed_orders}
            shown |= {execution.order_ref for execution in found.executions}
            if child.order_ref in shown:
                continue  # its end is evidence, which moved it or will
            reason = "recorded as working, but not among the broker's open orders"
            self._orders.mark_unknown(child.id, reason=reason)
            result.append(
                Difference(
                    kind="order_missing",
                    subject=child.order_ref,
                    expected="working",
                    observed="not open",
                    explained=True,  # its own state carries it: unknown blocks and resolves
                )
            )
        for order in differences.strange:
            if order.account != account:
                continue
            result.append(
                Difference(
                    kind="order_strange",
                    subject=order.order_ref,
                    expected="not recorded",
                    observed=order.status,
                    explained=False,
                )
            )
        return result

    def _positions_side(
        self, account: str
    ) -> tuple[list[Difference], dict[str, str], datetime | None]:
        if not self._drain():
            raise UnavailableError("the broker's answers are not stored yet")
        baseline = self._store.baseline(account)
        since = baseline.counted_to if baseline else LONG_AGO
        fills = self._store.fills_after(account, since)
        snapshot_id, portfolio = self._snapshots.take(account)
        counted_to = max([since, *(fill.stored_at for fill in fills)])
        actions = {"snapshot_id": str(snapshot_id), "counted_to": counted_to.isoformat()}
        observed = [(held.contract, held.quantity) for held in portfolio.positions]
        if baseline is None:
            if not self._drain() or len(self._store.fills_after(account, since)) != len(fills):
                raise UnavailableError("a fill arrived during the first download")
            return [], actions, portfolio.market_at
        differences = position_differences(
            baseline.positions, fills, observed, today=execution_day(portfolio.market_at)
        )
        return differences, actions, portfolio.market_at

    def _conclude(self, account: str, differences: list[Difference]) -> None:
        clean = all(d.explained for d in differences)
        states = self._gate.states()
        if clean:
            if account not in states:
                paper = is_paper_account(account)
                self._gate.create(
                    account,
                    state=TradingState.ACTIVE if paper else TradingState.HALTED,
                    reason="first clean reconciliation of a "
                    + ("paper account" if paper else "live account: resume by name"),
                )
                return
            if states[account] is not TradingState.ACTIVE:
                for cause in AUTOMATIC_CAUSES:
                    self._lift(account, cause)
            return
        if account in states and states[account] is TradingState.ACTIVE:
            subjects = ", ".join(d.subject for d in differences if not d.explained)[:300]
            self._gate.tighten(
                account,
                scope="account",
                scope_key=account,
                state=TradingState.REDUCING,
                cause=CAUSE,
                reason=f"broker and records differ: {subjects}",
                actor="broker-gateway",
                record_id=None,
            )

    def _lift(self, account: str, cause: str) -> None:
        if self._gate.has_open(account, cause):
            self._gate.lift(
                account,
                scope="account",
                scope_key=account,
                cause=cause,
                reason="a clean reconciliation",
                actor="broker-gateway",
            )

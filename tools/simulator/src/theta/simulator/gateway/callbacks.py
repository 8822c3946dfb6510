"""Order callbacks as TWS sends them: late, doubled, out of order and sometimes not at all."""

from dataclasses import replace
from typing import TYPE_CHECKING

from theta.simulator.exchange.model import PENDING, PENDING_CANCEL, SUBMITTED, Execution, Order
from theta.simulator.gateway import account_messages
from theta.simulator.gateway.session import Build, Session
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.versioned import OrderView

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


class Callbacks:
    """Tells the owner of an order what happened to it. Nobody hears what happens while they are not
    connected."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._held: list[tuple[Session, float, tuple[Build, ...]]] = []

    def view(self, order: Order, *, known: bool = True) -> OrderView:
        """The order as it stands now; later changes do not show in it."""
        contract = self._gateway.exchange.account.contract(order.con_id)
        status = order.status if known else PENDING
        return OrderView(replace(order), contract, status, order.perm_id if known else 0)

    # -- Listener ----------------------------------------------------------------------------------

    def first_word(self, order: Order, delay: float) -> None:
        """The broker has seen the order but not numbered it: PendingSubmit with perm id 0."""
        self._send(order, delay, *_both(self.view(order, known=False)))

    def order_changed(self, order: Order, what: str) -> None:
        behaviour = self._gateway.behaviour
        key = f"{order.key}:{order.revision}:{what}"
        if what == "working" and order.is_final:
            return
        view = self.view(order)
        if what == "cancel_requested":
            self._send(order, 0.0, _status(view))
            return
        times = 2 if behaviour.doubles(order.key, what) else 1
        gap = behaviour.ack_delay(key, "double") / 4 if times == 2 else 0.0
        self._send(order, 0.0, *_both(view))
        if times == 2:
            self._send(order, gap, _status(view))
        if what == "cancelled":
            order_id = order.order_id
            self._send(
                order,
                gap,
                lambda version: versioned.error(version, order_id, 202, "Order Canceled - reason:"),
            )

    def executed(self, order: Order, executions: list[Execution]) -> None:
        behaviour = self._gateway.behaviour
        contract = self._gateway.exchange.account.contract(order.con_id)
        view = self.view(order)
        if not order.is_final and order.status != PENDING_CANCEL:
            view = replace(view, status=SUBMITTED)
        key = f"{order.key}:{order.filled}"
        statuses = _both(view)
        if behaviour.withholds_status(key):
            statuses = ()
        elif behaviour.doubles(key, "fill"):
            statuses = (*statuses, _status(view))
        if behaviour.polite:
            self._send(order, 0.0, *statuses)
        for item in executions:
            self._send(order, 0.0, _execution(contract, item))
        for item in executions:
            delay = behaviour.ack_delay(item.exec_id, "commission") / 4
            self._send(order, delay, _constant(messages.commission_report(item)))
        if not behaviour.polite:
            self._send(order, behaviour.ack_delay(key, "status") / 3, *statuses)
        self._gateway.after(0.3, lambda: account_messages.position_changed(self._gateway, contract))

    # -- delivery ----------------------------------------------------------------------------------

    def _send(self, order: Order, delay: float, *builds: Build) -> None:
        session = self._gateway.sessions.get(order.client_id)
        if session is None or not order.heard or not builds:
            return
        faults = self._gateway.faults
        if faults.upstream_lost:
            self._held.append((session, delay, builds))
            return
        session.post(delay + faults.delay_callbacks, *builds)

    def release(self) -> None:
        """Send what was held back while the gateway had lost its servers."""
        held, self._held = self._held, []
        for session, delay, builds in held:
            session.post(delay, *builds)


def _status(view: OrderView) -> Build:
    return lambda version: versioned.order_status(version, view)


def _both(view: OrderView) -> tuple[Build, ...]:
    return (lambda version: versioned.open_order(version, view), _status(view))


def _execution(contract: Contract, item: Execution) -> Build:
    return lambda version: versioned.execution(version, -1, contract, item)


def _constant(fields: messages.Fields) -> Build:
    return lambda _version: fields

"""Order callbacks as TWS sends them: late, doubled, out of order and sometimes not at all."""

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from theta.simulator.exchange.lifecycle import Turn
from theta.simulator.exchange.model import (
    PENDING,
    PENDING_CANCEL,
    PRE_SUBMITTED,
    SUBMITTED,
    Execution,
    Order,
)
from theta.simulator.gateway import account_messages
from theta.simulator.gateway.session import Build, Session
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.versioned import OrderView

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_POSITION_SECONDS = 0.3
_EXPIRED = "Order Canceled - reason:"

_values = attrgetter(*(each.name for each in fields(Order)))
"""Everything that an order is made of: several times as quick as a copy of it."""


class Callbacks:
    """Tells the owner of an order, and the master client, what happened to it.

    Nobody hears what happens while they are not connected. Changed positions are told together, a
    moment after the first change.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self.binds_manual_orders = False
        """Whether client 0 asked to have orders of the TWS window bound to it."""

        self._gateway = gateway
        self._held: list[tuple[Session, float, tuple[Build, ...]]] = []
        self._moved: dict[tuple[str, Contract], None] = {}

    def view(self, order: Order, *, known: bool = True) -> OrderView:
        """The order as it stands now; later changes do not show in it."""
        contract = self._gateway.exchange.account.contract(order.con_id)
        status = order.status if known else PENDING
        perm_id = order.perm_id if known else 0
        return OrderView(
            Order(*_values(order)), contract, status, perm_id, why_held=_why_held(order)
        )

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
                lambda version: versioned.error(version, order_id, 202, _EXPIRED),
            )

    def executed(self, order: Order, executions: list[Execution]) -> None:
        behaviour = self._gateway.behaviour
        view = self.view(order)
        if not order.is_final and order.status != PENDING_CANCEL:
            view = OrderView(view.order, view.contract, SUBMITTED, view.perm_id)
        key = f"{order.key}:{order.filled}"
        statuses = _both(view)
        if behaviour.withholds_status(key):
            statuses = ()
        elif behaviour.doubles(key, "fill"):
            statuses = (*statuses, _status(view))
        if behaviour.polite:
            self._send(order, 0.0, *statuses)
        for item in executions:
            self._send(order, 0.0, _execution(self._contract(item), item))
        for item in executions:
            if not self._contract(item).is_combination:
                delay = behaviour.ack_delay(item.exec_id, "commission") / 4
                self._send(order, delay, _constant(messages.commission_report(item)))
        if not behaviour.polite:
            self._send(order, behaviour.ack_delay(key, "status") / 3, *statuses)
        self._positions_moved({(item.account, self._contract(item)): None for item in executions})

    def turned(self, turn: Turn) -> None:
        """Positions moved without an order: client 0 and the master hear of the executions, as of
        anything that was not an API client's doing; every subscriber hears of the positions."""
        listeners = {0, self._gateway.behaviour.master_client_id}
        for item in turn.executions:
            builds = (
                _execution(self._contract(item), item),
                _constant(messages.commission_report(item)),
            )
            for client in sorted(each for each in listeners if each is not None):
                self._post(client, 0.0, *builds)
        self._positions_moved(turn.touched)

    def _contract(self, item: Execution) -> Contract:
        return self._gateway.exchange.account.contract(item.con_id)

    # -- positions ---------------------------------------------------------------------------------

    def _positions_moved(self, moved: dict[tuple[str, Contract], None]) -> None:
        if not self._moved:
            self._gateway.after(_POSITION_SECONDS, self._tell_positions)
        self._moved.update(moved)

    def _tell_positions(self) -> None:
        moved, self._moved = self._moved, {}
        account_messages.positions_changed(self._gateway, list(moved))

    # -- delivery ----------------------------------------------------------------------------------

    def _send(self, order: Order, delay: float, *builds: Build) -> None:
        if not order.heard:
            return
        if order.order_id:  # an order of the TWS window is nobody's until it is bound
            self._post(order.client_id, delay, *builds)
        master = self._gateway.behaviour.master_client_id
        if master is not None and master != order.client_id:
            self._post(master, delay, *builds)

    def _post(self, client: int, delay: float, *builds: Build) -> None:
        session = self._gateway.sessions.get(client)
        if session is None or not builds:
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

    def bind_manual_orders(self) -> None:
        """Give the TWS window's live orders ids of client 0 and tell it which."""
        exchange = self._gateway.exchange
        for order in list(exchange.working.values()):
            if order.client_id == 0 and order.order_id == 0:
                exchange.bind(order)
                bound = versioned.order_bound(order.perm_id, 0, order.order_id)
                self._send(order, 0.0, _constant(bound), *_both(self.view(order)))


def _why_held(order: Order) -> str:
    """What TWS says an order waits for."""
    if order.status != PRE_SUBMITTED:
        return ""
    reasons = ["child"] if order.parent_perm else []
    if order.stop is not None and not order.triggered:
        reasons.append("trigger")
    return ",".join(reasons)


def _status(view: OrderView) -> Build:
    return lambda version: versioned.order_status(version, view)


def _both(view: OrderView) -> tuple[Build, ...]:
    return (lambda version: versioned.open_order(version, view), _status(view))


def _execution(contract: Contract, item: Execution) -> Build:
    return lambda version: versioned.execution(version, -1, contract, item)


def _constant(fields: messages.Fields) -> Build:
    return lambda _version: fields

"""Placing, modifying and cancelling orders."""

from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.exchange import rules, sessions
from theta.simulator.exchange.account import Standing
from theta.simulator.exchange.credit import WhatIf
from theta.simulator.exchange.exchange import next_order_id
from theta.simulator.exchange.model import PENDING, PENDING_CANCEL, Order, OrderRequest
from theta.simulator.exchange.rules import Refusal, Venue
from theta.simulator.gateway.session import Session
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.requests import read_order, read_order_id
from theta.simulator.wire.versioned import MarginFigures, OrderView

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_PENNY = Decimal("0.01")
_ANY_STEP = ((0.0, 0.000001),)
_RTH_IGNORED = (
    "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored based on the order"
    " type and destination. PlaceOrder is now being processed."
)


# -- placing ---------------------------------------------------------------------------------------


def place_order(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """A new order, a modification (same id, same client), or a what-if."""
    order_id = read_order_id(fields, session.version)
    query, request = read_order(fields, session.version)
    client = session.client_id
    assert client is not None
    if gateway.behaviour.read_only:
        cause = "The API interface is currently in Read-Only mode."
        raise RequestError(321, f"Error validating request.-'bM' : cause - {cause}")
    if not query.exchange:
        raise RequestError(321, "Error validating request.-'bM' : cause - Missing order exchange")
    found = gateway.exchange.market.find(query, gateway.exchange.clock.now())
    if not found:
        raise RequestError(200, "No security definition has been found for the request")
    if len(found) > 1:
        raise RequestError(200, "The contract description specified is ambiguous")
    contract = found[0]
    _check(rules.refusal(contract, request, _venue(gateway, contract)))
    if request.what_if:
        _what_if(gateway, session, order_id, contract, request)
        return
    existing = gateway.exchange.find(client, order_id)
    if existing is not None:
        _modify(gateway, session, existing, contract, request)
        return
    if gateway.limits.order_ids and order_id <= gateway.exchange.highest_ids.get(client, 0):
        raise RequestError(103, "Duplicate order id")
    if request.parent_id and gateway.exchange.find(client, request.parent_id) is None:
        raise RequestError(135, f"Can't find order with id = {request.parent_id}")
    _place(gateway, session, order_id, contract, request)


def _check(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RequestError(*refusal)


def _venue(gateway: "Gateway", contract: Contract) -> Venue:
    steps: tuple[tuple[float, float], ...] = _ANY_STEP
    if gateway.limits.price_ticks:
        _, steps = gateway.exchange.market.price_rules(contract)
    now = gateway.exchange.clock.now()
    refuse = gateway.limits.refuse_etrade_only
    return Venue(tuple(gateway.exchange.accounts), steps, now, refuse)


def _place(
    gateway: "Gateway", session: Session, order_id: int, contract: Contract, request: OrderRequest
) -> None:
    client = session.client_id
    assert client is not None
    exchange = gateway.exchange
    refusal = gateway.faults.takes_order(contract.symbol)
    refusal = refusal or exchange.credit_refusal(contract, request)
    order = exchange.place(client, order_id, contract, request, refusal[1] if refusal else "")
    if gateway.faults.takes_ack():
        order.heard = False
    delay = gateway.behaviour.ack_delay(order.key, "first")
    if refusal is not None:
        code, text = refusal
        view = gateway.callbacks.view(order)
        session.post(
            delay,
            lambda version: versioned.error(version, order_id, code, text),
            lambda version: versioned.open_order(version, view),
            lambda version: versioned.order_status(version, view),
        )
        return
    if gateway.faults.takes_connection():
        session.drop()
    if order.transmit:
        _transmit(gateway, session, order, contract, delay)


def _transmit(
    gateway: "Gateway", session: Session, order: Order, contract: Contract, delay: float
) -> None:
    """Send an order, and the family that it takes along, on its way to the exchange."""
    if not gateway.behaviour.polite:
        gateway.callbacks.first_word(order, delay)
        delay += gateway.behaviour.ack_delay(order.key, "second") / 2
    gateway.after(delay, lambda: gateway.exchange.acknowledge(order))
    if not order.heard:
        return
    order_id = order.order_id
    if order.outside_rth and contract.sec_type != "STK":
        session.post(0.0, lambda version: versioned.error(version, order_id, 2109, _RTH_IGNORED))
    warning = _held_until_open(gateway, order, contract)
    if warning:
        session.post(0.0, lambda version: versioned.error(version, order_id, 399, warning))


def _held_until_open(gateway: "Gateway", order: Order, contract: Contract) -> str:
    now = gateway.exchange.clock.now()
    if sessions.is_open(contract, now, outside_rth=order.outside_rth):
        return ""
    opens = calendar.new_york(sessions.span(contract, now, outside_rth=order.outside_rth)[0])
    return (
        f"Order Message:\n{order.action} {order.quantity} {contract.local_symbol}\n"
        "Warning: your order will not be placed at the exchange until "
        f"{opens:%Y-%m-%d %H:%M:%S} US/Eastern"
    )


def _modify(
    gateway: "Gateway", session: Session, order: Order, contract: Contract, request: OrderRequest
) -> None:
    exchange = gateway.exchange
    _check(rules.modify_refusal(order, contract, request))
    if request.limit != order.limit or request.quantity > order.quantity:
        _check(exchange.credit_refusal(contract, request, order))
    waiting = not order.transmit
    exchange.modify(order, request)
    if order.transmit and order.status == PENDING:
        if waiting:
            delay = gateway.behaviour.ack_delay(order.key, "first")
            _transmit(gateway, session, order, contract, delay)
        return
    delay = gateway.behaviour.ack_delay(f"{order.key}:{order.revision}", "modify")
    gateway.after(delay, lambda: gateway.callbacks.order_changed(order, "working"))


def _what_if(
    gateway: "Gateway", session: Session, order_id: int, contract: Contract, request: OrderRequest
) -> None:
    exchange = gateway.exchange
    found = exchange.what_if(contract, request)
    refusal = exchange.credit_refusal(contract, request)
    client = session.client_id
    assert client is not None
    order = Order(
        perm_id=0,
        client_id=client,
        order_id=order_id,
        con_id=contract.con_id,
        action=request.action,
        quantity=request.quantity,
        order_type=request.order_type,
        limit=request.limit,
        tif=request.tif or "DAY",
        account=request.account or exchange.account.name,
        order_ref=request.order_ref,
        outside_rth=request.outside_rth,
        placed_at=exchange.clock.now(),
        expires_at=None,
        stop=request.stop,
        algo=request.algo,
        algo_params=request.algo_params,
        extras=request.extras,
    )
    view = OrderView(
        order, contract, "PreSubmitted", 0, what_if=True, margin=_figures(found),
        warning=refusal[1] if refusal else "",
    )  # fmt: skip
    delay = gateway.behaviour.ack_delay(f"what-if:{contract.con_id}:{order_id}", "first")
    session.post(delay, lambda version: versioned.open_order(version, view))


def _figures(found: WhatIf) -> MarginFigures:
    was, will = _amounts(found.before), _amounts(found.after)
    change = [new - old for new, old in zip(will, was, strict=True)]
    return MarginFigures(
        before=_three(was), change=_three(change), after=_three(will),
        commission=str(found.commission),
    )  # fmt: skip


def _amounts(standing: Standing) -> list[Decimal]:
    figures = (standing.initial, standing.maintenance, standing.equity)
    return [each.quantize(_PENNY) for each in figures]


def _three(values: list[Decimal]) -> tuple[str, str, str]:
    first, second, third = (str(value) for value in values)
    return first, second, third


# -- cancelling ------------------------------------------------------------------------------------


def cancel_order(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    order_id = fields.integer()
    client = session.client_id
    assert client is not None
    order = gateway.exchange.find(client, order_id)
    highest = gateway.exchange.highest_ids.get(client, 0)
    _check(rules.cancel_refusal(order, order_id, highest))
    assert order is not None
    _cancel(gateway, order)


def _cancel(gateway: "Gateway", order: Order) -> None:
    gateway.exchange.acknowledge(order)
    if order.is_final:
        return
    gateway.exchange.request_cancel(order)
    delay = gateway.behaviour.ack_delay(f"{order.key}:{order.revision}", "cancel")
    gateway.after(delay, lambda: gateway.exchange.finish_cancel(order))


def global_cancel(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Cancel every live order of the login, whoever placed it."""
    for order in list(gateway.exchange.working.values()):
        if not order.is_final and order.status != PENDING_CANCEL:
            _cancel(gateway, order)


def next_ids(gateway: "Gateway", session: Session, fields: Fields) -> None:
    client = session.client_id
    assert client is not None
    session.write(messages.next_valid_id(next_order_id(gateway.exchange, client)))


HANDLERS = {
    3: place_order,
    4: cancel_order,
    8: next_ids,
    58: global_cancel,
}

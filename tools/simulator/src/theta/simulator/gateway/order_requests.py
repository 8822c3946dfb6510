"""Placing, modifying and cancelling orders."""

from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.exchange.account import commission
from theta.simulator.exchange.exchange import next_order_id, whole_shares
from theta.simulator.exchange.model import (
    CANCELLED,
    FILLED,
    PENDING_CANCEL,
    Order,
    OrderRequest,
)
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
_QUANTITY_MAX = 1_000_000
_PRICE_MAX = 1_000_000


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
    _validate(gateway, contract, request)
    if request.what_if:
        _what_if(gateway, session, order_id, contract, request)
        return
    existing = gateway.exchange.find(client, order_id)
    if existing is not None:
        _modify(gateway, session, existing, contract, request)
    elif order_id <= gateway.exchange.highest_ids.get(client, 0):
        raise RequestError(103, "Duplicate order id")
    elif not request.transmit:
        raise RequestError(
            321, "Error validating request.-'bM' : cause - untransmitted orders are not kept"
        )
    else:
        _place(gateway, session, order_id, contract, request)


def _validate(gateway: "Gateway", contract: Contract, request: OrderRequest) -> None:
    if request.action not in ("BUY", "SELL"):
        raise RequestError(321, "Error validating request.-'bM' : cause - Invalid side")
    if request.order_type not in ("LMT", "MKT") or (
        request.order_type == "MKT" and contract.is_option
    ):
        raise RequestError(387, "Unsupported order type for this exchange and security type.")
    if request.tif not in ("", "DAY", "GTC"):
        raise RequestError(111, "The TIF (Tif type) and the order type are incompatible.")
    if request.quantity > _QUANTITY_MAX or (request.limit or 0) > _PRICE_MAX:
        raise RequestError(321, "Error validating request.-'bM' : cause - Size or price too large")
    if request.quantity <= 0:
        raise RequestError(434, "The order size cannot be zero.")
    if not whole_shares(request.quantity):
        raise RequestError(10243, "Fractional-sized order cannot be placed via API.")
    if request.account not in ("", gateway.exchange.account.name):
        raise RequestError(
            321,
            f"Error validating request.-'bM' : cause - Invalid account code '{request.account}'",
        )
    if request.order_type == "LMT":
        if request.limit is None or request.limit <= 0:
            raise RequestError(321, "Error validating request.-'bM' : cause - Missing limit price")
        if request.limit % _PENNY:
            raise RequestError(
                110, "The price does not conform to the minimum price variation for this contract."
            )


def _place(
    gateway: "Gateway", session: Session, order_id: int, contract: Contract, request: OrderRequest
) -> None:
    client = session.client_id
    assert client is not None
    refusal = gateway.faults.takes_order() or _margin_refusal(gateway, contract, request)
    order = gateway.exchange.place(
        client, order_id, contract, request, refusal[1] if refusal else ""
    )
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
    if not gateway.behaviour.polite:
        gateway.callbacks.first_word(order, delay)
        delay += gateway.behaviour.ack_delay(order.key, "second") / 2
    gateway.after(delay, lambda: gateway.exchange.acknowledge(order))
    _held_until_open(gateway, session, order, contract)


def _held_until_open(
    gateway: "Gateway", session: Session, order: Order, contract: Contract
) -> None:
    now = gateway.exchange.clock.now()
    if calendar.is_open(now):
        return
    opens = calendar.new_york(calendar.next_session(now)[0])
    text = (
        f"Order Message:\n{order.action} {order.quantity} {contract.local_symbol}\n"
        "Warning: your order will not be placed at the exchange until "
        f"{opens:%Y-%m-%d %H:%M:%S} US/Eastern"
    )
    order_id = order.order_id
    if order.heard:
        session.post(0.0, lambda version: versioned.error(version, order_id, 399, text))


def _margin_refusal(
    gateway: "Gateway", contract: Contract, request: OrderRequest
) -> tuple[int, str] | None:
    exchange = gateway.exchange
    now = exchange.clock.now()
    price = request.limit or exchange.account.mark(contract, now)
    short = exchange.account.shortfall(contract, request, price, {}, now)
    if short is None:
        return None
    equity, need = short
    return 201, (
        "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED"
        f" POSITION YOUR EQUITY WITH LOAN VALUE [{equity} USD] MUST EXCEED THE INITIAL MARGIN"
        f" [{need} USD]"
    )


def _modify(
    gateway: "Gateway", session: Session, order: Order, contract: Contract, request: OrderRequest
) -> None:
    if order.status == FILLED:
        raise RequestError(104, "Cannot modify a filled order.")
    if order.is_final:
        raise RequestError(103, "Duplicate order id")
    if order.con_id != contract.con_id or order.action != request.action:
        raise RequestError(105, "Order being modified does not match original order")
    if order.status == PENDING_CANCEL:
        raise _not_cancellable(order)
    if request.quantity <= order.filled:
        raise RequestError(329, "Order modify failed. Cannot change to the new order quantity.")
    gateway.exchange.modify(order, request)
    delay = gateway.behaviour.ack_delay(f"{order.key}:{order.revision}", "modify")
    gateway.after(delay, lambda: gateway.callbacks.order_changed(order, "working"))


def _what_if(
    gateway: "Gateway", session: Session, order_id: int, contract: Contract, request: OrderRequest
) -> None:
    exchange = gateway.exchange
    now = exchange.clock.now()
    signed = request.quantity if request.is_buy else -request.quantity
    before = exchange.account.values(now)
    after = exchange.account.values(now, {contract.con_id: signed})
    price = request.limit or exchange.account.mark(contract, now)
    paid = signed * price * contract.multiplier
    names = ("InitMarginReq", "MaintMarginReq", "EquityWithLoanValue")
    # A stock changes hands at its value; an option's premium changes the cash.
    cash = paid if contract.is_option else Decimal(0)
    was = [before[name] for name in names]
    will = [after[name] - (cash if name == names[2] else 0) for name in names]
    figures = MarginFigures(
        before=_three(was),
        change=_three([new - old for new, old in zip(will, was, strict=True)]),
        after=_three(will),
        commission=str(commission(contract, request.quantity)),
    )
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
        account=exchange.account.name,
        order_ref=request.order_ref,
        outside_rth=request.outside_rth,
        placed_at=now,
        expires_at=None,
    )
    view = OrderView(order, contract, "PreSubmitted", 0, what_if=True, margin=figures)
    delay = gateway.behaviour.ack_delay(f"what-if:{contract.con_id}:{order_id}", "first")
    session.post(delay, lambda version: versioned.open_order(version, view))


def _three(values: list[Decimal]) -> tuple[str, str, str]:
    first, second, third = (str(value.quantize(_PENNY)) for value in values)
    return first, second, third


# -- cancelling ------------------------------------------------------------------------------------


def cancel_order(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    order_id = fields.integer()
    client = session.client_id
    assert client is not None
    order = gateway.exchange.find(client, order_id)
    if order is None:
        if order_id <= gateway.exchange.highest_ids.get(client, 0):
            raise RequestError(135, f"Can't find order with id = {order_id}")
        text = f"OrderId {order_id} that needs to be cancelled is not found."
        raise RequestError(10147, text)
    if order.status == PENDING_CANCEL:
        raise _not_cancellable(order)
    if order.is_final:
        state = order.status if order.status in (FILLED, CANCELLED) else "Inactive"
        text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}."
        raise RequestError(10148, text)
    _cancel(gateway, order)


def _not_cancellable(order: Order) -> RequestError:
    text = "Cancel attempted when order is not in a cancellable state."
    return RequestError(161, f"{text} Order permId = {order.perm_id}")


def _cancel(gateway: "Gateway", order: Order) -> None:
    gateway.exchange.acknowledge(order)
    if order.is_final:
        return
    gateway.exchange.request_cancel(order)
    delay = gateway.behaviour.ack_delay(f"{order.key}:{order.revision}", "cancel")
    gateway.after(delay, lambda: gateway.exchange.finish_cancel(order))


def global_cancel(gateway: "Gateway", session: Session, fields: Fields) -> None:
    for order in list(gateway.exchange.orders.values()):
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

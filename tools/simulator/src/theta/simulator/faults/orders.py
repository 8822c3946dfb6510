"""Faults of orders: lost acknowledgements, fills at the wrong moment, ids, errors, refusals."""

from typing import TYPE_CHECKING

from theta.simulator.exchange.model import Order
from theta.simulator.faults.kinds import FaultKind, Values
from theta.simulator.faults.parameters import ABSENT, FaultError, Parameter

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

GROUP = "Orders"

_COUNT = Parameter("n", "whole", "how many orders", 1)
_REF = Parameter("order_ref", "text", "the order by its reference", ABSENT)
_PERM = Parameter("perm_id", "whole", "the order by its permanent id", ABSENT)


def find_order(gateway: "Gateway", values: Values) -> Order:
    """The newest order with this perm id or reference; without either, the newest that lives.

    Raises ``FaultError`` 404 when there is none.
    """
    perm, ref = values.get("perm_id"), values.get("order_ref")
    for order in reversed(gateway.exchange.orders.values()):
        if perm is not None:
            if order.perm_id == perm:
                return order
        elif order.order_ref == ref if ref is not None else not order.is_final:
            return order
    raise FaultError(404, "No order has this order_ref or perm_id.")


def _swallow(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.swallow_acks = values["n"]
    return dict(values)


def _hang(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.hang_after_place = values["n"]
    return dict(values)


def _fill(gateway: "Gateway", values: Values) -> Values:
    order = find_order(gateway, values)
    if order.is_final:
        raise FaultError(409, f"The order is {order.status} already.")
    quantity = values["qty"] or int(order.remaining)
    gateway.fill_now(order, min(quantity, int(order.remaining)), values["price"])
    return {"perm_id": order.perm_id, "status": order.status, "filled": float(order.filled)}


def _fill_on_disconnect(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.fill_on_disconnect = values["order_ref"]
    return dict(values)


def _roll_back(gateway: "Gateway", values: Values) -> Values:
    gateway.exchange.roll_back_ids(values["by"])
    return {"next_ids": {str(c): h + 1 for c, h in gateway.exchange.highest_ids.items()}}


def _refuse(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.refuse_order = (values["code"], values["message"])
    return dict(values)


def _order_error(gateway: "Gateway", values: Values) -> Values:
    order = find_order(gateway, values)
    session = gateway.sessions.get(order.client_id)
    if session is not None:
        session.error(order.order_id, values["code"], values["message"])
    return {**values, "perm_id": order.perm_id, "heard": session is not None}


def _executions_gone(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.executions_from = gateway.exchange.clock.now()
    return {"executions": len(gateway.exchange.executions)}


def _polite(gateway: "Gateway", values: Values) -> Values:
    gateway.behaviour.polite = values["on"]
    return dict(values)


def _tune(gateway: "Gateway", values: Values) -> Values:
    behaviour = gateway.behaviour
    for name, value in values.items():
        if value is not None:
            setattr(behaviour, name, value)
    return {name: getattr(behaviour, name) for name in values}


KINDS = (
    FaultKind(
        "swallow_next_ack", GROUP, "The next orders live without a callback until asked for.",
        "Nothing, until open orders or executions are requested.", _swallow, (_COUNT,), ({"n": 1},),
    ),
    FaultKind(
        "hang_after_place", GROUP,
        "The next orders are accepted, then the connection is cut before any answer.",
        "The socket closes; the order is among the open orders afterwards.", _hang, (_COUNT,),
        ({"n": 1},),
    ),
    FaultKind(
        "fill_order", GROUP, "Trades now, whatever the market is.",
        "Execution, commission and status of the order.", _fill,
        (
            _REF, _PERM,
            Parameter("qty", "whole", "how much; left out: all that remains", ABSENT, 1),
            Parameter("price", "number", "at which; left out: limit or mark", ABSENT, 0.01),
        ),
    ),
    FaultKind(
        "fill_during_disconnect", GROUP, "When the owner next disconnects its orders fill.",
        "Nothing at the time; after connecting again, executions and a position.",
        _fill_on_disconnect,
        (Parameter("order_ref", "text", "the order; `*` for every one", "*"),),
        ({"order_ref": "*"},),
    ),
    FaultKind(
        "roll_back_ids", GROUP,
        "The next valid id goes back; the ids given back lead to no order any more.",
        "A lower next valid id; a modification under an old id is taken as a new order.",
        _roll_back, (Parameter("by", "whole", "by how much", low=1),), ({"by": 2},),
    ),
    FaultKind(
        "refuse_next_order", GROUP, "The next order ends Inactive with this error.",
        "The error on the order's id, and status Inactive.", _refuse,
        (
            Parameter("code", "whole", "the code", 201),
            Parameter(
                "message", "text", "its text",
                "Order rejected - reason:Order refused by the simulator",
            ),
        ),
        ({}, {"code": 10289, "message": "Order rejected - reason:Not now"}),
    ),
    FaultKind(
        "order_error", GROUP, "An error on the id of a living order, which lives on.",
        "The code with the order's id; the order works as before.", _order_error,
        (
            _REF, _PERM, Parameter("code", "whole", "the code", 10349),
            Parameter(
                "message", "text", "its text", "Order TIF was set to DAY based on order preset.",
            ),
        ),
        ({}, {"code": 10999, "message": "Something that no table of codes has."}),
    ),
    FaultKind(
        "executions_gone", GROUP, "Executions so far are forgotten, as after midnight.",
        "A request for executions returns none of them.", _executions_gone,
    ),
    FaultKind(
        "polite", GROUP, "Turns the gateway's bad manners off or on.",
        "Answers at once, once and in order, or not.", _polite,
        (Parameter("on", "flag", "whether it is polite"),),
    ),
    FaultKind(
        "tune", GROUP, "Changes a knob of behaviour while running.",
        "Orders that fill sooner or never; 100 or none; 321 for every order.", _tune,
        (
            Parameter("fill_probability", "number", "share of orders that ever fill", ABSENT, 0, 1),
            Parameter("hazard_seconds", "number", "mean wait inside the spread", ABSENT, 0.1),
            Parameter("pacing", "flag", "whether 50 messages a second are the limit", ABSENT),
            Parameter("read_only", "flag", "whether the API is read-only", ABSENT),
        ),
    ),
)  # fmt: skip

"""The control API's routes, free of HTTP."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from theta.simulator.control import truth
from theta.simulator.exchange.model import Order
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Query
from theta.simulator.wire import codes

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

Body = dict[str, Any]
Command = Callable[["Gateway", Body], Body]


_NUMBER_MAX = 1e15


class ControlError(Exception):
    """A request that cannot be carried out; nothing was changed."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def answer(gateway: "Gateway", method: str, path: str, body: Body) -> Body:
    """Carry out one request. Raises ``ControlError`` for an unknown path or a wrong body."""
    command = _ROUTES.get((method, path))
    if command is None:
        if any(known == path for _, known in _ROUTES):
            raise ControlError(405, f"{path} does not accept {method}.")
        known_paths = ", ".join(sorted({known for _, known in _ROUTES}))
        raise ControlError(404, f"There is no {path}; there are {known_paths}.")
    return command(gateway, body)


# -- reading a body --------------------------------------------------------------------------------


def _only(body: Body, *known: str) -> None:
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ControlError(400, f"Unknown key {unknown[0]}; known are {', '.join(known)}.")


def _number(body: Body, key: str, default: float | None = None, low: float = 0.0) -> float:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = math.nan
    if low <= value <= _NUMBER_MAX:
        return float(value)
    raise ControlError(400, f"{key} must be a number of at least {low:g}.")


def _text(body: Body, key: str, default: str | None = None) -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise ControlError(400, f"{key} must be a text.")
    return value


def _flag(body: Body, key: str) -> bool:
    value = body.get(key)
    if not isinstance(value, bool):
        raise ControlError(400, f"{key} must be true or false.")
    return value


# -- telling ---------------------------------------------------------------------------------------


def health(gateway: "Gateway", body: Body) -> Body:
    return {"status": "ok", "connected_clients": sorted(gateway.sessions)}


def tell_truth(gateway: "Gateway", body: Body) -> Body:
    return truth.truth(gateway)


def tell_clock(gateway: "Gateway", body: Body) -> Body:
    return truth.clock(gateway)


def quote(gateway: "Gateway", body: Body) -> Body:
    """Top of book of a stock or option now: {symbol, expiry?, strike?, right?}."""
    _only(body, "symbol", "expiry", "strike", "right")
    expiry = _text(body, "expiry", "")
    query = Query(
        symbol=_text(body, "symbol"),
        sec_type="OPT" if expiry else "STK",
        expiry=expiry,
        strike=_number(body, "strike", 0.0),
        right=_text(body, "right", ""),
    )
    now = gateway.exchange.clock.now()
    found = gateway.exchange.market.find(query, now)
    if len(found) != 1:
        raise ControlError(404, f"{len(found)} contracts fit this description; give one.")
    top = gateway.exchange.market.quote(found[0], now)
    return {
        "contract": found[0].describe(),
        "bid": top.bid,
        "ask": top.ask,
        "bid_size": top.bid_size,
        "ask_size": top.ask_size,
        "last": top.last,
        "close": top.close,
        "mark": top.mark,
    }


# -- moving ----------------------------------------------------------------------------------------


def set_clock(gateway: "Gateway", body: Body) -> Body:
    """Speed, pause and jump, in that order; a jump never goes back."""
    _only(body, "advance_seconds", "jump_to", "speed", "pause")
    clock = gateway.exchange.clock
    target: float | None = None
    if "advance_seconds" in body:
        target = clock.now() + _number(body, "advance_seconds")
    if "jump_to" in body:
        target = _instant(gateway, _text(body, "jump_to"))
        if target < clock.now():
            raise ControlError(400, "jump_to lies in the past of the simulated clock.")
    speed = _number(body, "speed", clock.speed)
    paused = _flag(body, "pause") if "pause" in body else clock.paused
    if "speed" in body:
        clock.set_speed(speed)
    if "pause" in body:
        clock.set_paused(paused=paused)
    if target is not None:
        clock.jump_to(target)
    gateway.exchange.step()
    gateway.exchange.save_clock()
    return truth.clock(gateway)


def _instant(gateway: "Gateway", text: str) -> float:
    """A time with zone, or one of next_open, next_close, next_midnight."""
    now = gateway.exchange.clock.now()
    if text == "next_close":
        return calendar.next_session(now)[1]
    if text == "next_midnight":
        return calendar.next_midnight(now)
    if text == "next_open":
        opens, closes = calendar.next_session(now)
        return opens if opens > now else calendar.next_session(closes)[0]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ControlError(
            400, "jump_to must be an ISO time with zone, next_open, next_close or next_midnight."
        )
    return moment.timestamp()


def set_price(gateway: "Gateway", body: Body) -> Body:
    _only(body, "symbol", "price")
    exchange = gateway.exchange
    symbol, price = _text(body, "symbol"), _number(body, "price", low=0.01)
    if exchange.market.book.stock(symbol) is None:
        raise ControlError(404, f"There is no symbol {symbol}.")
    exchange.set_price(symbol, price)
    return {"symbol": symbol, "price": price}


def reset_counters(gateway: "Gateway", body: Body) -> Body:
    told = truth.messages(gateway)
    gateway.messages.clear()
    gateway.messages_by_client.clear()
    gateway.pacing_violations = 0
    return told


# -- faults ----------------------------------------------------------------------------------------


def fault(gateway: "Gateway", body: Body) -> Body:
    kind = _text(body, "kind", "")
    arm = _FAULTS.get(kind)
    if arm is None:
        raise ControlError(400, f"Unknown kind '{kind}'; known are {', '.join(sorted(_FAULTS))}.")
    return {"kind": kind, **arm(gateway, body)}


def _drop(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "client_id", "refuse_seconds")
    refuse = _number(body, "refuse_seconds", 0.0)
    if refuse:
        gateway.faults.refuse_connections_until = gateway.loop_time() + refuse
    dropped = [s for s in gateway.connections() if _meant(s.client_id, body)]
    for session in dropped:
        session.drop()
    return {"connections": len(dropped)}


def _half_open(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "client_id")
    frozen = [s for s in gateway.connections() if _meant(s.client_id, body)]
    for session in frozen:
        session.freeze()
    return {"connections": len(frozen)}


def _meant(client: int | None, body: Body) -> bool:
    return "client_id" not in body or client == body["client_id"]


def _heal(gateway: "Gateway", body: Body) -> Body:
    """Disarm every fault; half-open connections are cut, and connectivity comes back with 1102."""
    _only(body, "kind")
    gateway.faults.clear()
    cut = [session for session in gateway.connections() if session.frozen]
    for session in cut:
        session.drop()
    if gateway.faults.upstream_lost:
        gateway.broadcast(1102, codes.BROADCAST_TEXTS[1102])
    return {"connections": len(cut)}


def _swallow(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "n")
    gateway.faults.swallow_acks = int(_number(body, "n", 1))
    return {"n": gateway.faults.swallow_acks}


def _hang(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "n")
    gateway.faults.hang_after_place = int(_number(body, "n", 1))
    return {"n": gateway.faults.hang_after_place}


def _delay(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "ms")
    gateway.faults.delay_callbacks = _number(body, "ms") / 1000
    return {"ms": gateway.faults.delay_callbacks * 1000}


def _code(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "code", "message")
    code = int(_number(body, "code"))
    text = _text(body, "message", codes.BROADCAST_TEXTS.get(code, f"System message {code}"))
    gateway.broadcast(code, text)
    return {"code": code, "message": text, "clients": len(gateway.sessions)}


def _fill(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "order_ref", "perm_id", "qty", "price")
    order = _find_order(gateway, body)
    if order.is_final:
        raise ControlError(409, f"The order is {order.status} already.")
    quantity = int(_number(body, "qty", float(order.remaining), 1))
    price = _number(body, "price", low=0.01) if "price" in body else None
    gateway.fill_now(order, min(quantity, int(order.remaining)), price)
    return {"perm_id": order.perm_id, "status": order.status, "filled": float(order.filled)}


def _find_order(gateway: "Gateway", body: Body) -> Order:
    for order in reversed(gateway.exchange.orders.values()):
        if "perm_id" in body and order.perm_id == body["perm_id"]:
            return order
        if "perm_id" not in body and order.order_ref == body.get("order_ref"):
            return order
    raise ControlError(404, "No order has this order_ref or perm_id.")


def _fill_on_disconnect(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "order_ref")
    gateway.faults.fill_on_disconnect = _text(body, "order_ref", "*")
    return {"order_ref": gateway.faults.fill_on_disconnect}


def _roll_back(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "by")
    gateway.exchange.roll_back_ids(int(_number(body, "by", low=1)))
    return {"next_ids": {str(c): h + 1 for c, h in gateway.exchange.highest_ids.items()}}


def _refuse(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "code", "message")
    code = int(_number(body, "code", 201))
    text = _text(body, "message", "Order rejected - reason:Order refused by the simulator")
    gateway.faults.refuse_order = (code, text)
    return {"code": code, "message": text}


def _polite(gateway: "Gateway", body: Body) -> Body:
    _only(body, "kind", "on")
    gateway.behaviour.polite = _flag(body, "on")
    return {"on": gateway.behaviour.polite}


def _tune(gateway: "Gateway", body: Body) -> Body:
    """Change fill_probability, hazard_seconds, pacing or read_only while running."""
    _only(body, "kind", "fill_probability", "hazard_seconds", "pacing", "read_only")
    behaviour = gateway.behaviour
    fill = _number(body, "fill_probability", behaviour.fill_probability)
    hazard = _number(body, "hazard_seconds", behaviour.hazard_seconds, 0.1)
    pacing = _flag(body, "pacing") if "pacing" in body else behaviour.pacing
    read_only = _flag(body, "read_only") if "read_only" in body else behaviour.read_only
    behaviour.fill_probability, behaviour.hazard_seconds = fill, hazard
    behaviour.pacing, behaviour.read_only = pacing, read_only
    return {
        "fill_probability": fill,
        "hazard_seconds": hazard,
        "pacing": pacing,
        "read_only": read_only,
    }


_FAULTS: dict[str, Command] = {
    "drop_connections": _drop,
    "half_open": _half_open,
    "heal": _heal,
    "swallow_next_ack": _swallow,
    "hang_after_place": _hang,
    "delay_callbacks_ms": _delay,
    "code": _code,
    "fill_order": _fill,
    "fill_during_disconnect": _fill_on_disconnect,
    "roll_back_ids": _roll_back,
    "refuse_next_order": _refuse,
    "polite": _polite,
    "tune": _tune,
}

_ROUTES: dict[tuple[str, str], Command] = {
    ("GET", "/health"): health,
    ("GET", "/truth"): tell_truth,
    ("GET", "/clock"): tell_clock,
    ("POST", "/clock"): set_clock,
    ("POST", "/quote"): quote,
    ("POST", "/price"): set_price,
    ("POST", "/fault"): fault,
    ("POST", "/reset_counters"): reset_counters,
}

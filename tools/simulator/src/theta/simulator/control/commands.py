"""The control API's routes, free of HTTP."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from theta.simulator.control import truth
from theta.simulator.faults import catalogue
from theta.simulator.faults.parameters import FaultError
from theta.simulator.faults.schedule import Event
from theta.simulator.gateway.timeline import STEPS
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Query
from theta.simulator.scenarios import timing

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

Body = dict[str, Any]
Command = Callable[["Gateway", Body], Body]


_NUMBER_MAX = 1e15
_JUMP_SECONDS_MAX = 400 * 86_400.0


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
    try:
        told = command(gateway, body)
    except FaultError as error:
        raise ControlError(error.status, error.text) from None
    return told


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
    """Speed, pause, jump and step, in that order; a jump never goes back."""
    _only(body, "advance_seconds", "jump_to", "speed", "pause", "step")
    clock = gateway.exchange.clock
    now = clock.now()
    target: float | None = None
    if "advance_seconds" in body:
        target = now + _number(body, "advance_seconds")
    if "jump_to" in body:
        target = _instant(gateway, _text(body, "jump_to"))
    if target is not None and not now <= target <= now + _JUMP_SECONDS_MAX:
        raise ControlError(400, "The clock goes forward only, at most 400 days at once.")
    speed = body.get("speed")
    if "speed" in body and speed != "max":
        speed = _number(body, "speed")
    paused = _flag(body, "pause") if "pause" in body else False
    step = body.get("step")
    if step not in (None, *STEPS):
        raise ControlError(400, f"step must be one of {', '.join(STEPS)}.")
    if speed == "max":
        clock.set_flat_out()
    elif speed is not None:
        clock.set_speed(float(speed))
    if "pause" in body:
        clock.set_paused(paused=paused)
    if target is not None:
        gateway.timeline.advance_to(target)
    elif step is None:
        gateway.timeline.step()
    if step is not None:
        gateway.timeline.step_to(step)
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


# -- faults and events -----------------------------------------------------------------------------


def fault(gateway: "Gateway", body: Body) -> Body:
    """Arm a fault of the catalogue: {kind, ...its parameters}."""
    given = {key: value for key, value in body.items() if key != "kind"}
    return catalogue.arm(gateway, body.get("kind"), given)


def tell_faults(gateway: "Gateway", body: Body) -> Body:
    """What is armed, and every kind that there is."""
    return {
        "armed": gateway.faults.armed(gateway.loop_time()),
        "kinds": {
            kind.name: {"group": kind.group, "effect": kind.effect, "seen": kind.seen}
            for kind in catalogue.CATALOGUE.values()
        },
    }


def tell_events(gateway: "Gateway", body: Body) -> Body:
    """What will happen, soonest first, and what has happened."""
    schedule = gateway.timeline.schedule
    return {"ahead": schedule.ahead(), "happened": list(schedule.happened)}


def add_event(gateway: "Gateway", body: Body) -> Body:
    """Arm a fault later: {at, kind, ...its parameters}; ``at`` as in a scenario, counted from
    now."""
    given = dict(body)
    at, kind = given.pop("at", None), given.pop("kind", None)
    now = gateway.exchange.clock.now()
    if not isinstance(at, str | int | float) or isinstance(at, bool):
        raise ControlError(400, f"at must be {timing.ACCEPTS}.")
    try:
        moment = timing.When(str(at)).at(now)
    except (ValueError, OverflowError):
        raise ControlError(400, f"at must be {timing.ACCEPTS}.") from None
    found, _ = catalogue.check(kind, given)
    event = Event(moment, found.name, given)
    gateway.timeline.schedule.add(event)
    return event.describe(moment)


def news(gateway: "Gateway", body: Body) -> Body:
    """Send a bulletin: {text, type?, exchange?}."""
    return catalogue.arm(gateway, "news", body)


def manual_order(gateway: "Gateway", body: Body) -> Body:
    """Place an order by hand, as somebody at the TWS window would."""
    return catalogue.arm(gateway, "manual_order", body)


_ROUTES: dict[tuple[str, str], Command] = {
    ("GET", "/health"): health,
    ("GET", "/truth"): tell_truth,
    ("GET", "/clock"): tell_clock,
    ("POST", "/clock"): set_clock,
    ("POST", "/quote"): quote,
    ("POST", "/price"): set_price,
    ("GET", "/faults"): tell_faults,
    ("POST", "/fault"): fault,
    ("GET", "/events"): tell_events,
    ("POST", "/events"): add_event,
    ("POST", "/news"): news,
    ("POST", "/order"): manual_order,
    ("POST", "/reset_counters"): reset_counters,
}

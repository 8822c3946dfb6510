"""Faults of the connection: cut, silent, refused, restarted, and the codes that go with them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from theta.simulator.faults.kinds import CLIENT, SECONDS, FaultKind, Values, until
from theta.simulator.faults.parameters import ABSENT, Parameter
from theta.simulator.faults.requests import release_held
from theta.simulator.gateway import ticks
from theta.simulator.wire import codes

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway
    from theta.simulator.gateway.session import Session

GROUP = "Connection"

_FARMS = {
    "market": (2103, 2119, 2104),
    "history": (2105, 2107, 2106),
    "definitions": (2157, 2158),
}


def _meant(gateway: "Gateway", values: Values) -> "list[Session]":
    wanted = values["client_id"]
    return [s for s in gateway.connections() if wanted is None or s.client_id == wanted]


def drop_all(gateway: "Gateway", refuse_seconds: float) -> int:
    """Cut every connection, refuse new ones for a while, forget what the process remembers."""
    faults = gateway.faults
    if refuse_seconds:
        faults.refuse_connections_until = gateway.loop_time() + refuse_seconds
    sessions = gateway.connections()
    for session in sessions:
        session.drop()
    return len(sessions)


def _drop(gateway: "Gateway", values: Values) -> Values:
    if values["refuse_seconds"]:
        gateway.faults.refuse_connections_until = gateway.loop_time() + values["refuse_seconds"]
    dropped = _meant(gateway, values)
    for session in dropped:
        session.drop()
    return {"connections": len(dropped)}


def _half_open(gateway: "Gateway", values: Values) -> Values:
    frozen = _meant(gateway, values)
    for session in frozen:
        session.freeze()
    return {"connections": len(frozen)}


def _mute(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.mute = True
    return {"connections": drop_all(gateway, 0.0)}


def _restart(gateway: "Gateway", values: Values) -> Values:
    down, up = values["down_seconds"], values["up_seconds"]
    healed = gateway.faults.healed

    def fall(left: int) -> None:
        if gateway.faults.healed != healed:
            return
        gateway.faults.upstream_lost = False
        if values["ids_back"]:
            gateway.exchange.roll_back_ids(values["ids_back"])
        drop_all(gateway, down)
        if left > 1:
            gateway.after(down + up, lambda: fall(left - 1))

    fall(values["times"])
    return dict(values)


def _daily_reset(gateway: "Gateway", values: Values) -> Values:
    gateway.broadcast(1100, codes.BROADCAST_TEXTS[1100])
    restart = {"times": 1, "up_seconds": 0.0, "ids_back": values["ids_back"]}
    restart["down_seconds"] = values["down_seconds"]

    healed = gateway.faults.healed

    def fall() -> None:
        if gateway.faults.healed == healed:
            _restart(gateway, restart)

    gateway.after(values["warning_seconds"], fall)
    return dict(values)


def _expire(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.logged_out = True
    return {"connections": drop_all(gateway, 0.0)}


def _login(gateway: "Gateway", values: Values) -> Values:
    was = gateway.faults.logged_out
    gateway.faults.logged_out = False
    return {"was_logged_out": was}


def _code(gateway: "Gateway", values: Values) -> Values:
    code = values["code"]
    text = values["message"]
    if text is None:
        text = codes.BROADCAST_TEXTS.get(code, f"System message {code}")
    gateway.broadcast(code, text)
    return {"code": code, "message": text, "clients": len(gateway.sessions)}


def _codes(gateway: "Gateway", values: Values) -> Values:
    gap = values["gap_ms"] / 1000
    for place, code in enumerate(values["codes"]):
        text = codes.BROADCAST_TEXTS.get(code, f"System message {code}")
        if place == 0:
            gateway.broadcast(code, text)
        else:
            gateway.after(gap * place, _broadcasting(gateway, code, text))
    return dict(values)


def _broadcasting(gateway: "Gateway", code: int, text: str) -> Callable[[], None]:
    healed = gateway.faults.healed

    def send() -> None:
        if gateway.faults.healed == healed:
            gateway.broadcast(code, text)

    return send


def _connectivity(gateway: "Gateway", values: Values) -> Values:
    back = 1101 if values["data_lost"] else 1102
    gateway.broadcast(1100, codes.BROADCAST_TEXTS[1100])

    def restore() -> None:
        if gateway.faults.upstream_lost:
            gateway.broadcast(back, codes.BROADCAST_TEXTS[back])

    gateway.faults.begin("connectivity_lost", restore, until(gateway, values))
    return {**values, "ends_with": back}


def _farm(gateway: "Gateway", values: Values) -> Values:
    farm = values["farm"]
    broken, *_, restored = _FARMS[farm]
    gateway.faults.broken_farms.add(farm)
    gateway.broadcast(broken, codes.BROADCAST_TEXTS[broken])

    def restore() -> None:
        gateway.faults.broken_farms.discard(farm)
        for code in _FARMS[farm][1:]:
            gateway.broadcast(code, codes.BROADCAST_TEXTS[code])
        if farm == "definitions":
            release_held(gateway)
        if farm == "market":
            ticks.resend(gateway)

    gateway.faults.begin(f"farm_lost {farm}", restore, until(gateway, values))
    return {**values, "code": broken, "ends_with": restored}


def _heal(gateway: "Gateway", values: Values) -> Values:
    """Disarm every fault; half-open connections are cut, and connectivity comes back with 1102."""
    gateway.faults.clear()
    cut = [session for session in gateway.connections() if session.frozen]
    for session in cut:
        session.drop()
    if gateway.faults.upstream_lost:
        gateway.broadcast(1102, codes.BROADCAST_TEXTS[1102])
    return {"connections": len(cut)}


_REFUSE = Parameter("refuse_seconds", "number", "seconds in which new ones are refused", 0.0)
_DOWN = Parameter("down_seconds", "number", "seconds in which connections are refused", 2.0)
_IDS = Parameter("ids_back", "whole", "how far order ids go back", 0)

KINDS = (
    FaultKind(
        "drop_connections", GROUP, "Cuts sockets now and refuses new ones for a while.",
        "The socket closes; connecting again fails until the time is over.", _drop,
        (CLIENT, _REFUSE), ({"refuse_seconds": 0.0}, {"refuse_seconds": 1.0}),
    ),
    FaultKind(
        "half_open", GROUP, "Stops reading and writing; the client id stays taken.",
        "Silence on an open socket; the same client id from a new one is refused with 326.",
        _half_open, (CLIENT,),
    ),
    FaultKind(
        "mute_port", GROUP, "Cuts sockets; the port accepts new ones and never answers them.",
        "Connecting succeeds and the handshake never ends.", _mute,
    ),
    FaultKind(
        "restart", GROUP, "The gateway goes away and comes back `times` times in a row.",
        "The socket closes and is refused, again and again; subscriptions are gone each time.",
        _restart,
        (
            Parameter("times", "whole", "how often", 1, 1, 100), _DOWN,
            Parameter("up_seconds", "number", "seconds between two of them", 1.0), _IDS,
        ),
        ({"times": 1, "down_seconds": 1.0}, {"times": 3, "down_seconds": 0.5, "up_seconds": 0.5}),
    ),
    FaultKind(
        "daily_reset", GROUP, "The nightly restart: connectivity lost, then gone, then back.",
        "1100, a closed socket, refused connections, then a fresh session.", _daily_reset,
        (
            Parameter("warning_seconds", "number", "seconds from 1100 to the cut", 1.0),
            Parameter("down_seconds", "number", "seconds in which connections are refused", 10.0),
            _IDS,
        ),
    ),
    FaultKind(
        "login_expired", GROUP, "The weekly login ended: refuses connections until `login`.",
        "The socket closes and every new connection is refused until somebody logs in.", _expire,
    ),
    FaultKind(
        "login", GROUP, "Somebody logs in: connections are accepted again.",
        "Connecting succeeds.", _login,
    ),
    FaultKind(
        "code", GROUP,
        "System message to all; 1100 and 2110 hold callbacks and ticks until 1101 or 1102.",
        "The code with request id -1; after 1101 market data has to be requested again.", _code,
        (
            Parameter("code", "whole", "the code"),
            Parameter("message", "text", "its text; left out: TWS's", ABSENT),
        ),
        ({"code": 2108}, {"code": 2107}, {"code": 2119}),
    ),
    FaultKind(
        "codes", GROUP, "Several system messages one after the other.",
        "Each code with request id -1, in this order.", _codes,
        (
            Parameter("codes", "codes", "the codes"),
            Parameter("gap_ms", "number", "milliseconds from one to the next", 0.0),
        ),
        (
            {"codes": [2103, 2104]}, {"codes": [2105, 2106]},
            {"codes": [2110, 1102], "gap_ms": 300.0},
        ),
    ),
    FaultKind(
        "connectivity_lost", GROUP, "The gateway loses IBKR's servers for a while.",
        "1100, silence about orders and prices, then 1102, or 1101 and no market data.",
        _connectivity,
        (
            SECONDS,
            Parameter("data_lost", "flag", "whether subscriptions are lost (1101)", default=False),
        ),
        ({"seconds": 60.0}, {"seconds": 60.0, "data_lost": True}),
    ),
    FaultKind(
        "farm_lost", GROUP, "One data farm breaks for a while.",
        "2103, 2105 or 2157; no ticks, history refused with 162, or definitions unanswered; then"
        " 2104, 2106 or 2158.",
        _farm,
        (
            Parameter("farm", "choice", "which", choices=tuple(_FARMS)), SECONDS,
        ),
        (
            {"farm": "market", "seconds": 30.0}, {"farm": "history", "seconds": 60.0},
            {"farm": "definitions", "seconds": 10.0},
        ),
    ),
    FaultKind(
        "heal", GROUP, "Disarms and ends everything; cuts half-open sockets.",
        "1102 if connectivity was lost, 2104, 2106 or 2158 for a broken farm.", _heal,
    ),
)  # fmt: skip

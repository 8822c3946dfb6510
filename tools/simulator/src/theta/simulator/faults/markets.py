"""Faults of prices: frozen, jumping, gapped, blank, halted, or taken by another session."""

from typing import TYPE_CHECKING

from theta.simulator.faults.kinds import SECONDS, SYMBOL, FaultKind, Values, symbols_of, until
from theta.simulator.faults.parameters import ABSENT, FaultError, Parameter
from theta.simulator.faults.requests import COMPETING_TEXT
from theta.simulator.gateway import ticks
from theta.simulator.wire import messages

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

GROUP = "Market"

_HALTED = 49
_HALTED_GENERAL, _NOT_HALTED = 1, 0


def _freeze(gateway: "Gateway", values: Values) -> Values:
    names = symbols_of(gateway, values)
    market = gateway.exchange.market
    market.freeze(names, gateway.exchange.clock.now())

    def thaw() -> None:
        market.thaw(names)
        ticks.resend(gateway)

    gateway.faults.begin(f"freeze_quotes {values['symbol']}", thaw, until(gateway, values))
    return {**values, "symbols": names}


def _jump(gateway: "Gateway", values: Values) -> Values:
    names, ratio = symbols_of(gateway, values), 1 + values["percent"] / 100
    label = f"jump_quotes {values['symbol']} {values['percent']:+g} %"
    gateway.faults.end(label)
    _move(gateway, names, ratio)
    gateway.faults.begin(label, lambda: _move(gateway, names, 1 / ratio), until(gateway, values))
    return {**values, "symbols": names}


def _move(gateway: "Gateway", names: list[str], ratio: float) -> None:
    exchange = gateway.exchange
    for name in names:
        spot = exchange.market.spot(name, exchange.clock.now())
        exchange.set_price(name, max(0.01, spot * ratio))


def _gap(gateway: "Gateway", values: Values) -> Values:
    names = symbols_of(gateway, values)
    if (values["percent"] is None) == (values["price"] is None):
        raise FaultError(400, "price_gap takes percent or price.")
    if values["price"] is None:
        _move(gateway, names, 1 + values["percent"] / 100)
    else:
        for name in names:
            gateway.exchange.set_price(name, values["price"])
    return {**values, "symbols": names}


def _blank(gateway: "Gateway", values: Values) -> Values:
    names = symbols_of(gateway, values)
    blank = gateway.exchange.market.blank_greeks
    blank.update(names)
    ticks.resend(gateway)

    def fill_in() -> None:
        blank.difference_update(names)
        ticks.resend(gateway)

    gateway.faults.begin(f"blank_greeks {values['symbol']}", fill_in, until(gateway, values))
    return {**values, "symbols": names}


def _halt(gateway: "Gateway", values: Values) -> Values:
    names = symbols_of(gateway, values)
    halted = gateway.exchange.market.halted
    halted.update(names)
    if values["orders"] == "rejected":
        gateway.faults.rejecting.update(names)
    _tell_halted(gateway, names, _HALTED_GENERAL)

    def resume() -> None:
        halted.difference_update(names)
        gateway.faults.rejecting.difference_update(names)
        _tell_halted(gateway, names, _NOT_HALTED)

    gateway.faults.begin(f"halt {values['symbol']}", resume, until(gateway, values))
    return {**values, "symbols": names}


def _tell_halted(gateway: "Gateway", names: list[str], value: int) -> None:
    for session in gateway.sessions.values():
        for line in session.subscriptions.lines.values():
            if line.contract.symbol in names:
                session.write(messages.tick_generic(line.request, _HALTED, float(value)))
                line.halted = bool(value)


def _resume(gateway: "Gateway", values: Values) -> Values:
    ended = gateway.faults.end(f"halt {values['symbol']}")
    return {**values, "was_halted": ended}


def _compete(gateway: "Gateway", values: Values) -> Values:
    for session in gateway.sessions.values():
        for line in session.subscriptions.lines.values():
            session.error(line.request, 10197, COMPETING_TEXT)
    gateway.faults.competing = True

    def leave() -> None:
        gateway.faults.competing = False
        ticks.resend(gateway)

    gateway.faults.begin("competing_session", leave, until(gateway, values))
    return dict(values)


_PERCENT = Parameter("percent", "number", "change of the price in percent", low=-99, high=1000)

KINDS = (
    FaultKind(
        "freeze_quotes", GROUP, "Quotes stand still while the market moves on.",
        "No ticks of the symbol and its options; asked anew, the old quotes.", _freeze,
        (SYMBOL, SECONDS), ({"seconds": 120.0},),
    ),
    FaultKind(
        "jump_quotes", GROUP, "The price jumps and comes back: a bad tick that lasts.",
        "A quote far away from the last one, later one near it again.", _jump,
        (SYMBOL, _PERCENT, SECONDS),
        ({"percent": -8.0, "seconds": 30.0}, {"percent": 6.0, "seconds": 30.0}),
    ),
    FaultKind(
        "price_gap", GROUP, "The price moves at once, for good.",
        "Quotes, greeks, positions and margin at the new price.", _gap,
        (
            SYMBOL,
            Parameter("percent", "number", "change in percent", ABSENT, -99, 1000),
            Parameter("price", "number", "or the new price, USD", ABSENT, 0.01, 1e7),
        ),
        ({"percent": -4.0}, {"percent": 3.0}),
    ),
    FaultKind(
        "blank_greeks", GROUP, "Option computations come without figures.",
        "Implied volatility, delta, gamma, vega and theta unset; prices as usual.", _blank,
        (SYMBOL, SECONDS), ({"seconds": 120.0},),
    ),
    FaultKind(
        "halt", GROUP, "Trading in the symbol and its options halts.",
        "Tick 49 with 1; orders rest without filling, or are rejected with 201; then tick 49"
        " with 0.",
        _halt,
        (
            SYMBOL, SECONDS,
            Parameter("orders", "choice", "what becomes of orders", "held", 0, 0,
                      ("held", "rejected")),
        ),
        ({"seconds": 300.0}, {"seconds": 120.0, "orders": "rejected"}),
    ),
    FaultKind(
        "resume", GROUP, "Trading halted by `halt` goes on.", "Tick 49 with 0; orders fill again.",
        _resume, (SYMBOL,),
    ),
    FaultKind(
        "competing_session", GROUP, "Somebody logs in elsewhere and takes the market data.",
        "10197 on every market-data line and on new requests; no ticks until it ends.", _compete,
        (SECONDS,), ({"seconds": 60.0},),
    ),
)  # fmt: skip

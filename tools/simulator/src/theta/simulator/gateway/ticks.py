"""Ticks of market-data lines: the first burst, and the changes from then on.

Every line sends its ticks as one list of encoded frames, and a connection writes once per turn of
the loop, so that a line costs its arithmetic and little more.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from theta.simulator.gateway import computations, generic_ticks
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Line
from theta.simulator.market import calendar
from theta.simulator.market.pricing import Greeks
from theta.simulator.market.quotes import Quote
from theta.simulator.wire import ticks as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LIVE, _FROZEN, _DELAYED, _DELAYED_FROZEN = 1, 2, 3, 4
_DELAY_SECONDS = 900.0
_YEAR_SECONDS = 365.0 * 86_400.0
_MAY_EXECUTE = 1
_EXCHANGE_MAP = "9c0001"
_SNAPSHOT_PERMISSIONS = 3
_LIVE_IDS = {tick: tick for tick in wire.DELAYED}
_NO_QUOTE = Quote(None, None, -1, -1, None, -1, -1.0, -1)
"""Differs from every quote, so that everything is sent."""


def instant(gateway: "Gateway", session: Session, line: Line) -> tuple[float, int]:
    """When the line's quotes are taken, and the type of data that makes it.

    Live data are of now, delayed ones of a quarter of an hour ago. Outside the session a client
    that wants frozen data sees the last close.
    """
    now = gateway.exchange.clock.now() - (_DELAY_SECONDS if line.delayed else 0.0)
    kind = _DELAYED if line.delayed else _LIVE
    if session.market_data_type not in (_FROZEN, _DELAYED_FROZEN) or calendar.is_open(now):
        return now, kind
    day = calendar.trading_date(now)
    hours = calendar.session(day)
    if hours is None or now < hours[0]:
        hours = calendar.session(calendar.previous_session_day(day))
    frozen = _DELAYED_FROZEN if line.delayed else _FROZEN
    return (hours[1] - 1 if hours else now), frozen


def first(gateway: "Gateway", session: Session, line: Line) -> None:
    """Everything but the greeks, which come blank now and filled in a moment later."""
    if session.subscriptions.lines.get(line.request) is not line or gateway.faults.silent:
        return
    market, contract = gateway.exchange.market, line.contract
    at, kind = instant(gateway, session, line)
    tick = generic_ticks.minimum_tick(market, contract)
    frames = [wire.data_type(line.request, kind)]
    if session.version >= 114:
        frames.append(wire.parameters(line.request, tick, _EXCHANGE_MAP, _SNAPSHOT_PERMISSIONS))
    line.sent_type = kind
    quote = market.quote(contract, at)
    line.halted = contract.symbol in market.halted
    frames += _opening(gateway, line, quote, at)
    frames += _changes(line, quote)
    frames += generic_ticks.first(gateway, session.version, line, quote, at)
    line.started = True
    if contract.is_option and not gateway.behaviour.polite:
        ids = _ids(line)
        frames += [
            wire.computation(session.version, line.request, ids[kind_of])
            for kind_of in (wire.BID_GREEKS, wire.ASK_GREEKS, wire.MODEL_GREEKS)
        ]
    if line.snapshot and not contract.is_option:
        frames.append(_ended(session, line))
    session.write_frames(frames)
    if contract.is_option:
        delay = 0.001 if gateway.behaviour.polite else 0.06
        session.later(delay, lambda: _greeks_after(gateway, session, line))


def _greeks_after(gateway: "Gateway", session: Session, line: Line) -> None:
    if session.subscriptions.lines.get(line.request) is not line:
        return
    at, _ = instant(gateway, session, line)
    quote = gateway.exchange.market.quote(line.contract, at)
    frames = _greeks(gateway, session.version, line, quote, at)
    if line.snapshot:
        frames.append(_ended(session, line))
    session.write_frames(frames)


def _ended(session: Session, line: Line) -> bytes:
    session.subscriptions.lines.pop(line.request, None)
    return wire.snapshot_end(line.request)


def finish_snapshot(session: Session, line: Line) -> None:
    """End a snapshot that has not ended by itself, whatever it has got."""
    if session.subscriptions.lines.get(line.request) is line:
        session.write_frames([_ended(session, line)])


def resend(gateway: "Gateway") -> None:
    """After a silence, start the lines that wait and tell the others everything again."""
    for session in gateway.sessions.values():
        for line in list(session.subscriptions.lines.values()):
            line.sent = None
            if not line.started:
                first(gateway, session, line)


def moving(gateway: "Gateway") -> list[tuple[Session, Line]]:
    """Every line that may have something new to tell."""
    if gateway.faults.silent:
        return []
    return [
        (session, line)
        for session in gateway.sessions.values()
        if not session.frozen
        for line in session.subscriptions.lines.values()
        if line.started and not line.snapshot
    ]


def send(gateway: "Gateway", lines: Sequence[tuple[Session, Line]]) -> None:
    """Send what changed on these lines, those that are still open."""
    if gateway.faults.silent:
        return
    gathered: dict[Session, list[bytes]] = {}
    for session, line in lines:
        if session.subscriptions.lines.get(line.request) is line:
            gathered.setdefault(session, []).extend(_update(gateway, session, line))
    for session, frames in gathered.items():
        if frames:
            session.write_frames(frames)


def _update(gateway: "Gateway", session: Session, line: Line) -> list[bytes]:
    market, contract = gateway.exchange.market, line.contract
    at, kind = instant(gateway, session, line)
    quote = market.quote(contract, at)
    sent = line.sent
    halted = contract.symbol in market.halted
    blank = contract.symbol in market.blank_greeks
    if quote is sent and halted == line.halted and blank == line.blank and kind == line.sent_type:
        return []
    frames: list[bytes] = []
    if kind != line.sent_type:
        line.sent_type = kind
        frames.append(wire.data_type(line.request, kind))
    if halted != line.halted:
        line.halted = halted
        frames.append(wire.generic(line.request, wire.HALTED, float(halted)))
    if quote != sent or blank != line.blank:
        moved = (
            sent is None
            or blank != line.blank
            or quote.bid != sent.bid
            or quote.ask != sent.ask
            or quote.last != sent.last
        )
        frames += _changes(line, quote)
        if line.generic_ticks:
            frames += generic_ticks.changes(line, sent, quote, at)
        if moved and contract.is_option:
            traded = sent is None or quote.last != sent.last
            frames += _greeks(gateway, session.version, line, quote, at, traded=traded)
    return frames


def _ids(line: Line) -> dict[int, int]:
    return wire.DELAYED if line.delayed else _LIVE_IDS


def _opening(gateway: "Gateway", line: Line, quote: Quote, at: float) -> list[bytes]:
    """The day's opening, high and low, and whether trading is halted."""
    contract, request, ids = line.contract, line.request, _ids(line)
    frames: list[bytes] = []
    if not line.delayed and not contract.is_combination:
        frames.append(wire.generic(request, wire.HALTED, float(line.halted)))
    if contract.is_option or contract.is_combination or quote.last is None:
        return frames
    hours = calendar.session(calendar.trading_date(at))
    if hours is None or at < hours[0]:
        return frames
    today = gateway.exchange.market.bars(contract, "TRADES", hours[0], at, 86_400)
    if not today:
        return frames
    bar = today[-1]
    line.high, line.low = max(bar.high, quote.last), min(bar.low, quote.last)
    frames.append(wire.price(request, ids[wire.OPEN], bar.open, 0))
    frames.append(wire.price(request, ids[wire.HIGH], line.high, 0))
    frames.append(wire.price(request, ids[wire.LOW], line.low, 0))
    return frames


def _changes(line: Line, quote: Quote) -> list[bytes]:
    """Ticks that differ from what the line was sent: -1 with size 0 where nobody quotes, a size
    alone where only that moved."""
    request, ids = line.request, _ids(line)
    sent = line.sent or _NO_QUOTE
    everything = line.sent is None
    line.sent = quote
    frames: list[bytes] = []
    if not line.contract.is_index:
        frames += _sides(line, sent, quote, everything=everything)
    if quote.last is not None:
        if quote.last != sent.last:
            frames.append(wire.price(request, ids[wire.LAST], quote.last, quote.last_size))
            frames += _extremes(line, quote.last)
        elif quote.last_size != sent.last_size:
            frames.append(wire.size(request, ids[wire.LAST_SIZE], quote.last_size))
    if quote.close != sent.close:
        frames.append(wire.price(request, ids[wire.CLOSE], quote.close, 0))
    if quote.volume != sent.volume and not line.contract.is_combination:
        frames.append(wire.size(request, ids[wire.VOLUME], quote.volume))
    return frames


def _sides(line: Line, sent: Quote, quote: Quote, *, everything: bool) -> list[bytes]:
    """Bid and ask, which an index has none of."""
    request, ids = line.request, _ids(line)
    frames: list[bytes] = []
    if everything or quote.bid != sent.bid:
        price = -1.0 if quote.bid is None else quote.bid
        attributes = 0 if quote.bid is None else _MAY_EXECUTE
        frames.append(wire.price(request, ids[wire.BID], price, quote.bid_size, attributes))
    elif quote.bid_size != sent.bid_size:
        frames.append(wire.size(request, ids[wire.BID_SIZE], quote.bid_size))
    if everything or quote.ask != sent.ask:
        price = -1.0 if quote.ask is None else quote.ask
        attributes = 0 if quote.ask is None else _MAY_EXECUTE
        frames.append(wire.price(request, ids[wire.ASK], price, quote.ask_size, attributes))
    elif quote.ask_size != sent.ask_size:
        frames.append(wire.size(request, ids[wire.ASK_SIZE], quote.ask_size))
    return frames


def _extremes(line: Line, last: float) -> list[bytes]:
    """A new high or low of the day."""
    if not line.high:
        return []
    ids = _ids(line)
    if last > line.high:
        line.high = last
        return [wire.price(line.request, ids[wire.HIGH], last, 0)]
    if last < line.low:
        line.low = last
        return [wire.price(line.request, ids[wire.LOW], last, 0)]
    return []


def _greeks(
    gateway: "Gateway",
    version: int,
    line: Line,
    quote: Quote,
    at: float,
    *,
    traded: bool = True,
) -> list[bytes]:
    """Computations at bid, ask and model price, and at the last one where that has ``traded``;
    blank ones while the fault lasts."""
    market, contract, request, ids = (
        gateway.exchange.market,
        line.contract,
        line.request,
        _ids(line),
    )
    line.blank = contract.symbol in market.blank_greeks
    if line.blank:
        return [
            wire.computation(version, request, ids[kind])
            for kind in (wire.BID_GREEKS, wire.ASK_GREEKS, wire.MODEL_GREEKS)
        ]
    spot = market.spot(contract.symbol, at)
    years = (calendar.expiry_instant(contract.expiry) - at) / _YEAR_SECONDS
    dividends = round(market.events.present_value(contract.symbol, at, years), 6)
    base = computations.model(market, contract, at)
    if base is None:
        return []
    vol, values = base.vol, base.greeks
    frames: list[bytes] = []
    for kind, price in (
        (wire.BID_GREEKS, quote.bid or None),
        (wire.ASK_GREEKS, quote.ask),
        (wire.LAST_GREEKS, quote.last if traded else None),
    ):
        if price is None:
            continue
        found = computations.at_price(base, price)
        if found is None:
            frames.append(wire.computation(version, request, ids[kind], value=price, spot=spot))
            continue
        frames.append(_computed(version, request, ids[kind], *found, spot, dividends))
    model = ids[wire.MODEL_GREEKS]
    frames.append(_computed(version, request, model, vol, values, spot, dividends))
    return frames


def _computed(
    version: int,
    request: int,
    tick: int,
    vol: float,
    values: Greeks,
    spot: float,
    dividends: float,
) -> bytes:
    return wire.computation(
        version, request, tick, vol, values.delta, values.price, values.gamma, values.vega,
        values.theta, spot, dividends,
    )  # fmt: skip

"""Ticks of market-data lines: the first burst, and the changes from then on."""

from itertools import pairwise
from math import log, sqrt
from statistics import stdev
from typing import TYPE_CHECKING

from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Line
from theta.simulator.market import calendar
from theta.simulator.market.quotes import TICK, Quote
from theta.simulator.wire import messages

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_BID, _ASK, _LAST, _CLOSE, _VOLUME = 1, 2, 4, 9, 8
_BID_GREEKS, _ASK_GREEKS, _LAST_GREEKS, _MODEL_GREEKS = 10, 11, 12, 13
_FROZEN = 2


def instant(gateway: "Gateway", session: Session) -> float:
    """When the line's quotes are taken: now, or the last close for a client that wants frozen
    data."""
    now = gateway.exchange.clock.now()
    if session.market_data_type not in (_FROZEN, 4) or calendar.is_open(now):
        return now
    day = calendar.trading_date(now)
    hours = calendar.session(day)
    if hours is None or now < hours[0]:
        hours = calendar.session(calendar.previous_session_day(day))
    return hours[1] - 1 if hours else now


def first(gateway: "Gateway", session: Session, line: Line) -> None:
    """Everything but the greeks, which come blank now and filled in a moment later."""
    if session.subscriptions.lines.get(line.request) is not line or gateway.faults.upstream_lost:
        return
    at = instant(gateway, session)
    frozen = at < gateway.exchange.clock.now() - 0.5
    session.write(messages.market_data_type(line.request, _FROZEN if frozen else 1))
    session.write(messages.tick_request_params(line.request, TICK))
    quote = gateway.exchange.market.quote(line.contract, at)
    _send_quote(session, line, quote)
    _send_generic(gateway, session, line, at)
    line.started = True
    if not line.contract.is_option:
        if line.snapshot:
            finish_snapshot(session, line)
        return
    if not gateway.behaviour.polite:
        for tick in (_BID_GREEKS, _ASK_GREEKS, _MODEL_GREEKS):
            session.write(
                messages.option_computation(
                    line.request, tick, None, None, None, None, None, None, None
                )
            )
    delay = 0.001 if gateway.behaviour.polite else 0.06
    session.later(delay, lambda: _greeks_after(gateway, session, line))


def _greeks_after(gateway: "Gateway", session: Session, line: Line) -> None:
    if session.subscriptions.lines.get(line.request) is not line:
        return
    at = instant(gateway, session)
    _send_greeks(gateway, session, line, gateway.exchange.market.quote(line.contract, at), at)
    if line.snapshot:
        finish_snapshot(session, line)


def finish_snapshot(session: Session, line: Line) -> None:
    session.subscriptions.lines.pop(line.request, None)
    session.write(messages.end(57, line.request))


def stream(gateway: "Gateway") -> None:
    """Send what changed on every started line."""
    if gateway.faults.upstream_lost:
        return
    for session in list(gateway.sessions.values()):
        if session.frozen:
            continue
        for line in list(session.subscriptions.lines.values()):
            if line.started and not line.snapshot:
                at = instant(gateway, session)
                quote = gateway.exchange.market.quote(line.contract, at)
                if quote == line.sent:
                    continue
                moved = line.sent is None or (quote.bid, quote.ask) != (
                    line.sent.bid,
                    line.sent.ask,
                )
                _send_quote(session, line, quote)
                if moved and line.contract.is_option:
                    _send_greeks(gateway, session, line, quote, at)


def _send_quote(session: Session, line: Line, quote: Quote) -> None:
    """Price ticks that differ from what the line was sent; -1 with size 0 where nobody quotes."""
    sent, request = line.sent, line.request
    line.sent = quote
    for tick, price, size, before in (
        (_BID, quote.bid, quote.bid_size, sent and (sent.bid, sent.bid_size)),
        (_ASK, quote.ask, quote.ask_size, sent and (sent.ask, sent.ask_size)),
        (_LAST, quote.last, quote.last_size, sent and (sent.last, sent.last_size)),
        (_CLOSE, quote.close, 0, sent and (sent.close, 0)),
    ):
        if before == (price, size) or (tick == _LAST and price is None):
            continue
        session.write(messages.tick_price(request, tick, -1.0 if price is None else price, size))
    if sent is None or sent.volume != quote.volume:
        session.write(messages.tick_size(request, _VOLUME, quote.volume))


def _send_greeks(gateway: "Gateway", session: Session, line: Line, quote: Quote, at: float) -> None:
    market, contract = gateway.exchange.market, line.contract
    spot = market.spot(contract.symbol, at)
    prices: tuple[tuple[int, float | None], ...] = (
        (_BID_GREEKS, quote.bid if quote.bid else None),
        (_ASK_GREEKS, quote.ask),
        (_LAST_GREEKS, quote.last),
        (_MODEL_GREEKS, None),
    )
    for tick, price in prices:
        if price is None and tick != _MODEL_GREEKS:
            continue
        found = market.greeks(contract, at, price)
        if found is None:
            fields = messages.option_computation(
                line.request, tick, None, None, price, None, None, None, spot
            )
        else:
            vol, values = found
            shown = values.price if price is None else price
            fields = messages.option_computation(
                line.request, tick, vol, values.delta, shown, values.gamma, values.vega,
                values.theta, spot,
            )  # fmt: skip
        session.write(fields)


def _send_generic(gateway: "Gateway", session: Session, line: Line, at: float) -> None:
    wanted, contract, request = set(line.generic_ticks), line.contract, line.request
    market = gateway.exchange.market
    if wanted & {100, 101}:
        volumes, interest = _option_figures(gateway, line, at)
        if 101 in wanted:
            session.write(messages.tick_size(request, 27, interest["C"]))
            session.write(messages.tick_size(request, 28, interest["P"]))
        if 100 in wanted:
            session.write(messages.tick_size(request, 29, volumes["C"]))
            session.write(messages.tick_size(request, 30, volumes["P"]))
    if wanted & {104, 106} and not contract.is_option:
        path = market.paths[contract.symbol]
        days = calendar.session_days_back(calendar.trading_date(at), 31)
        closes = [path.close(day) for day in days]
        moves = [log(b / a) for a, b in pairwise(closes)]
        if 104 in wanted:
            session.write(messages.tick_generic(request, 23, stdev(moves) * sqrt(252)))
        if 106 in wanted:
            session.write(messages.tick_generic(request, 24, _at_the_money(gateway, line, at)))


def _option_figures(
    gateway: "Gateway", line: Line, at: float
) -> tuple[dict[str, int], dict[str, int]]:
    """Volume and open interest by right: of the option itself, or of the whole chain for a
    stock."""
    volumes, interest = {"C": 0, "P": 0}, {"C": 0, "P": 0}
    contract, market = line.contract, gateway.exchange.market
    if contract.is_option:
        view = market.view(contract, at)
        if view is not None:
            volumes[contract.right] = view.row.volume
            interest[contract.right] = view.row.open_interest
        return volumes, interest
    for key, row in market.chain(contract.symbol, at).rows.items():
        volumes[key[2]] += row.volume
        interest[key[2]] += row.open_interest
    return volumes, interest


def _at_the_money(gateway: "Gateway", line: Line, at: float) -> float:
    """Implied volatility of the put nearest the money about 30 days out."""
    market, symbol = gateway.exchange.market, line.contract.symbol
    spot = market.spot(symbol, at)
    chain = market.chain(symbol, at)
    target = at + 30 * 86_400
    expiry = min(chain.expiries, key=lambda e: abs(calendar.expiry_instant(e) - target))
    strikes = [key[1] for key in chain.rows if key[0] == expiry and key[2] == "P"]
    return chain.vol((expiry, min(strikes, key=lambda strike: abs(strike - spot)), "P"))

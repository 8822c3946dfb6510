"""Tick-by-tick lines: every change of a stock's trades, quotes or midpoint."""

from typing import TYPE_CHECKING

from theta.simulator.gateway.subscriptions import ByTick
from theta.simulator.market.quotes import Quote
from theta.simulator.wire import ticks as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def stream(gateway: "Gateway") -> None:
    """Send what changed on every tick-by-tick line."""
    if gateway.faults.silent:
        return
    now = gateway.exchange.clock.now()
    for session in list(gateway.sessions.values()):
        frames: list[bytes] = []
        for line in session.subscriptions.by_tick.values():
            quote = gateway.exchange.market.quote(line.contract, now)
            if quote is not line.sent:
                frames += _changes(line, quote, int(now))
                line.sent = quote
        if frames:
            session.write_frames(frames)


def _changes(line: ByTick, quote: Quote, second: int) -> list[bytes]:
    sent = line.sent
    if line.kind in ("Last", "AllLast"):
        if quote.last is None or (
            sent is not None and (quote.last, quote.volume) == (sent.last, sent.volume)
        ):
            return []
        kind = 1 if line.kind == "Last" else 2
        where = line.contract.primary_exchange
        return [wire.by_tick_last(line.request, kind, second, quote.last, quote.last_size, where)]
    if quote.bid is None or quote.ask is None:
        return []
    if line.kind == "MidPoint":
        if (
            sent is not None
            and sent.bid is not None
            and (sent.bid, sent.ask)
            == (
                quote.bid,
                quote.ask,
            )
        ):
            return []
        return [wire.by_tick_middle(line.request, second, (quote.bid + quote.ask) / 2)]
    return [
        wire.by_tick_quote(
            line.request, second, quote.bid, quote.ask, quote.bid_size, quote.ask_size
        )
    ]

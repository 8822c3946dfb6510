"""Decides when a working order trades: pure functions of order, quote and seed."""

from dataclasses import dataclass
from decimal import Decimal
from math import log

from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.model import Order
from theta.simulator.market import calendar
from theta.simulator.market.quotes import Quote
from theta.simulator.randomness import unit

_SAMPLES_MAX = 240


@dataclass(frozen=True, slots=True)
class Fill:
    """Units that trade and the price per share."""

    shares: int
    price: Decimal


def instants(start: float, end: float) -> list[float]:
    """The market seconds to look at after ``start`` up to ``end``: at least one apart, at most
    240."""
    span = end - start
    if span < 1.0:
        return []
    step = max(1.0, span / _SAMPLES_MAX)
    count = int(span / step)
    return [start + step * (number + 1) for number in range(count)]


def match(
    order: Order, quote: Quote, behaviour: Behaviour, seconds: float, *, arriving: bool
) -> Fill | None:
    """What trades against ``quote``, ``seconds`` of market time after the last look.

    Crossing the opposite side trades at once up to the displayed size: at the quote when
    ``arriving``, at the limit
    when resting. Inside the spread the wait is exponential, the shorter the nearer the opposite
    side. Adds to
    ``order.hazard``.
    """
    near, size = (quote.ask, quote.ask_size) if order.is_buy else (quote.bid, quote.bid_size)
    far = quote.bid if order.is_buy else quote.ask
    if near is None or far is None or not behaviour.ever_fills(order.key):
        return None
    remaining = int(order.remaining)
    limit = float(order.limit) if order.limit is not None else near
    distance = (near - limit) if order.is_buy else (limit - near)
    if distance <= 1e-9 and size > 0 and near > 0:
        at = near if arriving or order.limit is None else limit
        return Fill(min(remaining, size), money(at))
    width = abs(far - near)
    closeness = 1.0 - distance / width if width > 0 else 0.0
    if closeness <= 1e-9:
        return None
    order.hazard += seconds * closeness / behaviour.hazard_seconds
    threshold = -log(unit(behaviour.seed, "hazard", order.key, str(order.filled)))
    if order.hazard < threshold:
        return None
    order.hazard = 0.0
    return Fill(remaining, money(limit))


def money(price: float) -> Decimal:
    """A quoted price as exact cents."""
    return Decimal(str(round(price, 2)))


def expiry_of(tif: str, placed_at: float) -> float | None:
    """When a DAY order dies: at the close of the session it was placed in or for. ``None`` for
    GTC."""
    return None if tif == "GTC" else calendar.next_session(placed_at)[1]

"""Decides when a working order trades: pure functions of order, quote and seed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil, floor, log

from theta.simulator.exchange import sessions
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.model import Order
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Quote
from theta.simulator.randomness import unit

_SAMPLES_MAX = 240
_NEAR = 1e-9

ADAPTIVE_SECONDS = {"Urgent": 5.0, "Normal": 30.0, "Patient": 120.0}
"""How long an Adaptive order takes from the middle of the spread to its far side."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Units that trade and the price per share; ``added`` when it gave liquidity."""

    shares: int
    price: Decimal
    added: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the market: the quote, when, seconds since the last look, and whether the order
    has only just arrived."""

    quote: Quote
    at: float
    seconds: float
    arriving: bool


def instants(start: float, end: float) -> list[float]:
    """The whole market seconds after ``start`` up to ``end``; at most 240, evenly apart.

    Whole seconds, so that it does not matter how often somebody looks.
    """
    first, last = floor(start) + 1, floor(end)
    if last < first:
        return []
    step = ceil((last - first + 1) / _SAMPLES_MAX)
    return [float(second) for second in range(first, last + 1, step)]


def triggered(order: Order, contract: Contract, quote: Quote) -> bool:
    """Whether a stop order's condition holds: the last price of a stock, else the side of the book
    that it would trade against last (the bid for a buy, the ask for a sale)."""
    if order.stop is None:
        return True
    stop = float(order.stop)
    side = quote.bid if order.is_buy else quote.ask
    price = quote.last if contract.sec_type == "STK" else side
    if price is None:
        return False
    return price >= stop - _NEAR if order.is_buy else price <= stop + _NEAR


def match(order: Order, contract: Contract, look: Look, behaviour: Behaviour) -> Fill | None:
    """What trades now.

    Crossing the opposite side trades at once up to the displayed size: at the quote when arriving,
    at the limit when resting. Inside the spread the wait is exponential, the shorter the nearer
    the opposite side; it adds to ``order.hazard``.
    """
    quote = look.quote
    near, size = (quote.ask, quote.ask_size) if order.is_buy else (quote.bid, quote.bid_size)
    far = quote.bid if order.is_buy else quote.ask
    if near is None or far is None or not behaviour.ever_fills(order.key):
        return None
    if near <= 0 and not contract.is_combination:
        size = 0  # a bid of 0 is nobody's
    remaining = _due(order, look)
    if remaining <= 0:
        return None
    limit = _limit(order, look, near, far)
    distance = (near - limit) if order.is_buy else (limit - near)
    if distance <= _NEAR:
        whole = order.all_or_none or order.tif == "FOK"
        if size <= 0 or (whole and size < remaining):
            return None
        at = near if look.arriving or order.limit is None or order.algo else limit
        return Fill(min(remaining, size), money(at))
    if order.tif in ("IOC", "FOK"):
        return None
    width = abs(far - near)
    closeness = 1.0 - distance / width if width > 0 else 0.0
    if closeness <= _NEAR:
        return None
    order.hazard += look.seconds * closeness / behaviour.hazard_seconds
    threshold = -log(unit(behaviour.seed, "hazard", order.key, str(order.filled)))
    if order.hazard < threshold:
        return None
    order.hazard = 0.0
    return Fill(remaining, money(limit), added=True)


def _limit(order: Order, look: Look, near: float, far: float) -> float:
    """The price that the order works at now: its own, the middle, or what its strategy says."""
    bound = float(order.limit) if order.limit is not None else near
    if order.order_type == "MIDPRICE":
        wanted = _inward((near + far) / 2, is_buy=order.is_buy)
        if order.limit is None:
            return wanted
        return min(wanted, bound) if order.is_buy else max(wanted, bound)
    if order.algo != "Adaptive":
        return bound
    patience = ADAPTIVE_SECONDS[dict(order.algo_params).get("adaptivePriority", "Normal")]
    since = order.working_since if order.working_since is not None else look.at
    walked = min(1.0, (look.at - since) / patience)
    middle = (near + far) / 2
    wanted = _inward(middle + (near - middle) * walked, is_buy=order.is_buy)
    return min(wanted, bound) if order.is_buy else max(wanted, bound)


def _inward(price: float, *, is_buy: bool) -> float:
    """A whole cent that is no worse than ``price`` for the owner of the order."""
    cents = price * 100
    return (floor(cents + 1e-6) if is_buy else ceil(cents - 1e-6)) / 100


def _due(order: Order, look: Look) -> int:
    """Units that may trade now: the rest, or what a Vwap or Twap schedule has come to."""
    remaining = int(order.remaining)
    if order.algo not in ("Vwap", "Twap"):
        return remaining
    params = dict(order.algo_params)
    since = order.working_since if order.working_since is not None else look.at
    starts = max(since, parse_time(params.get("startTime", ""), look.at) or since)
    closes = calendar.next_session(look.at)[1]
    ends = min(closes, parse_time(params.get("endTime", ""), look.at) or closes)
    if look.at < starts:
        return 0
    share = 1.0 if ends <= starts else min(1.0, (look.at - starts) / (ends - starts))
    return min(remaining, ceil(float(order.quantity) * share) - int(order.filled))


def money(price: float) -> Decimal:
    """A quoted price as exact cents."""
    return Decimal(str(round(price, 2)))


def parse_time(text: str, now: float) -> float | None:
    """Epoch seconds of a TWS time: ``yyyymmdd hh:mm:ss`` or ``hh:mm:ss`` of today, New York unless
    it names UTC or GMT, ``yyyymmdd-hh:mm:ss`` in UTC. ``None`` for no time or an unreadable one."""
    parts = text.replace("-", " ").split()
    if not parts:
        return None
    zoned = "-" in text[:9] or (parts[-1].upper() in ("UTC", "GMT"))
    if ":" in parts[0]:
        parts.insert(0, f"{calendar.trading_date(now):%Y%m%d}")
    if len(parts) == 1:
        parts.append("23:59:59")
    try:
        naive = datetime.strptime(" ".join(parts[:2]), "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone follows
    except ValueError:
        return None
    return naive.replace(tzinfo=UTC if zoned else calendar.NEW_YORK).timestamp()


def expiry_of(
    tif: str,
    placed_at: float,
    contract: Contract,
    *,
    outside_rth: bool = False,
    good_till: str = "",
) -> float | None:
    """When an order dies. ``None`` for GTC.

    GTD at its time; every other at the close of the session it was placed in or for, IOC and FOK
    too, which end at their first look at an open market.
    """
    if tif == "GTC":
        return None
    if tif == "GTD":
        wanted = parse_time(good_till, placed_at)
        if wanted is not None:
            return wanted
    return sessions.span(contract, placed_at, outside_rth=outside_rth)[1]

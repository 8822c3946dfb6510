"""Small arithmetic of volatility: what a day usually moves, and which strike has which delta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist, stdev

TRADING_DAYS_PER_YEAR = 252
CALENDAR_DAYS_PER_YEAR = 365
_CLOSES_MIN = 3
_NORMAL = NormalDist()
_PROBABILITY_EDGE = 1e-6


def daily_stddev(closes: Sequence[Decimal]) -> float | None:
    """Return the sample standard deviation (n − 1) of daily log returns.

    `None` with fewer than three closes, or when one is not positive.
    """
    if len(closes) < _CLOSES_MIN or any(close <= 0 for close in closes):
        return None
    logs = [math.log(float(close)) for close in closes]
    return stdev(later - earlier for earlier, later in pairwise(logs))


def sigma_move(close: Decimal, deviation: float, sigma: Decimal) -> Decimal:
    """Return close × (e^deviation − 1) × sigma: a move of `sigma` standard deviations."""
    return close * Decimal(str(math.expm1(deviation))) * sigma


def put_strike_at(delta: float, *, price: float, volatility: float, days: int) -> float:
    """Return the strike at which a put has absolute delta `delta` (Black–Scholes, no carry).

    |delta| = N(−d1) with d1 = (ln(price/K) + σ²T/2) / (σ√T). `volatility` is annual and positive;
    a `days` of 0 counts as 1.
    """
    root = volatility * math.sqrt(max(days, 1) / CALENDAR_DAYS_PER_YEAR)
    return price * math.exp(root * probit(delta) + root * root / 2)


def probit(probability: float) -> float:
    """Return the standard normal quantile, of a probability kept off 0 and 1."""
    return _NORMAL.inv_cdf(min(max(probability, _PROBABILITY_EDGE), 1 - _PROBABILITY_EDGE))

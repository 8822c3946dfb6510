"""European option prices, implied volatility and greeks (Black's formula on the forward)."""

from dataclasses import dataclass
from math import erf, exp, isfinite, log, pi, sqrt

RATE = 0.0375
"""Continuously compounded discount rate per year."""

YEAR_SECONDS = 365.0 * 86_400.0
_LOW_VOL = 1e-4
_HIGH_VOL = 10.0


@dataclass(frozen=True, slots=True)
class Greeks:
    """Price and sensitivities of one option, per share.

    ``vega`` is per volatility point (0.01), ``theta`` per calendar day and negative for a decaying
    long option.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def _cdf(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


def _pdf(x: float) -> float:
    return exp(-0.5 * x * x) / sqrt(2.0 * pi)


def price(
    *,
    is_call: bool,
    spot: float,
    strike: float,
    years: float,
    vol: float,
    carry: float,
    rate: float = RATE,
) -> float:
    """Price of a European option; ``carry`` is the forward's growth rate (rate less dividends) per
    year."""
    if years <= 0 or vol <= 0:
        forward = spot * exp(carry * max(years, 0.0))
        intrinsic = forward - strike if is_call else strike - forward
        return exp(-rate * max(years, 0.0)) * max(intrinsic, 0.0)
    forward = spot * exp(carry * years)
    spread = vol * sqrt(years)
    d1 = log(forward / strike) / spread + 0.5 * spread
    d2 = d1 - spread
    if is_call:
        value = forward * _cdf(d1) - strike * _cdf(d2)
    else:
        value = strike * _cdf(-d2) - forward * _cdf(-d1)
    return exp(-rate * years) * max(value, 0.0)


def greeks(
    *, is_call: bool, spot: float, strike: float, years: float, vol: float, carry: float
) -> Greeks:
    """Price and greeks; a dead option (no time or no volatility) has delta 0 or ±1 and nothing
    else."""
    value = price(is_call=is_call, spot=spot, strike=strike, years=years, vol=vol, carry=carry)
    if years <= 0 or vol <= 0:
        delta = (1.0 if is_call else -1.0) if value > 0 else 0.0
        return Greeks(value, delta, 0.0, 0.0, 0.0)
    forward = spot * exp(carry * years)
    spread = vol * sqrt(years)
    d1 = log(forward / strike) / spread + 0.5 * spread
    growth = exp((carry - RATE) * years)
    delta = growth * (_cdf(d1) if is_call else _cdf(d1) - 1.0)
    gamma = growth * _pdf(d1) / (spot * spread)
    vega = spot * growth * _pdf(d1) * sqrt(years) / 100.0
    day = min(1.0 / 365.0, years)
    later = price(
        is_call=is_call, spot=spot, strike=strike, years=years - day, vol=vol, carry=carry
    )
    return Greeks(value, delta, gamma, vega, later - value)


def implied_vol(
    target: float, *, is_call: bool, spot: float, strike: float, years: float, carry: float
) -> float | None:
    """The volatility that gives ``target``; ``None`` where no volatility in 0.0001..10 does.

    Bisection on the monotone price, to 1e-7: about 27 prices, which never fails to converge.
    """
    if years <= 0 or not isfinite(target) or target <= 0:
        return None

    def at(vol: float) -> float:
        return price(is_call=is_call, spot=spot, strike=strike, years=years, vol=vol, carry=carry)

    low, high = _LOW_VOL, _HIGH_VOL
    if not at(low) < target < at(high):
        return None
    # Nearly every quote lies below 100 %: halve the work for those.
    if at(1.0) >= target:
        high = 1.0
    else:
        low = 1.0
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        if at(middle) < target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)

"""American option prices, their greeks and the volatility in a price.

Puts follow Barone-Adesi and Whaley, "Efficient analytic approximation of American option values"
(Journal of Finance 42, 1987), within half a percent of a fine binomial tree for up to a year. Calls
are worth more alive than exercised except just before a dividend: they are worth the best of being
held to expiry and of being exercised before each ex-date (Black, "Fact and fantasy in the use of
options", Financial Analysts Journal 31, 1975).
Neither is ever worth less than the European option or than exercise at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import erf, exp, floor, isfinite, log, pi, sqrt

from theta.simulator.market.pricing import RATE, Greeks
from theta.simulator.market.pricing import price as european_price

_ROOT_HALF = sqrt(0.5)
_PDF_SCALE = 1.0 / sqrt(2.0 * pi)
_LOW_VOL, _HIGH_VOL = 1e-3, 10.0
_YEAR_DAYS = 365.0
_SMALL_PREMIUM = 1e-3
_VOL_STEP, _TIME_STEP, _CARRY_STEP = 0.04, 0.01, 5e-4


@dataclass(frozen=True, slots=True)
class Terms:
    """What an option's price depends on beside its volatility.

    ``carry`` is the growth rate of the forward to expiry per year. ``exits`` are the chances to
    exercise a call before a dividend: (years from now, carry to then).
    """

    is_call: bool
    spot: float
    strike: float
    years: float
    carry: float
    rate: float = RATE
    european: bool = False
    exits: Sequence[tuple[float, float]] = ()


def _cdf(x: float) -> float:
    return 0.5 + 0.5 * erf(x * _ROOT_HALF)


def price(terms: Terms, vol: float, spot: float | None = None, years: float | None = None) -> float:
    """Price per share at volatility ``vol``; ``spot`` and ``years`` replace those of the terms."""
    at = terms.spot if spot is None else spot
    left = terms.years if years is None else years
    call = terms.is_call
    held = european_price(
        is_call=call, spot=at, strike=terms.strike, years=left, vol=vol, carry=terms.carry,
        rate=terms.rate,
    )  # fmt: skip
    if terms.european:
        return held
    gone = terms.years - left
    if call:
        best = max(held, at - terms.strike)
        for exit_years, carry in terms.exits:
            if exit_years > gone:
                out = european_price(
                    is_call=True, spot=at, strike=terms.strike, years=exit_years - gone, vol=vol,
                    carry=carry, rate=terms.rate,
                )  # fmt: skip
                best = max(best, out)
        return best
    best = max(held, terms.strike - at)
    # Waiting cannot cost more than the interest on the strike: below a tenth of a cent, skip it.
    if vol > 0 and terms.rate * left * terms.strike > 1e-3:
        best = max(best, _put(at, held, terms, left, vol))
    return best


def _put(spot: float, held: float, terms: Terms, years: float, vol: float) -> float:
    """The American put above its critical price; ``held`` is the European put."""
    found = _boundary(years, vol, terms.carry, terms.rate)
    if found is None:
        return held
    ratio, power = found
    strike = terms.strike
    if spot <= ratio * strike:
        return strike - spot
    grown = power * log(spot / (ratio * strike))
    if grown < -30.0:
        return held
    at_boundary = european_price(
        is_call=False, spot=ratio, strike=1.0, years=years, vol=vol, carry=terms.carry,
        rate=terms.rate,
    )  # fmt: skip
    return held + strike * max(0.0, 1.0 - ratio - at_boundary) * exp(grown)


def _boundary(years: float, vol: float, carry: float, rate: float) -> tuple[float, float] | None:
    """Critical price of a put of strike 1, and the exponent of its premium.

    Solved on a grid of volatilities, times and rates, and read off between two volatilities: the
    boundary moves little from one to the next, and the premium joins the exercise value at it
    whatever it is.
    """
    place = log(vol) / _VOL_STEP
    node = floor(place)
    when, cost = round(log(years) / _TIME_STEP), round(carry / _CARRY_STEP)
    low = _critical(when, node, cost, rate)
    high = _critical(when, node + 1, cost, rate)
    if low is None or high is None:
        return None
    share = place - node
    return low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1])


@lru_cache(maxsize=65_536)
def _critical(when: int, node: int, cost: int, rate: float) -> tuple[float, float] | None:
    """The boundary at one point of the grid; ``None`` where the quadratic equation has no use in
    floating point: the premium is then nothing."""
    years, vol, carry = exp(when * _TIME_STEP), exp(node * _VOL_STEP), cost * _CARRY_STEP
    variance = vol * vol
    m, n, k = 2.0 * rate / variance, 2.0 * carry / variance, 1.0 - exp(-rate * years)
    power = 0.5 * (1.0 - n - sqrt((n - 1.0) ** 2 + 4.0 * m / k))
    forever = 0.5 * (1.0 - n - sqrt((n - 1.0) ** 2 + 4.0 * m))
    root = vol * sqrt(years)
    lowest = 1.0 / (1.0 - 1.0 / forever)
    reach = (carry * years - 2.0 * root) / (1.0 - lowest)
    at = lowest + (1.0 - lowest) * exp(min(reach, 0.0))
    growth, discount = exp((carry - rate) * years), exp(-rate * years)
    for _ in range(30):
        d1 = (log(at) + carry * years) / root + 0.5 * root
        tail = growth * _cdf(-d1)
        value = discount * _cdf(root - d1) - at * tail - (1.0 - tail) * at / power
        if abs(1.0 - at - value) < 1e-8:
            break
        density = exp(-0.5 * d1 * d1) * _PDF_SCALE
        slope = -tail * (1.0 - 1.0 / power) - (1.0 + growth * density / root) / power
        moved = (1.0 - value + slope * at) / (1.0 + slope)
        if not 0.0 < moved < 1.0:
            return None
        at = moved
    return at, power


def _slopes(terms: Terms, vol: float, years: float, carry: float) -> Greeks:
    """The European option to ``years`` in closed form; ``vega`` and ``theta`` as in ``Greeks``."""
    spot, strike, rate = terms.spot, terms.strike, terms.rate
    root = vol * sqrt(years)
    d1 = (log(spot / strike) + carry * years) / root + 0.5 * root
    growth, discount = exp((carry - rate) * years), exp(-rate * years)
    density = growth * exp(-0.5 * d1 * d1) * _PDF_SCALE
    sign = 1.0 if terms.is_call else -1.0
    near, far = growth * _cdf(sign * d1), discount * _cdf(sign * (d1 - root))
    value = sign * (spot * near - strike * far)
    decay = -0.5 * spot * density * vol / sqrt(years)
    held = sign * ((rate - carry) * spot * near - rate * strike * far)
    day = min(1.0 / _YEAR_DAYS, years)
    return Greeks(
        price=value,
        delta=sign * near,
        gamma=density / (spot * root),
        vega=spot * density * sqrt(years) / 100.0,
        theta=max((decay + held) * day, -value),
    )


def greeks(terms: Terms, vol: float) -> Greeks:
    """Price and greeks; at expiry delta is 0 or ±1 and nothing else is left.

    In closed form for what is held or leaves before a dividend; where the right to exercise a put
    early counts, the premium's slopes come on top, vega and theta by small differences.
    """
    value = price(terms, vol)
    gain = terms.spot - terms.strike if terms.is_call else terms.strike - terms.spot
    if terms.years <= 0 or vol <= 0 or (not terms.european and value <= gain):
        delta = (1.0 if terms.is_call else -1.0) if value > 0 else 0.0
        return Greeks(value, delta, 0.0, 0.0, 0.0)
    held = _slopes(terms, vol, terms.years, terms.carry)
    if terms.european:
        return held
    if terms.is_call:
        found = held
        for exit_years, carry in terms.exits:
            leaving = _slopes(terms, vol, exit_years, carry)
            found = leaving if leaving.price > found.price else found
        return replace(found, price=value, theta=min(0.0, found.theta))
    premium = value - held.price
    if premium < _SMALL_PREMIUM:
        return replace(held, price=value, theta=min(0.0, held.theta))
    return _early(terms, vol, value, held)


def _early(terms: Terms, vol: float, value: float, held: Greeks) -> Greeks:
    """The greeks of a put whose premium for early exercise counts."""
    found = _boundary(terms.years, vol, terms.carry, terms.rate)
    assert found is not None
    slope = (value - held.price) * found[1] / terms.spot
    bump = 0.01 * vol
    day = min(1.0 / _YEAR_DAYS, terms.years)
    return Greeks(
        price=value,
        delta=min(0.0, max(-1.0, held.delta + slope)),
        gamma=held.gamma + slope * (found[1] - 1.0) / terms.spot,
        vega=max(0.0, (price(terms, vol + bump) - value) / (100.0 * bump)),
        theta=min(0.0, price(terms, vol, years=terms.years - day) - value),
    )


def implied_vol(target: float, terms: Terms, guess: float = 0.25) -> float | None:
    """The volatility that gives ``target``; ``None`` where none in 0.001..10 does, as for a price
    at or below the value of exercising at once.

    Newton's and then secant steps inside a bracket that only shrinks, to a price within 1e-7 or a
    volatility within 1e-8.
    """
    most = terms.spot if terms.is_call else terms.strike
    if terms.years <= 0 or not isfinite(target) or not price(terms, 0.0) + 1e-9 < target < most:
        return None
    low, high = _LOW_VOL, _HIGH_VOL
    vol = min(max(guess, 0.01), 5.0)
    slope = 0.0
    last: tuple[float, float] | None = None
    for step in range(150):
        value = price(terms, vol)
        error = value - target
        if abs(error) < 1e-7:
            return vol
        if error > 0:
            high = vol
        else:
            low = vol
        if high - low < 1e-8:
            return vol if abs(error) < 1e-4 else None
        if last is None:
            slope = 100.0 * _slopes(terms, vol, terms.years, terms.carry).vega
        elif vol != last[0]:
            slope = (value - last[1]) / (vol - last[0])
        last = (vol, value)
        vol = vol - error / slope if slope > 1e-6 else 0.0
        # Where the price hardly moves secants creep: every fourth step halves the bracket.
        if step % 4 == 3 or not low < vol < high:
            vol = sqrt(low * high)
    return None

"""Implied volatilities and greeks of one option at its bid, ask, last and model price together.

A line asks for all of them whenever its quote moves, and the prices lie close to the model's: from
the model's price and vega two secant steps find the volatility of each, and its sensitivities are
the model's moved by what the European formula says of the change in volatility.
"""

from dataclasses import dataclass

from theta.simulator.market import american, pricing
from theta.simulator.market.american import Terms
from theta.simulator.market.contracts import Contract
from theta.simulator.market.pricing import Greeks
from theta.simulator.market.quotes import Market

_PRICE_ERROR = 9e-5
"""USD per share: a hundredth of a tick."""
_STEP_MAX = 0.5
"""A first step of more than this part of the model's volatility is left to the full search."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model's volatility and greeks, and the European ones at the same volatility."""

    terms: Terms
    vol: float
    greeks: Greeks
    european: Greeks


def model(market: Market, contract: Contract, at: float) -> Model | None:
    """The model at an instant; ``None`` for an option that has expired or is not listed."""
    view = market.view(contract, at)
    if view is None or view.years <= 0:
        return None
    greeks = american.greeks(view.terms, view.vol)
    return Model(view.terms, view.vol, greeks, _european(view.terms, view.vol))


def at_price(base: Model, price: float) -> tuple[float, Greeks] | None:
    """Volatility and greeks at ``price`` per share; ``None`` where no volatility explains it."""
    vol = _near(base, price)
    if vol is None:
        vol = american.implied_vol(price, base.terms, base.vol)
        return None if vol is None else (vol, american.greeks(base.terms, vol))
    moved, terms = _european(base.terms, vol), base.terms
    low, high = (0.0, 1.0) if terms.is_call else (-1.0, 0.0)
    known, before = base.greeks, base.european
    theta = known.theta + moved.theta - before.theta
    return vol, Greeks(
        price=price,
        delta=min(high, max(low, known.delta + moved.delta - before.delta)),
        gamma=max(0.0, known.gamma + moved.gamma - before.gamma),
        vega=max(0.0, known.vega + moved.vega - before.vega),
        theta=theta if terms.european else min(0.0, theta),
    )


def _near(base: Model, price: float) -> float | None:
    """The volatility of a price near the model's, ``None`` where it takes a search to find it."""
    slope = 100.0 * base.greeks.vega
    error = price - base.greeks.price
    if slope <= 0.0 or abs(error) > _STEP_MAX * base.vol * slope:
        return None
    last_vol, last_price = base.vol, base.greeks.price
    for _ in range(3):
        vol = last_vol + (price - last_price) / slope
        if vol <= 0.0:
            return None
        value = american.price(base.terms, vol)
        if abs(value - price) < _PRICE_ERROR:
            return vol
        if vol == last_vol or value == last_price:
            return None
        slope = (value - last_price) / (vol - last_vol)
        if slope <= 0.0:
            return None
        last_vol, last_price = vol, value
    return None


def _european(terms: Terms, vol: float) -> Greeks:
    return pricing.greeks(
        is_call=terms.is_call,
        spot=terms.spot,
        strike=terms.strike,
        years=terms.years,
        vol=vol,
        carry=terms.carry,
    )

"""American prices against a binomial tree, their bounds, and the volatility in a price."""

from __future__ import annotations

from math import exp, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.simulator.market import american
from theta.simulator.market.american import Terms

RATE = 0.0375


def tree(terms: Terms, vol: float, steps: int = 300) -> float:
    """Cox, Ross and Rubinstein's tree with a constant carry, as an independent measure."""
    dt = terms.years / steps
    up = exp(vol * sqrt(dt))
    chance = (exp(terms.carry * dt) - 1 / up) / (up - 1 / up)
    discount = exp(-terms.rate * dt)
    sign = 1 if terms.is_call else -1

    def gain(step: int, downs: int) -> float:
        return max(0.0, sign * (terms.spot * up ** (step - 2 * downs) - terms.strike))

    values = [gain(steps, i) for i in range(steps + 1)]
    for step in range(steps - 1, -1, -1):
        values = [
            max(
                discount * (chance * values[i] + (1 - chance) * values[i + 1]),
                0.0 if terms.european else gain(step, i),
            )
            for i in range(step + 1)
        ]
    return values[0]


@pytest.mark.parametrize(
    ("strike", "years", "vol", "carry"),
    [
        (100, 0.12, 0.15, 0.0375),
        (110, 0.12, 0.15, 0.03),
        (100, 1.0, 0.20, 0.0375),
        (115, 1.0, 0.20, 0.02),
        (90, 0.5, 0.60, 0.0375),
        (103, 0.02, 0.30, 0.0375),
        (100, 1.0, 0.20, -0.02),
    ],
)
def test_puts_agree_with_a_tree(strike: float, years: float, vol: float, carry: float) -> None:
    terms = Terms(False, 100.0, strike, years, carry)
    true = tree(terms, vol)
    assert american.price(terms, vol) == pytest.approx(true, rel=0.006, abs=0.01)


def test_a_put_is_worth_more_than_its_european_twin() -> None:
    for strike in (95, 100, 105, 110):
        free = american.price(Terms(False, 100, strike, 0.5, RATE), 0.2)
        bound = american.price(Terms(False, 100, strike, 0.5, RATE, european=True), 0.2)
        assert free > bound + 0.01


def test_a_call_is_exercised_only_before_a_dividend() -> None:
    plain = Terms(True, 100, 80, 0.25, RATE)
    assert american.price(plain, 0.2) > 20.0
    # A dividend of 2 in three months less a week: the forward falls, and leaving early pays.
    carry = RATE - 2.0 / 100 / 0.25
    held = american.price(Terms(True, 100, 80, 0.25, carry, european=True), 0.2)
    leaving = american.price(Terms(True, 100, 80, 0.25, carry, exits=((0.23, RATE),)), 0.2)
    assert leaving > held + 0.5
    assert leaving < american.price(plain, 0.2)


TERMS = st.builds(
    Terms,
    st.booleans(),
    st.floats(20, 800),
    st.floats(20, 800),
    st.floats(0.003, 2.0),
    st.floats(-0.02, RATE),
)


@given(TERMS, st.floats(0.05, 1.5))
def test_prices_keep_their_bounds(terms: Terms, vol: float) -> None:
    value = american.price(terms, vol)
    gain = terms.spot - terms.strike if terms.is_call else terms.strike - terms.spot
    assert value >= max(0.0, gain) - 1e-9
    assert value <= (terms.spot if terms.is_call else terms.strike) + 1e-9
    european = Terms(terms.is_call, terms.spot, terms.strike, terms.years, terms.carry, RATE, True)
    assert value >= american.price(european, vol) - 1e-9
    assert american.price(terms, vol * 1.1) >= value - 1e-4


@settings(deadline=None)
@given(TERMS, st.floats(0.05, 1.5))
def test_the_volatility_in_a_price_gives_the_price(terms: Terms, vol: float) -> None:
    value = american.price(terms, vol)
    found = american.implied_vol(value, terms, 0.3)
    if found is not None:
        assert american.price(terms, found) == pytest.approx(value, abs=1e-4)
    else:
        assert value == pytest.approx(american.price(terms, 1e-3), abs=1e-6)


@given(TERMS, st.floats(0.1, 1.0))
def test_greeks_are_the_slopes_of_the_price(terms: Terms, vol: float) -> None:
    found = american.greeks(terms, vol)
    assert found.price == american.price(terms, vol)
    low, high = (0.0, 1.0) if terms.is_call else (-1.0, 0.0)
    assert low <= found.delta <= high
    assert found.gamma >= 0
    assert found.vega >= 0
    assert found.theta <= 1e-9
    step = terms.spot * 1e-3
    up = american.price(terms, vol, terms.spot + step)
    down = american.price(terms, vol, terms.spot - step)
    assert found.delta == pytest.approx((up - down) / (2 * step), abs=0.06)


def test_a_price_below_exercise_has_no_volatility() -> None:
    terms = Terms(False, 100, 120, 0.2, RATE)
    assert american.implied_vol(19.5, terms) is None
    assert american.implied_vol(0.0, terms) is None
    assert american.implied_vol(float("nan"), terms) is None
    assert american.implied_vol(121.0, terms) is None


def test_at_expiry_only_exercise_is_left() -> None:
    assert american.price(Terms(True, 105, 100, 0.0, RATE), 0.2) == 5.0
    assert american.greeks(Terms(False, 105, 100, 0.0, RATE), 0.2).delta == 0.0
    assert american.greeks(Terms(False, 95, 100, 0.0, RATE), 0.2).delta == -1.0

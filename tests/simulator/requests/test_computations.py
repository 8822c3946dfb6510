"""Greeks found near the model are those of the full search."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.simulator.gateway import computations
from theta.simulator.market import american, chains
from theta.simulator.market.contracts import Contract, Query
from theta.simulator.market.quotes import Market

MARKET = Market(7, {"SPY": "SPY"}, 0.14)
NOW = chains.snapshots()[0].taken_at + 3_600
LISTED = MARKET.find(Query(symbol="SPY", sec_type="OPT", expiry="20260918"), NOW)


@given(st.sampled_from(LISTED), st.floats(-0.3, 0.3), st.integers(0, 18_000))
@settings(max_examples=150, deadline=None)
def test_a_price_near_the_models_has_the_greeks_of_the_full_search(
    contract: Contract, away: float, later: int
) -> None:
    at = NOW + later
    base = computations.model(MARKET, contract, at)
    assert base is not None
    price = base.greeks.price * (1 + away) if base.greeks.price > 0.05 else 0.05
    found = computations.at_price(base, price)
    vol = american.implied_vol(price, base.terms, base.vol)
    if vol is None or found is None:
        assert vol is None
        assert found is None
        return
    sought = american.greeks(base.terms, vol)
    assert american.price(base.terms, found[0]) == pytest.approx(price, abs=1e-4)
    assert found[1].price == pytest.approx(price, abs=1e-4)
    assert found[1].delta == pytest.approx(sought.delta, abs=0.02)
    assert found[1].gamma == pytest.approx(sought.gamma, abs=0.004)
    assert found[1].vega == pytest.approx(sought.vega, abs=0.05)
    assert found[1].theta == pytest.approx(sought.theta, abs=0.03)
    assert (found[1].delta <= 0) == (contract.right == "P")


def test_what_has_expired_has_no_model() -> None:
    gone = MARKET.find(Query(symbol="SPY", sec_type="OPT"), NOW)[0]
    assert computations.model(MARKET, gone, NOW + 90 * 86_400) is None

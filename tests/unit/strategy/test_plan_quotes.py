"""Few quotes find the contract that all quotes would."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.support.shipped_chains import SYMBOLS
from tests.support.wheel_market import (
    EXPIRY,
    NOW,
    abc_chain,
    abc_market,
    answered,
    example_policy,
    one_symbol,
    put,
    put_quote,
    shipped_chain_of,
    shipped_market,
    two_rounds,
)
from theta.common.domain.quotes import Quote
from theta.strategy.domain.decide import decide
from theta.strategy.domain.plan_quotes import plan_more_quotes, plan_quotes
from theta.strategy.domain.volatility import daily_stddev, put_strike_at

LATER = date(2026, 10, 16)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(
    ("delta", "off_by"), [("0.15", "0.03"), ("0.2", "0.02"), ("0.3", "0"), ("0.45", "0")]
)
def test_six_quotes_choose_what_the_whole_expiry_would(
    symbol: str, delta: str, off_by: str
) -> None:
    """Exactly around the usual delta; far out, where strikes are left out, nearly."""
    example = example_policy()
    one = next(put for put in example.symbols if put.symbol == symbol)
    policy = replace(example, symbols=(replace(one, delta_max=Decimal(delta)),))
    market = shipped_market([symbol])
    few, asked = two_rounds(market, policy)
    chain = shipped_chain_of(symbol)
    first = min(day for day in chain.expirations if (day - date(2026, 8, 20)).days >= 30)
    every = answered(market, (chain.put(first, strike) for strike in chain.strikes))
    (found,), (best,) = decide(few, policy, NOW), decide(every, policy, NOW)
    assert len(asked) <= 6
    assert found.order is not None
    assert best.order is not None
    gap = Decimal(found.order.quote["delta"]) - Decimal(best.order.quote["delta"])
    assert 0 <= gap <= Decimal(off_by)


def test_nothing_is_asked_for_a_symbol_that_needs_nothing() -> None:
    policy = one_symbol(no_trading=True)
    assert plan_quotes(abc_market(), policy, NOW) == ()
    assert plan_more_quotes(abc_market(), policy, NOW) == ()


def test_nothing_more_is_asked_when_the_next_strike_is_beyond_the_limit() -> None:
    market = abc_market(
        put_quote("94", delta=Decimal("-0.29")), put_quote("95", delta=Decimal("-0.33"))
    )
    assert plan_more_quotes(market, one_symbol(), NOW) == ()


def test_a_single_delta_points_the_way() -> None:
    for delta, above in (("-0.20", True), ("-0.40", False)):
        market = abc_market(put_quote("90", delta=Decimal(delta)))
        strikes = [one.strike for one in plan_more_quotes(market, one_symbol(), NOW)]
        assert strikes
        assert all((strike is not None and strike > 90) is above for strike in strikes)


def test_deltas_that_contradict_each_other_still_ask_for_something_bounded() -> None:
    market = abc_market(
        put_quote("90", delta=Decimal("-0.35")), put_quote("92", delta=Decimal("-0.34"))
    )
    assert 0 < len(plan_more_quotes(market, one_symbol(), NOW)) <= 3


def test_without_greeks_the_next_expiry_is_tried() -> None:
    chain = abc_chain(expirations=(EXPIRY, LATER))
    market = abc_market(put_quote("90", delta=None), chain=chain)
    assert {one.expiry for one in plan_more_quotes(market, one_symbol(), NOW)} == {LATER}
    alone = abc_market(put_quote("90", delta=None))
    assert plan_more_quotes(alone, one_symbol(), NOW) == ()


def test_too_low_a_price_within_the_limit_sends_to_the_next_expiry() -> None:
    chain = abc_chain(expirations=(EXPIRY, LATER))
    cheap = put_quote("94", bid=Decimal("0.01"), ask=Decimal("0.02"), delta=Decimal("-0.29"))
    market = abc_market(cheap, chain=chain)
    assert {one.expiry for one in plan_more_quotes(market, one_symbol(), NOW)} == {LATER}


def test_strikes_that_do_not_exist_send_to_round_ones() -> None:
    missing = frozenset(put(strike).economic_key for strike in ("93", "94", "96"))
    market = replace(abc_market(), unknown=missing)
    strikes = [one.strike for one in plan_more_quotes(market, one_symbol(), NOW)]
    assert strikes
    assert all(strike is not None and strike % 5 == 0 for strike in strikes)
    odd = abc_chain(strikes=tuple(Decimal(one) for one in (91, 92, 93, 94, 96)))
    market = replace(abc_market(chain=odd), unknown=missing)
    assert plan_more_quotes(market, one_symbol(), NOW) == ()


def test_a_coarse_grid_is_asked_for_whole() -> None:
    chain = abc_chain(strikes=(Decimal(80), Decimal(90), Decimal(100)))
    found = plan_quotes(abc_market(chain=chain), one_symbol(), NOW)
    assert len({one.strike for one in found}) == len(found) >= 2
    single = abc_chain(strikes=(Decimal(90),))
    assert len(plan_quotes(abc_market(chain=single), one_symbol(), NOW)) == 1


def test_the_closes_place_the_first_strikes() -> None:
    calm = tuple(Decimal("100") + Decimal(day % 2) / 10 for day in range(30))
    wild = tuple(Decimal("100") + Decimal(day % 2) * 5 for day in range(30))
    near = plan_quotes(abc_market(closes=calm), one_symbol(), NOW)[0].strike
    far = plan_quotes(abc_market(closes=wild), one_symbol(), NOW)[0].strike
    assert near is not None
    assert far is not None
    assert far < near


def test_a_missing_quote_counts_as_asked() -> None:
    market = abc_market(put_quote("94", bid=None, ask=None, model_price=None, delta=None))
    again = plan_more_quotes(market, one_symbol(), NOW)
    assert put("94") not in again


def test_deviation_needs_three_positive_closes() -> None:
    assert daily_stddev([Decimal(1), Decimal(2)]) is None
    assert daily_stddev([Decimal(1), Decimal(0), Decimal(2)]) is None
    assert daily_stddev([Decimal(1)] * 3) == 0


def test_the_strike_of_a_half_delta_is_just_above_the_money() -> None:
    strike = put_strike_at(0.5, price=100, volatility=0.2, days=365)
    assert strike == pytest.approx(102.02, abs=0.01)


def _no_greeks(quote: Quote) -> Quote:
    return replace(quote, delta=None, model_price=None)


def test_w1_a_market_without_greeks_writes_nothing() -> None:
    policy = example_policy()
    snapshot, _ = two_rounds(shipped_market(), policy, alter=_no_greeks)
    assert [one.order for one in decide(snapshot, policy, NOW)] == [None] * 3


def test_when_every_strike_near_was_refused_for_open_interest_the_next_expiry_is_tried() -> None:
    chain = abc_chain(expirations=(EXPIRY, LATER), strikes=(Decimal(90), Decimal(91)))
    thin = [put_quote(one, open_interest=1, delta=Decimal("-0.2")) for one in ("90", "91")]
    elsewhere = frozenset({put("90", date(2027, 1, 15)).economic_key})
    market = replace(abc_market(*thin, chain=chain), unknown=elsewhere)
    assert {one.expiry for one in plan_more_quotes(market, one_symbol(), NOW)} == {LATER}

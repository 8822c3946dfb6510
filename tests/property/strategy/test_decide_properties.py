"""What no market may make the strategy do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wheel_market import (
    NOW,
    abc_market,
    example_policy,
    one_symbol,
    put,
    put_quote,
    shipped_market,
    two_rounds,
)
from theta.common.domain.decisions import Decision
from theta.common.domain.instruments import stock
from theta.common.domain.portfolio import PendingOrder
from theta.common.domain.quotes import Quote
from theta.strategy.domain.decide import decide
from theta.strategy.domain.policy import WheelPolicy
from theta.strategy.domain.snapshot import Snapshot

PRICES = st.none() | st.decimals(-1, 12, places=2)
DELTAS = st.none() | st.decimals("-1.5", "1.5", places=3)


@st.composite
def quotes(draw: st.DrawFn, strike: str) -> Quote:
    changes: dict[str, Any] = {
        "bid": draw(PRICES),
        "ask": draw(PRICES),
        "last": draw(PRICES),
        "model_price": draw(PRICES),
        "delta": draw(DELTAS),
        "open_interest": draw(st.none() | st.integers(0, 50)),
        "trusted": draw(st.sampled_from([True, True, False])),
    }
    return put_quote(strike, **changes)


MARKETS = st.tuples(*(quotes(str(strike)) for strike in (85, 88, 90, 92, 95)))
LIMITS = st.decimals("0.05", "0.6", places=2)
SEVERAL = replace(one_symbol(), maximum_new_ratio=Decimal(1), max_order_contracts=1000)


def only(snapshot: Snapshot, policy: WheelPolicy) -> Decision:
    (decision,) = decide(snapshot, policy, NOW)
    return decision


@given(MARKETS, LIMITS, st.decimals(0, 3, places=2))
def test_an_order_respects_delta_greeks_and_minimum_credit(
    options: tuple[Quote, ...], limit: Decimal, credit: Decimal
) -> None:
    policy = replace(one_symbol(delta_max=limit), minimum_credit=credit)
    order = only(abc_market(*options), policy).order
    if order is not None:
        quote = Quote.from_record(order.contract, order.quote)
        assert quote.delta is not None
        assert -limit <= quote.delta <= 0
        middle = quote.midpoint()
        assert middle is not None
        assert order.limit_price >= middle > credit
        assert credit <= order.price_floor <= order.limit_price <= order.price_ceiling
        assert order.limit_price % Decimal("0.01") == 0


@given(
    held=st.integers(0, 4000),
    short=st.integers(0, 40),
    pending=st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=4),
)
def test_puts_never_exceed_the_target_with_everything_pending_counted(
    held: int, short: int, pending: list[tuple[int, bool]]
) -> None:
    orders = [
        PendingOrder(contract=put("88"), quantity_signed=-count, foreign=foreign)
        for count, foreign in pending
    ]
    snapshot = abc_market(
        put_quote("90"), held=[(stock("ABC"), held), (put("90"), -short)], pending=orders
    )
    order = only(snapshot, SEVERAL).order
    covered = held + 100 * (short + sum(count for count, _ in pending))
    if order is None:
        assert covered > 3500
    else:
        assert covered + 100 * order.quantity <= 3600
        assert covered + 100 * (order.quantity + 1) > 3600


@given(MARKETS, quotes("91"))
def test_a_refused_candidate_never_changes_the_choice(
    options: tuple[Quote, ...], other: Quote
) -> None:
    policy = one_symbol()
    before = only(abc_market(*options), policy).order
    after = only(abc_market(*options, other), policy)
    refused = next(one.refused for one in after.candidates if one.contract == other.contract)
    delta = other.delta or Decimal(0)
    better = before is None or abs(delta) >= abs(Decimal(before.quote["delta"]))
    if refused or not better:
        assert after.order == before


@given(MARKETS, st.randoms())
def test_the_order_of_arrival_does_not_matter(options: tuple[Quote, ...], random: Any) -> None:
    shuffled = list(options)
    random.shuffle(shuffled)
    policy = one_symbol()
    assert only(abc_market(*options), policy) == only(abc_market(*shuffled), policy)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(3)))
def test_the_order_of_symbols_does_not_matter(order: list[int]) -> None:
    policy = example_policy()
    turned = replace(policy, symbols=tuple(policy.symbols[index] for index in order))
    found = []
    for one in (policy, turned):
        snapshot, _ = two_rounds(shipped_market(), one)
        found.append({decision.symbol: decision for decision in decide(snapshot, one, NOW)})
    assert found[0] == found[1]

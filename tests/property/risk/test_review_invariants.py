"""What holds for every order and every account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.risk.samples import LIMITS, good_inputs, position, put
from theta.common.domain.instruments import stock
from theta.common.domain.portfolio import PendingOrder
from theta.risk.domain.cash import cash_available, cash_needed
from theta.risk.domain.framework import ReviewInputs, review
from theta.risk.domain.registry import CONTROLS

usd = st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2)
not_negative_usd = st.decimals(min_value=0, max_value=10_000_000, places=2)
impossible = st.sampled_from([None, Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
quantities = st.integers(min_value=1, max_value=10)
OPTIONAL_INPUTS = [
    "trading_state", "quote", "market_now", "portfolio", "portfolio_age_seconds", "commitments",
    "calendar", "exchange_day",
]  # fmt: skip


def approved(inputs: ReviewInputs) -> bool:
    return review(inputs, LIMITS, CONTROLS).approved


def with_values(inputs: ReviewInputs, **values: Decimal | None) -> ReviewInputs:
    assert inputs.portfolio is not None
    changed = replace(inputs.portfolio.values, **values)  # type: ignore[arg-type]  # its fields
    return replace(inputs, portfolio=replace(inputs.portfolio, values=changed))


def with_commitments(inputs: ReviewInputs, **values: object) -> ReviewInputs:
    assert inputs.commitments is not None
    changed = replace(inputs.commitments, **values)  # type: ignore[arg-type]  # its fields
    return replace(inputs, commitments=changed)


@pytest.mark.parametrize("name", OPTIONAL_INPUTS)
def test_any_missing_input_is_a_refusal(name: str) -> None:
    assert approved(good_inputs())
    assert not approved(replace(good_inputs(), **{name: None}))  # type: ignore[arg-type]  # by name


@given(name=st.sampled_from(["net_liquidation", "buying_power"]), value=impossible)
def test_an_impossible_account_value_is_a_refusal(name: str, value: Decimal | None) -> None:
    assert not approved(with_values(good_inputs(), **{name: value}))


@given(
    name=st.sampled_from(["bid", "ask", "bid_size", "ask_size"]),
    value=impossible.filter(lambda v: v is None or v.is_nan() or v < 0),
)
def test_an_impossible_quote_value_is_a_refusal(name: str, value: Decimal | None) -> None:
    inputs = good_inputs()
    assert inputs.quote is not None
    assert not approved(replace(inputs, quote=replace(inputs.quote, **{name: value})))  # type: ignore[arg-type]  # by name


@given(name=st.sampled_from(["limit_price", "price_floor", "price_ceiling"]), value=impossible)
def test_an_impossible_price_is_a_refusal(name: str, value: Decimal | None) -> None:
    inputs = good_inputs()
    assert not approved(replace(inputs, order=replace(inputs.order, **{name: value})))  # type: ignore[arg-type]  # by name


@given(
    age=st.one_of(
        st.floats(max_value=0, exclude_max=True),
        st.floats(min_value=120, exclude_min=True),
        st.just(float("nan")),
    )
)
def test_a_stale_or_future_snapshot_is_a_refusal(age: float) -> None:
    assert not approved(replace(good_inputs(), portfolio_age_seconds=age))


@given(quantity=quantities, liquid=usd, reserved=not_negative_usd, more=not_negative_usd)
def test_more_cash_in_use_never_turns_a_refusal_into_an_approval(
    quantity: int, liquid: Decimal, reserved: Decimal, more: Decimal
) -> None:
    inputs = with_values(good_inputs(), net_liquidation=liquid, buying_power=liquid)
    inputs = replace(inputs, order=replace(inputs.order, quantity=quantity))
    less_used = with_commitments(inputs, reserved=reserved)
    more_used = with_commitments(inputs, reserved=reserved + more)
    assert approved(less_used) or not approved(more_used)


@given(quantity=quantities, liquid=usd, shares=st.integers(0, 5000), puts=st.integers(0, 30))
def test_more_held_never_turns_a_refusal_into_an_approval(
    quantity: int, liquid: Decimal, shares: int, puts: int
) -> None:
    held = (
        position(stock("SPY"), shares, value=str(shares * 760)),
        position(put("QQQ", "600"), -puts),
    )
    bare = with_values(good_inputs(), net_liquidation=liquid, buying_power=liquid)
    bare = replace(bare, order=replace(bare.order, quantity=quantity))
    assert bare.portfolio is not None
    full = replace(bare, portfolio=replace(bare.portfolio, positions=held))
    assert approved(bare) or not approved(full)


@given(
    liquid=usd,
    power=usd,
    orders=st.lists(st.tuples(quantities, st.integers(1, 900)), max_size=12),
    orphans=st.integers(0, 3),
)
def test_what_is_approved_one_after_the_other_never_exceeds_what_was_free(
    liquid: Decimal, power: Decimal, orders: list[tuple[int, int]], orphans: int
) -> None:
    inputs = with_values(good_inputs(), net_liquidation=liquid, buying_power=power)
    orphan = PendingOrder(contract=put("QQQ", "600"), quantity_signed=-orphans)
    inputs = with_commitments(inputs, unreserved=(orphan,))
    assert inputs.portfolio is not None
    assert inputs.commitments is not None
    free = cash_available(inputs.portfolio, inputs.commitments, LIMITS.margin_usage_ratio).amount
    reserved = Decimal(0)
    for quantity, strike in orders:
        contract = put("SPY", str(strike))
        assert inputs.quote is not None
        one = replace(
            with_commitments(inputs, reserved=reserved),
            order=replace(inputs.order, contract=contract, quantity=quantity),
            quote=replace(inputs.quote, contract=contract),
        )
        if approved(one):
            reserved += cash_needed(one.order)
    assert reserved == 0 or reserved <= free

"""Each control, its codes, and the framework around them."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.risk.samples import LIMITS, MARKET_AT, good_inputs, position, put
from theta.common.domain.instruments import Right, stock
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.domain.portfolio import PendingOrder
from theta.common.domain.quotes import MarketDataType
from theta.risk.domain.cash import cash_needed
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    MarketNow,
    Outcome,
    ReviewInputs,
    RiskLimits,
    SoftWarning,
    limits_hash,
    review,
)
from theta.risk.domain.reference import render
from theta.risk.domain.registry import CONTROLS

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "risk-controls.md"


def codes(inputs: ReviewInputs, limits: RiskLimits = LIMITS) -> list[str]:
    return [report.code for report in review(inputs, limits, CONTROLS).refusals]


def test_a_good_order_passes_every_control() -> None:
    verdict = review(good_inputs(), LIMITS, CONTROLS)
    assert verdict.approved
    assert [r.outcome for r in verdict.reports] == [Outcome.PASSED] * len(CONTROLS)


def test_all_controls_run_and_report_although_the_first_refuses() -> None:
    inputs = replace(good_inputs(), trading_state=TradingState.HALTED, quote=None)
    verdict = review(inputs, LIMITS, CONTROLS)
    assert [report.control for report in verdict.reports] == [c.code for c in CONTROLS]
    assert codes(inputs) == [
        "trading_gate.halted",
        "quote_fresh.missing",
        "price_collar.no_reference",
    ]


def test_a_control_that_raises_refuses_and_the_others_still_run() -> None:
    def broken(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
        raise ZeroDivisionError

    control = Control(
        code="broken", title="", meaning="", keys=(), codes=(), what_to_do="", check=broken
    )
    verdict = review(good_inputs(), LIMITS, (control, *CONTROLS))
    assert [report.code for report in verdict.refusals] == ["broken.error"]
    assert len(verdict.reports) == len(CONTROLS) + 1


def test_a_soft_warning_lets_the_order_pass_and_no_control_at_all_does_not() -> None:
    def warn(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
        return SoftWarning(code="soft.warned", limit="1", observed="2", text="look")

    control = Control(
        code="soft", title="", meaning="", keys=(), codes=(), what_to_do="", check=warn
    )
    assert review(good_inputs(), LIMITS, (control,)).approved
    assert not review(good_inputs(), LIMITS, ()).approved


@pytest.mark.parametrize(
    ("state", "effect", "kind", "passes"),
    [
        (TradingState.ACTIVE, Effect.OPENING, IntentKind.WRITE, True),
        (TradingState.REDUCING, Effect.OPENING, IntentKind.ROLL, False),
        (TradingState.REDUCING, Effect.REDUCING, IntentKind.CLOSE, True),
        (TradingState.HALTED, Effect.REDUCING, IntentKind.CLOSE, False),
        (TradingState.HALTED, Effect.REDUCING, IntentKind.FLATTEN, True),
        (None, Effect.REDUCING, IntentKind.FLATTEN, False),
    ],
)
def test_the_gate_lets_pass_by_state_and_effect(
    state: TradingState | None, effect: Effect, kind: IntentKind, *, passes: bool
) -> None:
    inputs = good_inputs()
    order = replace(inputs.order, effect=effect, kind=kind)
    found = codes(replace(inputs, order=order, trading_state=state))
    assert any(code.startswith("trading_gate.") for code in found) is not passes


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bid": None}, "one_sided"),
        ({"bid": Decimal(0)}, "one_sided"),
        ({"bid": Decimal("1.31")}, "one_sided"),
        ({"ask_size": Decimal(0)}, "one_sided"),
        ({"data_type": MarketDataType.DELAYED}, "not_live"),
        ({"data_type": MarketDataType.FROZEN}, "not_live"),
        ({"trusted": False}, "untrusted"),
        ({"at": None}, "undated"),
        ({"at": MARKET_AT + timedelta(seconds=2.001)}, "future"),
        ({"at": MARKET_AT - timedelta(seconds=30.001)}, "stale"),
        ({"contract": put("SPY", "761")}, "other_contract"),
    ],
)
def test_a_quote_that_cannot_price_is_refused(change: dict[str, object], code: str) -> None:
    inputs = good_inputs()
    assert inputs.quote is not None
    quote = replace(inputs.quote, **change)  # type: ignore[arg-type]  # fields of Quote
    assert f"quote_fresh.{code}" in codes(replace(inputs, quote=quote))


@pytest.mark.parametrize("seconds", [-30, 0, 2])
def test_a_quote_at_the_edge_of_its_age_passes(seconds: int) -> None:
    inputs = good_inputs()
    assert inputs.quote is not None
    quote = replace(inputs.quote, at=MARKET_AT + timedelta(seconds=seconds))
    assert codes(replace(inputs, quote=quote)) == []


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        (0, "impossible"),
        (-1, "impossible"),
        (1.0, "impossible"),
        (True, "impossible"),
        (11, "above_limit"),
    ],
)
def test_an_impossible_or_too_large_quantity_is_refused(quantity: object, code: str) -> None:
    inputs = good_inputs(net_liquidation="10000000")
    order = replace(inputs.order, quantity=quantity)  # type: ignore[arg-type]  # wrong on purpose
    assert f"order_quantity.{code}" in codes(replace(inputs, order=order))


def test_a_stock_order_counts_a_hundred_shares_as_one_contract() -> None:
    inputs = good_inputs(net_liquidation="10000000")
    order = replace(inputs.order, contract=stock("SPY"), action=Action.BUY, quantity=1000)
    assert "order_quantity.above_limit" not in codes(replace(inputs, order=order))
    more = replace(order, quantity=1001)
    assert "order_quantity.above_limit" in codes(replace(inputs, order=more))


@pytest.mark.parametrize(
    ("price", "code"),
    [
        (None, "no_limit"),
        ("0", "no_limit"),
        ("-1", "no_limit"),
        ("NaN", "no_limit"),
        ("0.93", "below_floor"),
        ("1.57", "outside"),
    ],
)
def test_a_price_without_sense_is_refused(price: str | None, code: str) -> None:
    inputs = good_inputs()
    order = replace(inputs.order, limit_price=None if price is None else Decimal(price))
    assert f"price_collar.{code}" in codes(replace(inputs, order=order))


def test_the_collar_of_a_cheap_option_is_never_narrower_than_its_floor_in_money() -> None:
    inputs = good_inputs()
    assert inputs.quote is not None
    cheap = replace(inputs.quote, bid=Decimal("0.05"), ask=Decimal("0.07"))
    order = replace(inputs.order, limit_price=Decimal("0.11"), price_floor=Decimal("0.01"))
    assert codes(replace(inputs, order=order, quote=cheap)) == []
    dearer = replace(order, limit_price=Decimal("0.12"))
    assert codes(replace(inputs, order=dearer, quote=cheap)) == ["price_collar.outside"]


def test_a_purchase_above_its_ceiling_is_refused() -> None:
    inputs = good_inputs(positions=(position(put("SPY", "760"), -1),))
    order = replace(
        inputs.order,
        action=Action.BUY,
        effect=Effect.REDUCING,
        kind=IntentKind.CLOSE,
        price_ceiling=Decimal("1.24"),
    )
    assert codes(replace(inputs, order=order)) == ["price_collar.above_ceiling"]


@pytest.mark.parametrize(
    ("minutes", "code"),
    [
        (-91, "too_near_the_edge"),
        (-90, None),
        (240, None),
        (241, "too_near_the_edge"),
        (271, "closed"),
        (60 * 24 * 3, "closed"),
        (60 * 24 * 800, "not_covered"),
    ],
)
def test_the_session_counts_by_market_time(minutes: int, code: str | None) -> None:
    inputs = good_inputs()
    at = MARKET_AT + timedelta(minutes=minutes)
    found = codes(
        replace(
            inputs,
            market_now=MarketNow(at=at, observed_age_seconds=0.0),
            exchange_day=at.date(),
        )
    )
    assert [c for c in found if c.startswith("session_open.")] == (
        [] if code is None else [f"session_open.{code}"]
    )


@pytest.mark.parametrize("age", [-0.1, 5.1, float("nan"), float("inf")])
def test_a_market_clock_not_seen_lately_is_refused(age: float) -> None:
    inputs = replace(good_inputs(), market_now=MarketNow(at=MARKET_AT, observed_age_seconds=age))
    assert "session_open.market_time_stale" in codes(inputs)


def test_the_last_dollar_may_be_used_and_not_one_more() -> None:
    # 76,000 / 0.9 of net liquidation is exactly one put of 760.
    limits = replace(LIMITS, margin_usage_ratio=Decimal("0.5"))
    assert codes(good_inputs(net_liquidation="152000"), limits) == []
    assert codes(good_inputs(net_liquidation="151999.98"), limits) == [
        "assignment_cash.insufficient"
    ]


@pytest.mark.parametrize(
    ("held", "fits"),
    [
        ((), True),
        ((position(stock("SPY"), 380, value="300000"),), False),
        ((position(stock("SPY"), -380, value="-300000"),), False),
        ((position(put("QQQ", "600"), -5),), False),
        ((position(put("QQQ", "600"), 5),), True),
    ],
)
def test_what_is_held_uses_up_cash(held: tuple[object, ...], *, fits: bool) -> None:
    inputs = good_inputs(positions=held)  # type: ignore[arg-type]  # positions
    assert codes(inputs) == ([] if fits else ["assignment_cash.insufficient"])


def test_orders_under_way_use_up_cash() -> None:
    inputs = good_inputs()
    assert inputs.commitments is not None
    orphan = PendingOrder(contract=put("QQQ", "600"), quantity_signed=-5)
    for commitments in (
        replace(inputs.commitments, reserved=Decimal(284001)),
        replace(inputs.commitments, unreserved=(orphan,)),
    ):
        found = codes(replace(inputs, commitments=commitments))
        assert found == ["assignment_cash.insufficient"]


def test_shares_without_a_value_are_refused() -> None:
    inputs = good_inputs(positions=(position(stock("SPY"), 1),))
    assert codes(inputs) == ["assignment_cash.no_stock_value"]


def test_an_opening_sale_other_than_a_put_is_refused() -> None:
    call = replace(put("SPY", "760"), right=Right.CALL)
    inputs = good_inputs()
    assert inputs.quote is not None
    order = replace(inputs.order, contract=call)
    found = codes(replace(inputs, order=order, quote=replace(inputs.quote, contract=call)))
    assert found == ["assignment_cash.unsupported"]


def test_cash_needed_uses_the_contracts_own_multiplier() -> None:
    order = replace(
        good_inputs().order,
        contract=replace(put("SPY", "760"), multiplier=10),
        quantity=3,
    )
    assert cash_needed(order) == Decimal(22800)
    assert cash_needed(replace(order, action=Action.BUY)) == Decimal("37.50")


def test_another_currency_is_refused() -> None:
    inputs = good_inputs()
    assert inputs.quote is not None
    contract = replace(put("SPY", "760"), currency="CAD")
    order = replace(inputs.order, contract=contract)
    quote = replace(inputs.quote, contract=contract)
    assert codes(replace(inputs, order=order, quote=quote)) == ["assignment_cash.currency"]


def test_every_limit_changes_the_hash() -> None:
    hashes = {limits_hash(LIMITS)}
    for field in fields(RiskLimits):
        value = getattr(LIMITS, field.name)
        hashes.add(limits_hash(replace(LIMITS, **{field.name: value + 1})))
    assert len(hashes) == len(fields(RiskLimits)) + 1


def test_the_reference_page_says_what_the_registry_says() -> None:
    assert REFERENCE.read_text() == render(CONTROLS), (
        "run: python -m theta.risk reference > docs/reference/risk-controls.md"
    )


def test_the_registry_names_each_control_once_and_its_codes_by_its_name() -> None:
    assert len({control.code for control in CONTROLS}) == len(CONTROLS)
    for control in CONTROLS:
        assert all(code.startswith(f"{control.code}.") for code, _ in control.codes)

"""The account can pay for what the order may cost, an assignment above all."""

from __future__ import annotations

from theta.common.domain.orders import Effect
from theta.common.domain.portfolio import Portfolio
from theta.risk.domain.cash import CashUnknownError, cash_available, cash_needed, reducible
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    Passed,
    Refused,
    ReviewInputs,
    RiskLimits,
)


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when a fresh, complete snapshot leaves at least the cash that the order needs."""
    unfit = _unfit_snapshot(inputs, limits)
    if unfit is not None:
        return unfit
    portfolio, commitments = inputs.portfolio, inputs.commitments
    assert portfolio is not None
    if commitments is None:
        return _refuse(
            "no_commitments", "known reservations", "unknown", "reservations could not be read"
        )
    order = inputs.order
    if order.effect is Effect.REDUCING:
        most = reducible(order, portfolio, commitments)
        if order.quantity > most:
            return _refuse(
                "not_reducing",
                f"at most {most}",
                str(order.quantity),
                "the order says it reduces risk but is larger than the position left to close",
            )
        return Passed(limit=f"closes at most {most}", observed=str(order.quantity))
    try:
        needed = cash_needed(order)
        available = cash_available(portfolio, commitments, limits.margin_usage_ratio)
    except CashUnknownError as error:
        return _refuse(error.what, "every figure known", "missing or impossible", str(error))
    if needed > available.amount:
        return _refuse(
            "insufficient",
            available.describe(),
            str(needed),
            f"the order may need {needed}, and {available.amount} is free",
        )
    return Passed(limit=available.describe(), observed=str(needed))


def _unfit_snapshot(inputs: ReviewInputs, limits: RiskLimits) -> Refused | None:
    portfolio, age = inputs.portfolio, inputs.portfolio_age_seconds
    limit = f"complete, at most {limits.snapshot_age_seconds_max} s old"
    if portfolio is None or age is None:
        return _refuse("no_snapshot", limit, "none", "there is no portfolio snapshot")
    if not portfolio.complete:
        return _refuse("incomplete_snapshot", limit, "incomplete", "the download did not end")
    if not 0 <= age <= limits.snapshot_age_seconds_max:  # also false for NaN
        return _refuse("stale_snapshot", limit, f"{age:.1f} s old", "the snapshot is too old")
    return _other_currency(inputs, portfolio)


def _other_currency(inputs: ReviewInputs, portfolio: Portfolio) -> Refused | None:
    theirs, ours = inputs.order.contract.currency, portfolio.values.currency
    stray = {held.contract.currency for held in portfolio.positions if held.quantity} - {ours}
    if theirs == ours and not stray:
        return None
    observed = theirs if theirs != ours else ", ".join(sorted(stray))
    return _refuse("currency", ours, observed, "amounts of several currencies are not added up")


def _refuse(what: str, limit: str, observed: str, text: str) -> Refused:
    return Refused(code=f"assignment_cash.{what}", limit=limit, observed=observed, text=text)


CONTROL = Control(
    code="assignment_cash",
    title="Assignment cash",
    meaning=(
        "A put sold needs strike × multiplier × contracts, a purchase what it pays. Free is the "
        "smaller of the broker's buying power and net liquidation × margin usage − stock value − "
        "assignment cash of short puts held; less every reservation not yet released and every "
        "possibly live order without one. The snapshot is complete and at most "
        "`risk.snapshot_age_seconds_max` old. The amount is reserved in the same transaction. An "
        "order that says it reduces risk must be covered by the position it closes."
    ),
    keys=(
        "runtime.account.margin_usage",
        "strategies.wheel.risk.margin_usage",
        "risk.snapshot_age_seconds_max",
    ),
    codes=(
        ("assignment_cash.no_snapshot", "no portfolio snapshot of the account"),
        ("assignment_cash.incomplete_snapshot", "the account download did not end"),
        ("assignment_cash.stale_snapshot", "the snapshot is too old, or dated in the future"),
        ("assignment_cash.currency", "order or positions in another currency than the account"),
        ("assignment_cash.no_commitments", "reservations could not be read"),
        ("assignment_cash.not_reducing", "larger than the position that is left to close"),
        ("assignment_cash.unsupported", "an opening sale other than a put"),
        ("assignment_cash.no_price", "a purchase without a limit price"),
        ("assignment_cash.no_strike", "the strike is missing"),
        ("assignment_cash.no_buying_power", "the broker did not report buying power"),
        ("assignment_cash.no_net_liquidation", "the broker did not report net liquidation"),
        ("assignment_cash.no_stock_value", "shares held have no market value"),
        ("assignment_cash.bad_position", "a position without quantity"),
        ("assignment_cash.bad_reservations", "the sum of reservations is not an amount"),
        ("assignment_cash.insufficient", "more cash needed than is free"),
    ),
    what_to_do=(
        "The verdict shows the sum. A stale snapshot means that broker-gateway does not refresh: "
        "see `thetactl status`. Otherwise lower `margin_usage`, weights or contracts; nothing is "
        "sent that the account could not be assigned on."
    ),
    check=check,
)

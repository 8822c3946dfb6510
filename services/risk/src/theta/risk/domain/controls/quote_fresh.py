"""The quote that priced the order is live, two-sided and recent by market time."""

from __future__ import annotations

from decimal import Decimal

from theta.common.domain.money import finite
from theta.common.domain.quotes import MarketDataType, Quote
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    MarketNow,
    Passed,
    Refused,
    ReviewInputs,
    RiskLimits,
)


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when the quote is live, trusted, two-sided, of this contract, and young enough."""
    quote = inputs.quote
    if quote is None:
        return _refuse("missing", "a quote", "none", "the order carries no readable quote")
    wrong = _wrong_with(quote, inputs)
    if wrong is not None:
        return wrong
    return _check_age(quote, inputs.market_now, limits)


def _wrong_with(quote: Quote, inputs: ReviewInputs) -> Refused | None:
    if quote.contract.economic_key != inputs.order.contract.economic_key:
        return _refuse(
            "other_contract",
            inputs.order.contract.describe(),
            quote.contract.describe(),
            "the quote is of another contract than the order",
        )
    if quote.data_type is not MarketDataType.LIVE:
        name = quote.data_type.name.lower()
        return _refuse("not_live", "live", name, f"the quote is {name}: only live may price")
    if not quote.trusted:
        return _refuse(
            "untrusted", "trusted", "untrusted", "a data farm was down or has not caught up"
        )
    if finite(quote.bid) is None or finite(quote.ask) is None or not quote.has_two_sides():
        bid = f"{_text(quote.bid)} × {_text(quote.bid_size)}"
        sides = f"{bid} / {_text(quote.ask)} × {_text(quote.ask_size)}"
        return _refuse(
            "one_sided",
            "0 < bid ≤ ask, sizes above 0",
            sides,
            "the quote lacks a good side: it is missing, zero, crossed or without size",
        )
    return None


def _check_age(quote: Quote, now: MarketNow | None, limits: RiskLimits) -> ControlResult:
    limit = f"{-limits.quote_ahead_seconds_max} to {limits.quote_age_seconds_max} s"
    if quote.at is None:
        return _refuse("undated", limit, "no tick", "no price tick ever came for this quote")
    if now is None:
        return _refuse("no_market_time", limit, "unknown", "market time is not known")
    age = Decimal(str((now.at - quote.at).total_seconds()))
    observed = f"{age:.3f} s"
    if age < -limits.quote_ahead_seconds_max:
        return _refuse("future", limit, observed, "the quote is dated ahead of market time")
    if age > limits.quote_age_seconds_max:
        return _refuse("stale", limit, observed, f"the quote is {age:.1f} s old by market time")
    return Passed(limit=limit, observed=observed)


def _refuse(what: str, limit: str, observed: str, text: str) -> Refused:
    return Refused(code=f"quote_fresh.{what}", limit=limit, observed=observed, text=text)


def _text(value: Decimal | None) -> str:
    return "none" if value is None else str(value)


CONTROL = Control(
    code="quote_fresh",
    title="Fresh quote",
    meaning=(
        "The quote that the order was priced on is of this contract, live (not frozen, not "
        "delayed), trusted, has two good sides with size, and its newest tick is at most "
        "`risk.quote_age_seconds_max` old by market time and not from the future."
    ),
    keys=("risk.quote_age_seconds_max",),
    codes=(
        ("quote_fresh.missing", "the intent carries no readable quote"),
        ("quote_fresh.other_contract", "the quote is of another contract"),
        ("quote_fresh.not_live", "frozen or delayed market data"),
        ("quote_fresh.untrusted", "a data farm was down and no fresh tick came since"),
        ("quote_fresh.one_sided", "bid or ask missing, zero, crossed or without size"),
        ("quote_fresh.undated", "no price tick ever came"),
        ("quote_fresh.no_market_time", "market time is not known"),
        ("quote_fresh.future", "the tick is dated ahead of market time"),
        ("quote_fresh.stale", "the tick is older than the limit"),
    ),
    what_to_do=(
        "Look at the market-data subscriptions and farm messages of the session. The next run "
        "prices afresh; raise the limit only if runs are slow on purpose."
    ),
    check=check,
)

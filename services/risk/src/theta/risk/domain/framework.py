"""What a control is, what it is given, and what it may answer. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from theta.common.domain.calendar import SessionCalendar
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind, TradingState
from theta.common.domain.portfolio import PendingOrder, Portfolio
from theta.common.domain.quotes import Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The active limits. All are required: a limit that is missing is a start error.

    Ratios are of 1, ages are seconds, money is in the account's currency.
    """

    order_contracts_max: int
    """Most contracts of one order; a stock order counts 100 shares as one contract."""
    quote_age_seconds_max: Decimal
    """Market seconds between the newest price tick and now."""
    quote_ahead_seconds_max: Decimal
    """How far a quote may lie ahead of market time before it counts as impossible."""
    price_collar_ratio: Decimal
    """How far a limit price may lie from the quote's midpoint, as a ratio of the midpoint."""
    price_collar_usd_min: Decimal
    """The collar is never narrower than this, per share."""
    snapshot_age_seconds_max: Decimal
    """Process seconds since the newest complete account download was stored."""
    margin_usage_ratio: Decimal
    """Share of net liquidation that stock and assignment cash may use together."""
    delay_after_open_seconds: int
    delay_before_close_seconds: int
    market_clock_age_seconds_max: Decimal
    """Process seconds since the gateway last saw the broker's time."""


def limits_hash(limits: RiskLimits) -> str:
    """Return the SHA-256 (64 hex digits) of all limits by name and value."""
    values = {field.name: str(getattr(limits, field.name)) for field in fields(limits)}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedOrder:
    """The order under review. Prices per share; `None` where the intent has none."""

    contract: Contract
    action: Action
    quantity: int
    limit_price: Decimal | None
    price_floor: Decimal | None
    price_ceiling: Decimal | None
    kind: IntentKind
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketNow:
    """Market time, and the process seconds since it was last seen."""

    at: datetime
    observed_age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """What our own unfinished orders of the account still may take.

    `reserved` is the sum of buying-power reservations not yet released, one for each intent that
    was approved; `unreserved` are possibly live orders without a reservation (adopted orphans).
    `closing_quantity` counts contracts or shares of possibly live reducing orders on the contract
    under review.
    """

    reserved: Decimal
    unreserved: tuple[PendingOrder, ...]
    closing_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewInputs:
    """Everything a review looks at. `None` is missing, and a control that needs it refuses."""

    order: ReviewedOrder
    trading_state: TradingState | None
    quote: Quote | None
    """The quote that the order was priced on; its `at` is market time."""
    market_now: MarketNow | None
    portfolio: Portfolio | None
    portfolio_age_seconds: float | None
    """Process seconds since the snapshot was stored; negative means a clock went wrong."""
    commitments: Commitments | None
    calendar: SessionCalendar | None
    exchange_day: date | None
    """Market time's date at the exchange."""


class Outcome(StrEnum):
    """How one control, or a whole review, ended."""

    PASSED = "passed"
    REFUSED = "refused"
    WARNED = "warned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The control has nothing against the order. `limit` and `observed` are text for people."""

    limit: str
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The control denies the order. `code` is stable: `<control>.<what>`."""

    code: str
    limit: str
    observed: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftWarning:
    """The control lets the order pass and says something about it."""

    code: str
    limit: str
    observed: str
    text: str


ControlResult = Passed | Refused | SoftWarning
Check = Callable[[ReviewInputs, RiskLimits], ControlResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control, with what an operator reads about it in the reference."""

    code: str
    title: str
    meaning: str
    keys: tuple[str, ...]
    """Keys of `thetagang.toml` that set its limits."""
    codes: tuple[tuple[str, str], ...]
    """Every refusal code with its meaning, without `<control>.error`."""
    what_to_do: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlReport:
    """What one control said, ready to be stored; `code` is empty on a pass."""

    control: str
    outcome: Outcome
    code: str
    limit: str
    observed: str
    text: str

    def to_record(self) -> dict[str, str]:
        """Return a JSON-ready mapping."""
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All reports of a review, in the registry's order. One refusal refuses the order."""

    reports: tuple[ControlReport, ...]

    @property
    def approved(self) -> bool:
        """True only when at least one control ran and none refused."""
        return bool(self.reports) and not self.refusals

    @property
    def refusals(self) -> tuple[ControlReport, ...]:
        return tuple(r for r in self.reports if r.outcome is Outcome.REFUSED)


def review(inputs: ReviewInputs, limits: RiskLimits, controls: Sequence[Control]) -> Verdict:
    """Run every control, always all of them; one that raises is a refusal `<control>.error`."""
    return Verdict(reports=tuple(_run(control, inputs, limits) for control in controls))


def _run(control: Control, inputs: ReviewInputs, limits: RiskLimits) -> ControlReport:
    try:
        result = control.check(inputs, limits)
    except Exception as error:  # noqa: BLE001 - whatever a control raises must end as a refusal
        result = Refused(
            code=f"{control.code}.error",
            limit="the control runs to its end",
            observed=type(error).__name__,
            text=f"the control {control.code} failed with {type(error).__name__}",
        )
    match result:
        case Passed():
            outcome, code, text = Outcome.PASSED, "", ""
        case Refused():
            outcome, code, text = Outcome.REFUSED, result.code, result.text
        case SoftWarning():
            outcome, code, text = Outcome.WARNED, result.code, result.text
    return ControlReport(
        control=control.code,
        outcome=outcome,
        code=code,
        limit=result.limit,
        observed=result.observed,
        text=text,
    )

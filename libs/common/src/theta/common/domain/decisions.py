"""What was decided for each symbol in a run, and why; recorded also when nothing is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from theta.common.domain.instruments import Contract
from theta.common.domain.orders import Action, Effect, IntentKind


class Outcome(StrEnum):
    """How a decision ended."""

    ORDER = "order"
    """An order intent was proposed."""
    NOTHING = "nothing"
    """The rules ask for nothing: the target is met or a threshold is not."""
    BLOCKED = "blocked"
    """The rules ask for an order, but a gate or a missing input forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One step of the reasoning: a stable code, the limit, the value observed, in text for people
    too.

    `limit` and `observed` are text forms of what was compared, `None` where the rule compares
    nothing.
    """

    code: str
    text: str
    limit: str | None = None
    observed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSeen:
    """A contract that was considered; `refused` is empty for a survivor."""

    contract: Contract
    bid: Decimal | None
    ask: Decimal | None
    delta: Decimal | None
    open_interest: int | None
    refused: tuple[Reason, ...] = ()
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedOrder:
    """The order that a decision asks for; it becomes an intent.

    `limit_price` is per share, positive, and for a sale the least that is wanted. `price_floor` and
    `price_ceiling` bound any later repricing. `expires_market_at` ends its validity in market time.
    """

    contract: Contract
    action: Action
    quantity: int
    limit_price: Decimal
    price_floor: Decimal
    price_ceiling: Decimal
    kind: IntentKind
    effect: Effect
    expires_market_at: datetime
    quote: dict[str, Any]
    """The quote it was priced on, as `Quote.to_record` gives it. Without it risk refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One symbol's decision. `order` is present exactly when `outcome` is ORDER."""

    symbol: str
    kind: IntentKind
    outcome: Outcome
    reasons: tuple[Reason, ...]
    candidates: tuple[CandidateSeen, ...] = ()
    order: ProposedOrder | None = None

    def __post_init__(self) -> None:
        if (self.order is not None) != (self.outcome is Outcome.ORDER):
            raise ValueError(f"{self.symbol}: an order belongs to the outcome 'order' and no other")
        if not self.reasons:
            raise ValueError(f"{self.symbol}: a decision needs at least one reason")


def days_to_expiry(expiry: date, exchange_date: date) -> int:
    """Return calendar days from the exchange's current date to `expiry`; negative once it is past.

    `exchange_date` is market time seen in the exchange's zone, never the host's local date.
    """
    return (expiry - exchange_date).days

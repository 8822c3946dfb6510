"""What a review needs of the world."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from theta.common.domain.calendar import SessionCalendar
from theta.common.domain.orders import TradingState
from theta.common.domain.portfolio import Portfolio
from theta.common.domain.quotes import Quote
from theta.common.ports import MarketClock
from theta.risk.domain.framework import Commitments, ReviewedOrder, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFacts:
    """What the database says about a proposed intent and its account, read under their locks."""

    intent_id: UUID
    account: str
    session: str
    symbol: str
    order: ReviewedOrder
    expires_market_at: datetime
    trading_state: TradingState
    quote: Quote | None
    """`None` when the intent has none or it cannot be read."""
    portfolio: Portfolio | None
    portfolio_age_seconds: float | None
    commitments: Commitments


class OpenReview(Protocol):
    """One review's transaction: account and intent are locked until it ends.

    Exactly one of the three methods is called, once.
    """

    @property
    def facts(self) -> StoredFacts: ...

    def approve(
        self,
        verdict: Verdict,
        *,
        limits_hash: str,
        reserve: Decimal,
        market_at: datetime | None,
        traceparent: str | None,
    ) -> None:
        """Store the verdict, reserve the amount, approve the intent and ask for its submission."""
        ...

    def reject(self, verdict: Verdict, *, limits_hash: str, market_at: datetime | None) -> None:
        """Store the verdict, reject the intent and raise a warning."""
        ...

    def expire(self, reason: str) -> None:
        """End an intent whose validity passed before its review."""
        ...


class ReviewRecords(Protocol):
    """The stored side of reviews."""

    def open(self, intent_id: UUID) -> AbstractContextManager[OpenReview | None]:
        """Open the review of an intent; `None` when there is no such intent in `proposed`.

        Commits at the end of the block. Raises UnavailableError when the database is away (nothing
        happened) and CommitUnknownError when the answer to COMMIT was lost: review again, which
        re-reads.
        """
        ...

    def snapshot_age(self, intent_id: UUID) -> tuple[str, float | None] | None:
        """Return the intent's account and its newest snapshot's age in seconds, without locks.

        `None` when there is no such intent in `proposed`; the age is `None` without a snapshot.
        """
        ...


class Clocks(Protocol):
    """Market time of each broker session."""

    def of(self, session: str) -> MarketClock: ...


class Sessions(Protocol):
    """The exchange's sessions around a time."""

    def around(self, at: datetime) -> tuple[SessionCalendar, date]:
        """Return the session table that covers `at`, and the exchange's date at `at`."""
        ...


class PortfolioRefresher(Protocol):
    """Asks the broker-gateway for a fresh account download."""

    def refresh(self, account: str) -> None:
        """Return when a newer snapshot is stored, or after at most a few seconds without one.

        Raises UnavailableError when it could not be had: the review then judges what is stored.
        """
        ...

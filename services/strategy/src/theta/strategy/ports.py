"""What a strategy run, the schedule, the relay and the sweeper need of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from theta.common.domain.decisions import Decision
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import TradingState
from theta.common.domain.portfolio import PendingOrder, Portfolio
from theta.common.domain.quotes import Quote
from theta.strategy.domain.snapshot import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioAnswer:
    """A portfolio downloaded afresh, and the id under which the gateway stored it."""

    snapshot_id: UUID
    portfolio: Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotesAnswer:
    """Quotes as of `market_at`; `unknown` are contracts that the broker does not have."""

    market_at: datetime
    quotes: tuple[Quote, ...]
    unknown: tuple[Contract, ...]


class MarketData(Protocol):
    """The gateway's answers. Every call is bounded by `timeout_seconds`.

    Each raises UnavailableError when the gateway cannot answer, StaleDataError when it says that
    what it has is too old, ConfigError when it refuses the token.
    """

    def refresh_portfolio(self, account: str, *, timeout_seconds: float) -> PortfolioAnswer: ...

    def quotes(self, contracts: Sequence[Contract], *, timeout_seconds: float) -> QuotesAnswer: ...

    def chain(self, symbol: str, *, timeout_seconds: float) -> Chain | None:
        """Return the chain of `symbol`; `None` when the broker has none."""
        ...

    def closes(self, symbol: str, days: int, *, timeout_seconds: float) -> tuple[Decimal, ...]:
        """Return up to `days` daily closes, oldest first; empty when the broker has none."""
        ...


class NotStarted(StrEnum):
    """Why a run did not start."""

    UNKNOWN = "unknown"
    """There is no such run."""
    DONE = "done"
    """It has ended already."""
    BUSY = "busy"
    """Another run of the account is at work; the sweeper asks again."""
    MISSED = "missed"
    """It waited too long and is now recorded as missed."""
    GAVE_UP = "gave_up"
    """It was begun too often without an end and is now recorded as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """A run that this process may carry out while its lease lasts."""

    run_id: UUID
    account: str
    holder: str
    epoch: int
    attempt: int
    """1 for the first."""
    started_at: datetime
    """The database's clock: a halt set later began after the run."""
    actor: str
    trading: Mapping[str, TradingState]
    """Strictest state per symbol at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one run has written."""

    intents: int
    withdrawn: int
    decisions: int


class RunRecords(Protocol):
    """The durable side of a run. Each method is one transaction."""

    def begin(
        self, run_id: UUID, *, market_at: datetime, symbols: Sequence[str]
    ) -> RunStart | NotStarted:
        """Take the account's run lease and mark the run as running."""
        ...

    def renew(self, start: RunStart) -> bool:
        """Extend the lease; False means that another process may have taken the run."""
        ...

    def pending(self, account: str, snapshot_id: UUID) -> tuple[PendingOrder, ...]:
        """Return what may still fill, and fills later than that snapshot."""
        ...

    def finish(
        self,
        start: RunStart,
        decisions: Sequence[Decision],
        *,
        market_at: datetime,
        summary: Mapping[str, Any],
    ) -> RunResult:
        """Write decisions, intents, review jobs and the run's end in one transaction.

        An intent whose scope was halted or reduced since the run began is stored as withdrawn.
        Raises UnavailableError when nothing was written, the lost lease included.
        """
        ...

    def fail(self, start: RunStart, error: str, *, final: bool, alert: bool) -> None:
        """Record the failure: `failed` when final, else `claimed` again for the sweeper."""
        ...


class SlotRecords(Protocol):
    """Slots of the schedule, each claimed at most once for an account."""

    def newest_slot(self, account: str) -> str | None: ...

    def claim(self, *, account: str, slot: str, market_at: datetime, missed: bool) -> UUID | None:
        """Claim a slot and ask for its run, or record it as missed with an alert.

        Returns the run's id, `None` when the slot was claimed before.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job to put onto a queue."""

    job_id: str
    queue: str
    name: str
    subject_id: str
    traceparent: str | None


class JobQueue(Protocol):
    """The wire. `put` of an id that is there already does nothing; raises UnavailableError."""

    def put(self, job: Job) -> None: ...


class Outbox(Protocol):
    """Jobs that were asked for and are not on the wire yet."""

    def relay(self, put: Callable[[Job], None], *, limit: int) -> int:
        """Hand open jobs to `put`, oldest first, closing each that it took; return how many.

        Jobs taken before `put` raised are closed all the same; then its error passes on.
        """
        ...

    def lag_seconds(self) -> float:
        """Return the age of the oldest open job, 0 when there is none."""
        ...


class Unfinished(Protocol):
    """Work whose state says that somebody should have acted by now."""

    def expire_intents(self, market_at: datetime) -> int:
        """End unsent intents whose validity is over in market time; return how many."""
        ...

    def repost(self, age: timedelta) -> Mapping[str, int]:
        """Ask again for every unfinished subject older than `age`; return the count by job name.

        A subject asked for within its waiting time is left alone; the time doubles each time.
        """
        ...

    def forget(self, keep: timedelta) -> int:
        """Remove requests that were delivered or voided longer ago than `keep`; return how many.

        What an unfinished subject is still judged by stays, however old it is.
        """
        ...


class Wakeups(Protocol):
    """Tells that the outbox has something."""

    def wait(self, timeout_seconds: float) -> bool:
        """Return at once when something was posted since the last call, else after the timeout.

        Returns False on a timeout, or when the database is away: the caller polls.
        """
        ...


class Leadership(Protocol):
    """Who is the one schedule at work."""

    def hold(self) -> bool:
        """Take or renew the leadership; False while another process has it.

        Raises UnavailableError when the database does not answer.
        """
        ...

    def release(self) -> None: ...

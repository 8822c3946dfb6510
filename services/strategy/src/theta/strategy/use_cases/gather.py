"""Gathering: everything a decision needs, within one deadline, one bad symbol at a time."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from theta.common.domain.calendar import SessionCalendar
from theta.common.domain.decisions import Reason
from theta.common.domain.instruments import Contract, stock
from theta.common.domain.portfolio import PendingOrder
from theta.common.errors import StaleDataError, TransientError, UnavailableError
from theta.common.ports import MarketClock, ProcessClock
from theta.strategy.domain.assess import permission
from theta.strategy.domain.plan_quotes import plan_more_quotes, plan_quotes
from theta.strategy.domain.policy import PutPolicy, WheelPolicy
from theta.strategy.domain.reasons import Code, reason
from theta.strategy.domain.snapshot import SeenQuote, Snapshot, SymbolMarket
from theta.strategy.ports import MarketData, RunStart

GATHER_SECONDS_MAX = 60.0
CALL_SECONDS_MAX = 20.0
QUOTES_SECONDS_MAX = 8.0
MARKET_TIME_AGE_SECONDS_MAX = 5.0
SYMBOLS_AT_ONCE = 4
CLOSES_MIN = 30
"""Closes asked for where the write threshold needs fewer: enough to place the first strikes."""

Pending = Callable[[UUID], tuple[PendingOrder, ...]]


class Deadline:
    """The one limit that all calls of a run share."""

    def __init__(self, clock: ProcessClock, seconds: float, stopping: Callable[[], bool]) -> None:
        self._clock = clock
        self._ends = clock.boottime_seconds() + seconds
        self._seconds = seconds
        self._stopping = stopping

    def left(self, most: float) -> float:
        """Return the seconds left, `most` at most. Raises UnavailableError when it is over."""
        if self._stopping():
            raise UnavailableError("the service is stopping: the run is tried again elsewhere.")
        left = self._ends - self._clock.boottime_seconds()
        if left <= 0:
            message = f"gathering took longer than {self._seconds:g} s: the run is tried again."
            raise UnavailableError(message)
        return min(left, most)


def market_now(market_clock: MarketClock) -> datetime:
    """Return market time. Raises StaleDataError when it is unknown or older than 5 s."""
    seen = market_clock.market_time()
    if seen is None or seen.observed_age_seconds > MARKET_TIME_AGE_SECONDS_MAX:
        age = "never seen" if seen is None else f"{seen.observed_age_seconds:.0f} s old"
        message = (
            f"market time is {age}: see that broker-gateway runs and is connected to the broker."
        )
        raise StaleDataError(message)
    return seen.at


class Gather:
    """Builds a snapshot: portfolio, pending orders, underlyings, chains, options in two rounds."""

    def __init__(
        self,
        *,
        market: MarketData,
        market_clock: MarketClock,
        calendar: SessionCalendar,
        policy: WheelPolicy,
    ) -> None:
        self._market = market
        self._market_clock = market_clock
        self._calendar = calendar
        self._policy = policy

    def gather(
        self, start: RunStart, pending: Pending, deadline: Deadline, keep: Callable[[], None]
    ) -> Snapshot:
        """Return the snapshot; `keep` is called between steps to keep the run's lease.

        Raises UnavailableError or StaleDataError when the portfolio or the market time is not to
        be had, or the deadline is over; a fault of one symbol is in its `SymbolMarket`.
        """
        answer = self._market.refresh_portfolio(
            self._policy.account, timeout_seconds=deadline.left(CALL_SECONDS_MAX)
        )
        if not answer.portfolio.complete:
            raise StaleDataError("the account download is incomplete: the run is tried again.")
        snapshot = Snapshot(
            portfolio=answer.portfolio,
            pending=pending(answer.snapshot_id),
            trading=start.trading,
        )
        snapshot, now = self._at_market_time(snapshot)
        keep()
        permitted = [
            put
            for put in self._policy.symbols
            if permission(put, snapshot, self._policy, now) is None
        ]
        if not permitted:
            return snapshot
        snapshot = replace(snapshot, markets=self._markets(permitted, deadline))
        for plan in (plan_quotes, plan_more_quotes):
            keep()
            now = market_now(self._market_clock)
            snapshot = self._with_options(snapshot, plan(snapshot, self._policy, now), deadline)
        keep()
        # Fills and cancels of the meantime: exposure is read as late as possible.
        snapshot = replace(snapshot, pending=pending(answer.snapshot_id))
        return self._at_market_time(snapshot)[0]

    def _at_market_time(self, snapshot: Snapshot) -> tuple[Snapshot, datetime]:
        now = market_now(self._market_clock)
        try:
            session = self._calendar.session_at(now)
        except ValueError as error:
            raise StaleDataError(f"{error}: is the broker's clock right?") from error
        return replace(snapshot, session=session), now

    def _markets(self, puts: Sequence[PutPolicy], deadline: Deadline) -> dict[str, SymbolMarket]:
        underlyings, faults = self._underlyings(puts, deadline)

        def look(put: PutPolicy) -> SymbolMarket:
            fault = faults.get(put.symbol)
            if put.symbol not in underlyings:
                return SymbolMarket(fault=fault)
            return self._symbol_market(put, underlyings[put.symbol], deadline)

        with ThreadPoolExecutor(max_workers=SYMBOLS_AT_ONCE) as pool:
            # Each task in a context of its own, so that its requests carry the run's trace.
            tasks = [(put, contextvars.copy_context()) for put in puts]
            futures = [pool.submit(context.run, look, put) for put, context in tasks]
            return {
                put.symbol: future.result() for (put, _), future in zip(tasks, futures, strict=True)
            }

    def _underlyings(
        self, puts: Sequence[PutPolicy], deadline: Deadline
    ) -> tuple[dict[str, SeenQuote], dict[str, Reason]]:
        contracts = [stock(put.symbol, primary_exchange=put.primary_exchange) for put in puts]
        answer = self._market.quotes(contracts, timeout_seconds=deadline.left(QUOTES_SECONDS_MAX))
        seen = {
            quote.contract.symbol: SeenQuote(quote=quote, answered_at=answer.market_at)
            for quote in answer.quotes
        }
        faults = {
            contract.symbol: reason(
                Code.UNDERLYING_UNKNOWN, f"the broker knows no stock {contract.symbol}"
            )
            for contract in answer.unknown
        }
        return seen, faults

    def _symbol_market(
        self, put: PutPolicy, underlying: SeenQuote, deadline: Deadline
    ) -> SymbolMarket:
        try:
            chain = self._market.chain(put.symbol, timeout_seconds=deadline.left(CALL_SECONDS_MAX))
        except (TransientError, StaleDataError) as error:
            fault = reason(Code.CHAIN_UNAVAILABLE, f"{put.symbol}: {error}")
            return SymbolMarket(underlying=underlying, fault=fault)
        if chain is None:
            fault = reason(Code.CHAIN_UNKNOWN, f"the broker has no options on {put.symbol}")
            return SymbolMarket(underlying=underlying, fault=fault)
        days = self._policy.stddev_days if put.threshold.sigma else CLOSES_MIN
        try:
            closes = self._market.closes(
                put.symbol, days, timeout_seconds=deadline.left(CALL_SECONDS_MAX)
            )
        except (TransientError, StaleDataError):
            closes = ()  # only a sigma threshold needs them, and it refuses without
        return SymbolMarket(underlying=underlying, chain=chain, closes=closes)

    def _with_options(
        self, snapshot: Snapshot, contracts: Sequence[Contract], deadline: Deadline
    ) -> Snapshot:
        if not contracts:
            return snapshot
        answer = self._market.quotes(contracts, timeout_seconds=deadline.left(QUOTES_SECONDS_MAX))
        options = {
            **snapshot.options,
            **{
                quote.contract.economic_key: SeenQuote(quote=quote, answered_at=answer.market_at)
                for quote in answer.quotes
            },
        }
        unknown = snapshot.unknown | {contract.economic_key for contract in answer.unknown}
        return replace(snapshot, options=options, unknown=unknown)

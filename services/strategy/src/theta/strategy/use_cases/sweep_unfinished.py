"""The sweeper: whatever is unfinished is asked for again, from its own state in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from theta.common.ports import MarketClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import get_logger
from theta.common.telemetry.metrics import counter
from theta.strategy.ports import Unfinished

MARKET_TIME_AGE_SECONDS_MAX = 5.0

_log = get_logger(__name__)


class SweepUnfinished:
    """Puts unfinished work back, so that emptying Redis or killing a service loses nothing."""

    def __init__(
        self, *, unfinished: Unfinished, market_clock: MarketClock, age: timedelta, keep: timedelta
    ) -> None:
        self._unfinished = unfinished
        self._market_clock = market_clock
        self._age = age
        self._keep = keep

    def sweep(self) -> int:
        """Expire what is over in market time, ask again for the rest; return how many of both.

        Nothing expires while market time is unknown or stale. Raises UnavailableError when the
        database is away.
        """
        expired = 0
        seen = self._market_clock.market_time()
        if seen is not None and seen.observed_age_seconds <= MARKET_TIME_AGE_SECONDS_MAX:
            expired = self._unfinished.expire_intents(seen.at)
        posted = self._unfinished.repost(self._age)
        for job, count in posted.items():
            counter(names.SWEPT).add(count, job=job)
        total = sum(posted.values())
        if total or expired:
            _log.info("unfinished work swept", expired=expired, **posted)
        return total + expired

    def forget(self) -> int:
        """Remove what the outbox delivered long ago; return how many rows.

        Raises UnavailableError when the database is away.
        """
        forgotten = self._unfinished.forget(self._keep)
        if forgotten:
            _log.info("delivered outbox rows removed", rows=forgotten)
        return forgotten

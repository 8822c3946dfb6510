"""Market time for the services that have no broker session, from what the gateway publishes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from theta.common.errors import UnavailableError
from theta.common.ports import MarketTime, ProcessClock
from theta.common.postgres.engine import transaction

REREAD_SECONDS = 0.5
"""How long one reading is extrapolated before the row is read again."""

_READ = text(
    """
    select market_at, extract(epoch from clock_timestamp() - observed_at), market_rate
    from broker_session where session = :session
    """
)


class DatabaseMarketClock:
    """`MarketClock` that extrapolates `broker_session.market_at` by its age and rate."""

    def __init__(self, engine: Engine, session: str, process_clock: ProcessClock) -> None:
        self._engine = engine
        self._session = session
        self._clock = process_clock
        self._reading: tuple[float, datetime, float, float] | None = None

    def market_time(self) -> MarketTime | None:
        """Return market time; `None` when never published, or while the database is away."""
        now = self._clock.boottime_seconds()
        if self._reading is None or now - self._reading[0] >= REREAD_SECONDS:
            self._reading = self._read(now)
        if self._reading is None:
            return None
        read_seconds, market_at, age_seconds, rate = self._reading
        total_age = max(0.0, age_seconds + now - read_seconds)
        return MarketTime(
            at=market_at + timedelta(seconds=total_age * rate), observed_age_seconds=total_age
        )

    def _read(self, now: float) -> tuple[float, datetime, float, float] | None:
        try:
            with transaction(self._engine) as connection:
                row = connection.execute(_READ, {"session": self._session}).one_or_none()
        except UnavailableError:
            return None
        if row is None or row[0] is None or row[1] is None:
            return None
        return now, row[0], float(row[1]), float(row[2])

"""Session tables of the exchange, built once for each year."""

from __future__ import annotations

from datetime import date, datetime

from theta.common.domain.calendar import SessionCalendar
from theta.common.market_calendar import exchange_date, session_calendar


class ExchangeSessions:
    """Tables that cover the year of a time and both its neighbours."""

    def __init__(self, exchange: str) -> None:
        """Raises ConfigError when the exchange is not known."""
        self._exchange = exchange
        self._tables: dict[int, SessionCalendar] = {}
        session_calendar(exchange, first_year=2026, last_year=2026)

    def around(self, at: datetime) -> tuple[SessionCalendar, date]:
        """Return the table that covers `at`, and the exchange's date at `at`."""
        day = exchange_date(at)
        table = self._tables.get(day.year)
        if table is None:
            table = session_calendar(
                self._exchange, first_year=day.year - 1, last_year=day.year + 1
            )
            # One table at a time: a long-lived process needs no history of them.
            self._tables = {day.year: table}
        return table, day

"""The sessions of the New York Stock Exchange, from the `holidays` package.

Regular hours are 9:30 to 16:00 in New York, half days close at 13:00. Closures decreed at short
notice are known only to a version of `holidays` released after the decree; the broker's own answer
(no quotes, no fills) is what protects against the rest.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
from holidays.constants import HALF_DAY

from theta.common.domain.calendar import Session, SessionCalendar
from theta.common.errors import ConfigError

EXCHANGE_ZONE = ZoneInfo("America/New_York")
OPEN_TIME = time(9, 30)
CLOSE_TIME = time(16, 0)
HALF_DAY_CLOSE_TIME = time(13, 0)

_SATURDAY = 5


def session_calendar(exchange: str, *, first_year: int, last_year: int) -> SessionCalendar:
    """Return the sessions of `exchange` from 1 January `first_year` to 31 December `last_year`.

    Raises ConfigError when this version does not know the exchange: only XNYS is known.
    """
    if exchange != "XNYS":
        message = (
            f"runtime.exchange_hours.exchange is {exchange!r}: this version knows the sessions of "
            'XNYS only, write exchange = "XNYS".'
        )
        raise ConfigError(message)
    years = range(first_year, last_year + 1)
    closed = holidays.financial_holidays("NYSE", years=years)
    half = holidays.financial_holidays("NYSE", years=years, categories=(HALF_DAY,))
    first_day, last_day = date(first_year, 1, 1), date(last_year, 12, 31)
    sessions = []
    day = first_day
    while day <= last_day:
        if day.weekday() < _SATURDAY and day not in closed:
            close = HALF_DAY_CLOSE_TIME if day in half else CLOSE_TIME
            sessions.append(
                Session(day=day, open_at=_utc(day, OPEN_TIME), close_at=_utc(day, close))
            )
        day += timedelta(days=1)
    return SessionCalendar(first_day=first_day, last_day=last_day, sessions=tuple(sessions))


def exchange_date(at: datetime) -> date:
    """Return the calendar date in New York at the aware time `at`."""
    return at.astimezone(EXCHANGE_ZONE).date()


def _utc(day: date, at: time) -> datetime:
    local = datetime.combine(day, at, tzinfo=EXCHANGE_ZONE)
    return local.astimezone(ZoneInfo("UTC"))

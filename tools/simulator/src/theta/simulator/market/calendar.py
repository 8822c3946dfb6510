"""Sessions of the US equity and option markets (New York time)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

_P = ParamSpec("_P")
_R = TypeVar("_R")

NEW_YORK = ZoneInfo("America/New_York")
ZONE_NAME = "America/New_York"

_OPEN = time(9, 30)
_CLOSE = time(16, 0)
_EARLY_CLOSE = time(13, 0)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta((weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _easter(year: int) -> date:
    """Gregorian Easter (the anonymous algorithm of 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _observed(day: date) -> date | None:
    """A holiday on a Sunday moves to Monday, on a Saturday to Friday unless that ends a year."""
    if day.weekday() == 6:
        return day + timedelta(1)
    if day.weekday() == 5:
        return None if (day.month, day.day) == (1, 1) else day - timedelta(1)
    return day


_EXTRA: set[date] = set()
_KEPT: list[Callable[[], None]] = []


def by_sessions(maxsize: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """``lru_cache`` for what follows from the session days: emptied when one is added."""

    def keep(function: Callable[_P, _R]) -> Callable[_P, _R]:
        kept = lru_cache(maxsize=maxsize)(function)
        _KEPT.append(kept.cache_clear)
        return cast("Callable[_P, _R]", kept)

    return keep


def when_sessions_change(forget: Callable[[], None]) -> None:
    """Call ``forget`` whenever a session day is added."""
    _KEPT.append(forget)


def add_session(day: date) -> None:
    """Make ``day`` a session day with the usual hours, whatever its weekday, for this process.

    Markets that are open already keep their prices: add days before opening one.
    """
    if not is_session_day(day):
        _EXTRA.add(day)
        for forget in _KEPT:
            forget()


def remove_sessions() -> None:
    """Take back every added session day."""
    if _EXTRA:
        _EXTRA.clear()
        for forget in _KEPT:
            forget()


@lru_cache(maxsize=16)
def holidays(year: int) -> frozenset[date]:
    """Full-day closures of the NYSE by its standing rules (since 2022); one-off closures are not
    known."""
    memorial = _nth_weekday(year, 6, 0, 1) - timedelta(7)
    days = [
        _observed(date(year, 1, 1)),
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _easter(year) - timedelta(2),
        memorial,
        _observed(date(year, 6, 19)),
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 11, 3, 4),
        _observed(date(year, 12, 25)),
    ]
    return frozenset(day for day in days if day is not None)


def _closes_early(day: date) -> bool:
    if day == _nth_weekday(day.year, 11, 3, 4) + timedelta(1):
        return True
    if (day.month, day.day) == (12, 24):
        return True
    return (day.month, day.day) == (7, 3)


def is_session_day(day: date) -> bool:
    return (day.weekday() < 5 and day not in holidays(day.year)) or day in _EXTRA


@by_sessions(4096)
def session(day: date) -> tuple[float, float] | None:
    """Opening and closing instants of ``day`` in epoch seconds; ``None`` when the market stays
    closed."""
    if not is_session_day(day):
        return None
    close = _EARLY_CLOSE if _closes_early(day) else _CLOSE
    return (_instant(day, _OPEN), _instant(day, close))


def _instant(day: date, at: time) -> float:
    return datetime.combine(day, at, NEW_YORK).timestamp()


def new_york(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, NEW_YORK)


def trading_date(epoch: float) -> date:
    """The calendar date in New York: executions and completed orders belong to it."""
    return new_york(epoch).date()


def is_open(epoch: float) -> bool:
    hours = session(trading_date(epoch))
    return hours is not None and hours[0] <= epoch < hours[1]


def next_session(epoch: float) -> tuple[float, float]:
    """The session that is running or comes next."""
    day = trading_date(epoch)
    while True:
        hours = session(day)
        if hours is not None and epoch < hours[1]:
            return hours
        day += timedelta(1)


def session_days_back(day: date, count: int) -> list[date]:
    """The last ``count`` session days up to and including ``day``, oldest first."""
    days: list[date] = []
    while len(days) < count:
        if is_session_day(day):
            days.append(day)
        day -= timedelta(1)
    return days[::-1]


@by_sessions(8192)
def previous_session_day(day: date) -> date:
    """The last session day before ``day``."""
    return session_days_back(day - timedelta(1), 1)[0]


def start_of(day: date) -> float:
    """Midnight in New York at the start of ``day``."""
    return _instant(day, time(0))


def date_of(ordinal: int) -> date:
    """The day with this proleptic number."""
    return date.fromordinal(ordinal)


def next_midnight(epoch: float) -> float:
    """The next midnight in New York."""
    return _instant(trading_date(epoch) + timedelta(1), time(0))


@by_sessions(16_384)
def expiry_instant(expiry: str) -> float:
    """When an option of ``expiry`` (YYYYMMDD) stops trading."""
    day = datetime.strptime(expiry, "%Y%m%d").replace(tzinfo=UTC).date()
    hours = session(day)
    return hours[1] if hours else _instant(day, _CLOSE)


def hours_text(epoch: float, days: int, opens: time = _OPEN, closes: time | None = None) -> str:
    """Trading hours as contract details give them, for ``days`` days from the day of ``epoch``.

    ``opens`` and ``closes`` replace the hours of a full session day, for the extended session.
    """
    parts: list[str] = []
    first = trading_date(epoch)
    for offset in range(days):
        day = first + timedelta(offset)
        hours = session(day)
        if hours is None:
            parts.append(f"{day:%Y%m%d}:CLOSED")
            continue
        end = closes or new_york(hours[1]).time()
        parts.append(f"{day:%Y%m%d}:{opens:%H%M}-{day:%Y%m%d}:{end:%H%M}")
    return ";".join(parts)

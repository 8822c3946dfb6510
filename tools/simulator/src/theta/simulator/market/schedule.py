"""Which expiries and strikes an option class lists when no recording says so."""

from collections.abc import Iterable
from datetime import date, timedelta

from theta.simulator.market import calendar
from theta.simulator.market.events import third_friday


def _session_up_to(day: date) -> date:
    while not calendar.is_session_day(day):
        day -= timedelta(1)
    return day


def week_expiry(day: date) -> date:
    """The Friday expiry of the week of ``day``: the Thursday when that Friday is a holiday."""
    return _session_up_to(day + timedelta(4 - day.weekday()))


def is_week_expiry(day: date) -> bool:
    """Whether a Friday expiry falls on ``day``."""
    return day.weekday() < 5 and day == week_expiry(day)


def month_expiry(year: int, month: int) -> date:
    """The standard monthly expiry: the third Friday, or the Thursday before a holiday."""
    return _session_up_to(third_friday(year, month))


def is_month_expiry(day: date) -> bool:
    """Whether the standard monthly expiry falls on ``day``."""
    return month_expiry(day.year, day.month) == day


def volatility_expiry(year: int, month: int) -> date:
    """The monthly expiry of options on a volatility index: 30 days before the next month's third
    Friday."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return _session_up_to(third_friday(following.year, following.month) - timedelta(30))


def _months(first: date, last: date) -> Iterable[tuple[int, int]]:
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        yield year, month
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


@calendar.by_sessions(1024)
def expiries(day: date, weeks: int, months: int, days: int = 0) -> tuple[str, ...]:
    """Expiries (YYYYMMDD, sorted) listed on ``day``: that of every week for ``weeks`` weeks, the
    standard ones for ``months`` months, and every session for ``days`` calendar days.

    An expiry that is listed stays so until it comes.
    """
    found = {week_expiry(day + timedelta(7 * week)) for week in range(weeks + 1)}
    last = day + timedelta(31 * months)
    found |= {month_expiry(*item) for item in _months(day, last)}
    found |= {
        one
        for one in (day + timedelta(offset) for offset in range(days + 1))
        if calendar.is_session_day(one)
    }
    until = max(last, day + timedelta(7 * weeks))
    return tuple(f"{one:%Y%m%d}" for one in sorted(found) if day <= one <= until)


@calendar.by_sessions(256)
def volatility_expiries(day: date, months: int) -> tuple[str, ...]:
    """Monthly expiries of options on a volatility index listed on ``day``."""
    last = day + timedelta(31 * months)
    found = sorted({volatility_expiry(*item) for item in _months(day, last)})
    return tuple(f"{one:%Y%m%d}" for one in found if day <= one <= last)


def step(price: float) -> float:
    """Distance of strikes near the money for an underlying at ``price``."""
    for limit, width in ((25.0, 0.5), (150.0, 1.0), (300.0, 2.5), (1_500.0, 5.0), (5_000.0, 10.0)):
        if price < limit:
            return width
    return 25.0


def grid(prices: Iterable[float], width: float, each_side: int) -> tuple[float, ...]:
    """Strikes ``each_side`` steps of ``width`` around each of ``prices``, sorted, none twice."""
    found: set[int] = set()
    for price in prices:
        centre = round(price / width)
        found.update(range(max(1, centre - each_side), centre + each_side + 1))
    return tuple(round(number * width, 2) for number in sorted(found))


def monday_of(day: date) -> date:
    """The Monday of the week of ``day``."""
    return day - timedelta(day.weekday())


def anchors(expiry: date, today: date, weeks: int) -> list[date]:
    """The days whose closes decide the strikes of ``expiry`` on ``today``: one a week since it was
    listed ``weeks`` weeks ahead. Later days add strikes and take none away."""
    monday = monday_of(expiry - timedelta(7 * weeks))
    found = []
    while monday <= today:
        found.append(calendar.previous_session_day(monday))
        monday += timedelta(7)
    return found or [calendar.previous_session_day(today)]

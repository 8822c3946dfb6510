"""When a contract trades for an order: the regular session, and for stocks the hours around it."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract

Span = tuple[float, float]

_EARLY = time(4, 0)
_LATE = time(20, 0)
_LATE_SHORT = time(17, 0)
_FULL_SESSION_SECONDS = 23_400


@lru_cache(maxsize=1024)
def extended(day: date) -> Span | None:
    """04:00 to 20:00 New York (17:00 when the session ends early); ``None`` on a closed day."""
    regular = calendar.session(day)
    if regular is None:
        return None
    short = regular[1] - regular[0] < _FULL_SESSION_SECONDS
    return (_instant(day, _EARLY), _instant(day, _LATE_SHORT if short else _LATE))


def _instant(day: date, at: time) -> float:
    return datetime.combine(day, at, calendar.NEW_YORK).timestamp()


@lru_cache(maxsize=4096)
def _regular(second: int) -> Span:
    return calendar.next_session(second)


def next_opening(epoch: float) -> float:
    """The first opening of a regular session after ``epoch``."""
    opens, closes = _regular(int(epoch))
    return opens if opens > epoch else _regular(int(closes))[0]


@lru_cache(maxsize=4096)
def day_of(second: int) -> str:
    """The New York date (ISO) of an epoch second."""
    return calendar.trading_date(second).isoformat()


def around_the_clock(contract: Contract, *, outside_rth: bool) -> bool:
    """Whether the order may trade outside the regular session: stocks alone do."""
    return outside_rth and contract.sec_type == "STK"


def span(contract: Contract, epoch: float, *, outside_rth: bool) -> Span:
    """The hours that are running or come next for an order on ``contract``."""
    if not around_the_clock(contract, outside_rth=outside_rth):
        return _regular(int(epoch))
    day = calendar.trading_date(epoch)
    while True:
        hours = extended(day)
        if hours is not None and epoch < hours[1]:
            return hours
        day += timedelta(1)


def is_open(contract: Contract, epoch: float, *, outside_rth: bool) -> bool:
    """Whether an order on ``contract`` may trade at ``epoch``."""
    if not around_the_clock(contract, outside_rth=outside_rth):
        opens, closes = _regular(int(epoch))
        return opens <= epoch < closes
    hours = extended(calendar.trading_date(epoch))
    return hours is not None and hours[0] <= epoch < hours[1]

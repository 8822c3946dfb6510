"""Moves a recording to other dates, so that its first session is a given day.

Sessions map to sessions one by one. A Friday expiry becomes the Friday expiry nearest to the same
number of days ahead, another one that of the session that stands for its day, unless a Friday
expiry is there already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from theta.simulator.market import calendar, schedule
from theta.simulator.market.recording import Key, Recording, Row, day_of


@dataclass(frozen=True, slots=True)
class Redating:
    """From a window whose first session is ``old`` to one whose first session is ``new``."""

    old: date
    new: date

    @classmethod
    def to(cls, old: date, wanted: date) -> "Redating":
        """The redating whose new first session is ``wanted``, or the next session after it."""
        return cls(session_from(old), session_from(wanted))

    def day(self, day: date) -> date:
        """The session that stands for session ``day``."""
        return _counted(self.old, self.new, day)

    def instant(self, epoch: float) -> float:
        """The same time of the session that stands for the one of ``epoch``."""
        day = calendar.trading_date(epoch)
        before = session_up_to(day)
        hours = calendar.session(before) or (epoch, epoch)
        opened, closed = calendar.session(self.day(before)) or hours
        return min(closed, opened + min(epoch, hours[1]) - hours[0])

    def expiry(self, expiry: str) -> str | None:
        """The expiry that stands for ``expiry``; ``None`` when another one takes its place."""
        old = day_of(expiry)
        moved = old + (self.new - self.old)
        if schedule.is_week_expiry(old):
            return f"{schedule.week_expiry(_nearest_friday(moved)):%Y%m%d}"
        counted = self.day(old)
        return None if schedule.is_week_expiry(counted) else f"{counted:%Y%m%d}"


def _nearest_friday(day: date) -> date:
    """The Friday at most three days away."""
    ahead = (4 - day.weekday()) % 7
    return day + timedelta(ahead if ahead <= 3 else ahead - 7)


def session_from(day: date) -> date:
    """``day``, or the next session after it."""
    while not calendar.is_session_day(day):
        day += timedelta(1)
    return day


def session_up_to(day: date) -> date:
    """``day``, or the last session before it."""
    while not calendar.is_session_day(day):
        day -= timedelta(1)
    return day


@calendar.by_sessions(65_536)
def _counted(old: date, new: date, day: date) -> date:
    """``new`` moved by as many sessions as ``day`` is from ``old``."""
    one = timedelta(1 if day > old else -1)
    at, moved = old, new
    while at != day:
        at += one
        if calendar.is_session_day(at):
            moved += one
            while not calendar.is_session_day(moved):
                moved += one
    return moved


def mapped_closes(closes: Mapping[date, float], redating: Redating) -> dict[date, float]:
    """Closes on the sessions that stand for their days."""
    found: dict[date, float] = {}
    ahead = sorted(day for day in closes if day >= redating.old)
    behind = sorted((day for day in closes if day < redating.old), reverse=True)
    for days in (ahead, behind):
        last_old, last_new = redating.old, redating.new
        for day in days:
            last_new = _counted(last_old, last_new, day)
            last_old = day
            found[last_new] = closes[day]
    return found


def redated(recording: Recording, redating: Redating) -> Recording:
    """``recording`` on the new dates."""

    def read(index: int) -> Mapping[Key, Row]:
        found: dict[Key, Row] = {}
        for (expiry, strike, right), row in recording.read(index).items():
            moved = expiry_of(expiry)
            if moved is not None and calendar.expiry_instant(moved) > instants[index]:
                found[moved, strike, right] = row
        return found

    expiry_of: Callable[[str], str | None] = lru_cache(maxsize=512)(redating.expiry)
    instants = tuple(map(redating.instant, recording.instants))
    pins = {redating.instant(at): price for at, price in recording.pins}
    return Recording(
        symbol=recording.symbol,
        pins=tuple(sorted(pins.items())),
        instants=instants,
        prices=recording.prices,
        read=read,
        past=mapped_closes(recording.past, redating),
    )


def first_session(recording: Recording) -> date:
    """The day of the first chain."""
    return calendar.trading_date(recording.instants[0])

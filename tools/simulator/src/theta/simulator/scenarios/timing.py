"""When an event of a scenario happens, relative to the start of the simulated market."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from theta.simulator.market import calendar

ACCEPTS = (
    "seconds after the start, or a text such as '+15m', '23:45' (New York), 'day 1 open',"
    " 'day 2 10:30', 'day 0 close', 'Sunday 01:00' or an ISO time with zone"
)

_AFTER = re.compile(r"\+(\d+(?:\.\d+)?)(s|m|h|d)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_DAY = re.compile(r"day (\d{1,3}) (open|close|[0-2]\d:[0-5]\d(?::[0-5]\d)?)(?: ([+-]\d+)m)?")
_WEEKDAY = re.compile(r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day ([0-2]\d:[0-5]\d)")
_WEEKDAYS = ("Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun")
_FAR_SECONDS = 10 * 366 * 86_400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class When:
    """An instant as a scenario writes it; ``day 0`` is the session of the start, or the next."""

    text: str

    @property
    def is_absolute(self) -> bool:
        """Whether it is a date of its own, whatever the start."""
        return self.text[:4].isdecimal() and self.text[4:5] == "-"

    def at(self, start: float) -> float:
        """Market time in epoch seconds for a market that starts at ``start``.

        Raises ``ValueError`` when the text means no instant.
        """
        found = self._read(start)
        if not abs(found - start) <= _FAR_SECONDS:
            raise ValueError("too far away")
        return found

    def _read(self, start: float) -> float:
        for pattern, reader in _FORMS:
            match = pattern.fullmatch(self.text)
            if match is not None:
                return reader(match, start)
        try:
            return start + float(self.text)
        except ValueError:
            moment = datetime.fromisoformat(self.text)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment.timestamp()


def _after(match: re.Match[str], start: float) -> float:
    return start + float(match[1]) * _UNITS[match[2]]


def _clock(match: re.Match[str], start: float) -> float:
    """The next such time of day in New York, at the earliest the start."""
    wanted = time(int(match[1]), int(match[2]), int(match[3] or 0))
    day = calendar.trading_date(start)
    at = datetime.combine(day, wanted, calendar.NEW_YORK).timestamp()
    if at < start:
        at = datetime.combine(day + timedelta(1), wanted, calendar.NEW_YORK).timestamp()
    return at


def _day(match: re.Match[str], start: float) -> float:
    opens, closes = calendar.next_session(start)
    for _ in range(int(match[1])):
        opens, closes = calendar.next_session(closes)
    shift = 60.0 * int(match[3] or 0)
    if match[2] == "open":
        return opens + shift
    if match[2] == "close":
        return closes + shift
    wanted = time.fromisoformat(match[2])
    day = calendar.trading_date(opens)
    return datetime.combine(day, wanted, calendar.NEW_YORK).timestamp() + shift


def _weekday(match: re.Match[str], start: float) -> float:
    """The next such day of the week at that time in New York, at the earliest the start."""
    wanted = time.fromisoformat(match[2])
    day = calendar.trading_date(start)
    ahead = (_WEEKDAYS.index(match[1]) - day.weekday()) % 7
    at = datetime.combine(day + timedelta(ahead), wanted, calendar.NEW_YORK).timestamp()
    if at < start:
        later = day + timedelta(ahead + 7)
        at = datetime.combine(later, wanted, calendar.NEW_YORK).timestamp()
    return at


_FORMS = ((_AFTER, _after), (_CLOCK, _clock), (_DAY, _day), (_WEEKDAY, _weekday))

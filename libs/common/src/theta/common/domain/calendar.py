"""Market sessions as data. The table comes from an adapter; the arithmetic is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One trading session; `open_at` and `close_at` in aware UTC, early closes already applied."""

    day: date
    open_at: datetime
    close_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCalendar:
    """Sessions in ascending order, covering `[first_day, last_day]` of the exchange."""

    first_day: date
    last_day: date
    sessions: Sequence[Session]

    def session_at(self, at: datetime) -> Session | None:
        """Return the session open at `at` (open inclusive, close exclusive), else `None`.

        Raises ValueError when `at` is outside the covered days, since "closed" would be a guess.
        """
        if not self.first_day <= at.date() <= self.last_day:
            raise ValueError(f"the session table does not cover {at.isoformat()}")
        for session in self.sessions:
            if session.open_at <= at < session.close_at:
                return session
        return None

    def next_open_after(self, at: datetime) -> Session | None:
        """Return the first session that opens after `at`; `None` past the table's end."""
        return next((session for session in self.sessions if session.open_at > at), None)


def is_tradable(
    session: Session | None,
    at: datetime,
    *,
    delay_after_open: timedelta,
    delay_before_close: timedelta,
) -> bool:
    """Tell whether `at` lies in [open + delay_after_open, close − delay_before_close]."""
    if session is None:
        return False
    return session.open_at + delay_after_open <= at <= session.close_at - delay_before_close

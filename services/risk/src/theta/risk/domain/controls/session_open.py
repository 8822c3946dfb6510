"""The exchange is in session, away from open and close, by the broker's time."""

from __future__ import annotations

from datetime import timedelta

from theta.common.domain.calendar import is_tradable
from theta.risk.domain.framework import (
    Control,
    ControlResult,
    Passed,
    Refused,
    ReviewInputs,
    RiskLimits,
)


def check(inputs: ReviewInputs, limits: RiskLimits) -> ControlResult:
    """Pass when market time is fresh and lies inside the tradable part of a session."""
    now, calendar = inputs.market_now, inputs.calendar
    clock_limit = f"at most {limits.market_clock_age_seconds_max} s old"
    if now is None:
        return _refuse("no_market_time", clock_limit, "unknown", "market time was never observed")
    if not 0 <= now.observed_age_seconds <= limits.market_clock_age_seconds_max:
        return _refuse(
            "market_time_stale",
            clock_limit,
            f"{now.observed_age_seconds:.1f} s",
            f"the broker's time was last seen {now.observed_age_seconds:.1f} s ago",
        )
    day = inputs.exchange_day
    if calendar is None or day is None:
        return _refuse("no_calendar", "a session table", "none", "the session table is missing")
    if not calendar.first_day <= day <= calendar.last_day:
        return _refuse(
            "not_covered",
            f"{calendar.first_day} to {calendar.last_day}",
            day.isoformat(),
            "the session table does not cover this day",
        )
    session = calendar.session_at(now.at)
    observed = now.at.isoformat()
    if session is None:
        return _refuse("closed", "in session", observed, "the exchange is closed")
    after = timedelta(seconds=limits.delay_after_open_seconds)
    before = timedelta(seconds=limits.delay_before_close_seconds)
    first, last = session.open_at + after, session.close_at - before
    limit = f"{first.isoformat()} to {last.isoformat()}"
    if not is_tradable(session, now.at, delay_after_open=after, delay_before_close=before):
        return _refuse("too_near_the_edge", limit, observed, "too near the open or the close")
    return Passed(limit=limit, observed=observed)


def _refuse(what: str, limit: str, observed: str, text: str) -> Refused:
    return Refused(code=f"session_open.{what}", limit=limit, observed=observed, text=text)


CONTROL = Control(
    code="session_open",
    title="Session open",
    meaning=(
        "Market time was seen within the last 5 s and lies in a session of the exchange, at "
        "least `runtime.exchange_hours.delay_after_open` after its open and "
        "`delay_before_close` before its close; early closes and holidays count."
    ),
    keys=(
        "runtime.exchange_hours.exchange",
        "runtime.exchange_hours.delay_after_open",
        "runtime.exchange_hours.delay_before_close",
    ),
    codes=(
        ("session_open.no_market_time", "market time was never observed"),
        ("session_open.market_time_stale", "the broker's time was not seen for too long"),
        ("session_open.no_calendar", "the session table is missing"),
        ("session_open.not_covered", "the session table ends before this day"),
        ("session_open.closed", "the exchange is closed"),
        ("session_open.too_near_the_edge", "too near the open or the close"),
    ),
    what_to_do=(
        "Stale market time means that broker-gateway is down or cut off: see `thetactl status`. "
        "Otherwise wait for the session; the next run decides afresh."
    ),
    check=check,
)

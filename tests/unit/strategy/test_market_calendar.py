"""The sessions of our calendar are those of exchange_calendars, an independent source."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime

import pytest

from theta.common.errors import ConfigError
from theta.common.market_calendar import exchange_date, session_calendar

Sessions = dict[date, tuple[datetime, datetime]]


def ours(first_year: int, last_year: int) -> Sessions:
    calendar = session_calendar("XNYS", first_year=first_year, last_year=last_year)
    return {one.day: (one.open_at, one.close_at) for one in calendar.sessions}


def theirs(first_year: int, last_year: int) -> Sessions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecations inside the package
        import exchange_calendars

        found = exchange_calendars.get_calendar(
            "XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31"
        )
        schedule = found.schedule
    return {
        day.date(): (row["open"].to_pydatetime(), row["close"].to_pydatetime())
        for day, row in schedule.iterrows()
    }


def test_2024_to_2028() -> None:
    assert ours(2024, 2028) == theirs(2024, 2028)


@pytest.mark.slow
def test_2000_to_2030() -> None:
    assert ours(2000, 2030) == theirs(2000, 2030)


@pytest.mark.parametrize(
    "day",
    [date(2026, 4, 3), date(2026, 6, 19), date(2025, 1, 9), date(2018, 12, 5), date(2012, 10, 29)],
    ids=["Good Friday", "Juneteenth", "Carter", "Bush", "Sandy"],
)
def test_known_closures(day: date) -> None:
    assert day not in ours(day.year, day.year)


def test_a_half_day_closes_at_one() -> None:
    opened, closed = ours(2026, 2026)[date(2026, 11, 27)]
    assert (opened, closed) == (
        datetime(2026, 11, 27, 14, 30, tzinfo=UTC),
        datetime(2026, 11, 27, 18, 0, tzinfo=UTC),
    )


def test_another_exchange_is_refused() -> None:
    with pytest.raises(ConfigError, match="XNYS"):
        session_calendar("XLON", first_year=2026, last_year=2026)


def test_the_exchanges_date() -> None:
    assert exchange_date(datetime(2026, 8, 21, 3, 0, tzinfo=UTC)) == date(2026, 8, 20)

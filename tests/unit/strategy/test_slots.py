"""Slots follow the exchange's own clock and sessions."""

from __future__ import annotations

from datetime import UTC, datetime, time

from theta.common.market_calendar import EXCHANGE_ZONE, session_calendar
from theta.strategy.domain.slots import due_slots

CALENDAR = session_calendar("XNYS", first_year=2026, last_year=2026)


def due(since: datetime, until: datetime, *times: time) -> list[tuple[str, datetime]]:
    found = due_slots(CALENDAR, times, EXCHANGE_ZONE, since=since, until=until)
    return [(slot.name, slot.at) for slot in found]


def test_the_hour_moves_with_daylight_saving() -> None:
    found = due(datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC), time(10, 30))
    assert found == [
        ("2026-10-30T10:30", datetime(2026, 10, 30, 14, 30, tzinfo=UTC)),
        ("2026-11-02T10:30", datetime(2026, 11, 2, 15, 30, tzinfo=UTC)),
    ]


def test_the_end_belongs_to_the_span_and_the_start_does_not() -> None:
    at = datetime(2026, 8, 20, 14, 30, tzinfo=UTC)
    before = datetime(2026, 8, 20, 14, 0, tzinfo=UTC)
    assert len(due(before, at, time(10, 30))) == 1
    assert due(at, datetime(2026, 8, 20, 15, 0, tzinfo=UTC), time(10, 30)) == []


def test_an_early_close_takes_the_afternoon_slots() -> None:
    day = datetime(2026, 11, 27, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC)
    assert [name for name, _ in due(*day, time(10, 30), time(13, 0))] == ["2026-11-27T10:30"]


def test_nothing_past_the_table() -> None:
    assert due(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC), time(10)) == []

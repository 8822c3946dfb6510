"""Timed events and drawn faults: when they happen, once, and the same for the same seed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theta.simulator.faults.catalogue import CATALOGUE
from theta.simulator.faults.parameters import FaultError
from theta.simulator.faults.schedule import Chance, Event, Schedule, drawn
from theta.simulator.market import calendar
from theta.simulator.scenarios.timing import When

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


START = at("2026-08-13T12:00:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", "2026-08-13T12:01:30"),
        ("+15m", "2026-08-13T12:15:00"),
        ("+1.5h", "2026-08-13T13:30:00"),
        ("+2d", "2026-08-15T12:00:00"),
        ("23:45", "2026-08-13T23:45:00"),
        ("11:59:59", "2026-08-14T11:59:59"),
        ("day 0 close", "2026-08-13T16:00:00"),
        ("day 1 open", "2026-08-14T09:30:00"),
        ("day 1 open -1m", "2026-08-14T09:29:00"),
        ("day 2 10:30", "2026-08-17T10:30:00"),
        ("day 2 close +5m", "2026-08-17T16:05:00"),
        ("Sunday 01:00", "2026-08-16T01:00:00"),
        ("Thursday 12:30", "2026-08-13T12:30:00"),
        ("Thursday 11:30", "2026-08-20T11:30:00"),
        ("2026-08-20T10:00:00-04:00", "2026-08-20T10:00:00"),
    ],
)
def test_times_are_counted_from_the_start(text: str, expected: str) -> None:
    assert When(text).at(START) == at(expected)


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "2026-08-20T10:00:00", "day x open", "+5y", "inf", "nan", "1e300"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller adds the sentence
        When(text).at(START)


def fires(schedule: Schedule, now: float) -> list[str]:
    fired: list[str] = []

    def fire(event: Event) -> dict[str, Any]:
        fired.append(event.kind)
        return {}

    schedule.due(now, fire)
    return fired


def test_events_happen_in_the_order_of_their_time_and_once() -> None:
    schedule = Schedule([Event(30, "b"), Event(10, "a"), Event(30, "c"), Event(99, "late")])
    assert schedule.next_at() == 10
    assert fires(schedule, 9) == []
    assert fires(schedule, 50) == ["a", "b", "c"]
    assert fires(schedule, 50) == []
    assert [event["kind"] for event in schedule.ahead()] == ["late"]
    schedule.add(Event(60, "added"))
    assert schedule.next_at() == 60


def test_a_repeated_event_keeps_its_time_of_day_over_a_change_of_the_clocks() -> None:
    first = at("2026-10-31T23:45:00")
    schedule = Schedule([Event(first, "reset", every=-1)])
    assert fires(schedule, first) == ["reset"]
    assert schedule.next_at() == at("2026-11-01T23:45:00")
    assert schedule.next_at() == first + 25 * 3_600


def test_every_so_many_seconds() -> None:
    schedule = Schedule([Event(100, "again", every=60)])
    assert fires(schedule, 220) == ["again"] * 3
    assert schedule.next_at() == 280


def test_a_gateway_that_comes_back_repeats_nothing() -> None:
    schedule = Schedule([Event(10, "old"), Event(20, "old", every=60), Event(500, "new")])
    schedule.resume(100)
    assert schedule.happened == []
    assert schedule.next_at() == 140


def test_an_event_that_cannot_happen_is_noted_and_stops_nothing() -> None:
    def fire(event: Event) -> dict[str, Any]:
        if event.kind == "bad":
            raise FaultError(404, "There is no such order.")
        return {"done": True}

    schedule = Schedule([Event(1, "bad"), Event(2, "good")])
    assert schedule.due(5, fire) == 2
    bad, good = schedule.happened
    assert bad["error"] == "There is no such order."
    assert good["told"] == {"done": True}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), hours=st.floats(0.5, 60))
def test_drawn_faults_depend_on_the_seed_alone_and_fall_into_open_market(
    seed: int, hours: float
) -> None:
    chance = Chance(seed, per_hour=4, hours=hours)
    events = list(drawn(chance, START))
    assert events == list(drawn(chance, START))
    assert len(events) == round(4 * hours)
    assert all(calendar.is_open(event.at) for event in events)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert all(CATALOGUE[event.kind].chance for event in events)


def test_other_seeds_draw_other_faults_and_kinds_can_be_limited() -> None:
    first, second = (list(drawn(Chance(seed, 4), START)) for seed in (1, 2))
    assert first != second
    assert len({event.kind for event in first}) > 8
    only = {e.kind for e in drawn(Chance(1, 4, kinds=("halt", "swallow")), START)}
    assert only == {"halt", "swallow"}

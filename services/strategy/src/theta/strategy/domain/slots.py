"""Slots: the times of a trading day at which the strategy runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from theta.common.domain.calendar import SessionCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One slot. `name` is its exchange time, `2026-08-20T10:30`; `at` the same in aware UTC."""

    name: str
    at: datetime


def due_slots(
    calendar: SessionCalendar,
    times: tuple[time, ...],
    zone: ZoneInfo,
    *,
    since: datetime,
    until: datetime,
) -> Iterator[Slot]:
    """Yield the slots in (since, until], oldest first.

    A slot outside its day's session (after an early close) does not exist. `times` are naive
    times of the exchange's `zone`, ascending.
    """
    for session in calendar.sessions:
        if session.close_at <= since:
            continue
        if session.open_at > until:
            return
        for at in times:
            local = datetime.combine(session.day, at, tzinfo=zone)
            moment = local.astimezone(UTC)
            if since < moment <= until and session.open_at <= moment < session.close_at:
                yield Slot(name=f"{local:%Y-%m-%dT%H:%M}", at=moment)

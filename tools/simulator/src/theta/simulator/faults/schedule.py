"""Timed events: those that a scenario writes down, and those that a seed draws."""

import heapq
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from theta.simulator.faults.catalogue import CATALOGUE
from theta.simulator.faults.parameters import FaultError
from theta.simulator.market import calendar
from theta.simulator.randomness import unit, whole

_LOG = logging.getLogger("theta.simulator.events")
_LOG_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """A fault at a market time (epoch seconds).

    ``every`` repeats it after that many market seconds; 0 for once, -1 for each New York day at
    the same time of day.
    """

    at: float
    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    every: float = 0.0
    drawn: bool = False

    def following(self, at: float) -> float | None:
        """When it happens again after it happened at ``at``; ``None`` for never."""
        if self.every < 0:
            moment = calendar.new_york(at)
            day = moment.date() + timedelta(1)
            return datetime.combine(day, moment.time(), calendar.NEW_YORK).timestamp()
        return at + self.every if self.every else None

    def describe(self, at: float) -> dict[str, Any]:
        told = {"at": calendar.new_york(at).isoformat(), "epoch": at, "kind": self.kind}
        return {**told, **self.values, "drawn": self.drawn}


@dataclass(frozen=True, slots=True)
class Chance:
    """A seeded schedule: on average ``per_hour`` faults in each of ``hours`` of open market.

    ``seed`` ``None`` takes the seed of the run. ``kinds`` limits what is drawn; empty for every
    kind that may be.
    """

    seed: int | None
    per_hour: float
    hours: float = 24.0
    kinds: tuple[str, ...] = ()


Fire = Callable[[Event], dict[str, Any]]
"""Lets an event happen; returns what was armed. Raises ``FaultError``."""


class Schedule:
    """Events in the order of their time; those at the same time in the order in which they were
    given.

    Once ``due`` has let an event happen it never does again, also after ``resume``.
    """

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._events = list(events)
        self._queue = [(event.at, number) for number, event in enumerate(self._events)]
        heapq.heapify(self._queue)
        self.happened: list[dict[str, Any]] = []

    def add(self, event: Event) -> None:
        """Put one more event on the list."""
        self._events.append(event)
        heapq.heappush(self._queue, (event.at, len(self._events) - 1))

    def next_at(self) -> float | None:
        """Market time of the next event; ``None`` without one."""
        return self._queue[0][0] if self._queue else None

    def ahead(self, count: int = 100) -> list[dict[str, Any]]:
        """The next events, soonest first."""
        return [self._events[n].describe(at) for at, n in heapq.nsmallest(count, self._queue)]

    def due(self, now: float, fire: Fire) -> int:
        """Let everything happen whose time has come by market time ``now``; returns how much."""
        count = 0
        while self._queue and self._queue[0][0] <= now:
            at, number = heapq.heappop(self._queue)
            event = self._events[number]
            again = event.following(at)
            if again is not None:
                heapq.heappush(self._queue, (again, number))
            self._happen(event, at, fire)
            count += 1
        return count

    def _happen(self, event: Event, at: float, fire: Fire) -> None:
        told = event.describe(at)
        try:
            told["told"] = fire(event)
        except FaultError as error:
            told["error"] = error.text
            _LOG.warning("the event %s could not happen: %s", event.kind, error.text)
        self.happened.append(told)
        del self.happened[:-_LOG_MAX]

    def resume(self, now: float) -> None:
        """Skip what has happened before ``now``: a gateway that comes back repeats nothing."""
        self.due(now, lambda _event: {})
        self.happened.clear()


def drawn(chance: Chance, start: float) -> Iterable[Event]:
    """The events of a seeded schedule that starts at market time ``start``.

    The same seed and start give the same events. Times are spread evenly over the hours in which
    the market is open, kinds over the kinds, and each kind's values over its row of chances.
    """
    seed = chance.seed or 0
    kinds = [k for k in CATALOGUE.values() if k.chance and k.name in (chance.kinds or CATALOGUE)]
    count = round(chance.per_hour * chance.hours) if kinds else 0
    offsets = sorted(
        unit(seed, "fault", "at", number) * chance.hours * 3_600 for number in range(count)
    )
    for number, offset in enumerate(offsets):
        key = (seed, "fault", number)
        kind = kinds[whole(0, len(kinds) - 1, *key, "kind")]
        values = kind.chance[whole(0, len(kind.chance) - 1, *key, "values")]
        yield Event(_open_instant(start, offset), kind.name, values, drawn=True)


def _open_instant(start: float, seconds: float) -> float:
    """The instant after ``seconds`` of open market from ``start``."""
    at = start
    while True:
        opens, closes = calendar.next_session(at)
        at = max(at, opens)
        if at + seconds < closes:
            return at + seconds
        seconds -= closes - at
        at = closes

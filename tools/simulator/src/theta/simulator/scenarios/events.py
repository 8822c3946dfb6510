"""Timed events of a scenario, and the seeded schedule of faults."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from theta.simulator.errors import ScenarioError
from theta.simulator.faults.catalogue import CATALOGUE, check
from theta.simulator.faults.parameters import FaultError
from theta.simulator.faults.schedule import Chance, Event
from theta.simulator.scenarios import timing
from theta.simulator.scenarios.reader import Reader, refuse_unknown

_EVERY_SECONDS_MIN = 60
DEFAULT_CHANCE = Chance(seed=None, per_hour=4.0)


@dataclass(frozen=True, slots=True)
class EventPlan:
    """An event as written: when, which kind with which keys, and how often (see ``Event``)."""

    when: timing.When
    kind: str
    values: Mapping[str, Any]
    every: float = 0.0

    def event(self, start: float, moved_days: int = 0) -> Event:
        """The event in a market that starts at ``start``; a date of its own moves by
        ``moved_days``."""
        at = self.when.at(start)
        if self.when.is_absolute:
            at += moved_days * 86_400
        return Event(at, self.kind, self.values, self.every)


def read_events(
    reader: Reader, start: float, symbols: Collection[str] | None, accounts: Collection[str]
) -> tuple[EventPlan, ...]:
    """Every ``[[event]]``. Raises ``ScenarioError`` for one that cannot happen.

    ``symbols`` is ``None`` where they are not all known yet.
    """
    found: list[EventPlan] = []
    for number, item in enumerate(reader.tables("event")):
        key = f"event[{number}]"
        found.append(_event(reader, key, item, start))
        values = found[-1].values
        if symbols is not None:
            _refuse_stranger(reader, f"{key}.symbol", values, ["*", *symbols])
        _refuse_stranger(reader, f"{key}.account", values, accounts)
    return tuple(found)


def _refuse_stranger(
    reader: Reader, key: str, values: Mapping[str, Any], known: Collection[str]
) -> None:
    """Raise ``ScenarioError`` when the event names a symbol or account that there is not."""
    named = values.get(key.rpartition(".")[2])
    if named is not None and named not in known:
        near = difflib.get_close_matches(named, sorted(known), 1, 0.0)
        raise ScenarioError(
            f"In the scenario {reader.name}, {key} is '{named}', which is not in it; the nearest"
            f" is {near[0]}."
        )


def _event(reader: Reader, key: str, item: dict[str, Any], start: float) -> EventPlan:
    given = dict(item)
    raw, kind, every = given.pop("at", None), given.pop("kind", None), given.pop("every", 0)
    if raw is None or isinstance(raw, bool):
        raise reader.complain(f"{key}.at", timing.ACCEPTS)
    when = timing.When(str(raw))
    try:
        when.at(start)
    except (ValueError, OverflowError):
        raise reader.complain(f"{key}.at", timing.ACCEPTS) from None
    if every == "day":
        every = -1
    elif isinstance(every, bool) or not isinstance(every, int | float):
        every = -2
    if every not in (0, -1) and every < _EVERY_SECONDS_MIN:
        raise reader.complain(f"{key}.every", f'"day", or at least {_EVERY_SECONDS_MIN} seconds')
    try:
        found, _ = check(kind, given)
    except FaultError as error:
        raise ScenarioError(f"In the scenario {reader.name}, {key}: {error.text}") from None
    return EventPlan(when, found.name, given, float(every))


def read_chance(reader: Reader, given: dict[str, Any] | None) -> Chance | None:
    """The schedule of ``[faults]``; ``None`` without the table."""
    if given is None:
        return None
    chances = [kind.name for kind in CATALOGUE.values() if kind.chance]
    kinds = reader.get("faults.kinds", [])
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise reader.complain("faults.kinds", "an array of kinds")
    refuse_unknown(reader.name, "faults.kinds: ", dict.fromkeys(kinds), chances)
    seed = int(reader.number("faults.seed", -1, -1, 2**31))
    return Chance(
        seed=None if seed < 0 else seed,
        per_hour=reader.number("faults.per_hour", DEFAULT_CHANCE.per_hour, 0.01, 1_000),
        hours=reader.number("faults.hours", DEFAULT_CHANCE.hours, 0.01, 1_000),
        kinds=tuple(kinds),
    )

"""Reads and checks a scenario."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from theta.simulator.errors import ScenarioError
from theta.simulator.faults.schedule import Chance
from theta.simulator.gateway.limits import DEFAULT_LIMITS, Limits
from theta.simulator.market import chains, pricing
from theta.simulator.market.reference import CorporateAction
from theta.simulator.market.sources import Folder, Recorded, Source
from theta.simulator.scenarios import accounts
from theta.simulator.scenarios.accounts import DEFAULT_ACCOUNT, AccountPlan
from theta.simulator.scenarios.events import EventPlan, read_chance, read_events
from theta.simulator.scenarios.reader import Reader, refuse_unknown
from theta.simulator.scenarios.sources import RECORDED, chains_of, read_actions, read_sources

_KEYS: dict[str, frozenset[str]] = {
    "scenario": frozenset({"about"}),
    "account": accounts.KEYS,
    "clock": frozenset({"start"}),
    "market": frozenset({"yearly_volatility", "symbols", "source", "action", "rate"}),
    "broker": frozenset(
        {
            "polite",
            "read_only",
            "pacing",
            "ack_ms",
            "tick_ms",
            "fill_probability",
            "hazard_seconds",
            "master_client_id",
            "early_assignment",
            "commission_plan",
        }
    ),
    "limits": frozenset(Limits.__dataclass_fields__),
    "faults": frozenset({"seed", "per_hour", "hours", "kinds"}),
    "event": frozenset(),
}
_ARRAYS = frozenset({"event"})
_START = "2026-08-13T16:13:33+00:00"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario. ``start`` is epoch seconds of market time; the first of ``accounts`` is
    the one that an order without an account trades in."""

    name: str
    about: str = ""
    accounts: tuple[AccountPlan, ...] = (DEFAULT_ACCOUNT,)
    start: float = datetime.fromisoformat(_START).timestamp()
    yearly_volatility: float = 0.14
    rate: float = pricing.RATE
    sources: tuple[Source, ...] = tuple(Recorded(name, name) for name in RECORDED)
    symbols: dict[str, str] = field(default_factory=lambda: {name: name for name in RECORDED})
    """The shipped chain of each symbol, empty for a symbol on none."""

    polite: bool = False
    read_only: bool = False
    pacing: bool = True
    ack_ms: tuple[int, int] = (20, 300)
    tick_ms: tuple[int, int] = (100, 300)
    fill_probability: float = 1.0
    hazard_seconds: float = 120.0
    master_client_id: int | None = None
    early_assignment: float = 0.9
    commission_plan: str = "fixed"
    actions: tuple[CorporateAction, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    events: tuple[EventPlan, ...] = ()
    chance: Chance | None = None


def built_in() -> list[str]:
    """Names of the scenarios in the package."""
    folder = files("theta.simulator.scenarios")
    return sorted(e.name[:-5] for e in folder.iterdir() if e.name.endswith(".toml"))


def load(name_or_file: str, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario with this name in the package, or in this file.

    ``overrides`` are ``table.key=value`` texts with a TOML value, later ones winning.
    Raises ``ScenarioError`` with one sentence that says where and what is wrong.
    """
    if name_or_file in built_in():
        text = (files("theta.simulator.scenarios") / f"{name_or_file}.toml").read_text()
        return parse(text, name_or_file, overrides)
    path = Path(name_or_file)
    if not path.is_file():
        raise ScenarioError(
            f"There is no scenario '{name_or_file}': give a file, or one of"
            f" {', '.join(built_in())}."
        )
    try:
        return parse(path.read_text(), str(path), overrides, path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"The scenario {path} cannot be read: {error}.") from None


def parse(
    text: str, name: str, overrides: Sequence[str] = (), folder: Path | None = None
) -> Scenario:
    """A scenario from TOML text; ``name`` is used in error messages, paths are below ``folder``."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The scenario {name} is not valid TOML: {error}.") from None
    for override in overrides:
        _override(tables, override)
    refuse_unknown(name, "", tables, frozenset(_KEYS))
    for table, keys in _KEYS.items():
        if table in _ARRAYS or (table == "account" and isinstance(tables.get(table), list)):
            continue
        if not isinstance(tables.get(table, {}), dict):
            raise ScenarioError(f"In the scenario {name}, {table} must be a table.")
        refuse_unknown(name, f"{table}.", tables.get(table, {}), keys)
    return _build(Reader(name, tables, folder), tables)


def _override(tables: dict[str, Any], text: str) -> None:
    key, _, value = text.partition("=")
    table, _, leaf = key.strip().partition(".")
    try:
        if not table.isidentifier() or not leaf.isidentifier():
            raise ValueError("no table.key before the equals sign")
        parsed = tomllib.loads(f"value = {value}")["value"]
    except ValueError as error:
        raise ScenarioError(
            f"The setting '{text}' is not table.key=value with a TOML value: {error}."
        ) from None
    target = tables.setdefault(table, {})
    if isinstance(target, list) and target:
        target = target[0]
    if isinstance(target, dict):
        target[leaf] = parsed


def _build(reader: Reader, tables: dict[str, Any]) -> Scenario:
    sources = read_sources(reader, tables)
    symbols = chains_of(sources)
    start = _start(reader, sources)
    opened = accounts.read_accounts(reader, tables, symbols, known=not _open_ended(sources))
    return Scenario(
        name=reader.name,
        about=reader.text("scenario.about", reader.name),
        accounts=opened,
        start=start,
        yearly_volatility=reader.number("market.yearly_volatility", 0.14, 0.01, 3.0),
        rate=reader.number("market.rate", pricing.RATE, -0.05, 0.5),
        sources=sources,
        symbols=symbols,
        polite=reader.flag("broker.polite", default=False),
        read_only=reader.flag("broker.read_only", default=False),
        pacing=reader.flag("broker.pacing", default=True),
        ack_ms=reader.span("broker.ack_ms", (20, 300)),
        tick_ms=reader.span("broker.tick_ms", (100, 300)),
        fill_probability=reader.number("broker.fill_probability", 1.0, 0.0, 1.0),
        hazard_seconds=reader.number("broker.hazard_seconds", 120, 0.1, 1e6),
        master_client_id=_master(reader),
        early_assignment=reader.number("broker.early_assignment", 0.9, 0.0, 1.0),
        commission_plan=reader.choice("broker.commission_plan", "fixed", ("fixed", "tiered")),
        actions=read_actions(reader, symbols, start),
        limits=reader.fill("limits", tables.get("limits", {}), Limits),
        events=read_events(
            reader, start, None if _open_ended(sources) else symbols, [a.name for a in opened]
        ),
        chance=read_chance(reader, tables.get("faults")),
    )


def _master(reader: Reader) -> int | None:
    """The client that hears of everybody's orders; ``None`` when there is none."""
    value = reader.number("broker.master_client_id", -1, -1, 2**31 - 1)
    return None if value < 0 else int(value)


def _open_ended(sources: tuple[Source, ...]) -> bool:
    """Whether symbols are known only once a folder is read."""
    return any(isinstance(source, Folder) and not source.symbols for source in sources)


def _start(reader: Reader, sources: tuple[Source, ...]) -> float:
    value = reader.get("clock.start", _START)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        zoned = isinstance(moment, datetime) and moment.tzinfo is not None
    except ValueError:
        zoned = False
    if zoned and not any(isinstance(source, Recorded) for source in sources):
        return float(moment.timestamp())
    first = chains.snapshots()[0].taken_at
    if not zoned or not first - 86_400 <= moment.timestamp() <= first + 90 * 86_400:
        raise reader.complain(
            "clock.start",
            "a time with zone between 2026-08-12 and 2026-11-11, as 2026-08-13T16:13:33+00:00",
        )
    return float(moment.timestamp())

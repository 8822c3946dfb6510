"""Reads and checks a scenario."""

import difflib
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from theta.simulator.errors import ScenarioError
from theta.simulator.market import chains

_KEYS: dict[str, frozenset[str]] = {
    "account": frozenset({"id", "type", "cash_usd", "positions"}),
    "clock": frozenset({"start"}),
    "market": frozenset({"yearly_volatility", "symbols"}),
    "broker": frozenset(
        {"polite", "read_only", "pacing", "ack_ms", "tick_ms", "fill_probability", "hazard_seconds"}
    ),
}
_POSITION_KEYS = frozenset({"symbol", "expiry", "strike", "right", "quantity", "average_cost"})
_RECORDED = ("SPY", "QQQ", "IWM")
_SYMBOLS_MAX = 90


@dataclass(frozen=True, slots=True)
class StartPosition:
    """A position held from the start; a stock has no expiry. ``average_cost`` is per contract or
    share, USD."""

    symbol: str
    quantity: Decimal
    average_cost: Decimal
    expiry: str = ""
    strike: float = 0.0
    right: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario. ``start`` is epoch seconds of market time."""

    name: str
    account: str = "DU1234567"
    account_type: str = "INDIVIDUAL"
    cash: Decimal = Decimal(400_000)
    positions: tuple[StartPosition, ...] = ()
    start: float = datetime.fromisoformat("2026-08-13T16:13:33+00:00").timestamp()
    yearly_volatility: float = 0.14
    symbols: dict[str, str] = field(default_factory=lambda: {name: name for name in _RECORDED})
    polite: bool = False
    read_only: bool = False
    pacing: bool = True
    ack_ms: tuple[int, int] = (20, 300)
    tick_ms: tuple[int, int] = (100, 300)
    fill_probability: float = 1.0
    hazard_seconds: float = 120.0


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
        return parse(path.read_text(), str(path), overrides)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"The scenario {path} cannot be read: {error}.") from None


def parse(text: str, name: str, overrides: Sequence[str] = ()) -> Scenario:
    """A scenario from TOML text; ``name`` is used in error messages."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The scenario {name} is not valid TOML: {error}.") from None
    for override in overrides:
        _override(tables, override)
    _refuse_unknown(name, "", tables, frozenset(_KEYS))
    for table, keys in _KEYS.items():
        if not isinstance(tables.get(table, {}), dict):
            raise ScenarioError(f"In the scenario {name}, {table} must be a table.")
        _refuse_unknown(name, f"{table}.", tables.get(table, {}), keys)
    return _build(_Reader(name, tables), tables)


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
    if isinstance(target, dict):
        target[leaf] = parsed


def _refuse_unknown(name: str, prefix: str, given: dict[str, Any], known: frozenset[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), 1, 0.0)
            raise ScenarioError(
                f"The scenario {name} has the unknown key {prefix}{key}; the nearest known key is"
                f" {prefix}{near[0]}."
            )


class _Reader:
    """Typed access to the tables; every complaint names the scenario, the key and what is
    accepted."""

    def __init__(self, name: str, tables: dict[str, Any]) -> None:
        self.name = name
        self._tables = tables

    def complain(self, key: str, wanted: str) -> ScenarioError:
        return ScenarioError(f"In the scenario {self.name}, {key} must be {wanted}.")

    def get(self, key: str, default: Any) -> Any:
        table, _, leaf = key.partition(".")
        return self._tables.get(table, {}).get(leaf, default)

    def text(self, key: str, default: str) -> str:
        value = self.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.complain(key, "a non-empty text")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.complain(key, "true or false")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.get(key, default)
        right_type = isinstance(value, int | float) and not isinstance(value, bool)
        if not right_type or not math.isfinite(value) or not low <= value <= high:
            raise self.complain(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def span(self, key: str, default: tuple[int, int]) -> tuple[int, int]:
        value = self.get(key, list(default))
        whole = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
        if not whole or not 0 <= value[0] <= value[1] <= 60_000:
            raise self.complain(
                key, "two whole numbers of milliseconds, the lower one first, up to 60000"
            )
        return (value[0], value[1])


def _build(reader: _Reader, tables: dict[str, Any]) -> Scenario:
    symbols = _symbols(reader)
    return Scenario(
        name=reader.name,
        account=reader.text("account.id", "DU1234567"),
        account_type=reader.text("account.type", "INDIVIDUAL"),
        cash=Decimal(str(reader.number("account.cash_usd", 400_000, -1e9, 1e12))),
        positions=_positions(reader, symbols),
        start=_start(reader),
        yearly_volatility=reader.number("market.yearly_volatility", 0.14, 0.01, 3.0),
        symbols=symbols,
        polite=reader.flag("broker.polite", default=False),
        read_only=reader.flag("broker.read_only", default=False),
        pacing=reader.flag("broker.pacing", default=True),
        ack_ms=reader.span("broker.ack_ms", (20, 300)),
        tick_ms=reader.span("broker.tick_ms", (100, 300)),
        fill_probability=reader.number("broker.fill_probability", 1.0, 0.0, 1.0),
        hazard_seconds=reader.number("broker.hazard_seconds", 120, 0.1, 1e6),
    )


def _symbols(reader: _Reader) -> dict[str, str]:
    given = reader.get("market.symbols", {name: name for name in _RECORDED})
    if not isinstance(given, dict) or not 0 < len(given) <= _SYMBOLS_MAX:
        raise reader.complain("market.symbols", f"a table of 1 to {_SYMBOLS_MAX} symbols")
    for symbol, source in given.items():
        plain = symbol.isalnum() and symbol.isupper() and len(symbol) <= 6
        if not plain or source not in _RECORDED:
            raise reader.complain(
                f"market.symbols.{symbol}",
                f"an upper-case symbol set to one of {', '.join(_RECORDED)}",
            )
        if symbol in _RECORDED and source != symbol:
            raise reader.complain(f"market.symbols.{symbol}", f'"{symbol}", its own chain')
    return dict(given)


def _start(reader: _Reader) -> float:
    value = reader.get("clock.start", "2026-08-13T16:13:33+00:00")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        zoned = isinstance(moment, datetime) and moment.tzinfo is not None
    except ValueError:
        zoned = False
    first = chains.snapshots()[0].taken_at
    if not zoned or not first - 86_400 <= moment.timestamp() <= first + 90 * 86_400:
        raise reader.complain(
            "clock.start",
            "a time with zone between 2026-08-12 and 2026-11-11, as 2026-08-13T16:13:33+00:00",
        )
    return float(moment.timestamp())


def _positions(reader: _Reader, symbols: dict[str, str]) -> tuple[StartPosition, ...]:
    given = reader.get("account.positions", [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise reader.complain("account.positions", "an array of tables")
    found: list[StartPosition] = []
    for number, item in enumerate(given):
        key = f"account.positions[{number}]"
        _refuse_unknown(reader.name, f"{key}.", item, _POSITION_KEYS)
        try:
            found.append(
                StartPosition(
                    symbol=item["symbol"],
                    quantity=Decimal(str(item["quantity"])),
                    average_cost=Decimal(str(item["average_cost"])),
                    expiry=item.get("expiry", ""),
                    strike=float(item.get("strike", 0)),
                    right=item.get("right", ""),
                )
            )
        except (KeyError, ValueError, ArithmeticError, TypeError):
            raise reader.complain(key, "a table with symbol, quantity and average_cost") from None
        _check_position(reader, key, found[-1], symbols)
    return tuple(found)


def _check_position(
    reader: _Reader, key: str, position: StartPosition, symbols: dict[str, str]
) -> None:
    if position.symbol not in symbols:
        raise reader.complain(f"{key}.symbol", f"one of {', '.join(symbols)}")
    if not position.expiry:
        return
    chain = chains.load(0, symbols[position.symbol])
    if (position.expiry, position.strike, position.right) not in chain.rows:
        raise reader.complain(
            key, "an option of the first recorded chain (expiry as YYYYMMDD, right C or P)"
        )

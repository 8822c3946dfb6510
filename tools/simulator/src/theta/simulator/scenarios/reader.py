"""Typed access to a scenario's tables; a complaint is one sentence that says what is accepted."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from theta.simulator.errors import ScenarioError

Made = TypeVar("Made")


def refuse_unknown(
    name: str, prefix: str, given: Mapping[str, Any], known: Collection[str]
) -> None:
    """Raise ``ScenarioError`` for the first key that is not known, with the nearest that is."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), 1, 0.0)
            raise ScenarioError(
                f"The scenario {name} has the unknown key {prefix}{key}; the nearest known key is"
                f" {prefix}{near[0]}."
            )


class Reader:
    """The tables of one scenario. ``key`` is ``table.leaf`` in every method."""

    def __init__(self, name: str, tables: dict[str, Any], folder: Path | None = None) -> None:
        self.name = name
        self.folder = folder
        self._tables = tables

    def complain(self, key: str, wanted: str) -> ScenarioError:
        return ScenarioError(f"In the scenario {self.name}, {key} must be {wanted}.")

    def get(self, key: str, default: Any) -> Any:
        table, _, leaf = key.rpartition(".")
        return self._tables.get(table, {}).get(leaf, default)

    def sub(self, table: str, items: Mapping[str, Any]) -> "Reader":
        """A reader in which ``table`` is ``items``."""
        return Reader(self.name, {table: dict(items)}, self.folder)

    def tables(self, key: str) -> list[dict[str, Any]]:
        """An array of tables; empty when there is none."""
        given = self.get(key, []) if "." in key else self._tables.get(key, [])
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise self.complain(key, "an array of tables")
        return given

    def text(self, key: str, default: str) -> str:
        value = self.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.complain(key, "a non-empty text")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.get(key, default)
        if value not in choices:
            raise self.complain(key, f"one of {', '.join(choices)}")
        return str(value)

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

    def fill(self, key: str, given: Mapping[str, Any], made: type[Made]) -> Made:
        """A dataclass from a table with its fields' names; fields left out keep their defaults."""
        fields = dataclasses.fields(made)  # type: ignore[arg-type] # callers pass dataclasses only
        refuse_unknown(self.name, f"{key}.", given, {field.name for field in fields})
        types = get_type_hints(made)
        values: dict[str, Any] = {}
        for field in fields:
            place = f"{key}.{field.name}"
            if field.name in given:
                values[field.name] = self._typed(place, given[field.name], types[field.name])
            elif (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            ):
                raise ScenarioError(f"In the scenario {self.name}, {place} is missing.")
        try:
            return made(**values)
        except ValueError as error:
            raise ScenarioError(f"In the scenario {self.name}, {key}: {error}") from None

    def _typed(self, place: str, value: Any, wanted: Any) -> Any:
        alternatives = [kind for kind in get_args(wanted) if kind is not type(None)]
        if alternatives and getattr(wanted, "__origin__", None) is None:
            wanted = alternatives[0]
        if getattr(wanted, "__origin__", None) is tuple:
            inner = get_args(wanted)[0]
            if not isinstance(value, list):
                raise self.complain(place, "an array")
            return tuple(self._typed(place, item, inner) for item in value)
        rule = _TYPES.get(wanted)
        if rule is None:
            raise self.complain(place, "left out")
        found = rule[0](value)
        if found is None:
            raise self.complain(place, rule[1])
        if isinstance(found, Path) and not found.is_absolute() and self.folder is not None:
            return self.folder / found
        return found


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and abs(value) < 2**31 else None


_TYPES: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (lambda value: value if isinstance(value, bool) else None, "true or false"),
    int: (_whole, "a whole number"),
    float: (_number, "a number"),
    str: (lambda value: value if isinstance(value, str) and value else None, "a non-empty text"),
    Path: (lambda value: Path(value) if isinstance(value, str) and value else None, "a path"),
    Decimal: (
        lambda value: None if _number(value) is None else Decimal(str(value)),
        "a number",
    ),
}

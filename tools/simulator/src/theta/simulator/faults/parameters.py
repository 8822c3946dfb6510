"""Parameters of a fault: what each is called, what it may be, and how a given value is read."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NUMBER_MAX: Final = 1e15
_LISTED_MAX: Final = 12
REQUIRED: Final = object()
"""Default of a parameter that must be given."""

ABSENT: Final = None
"""Default of a parameter that may be left out and then changes nothing."""


class FaultError(Exception):
    """A fault that cannot be armed; nothing was changed. ``status`` is the HTTP status for it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: ``kind`` is number, whole, flag, text, choice, client or codes.

    ``default`` is ``REQUIRED``, ``ABSENT`` or the value taken when it is left out. ``low`` and
    ``high`` bound numbers; ``choices`` lists what a choice accepts.
    """

    name: str
    kind: str
    meaning: str
    default: Any = REQUIRED
    low: float = 0.0
    high: float = NUMBER_MAX
    choices: tuple[str, ...] = ()

    def read(self, value: object) -> Any:
        """``value`` as this parameter's type. Raises ``FaultError`` 400 when it is none."""
        reader = _READERS[self.kind]
        found = reader(self, value)
        if found is None:
            raise FaultError(400, f"{self.name} must be {self.accepts()}.")
        return found

    def accepts(self) -> str:
        """What it accepts, as the end of the sentence "it must be ..."."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind == "codes":
            return "a list of 1 to 50 whole numbers from 0 to 99999"
        if self.kind in ("number", "whole"):
            noun = "a number" if self.kind == "number" else "a whole number"
            if self.high < NUMBER_MAX:
                return f"{noun} from {self.low:g} to {self.high:g}"
            return f"{noun} of at least {self.low:g}"
        return {"flag": "true or false", "text": "a text", "client": "a client id"}[self.kind]


def _number(parameter: Parameter, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if parameter.low <= value <= parameter.high else None


def _whole(parameter: Parameter, value: object) -> int | None:
    found = _number(parameter, value)
    return int(found) if found is not None and found == int(found) else None


def _flag(_parameter: Parameter, value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(_parameter: Parameter, value: object) -> str | None:
    return value if isinstance(value, str) else None


def _choice(parameter: Parameter, value: object) -> str | None:
    return value if isinstance(value, str) and value in parameter.choices else None


def _client(_parameter: Parameter, value: object) -> int | None:
    return value if type(value) is int and abs(value) < 2**31 else None


def _codes(_parameter: Parameter, value: object) -> list[int] | None:
    if not isinstance(value, list) or not 0 < len(value) <= 50:
        return None
    plain = all(type(code) is int and 0 <= code <= 99_999 for code in value)
    return list(value) if plain else None


_READERS = {
    "number": _number,
    "whole": _whole,
    "flag": _flag,
    "text": _text,
    "choice": _choice,
    "client": _client,
    "codes": _codes,
}


def read_all(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value by its name; one left out has its default.

    Raises ``FaultError`` 400 for an unknown or missing key and for a value that does not fit.
    """
    known = [parameter.name for parameter in parameters]
    for key in given:
        if key not in known:
            raise FaultError(400, f"Unknown key {key}{nearest(key, known)}.")
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = parameter.read(given[parameter.name])
        elif parameter.default is REQUIRED:
            raise FaultError(400, f"{parameter.name} must be {parameter.accepts()}.")
        else:
            values[parameter.name] = parameter.default
    return values


def nearest(key: str, known: list[str], noun: str = "key") -> str:
    """The end of a complaint about an unknown ``noun``: the nearest known one, and all if few."""
    near = difflib.get_close_matches(key, sorted(known), 1, 0.0)
    if not near:
        return f"; it takes no {noun}s"
    others = f" (of {', '.join(sorted(known))})" if len(known) <= _LISTED_MAX else ""
    return f"; the nearest known {noun} is {near[0]}{others}"

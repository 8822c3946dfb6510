"""The parts of the reference that are written from the code, and their place in the file."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from theta.simulator.errors import ScenarioError
from theta.simulator.faults import catalogue
from theta.simulator.gateway.limits import Limits
from theta.simulator.gateway.supported import SUPPORTED, SUPPORTED_STATE
from theta.simulator.scenarios import scenario
from theta.simulator.scenarios.sources import KINDS

_PART: Final = "<!-- {name} -->\n{text}\n<!-- end of {name} -->"
_FOUND: Final = re.compile(r"<!-- (?P<name>[a-z]+) -->\n.*?<!-- end of (?P=name) -->", re.DOTALL)


def _faults() -> str:
    return "\n".join(catalogue.rows())


def _scenarios() -> str:
    rows = [f"| `{name}` | {scenario.load(name).about} |" for name in scenario.built_in()]
    return "\n".join(["| name | what happens |", "|---|---|", *rows])


def _limits() -> str:
    rows = [
        f"| `{field.name}` | {_plain(field.default)} | {field.metadata['about']} |"
        for field in fields(Limits)
    ]
    return "\n".join(["| key of `[limits]` | default | meaning |", "|---|---|---|", *rows])


def _sources() -> str:
    rows: list[str] = []
    for kind, made in KINDS.items():
        keys = [
            f"`{f.name}`" if f.default is MISSING else f"`{f.name} = {_plain(f.default)}`"
            for f in fields(made)
        ]
        rows.append(f"| `{kind}` | {' '.join(keys)} |")
    return "\n".join(["| `kind` of `[[market.source]]` | keys and defaults |", "|---|---|", *rows])


def _requests() -> str:
    rows = [
        f"| {support.name} | {support.note} |"
        for support in SUPPORTED
        if support.state == SUPPORTED_STATE
    ]
    refused = [
        f"{support.name} ({support.code}: {support.note})"
        for support in SUPPORTED
        if support.state != SUPPORTED_STATE
    ]
    told = f"Refused as a TWS without that service refuses them: {', '.join(refused)}."
    return "\n".join(["| supported | notes |", "|---|---|", *rows, "", told])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[]" if not value else str(list(value))
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


PARTS: Final[dict[str, Callable[[], str]]] = {
    "faults": _faults,
    "scenarios": _scenarios,
    "limits": _limits,
    "sources": _sources,
    "requests": _requests,
}


def rewritten(text: str) -> str:
    """``text`` with every marked part as the code has it now.

    Raises ``ScenarioError`` when a part has no place in it.
    """
    places = {match["name"] for match in _FOUND.finditer(text)}
    missing = sorted(set(PARTS) - places)
    if missing:
        raise ScenarioError(f"The reference has no place for {', '.join(missing)}.")

    def part(match: re.Match[str]) -> str:
        make = PARTS.get(match["name"])
        return match[0] if make is None else _PART.format(name=match["name"], text=make())

    return _FOUND.sub(part, text)


def rewrite(path: Path) -> None:
    """Bring the marked parts of the reference at ``path`` up to date."""
    try:
        path.write_text(rewritten(path.read_text()))
    except OSError as error:
        raise ScenarioError(f"The reference {path} cannot be rewritten: {error}.") from None

"""Every kind of fault by its name, and the text of their documentation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from theta.simulator.faults import accounts, callbacks, connections, manual, markets, orders
from theta.simulator.faults.kinds import FaultKind, Values
from theta.simulator.faults.parameters import (
    ABSENT,
    REQUIRED,
    FaultError,
    Parameter,
    nearest,
    read_all,
)

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

CATALOGUE: Final[dict[str, FaultKind]] = {
    kind.name: kind
    for module in (connections, callbacks, orders, manual, markets, accounts)
    for kind in module.KINDS
}


def check(kind: object, given: Mapping[str, Any]) -> tuple[FaultKind, Values]:
    """The kind with this name and its parameters' values.

    Raises ``FaultError`` 400 with one sentence for an unknown kind or key, or a wrong value.
    """
    found = CATALOGUE.get(kind) if isinstance(kind, str) else None
    if found is None:
        near = nearest(str(kind), list(CATALOGUE), "kind")
        raise FaultError(400, f"Unknown kind '{kind}'{near}.")
    return found, read_all(found.parameters, given)


def arm(gateway: "Gateway", kind: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arm a fault now; answers its kind and what was armed. Raises ``FaultError``."""
    found, values = check(kind, given)
    return {"kind": found.name, **found.arm(gateway, values)}


def rows() -> list[str]:
    """The catalogue as lines of Markdown: one table for each group."""
    lines: list[str] = []
    group = ""
    for kind in CATALOGUE.values():
        if kind.group != group:
            group = kind.group
            lines += ["", f"### {group}", ""]
            lines += ["| kind | parameters | effect | what a client sees |", "|---|---|---|---|"]
        parameters = "<br>".join(map(_described, kind.parameters))
        lines.append(f"| `{kind.name}` | {parameters} | {kind.effect} | {kind.seen} |")
    return lines[1:]


def _described(parameter: Parameter) -> str:
    if parameter.default is REQUIRED:
        default = ""
    elif parameter.default is ABSENT:
        default = "?"
    else:
        default = f"={_plain(parameter.default)}"
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    return f"`{parameter.name}{default}` {parameter.meaning}{choices}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)

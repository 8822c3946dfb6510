"""What a kind of fault is: its name, its parameters, what it does and what a client sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theta.simulator.faults.parameters import ABSENT, FaultError, Parameter

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

Values = dict[str, Any]
Arm = Callable[["Gateway", Values], Values]
"""Arms a fault with checked values; returns what was armed. Raises ``FaultError``."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the catalogue. ``effect`` and ``seen`` are each one sentence.

    ``chance`` tells whether a seeded schedule may draw it, with the values that it draws from.
    """

    name: str
    group: str
    effect: str
    seen: str
    arm: Arm
    parameters: tuple[Parameter, ...] = ()
    chance: tuple[Values, ...] = ()


SECONDS = Parameter(
    "seconds", "number", "market seconds it lasts; left out: until healed", ABSENT, 0.001
)
CLIENT = Parameter("client_id", "client", "only this client; left out: every client", ABSENT)
SYMBOL = Parameter("symbol", "text", "an underlying; `*` for all", "*")


def until(gateway: "Gateway", values: Values) -> float | None:
    """When a fault given ``seconds`` ends, in market time; ``None`` for when it is healed."""
    seconds = values["seconds"]
    return None if seconds is None else gateway.exchange.clock.now() + float(seconds)


def symbols_of(gateway: "Gateway", values: Values) -> list[str]:
    """The underlyings that ``symbol`` means. Raises ``FaultError`` 404 for an unknown one."""
    known = gateway.exchange.market.book.symbols
    wanted = values["symbol"]
    if wanted == "*":
        return list(known)
    if wanted not in known:
        raise FaultError(404, f"There is no symbol {wanted}.")
    return [wanted]

"""Requests that a fault in force answers, or holds back, in place of the gateway."""

from typing import TYPE_CHECKING, Final

from theta.simulator.wire.fields import RequestError

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway
    from theta.simulator.gateway.session import Session

_MARKET_DATA: Final = 1
_HISTORY: Final = frozenset({20, 50, 87, 88, 96})
_DEFINITIONS: Final = frozenset({9, 78, 81})
_HELD_MAX: Final = 1_000

COMPETING_TEXT: Final = "No market data during competing live session"


def intercepts(gateway: "Gateway", session: "Session", number: int, values: list[str]) -> bool:
    """Whether the request goes no further for now.

    Raises ``RequestError`` where the fault answers with an error.
    """
    faults = gateway.faults
    if faults.competing and number == _MARKET_DATA:
        raise RequestError(10197, COMPETING_TEXT)
    if "history" in faults.broken_farms and number in _HISTORY:
        text = "HMDS server disconnect occurred. Attempting reconnection..."
        raise RequestError(162, f"Historical Market Data Service error message:{text}")
    if "definitions" in faults.broken_farms and number in _DEFINITIONS:
        if len(faults.held) >= _HELD_MAX:
            raise RequestError(322, "Error processing request.-'cc' : cause - Too many waiting")
        faults.held.append((session, number, values))
        return True
    return False


def release_held(gateway: "Gateway") -> None:
    """Answer what waited for a farm, in the order in which it came."""
    held, gateway.faults.held = gateway.faults.held, []
    for session, number, values in held:
        session.request(number, values)

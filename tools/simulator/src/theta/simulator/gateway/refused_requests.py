"""Requests that this gateway has nothing for, each answered with the error that TWS has for it."""

from typing import TYPE_CHECKING

from theta.simulator.gateway.session import Session
from theta.simulator.wire.fields import Fields, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from theta.simulator.gateway.gateway import Gateway

_SERVICE = "Historical Market Data Service error message:"
_PROCESSING = "Error processing request.-'cz' : cause - "
_DEPTH = "Deep market data is not supported for this combination of security type/exchange"
_FUNDAMENTALS = (
    "We are sorry, but fundamentals data for the security specified is not available.Not allowed"
)
_ADVISOR = (
    "Error validating request.-'cG' : cause - FA data operations ignored for non FA customers."
)
_VERIFICATION = f"{_PROCESSING}Verification of this API client is not enabled"

REFUSALS: dict[int, tuple[int, str]] = {
    10: (10092, _DEPTH),
    11: (310, "Can't find the subscribed market depth with tickerId"),
    18: (321, _ADVISOR),
    19: (321, _ADVISOR),
    22: (162, f"{_SERVICE}API scanner subscription is not permitted"),
    23: (385, "No market scanner subscription found for ticker id"),
    24: (322, f"{_PROCESSING}Scanner parameters are not available"),
    52: (430, _FUNDAMENTALS),
    53: (431, "No fundamental data request found for ticker id"),
    65: (322, _VERIFICATION),
    66: (322, _VERIFICATION),
    68: (322, f"{_PROCESSING}Display group does not exist"),
    69: (322, f"{_PROCESSING}Display group does not exist"),
    70: (322, f"{_PROCESSING}Display group does not exist"),
    72: (322, _VERIFICATION),
    73: (322, _VERIFICATION),
    88: (322, "Error processing request.-'ck' : cause - Histogram data are not available"),
    89: (300, "Can't find EId with tickerId"),
    96: (10187, "Failed to request historical ticks:No historical ticks are available"),
    100: (10276, "News feed is not allowed."),
    101: (10276, "News feed is not allowed."),
    102: (10276, "News feed is not allowed."),
    103: (10276, "News feed is not allowed."),
}
"""Code and text by message number."""


def _refuser(code: int, text: str) -> "Callable[[Gateway, Session, Fields], None]":
    def refuse(gateway: "Gateway", session: Session, fields: Fields) -> None:
        raise RequestError(code, text)

    return refuse


HANDLERS = {number: _refuser(code, text) for number, (code, text) in REFUSALS.items()}

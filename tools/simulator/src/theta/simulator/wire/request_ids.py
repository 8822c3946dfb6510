"""Where each request carries the id that an error on it belongs to."""

from typing import Final

from theta.simulator.wire.fields import whole_number

_NONE: Final = -1

_AFTER_MESSAGE_VERSION: Final = frozenset(
    {1, 2, 4, 7, 9, 10, 11, 21, 23, 25, *range(50, 58), 62, 63, *range(67, 71), *range(74, 78)}
)
_FIRST: Final = frozenset({78, 79, 81, 83, 84, *range(86, 91), *range(92, 99), *range(100, 105)})
_LOST_MESSAGE_VERSION: Final = {3: 145, 20: 124, 22: 143}
"""placeOrder, reqHistoricalData and reqScannerSubscription dropped their message version."""

_REPLACE_ADVISOR: Final = 19


def request_id(version: int, number: int, values: list[str]) -> int:
    """The id in a request of ``values`` (its number first), -1 for a request without one."""
    place = _place(version, number)
    if place is None or place >= len(values):
        return _NONE
    try:
        return whole_number(values[place])
    except ValueError:
        return _NONE


def _place(version: int, number: int) -> int | None:
    if number in _AFTER_MESSAGE_VERSION:
        return 2
    if number in _FIRST:
        return 1
    if number in _LOST_MESSAGE_VERSION:
        return 1 if version >= _LOST_MESSAGE_VERSION[number] else 2
    if number == _REPLACE_ADVISOR and version >= 157:
        return 4
    return None

"""Every request of the protocol is answered, as the table of supported ones says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.simulator.conftest import POLITE, options, until
from tests.simulator.requests.conftest import PUT_FIELDS, SPY_FIELDS
from theta.simulator.gateway.supported import REFUSED_STATE, SUPPORTED
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.wire.codes import REQUEST_NAMES

REFUSED = [item for item in SUPPORTED if item.state == REFUSED_STATE]
EXAMPLES: dict[int, tuple[int, tuple[object, ...]]] = {
    1: (1, (11, 5, *SPY_FIELDS, False, "", False, False, "")),
    5: (53, (1,)),
    6: (54, (2, 1, "")),
    7: (55, (3, 5, 0, "", "", "", "", "", "")),
    8: (9, (1, 1)),
    9: (52, (8, 5, *SPY_FIELDS, False, "", "", "")),
    12: (14, (1, 1)),
    16: (53, (1,)),
    17: (15, (1,)),
    20: (17, (5, *SPY_FIELDS, False, "", "1 day", "5 D", True, "TRADES", 1, False, "")),
    49: (49, (1,)),
    54: (21, (3, 5, *PUT_FIELDS, 9.0, 770.0, 0, "")),
    55: (21, (3, 5, *PUT_FIELDS, 0.2, 770.0, 0, "")),
    61: (62, (1,)),
    62: (64, (1, 5, "All", "NetLiquidation")),
    67: (67, (1, 5)),
    74: (72, (1, 5, "", "")),
    76: (74, (1, 5, "", "", 0)),
    78: (76, (5, "SPY", "", "STK", 756733)),
    79: (77, (5,)),
    80: (78, ()),
    81: (79, (5, "S")),
    82: (80, ()),
    83: (82, (5, "9c0001")),
    85: (85, ()),
    87: (88, (5, *SPY_FIELDS, False, True, "TRADES", 1)),
    91: (93, (26,)),
    92: (94, (5, "", "")),
    97: (99, (5, *SPY_FIELDS, "Last", 0, False)),
    99: (102, (False,)),
    104: (107, (5,)),
}
"""Number of the first answer, and fields to send, of requests that answer with a message."""


def test_the_table_lists_every_request_once() -> None:
    numbers = [item.number for item in SUPPORTED]
    assert len(numbers) == len(set(numbers))
    assert set(REQUEST_NAMES) <= set(numbers)
    for item in SUPPORTED:
        assert REQUEST_NAMES.get(item.number, item.name) == item.name
        assert (item.code > 0) == (item.state == REFUSED_STATE)


def test_codes_named_in_notes_are_numbers_of_errors() -> None:
    for item in SUPPORTED:
        for code in re.findall(r"\((\d+)\)", item.note):
            assert 100 <= int(code) <= 20_000


async def test_refused_requests_get_their_errors(
    shared: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(shared, 178, 100)
    for item in REFUSED:
        before = len(client.errors())
        client.send(item.number, *(["1"] * 30))
        await until(lambda: len(client.errors()) > before)  # noqa: B023 - awaited at once
        assert client.errors()[-1][1] == item.code, item.name


@pytest.mark.parametrize("version", [178, 157])
async def test_supported_requests_get_their_answers(
    shared: ThreadedSimulator, raw: Callable[..., Any], version: int
) -> None:
    client = await raw(shared, version, version)
    for number, (answer, fields) in EXAMPLES.items():
        if number == 12:
            shared.control("/fault", {"kind": "news", "text": "Hear."})
        client.heard.clear()
        client.send(number, *fields)
        await client.until(answer)
        assert client.errors() == [], REQUEST_NAMES[number]


@pytest.fixture(scope="module")
def shared() -> Iterator[ThreadedSimulator]:
    with ThreadedSimulator(options(*POLITE, "broker.pacing=false")) as simulator:
        yield simulator

"""An error names the request it answers, wherever that request carries its id."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.wire.fakes import running_gateway, started, turn
from tests.simulator.wire.junk import calls
from tests.simulator.wire.libraries import ASYNC, INSYNC, AsyncLibrary, OfficialLibrary
from theta.simulator.wire.framing import encode_fields
from theta.simulator.wire.request_ids import request_id

ID = 4_711
WITHOUT_ID = frozenset(
    {
        "reqOpenOrders", "reqAccountUpdates", "reqIds", "reqNewsBulletins", "cancelNewsBulletins",
        "setServerLogLevel", "reqAutoOpenOrders", "reqAllOpenOrders", "reqManagedAccts",
        "requestFA", "reqScannerParameters", "reqCurrentTime", "reqGlobalCancel",
        "reqMarketDataType", "reqPositions", "cancelPositions", "verifyRequest", "verifyMessage",
        "startApi", "verifyAndAuthRequest", "verifyAndAuthMessage", "reqFamilyCodes",
        "reqMktDepthExchanges", "reqNewsProviders", "reqMarketRule", "reqCompletedOrders",
    }
)  # fmt: skip


def named(version: int, values: list[str]) -> int:
    return request_id(version, int(values[0]), values)


@pytest.mark.parametrize("library", [INSYNC, ASYNC], ids=lambda library: library.name)
def test_the_id_of_every_request_in_every_version(library: AsyncLibrary) -> None:
    scan: Any = library.module.ScannerSubscription()
    requests = [*calls(), ("reqScannerSubscription", (ID, scan, [], []))]
    for version in library.versions:
        for name, arguments in requests:
            with_id = arguments if name in WITHOUT_ID else (ID, *arguments[1:])
            values = library.encode(version, name, *with_id)
            assert named(version, values) == (-1 if name in WITHOUT_ID else ID), (version, name)


def official_calls(version: int, library: OfficialLibrary) -> list[tuple[str, tuple[Any, ...]]]:
    """Requests whose id moved, and some whose id did not."""
    contract, order = library.contract(symbol="SPY", secType="STK"), library.order()
    order.cashQty = 0
    found: list[tuple[str, tuple[Any, ...]]] = [
        ("placeOrder", (ID, contract, order)),
        ("cancelOrder", (ID,)),
        ("reqMktData", (ID, contract, "", False, False, [])),
        ("reqContractDetails", (ID, contract)),
        ("reqHistoricalData", (ID, contract, "", "1 D", "1 day", "TRADES", 1, 1, False, [])),
        ("cancelHistoricalData", (ID,)),
        ("reqScannerSubscription", (ID, library.scan(), [], [] if version >= 143 else None)),
        ("reqAccountSummary", (ID, "All", "Cushion")),
    ]
    if version >= 103:
        found.append(("reqPositionsMulti", (ID, "DU1", "")))
    if version >= 140:
        found.append(("reqTickByTickData", (ID, contract, "Last", 0, False)))
    if version >= 157:
        found.append(("replaceFA", (ID, 1, "<x/>")))
    return found


def test_the_id_of_the_official_library_s_requests(ibapi: OfficialLibrary) -> None:
    for version in ibapi.versions:
        for name, arguments in official_calls(version, ibapi):
            assert named(version, ibapi.encode(version, name, *arguments)) == ID, (version, name)


@pytest.mark.parametrize(
    "values", [["3"], ["3", "x"], ["1", "11", "9" * 30], ["9", "8", ""], ["4"]]
)
def test_a_request_without_a_readable_id_is_nobody_s(values: list[str]) -> None:
    assert named(178, values) == -1


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        (144, [3, 45, ID, "broken"]),
        (145, [3, ID, "broken"]),
        (123, [20, 6, ID, "broken"]),
        (124, [20, ID, "broken"]),
        (178, [9, 8, ID, "broken"]),
        (178, [21, 2, ID, "broken"]),
    ],
)
async def test_the_error_on_a_broken_request_names_it(version: int, fields: list[object]) -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5, version)
        session.data_received(encode_fields(fields))
        await turn()
        kind, _, request, code, *_ = sink.messages()[-1]
        assert (kind, request, code) == ("4", str(ID), "320")

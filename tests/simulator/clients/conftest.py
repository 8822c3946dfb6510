"""One connection function for every client library: scenarios are written once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import pytest

from tests.simulator.clients.insync import InsyncClient
from tests.simulator.clients.official import OfficialClient
from tests.simulator.clients.terms import Client, Listing, Terms
from tests.support.eventually import eventually_async

LIBRARIES = ("ib_insync", "ib_async", "ibapi")
VERSIONS = {"ib_insync": 176, "ib_async": 178, "ibapi": 157}
SPY = Terms("SPY")
PUT = Terms("SPY", "OPT", "20260918", 740.0, "P")
CALL = Terms("SPY", "OPT", "20260918", 740.0, "C")


class Served(Protocol):
    """A simulator in this process or in another."""

    port: int

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]: ...


Join = Callable[..., Awaitable[Client]]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def join(library: str) -> AsyncIterator[Join]:
    """`await join(simulator, client_id)`: a connected client that ends with the test."""
    opened: list[Client] = []

    async def open_client(simulator: Served, client_id: int = 1) -> Client:
        client = new_client(library)
        opened.append(client)
        await client.connect(simulator.port, client_id)
        return client

    yield open_client
    for client in opened:
        client.disconnect()


def new_client(library: str) -> Client:
    return OfficialClient() if library == "ibapi" else InsyncClient(library)


async def listing(client: Client, terms: Terms = SPY) -> Listing:
    """The one contract that `terms` describe."""
    (found,) = await client.data.details(terms)
    return found


async def status(placed: Any, *wanted: str) -> None:
    await eventually_async(lambda: placed.status in wanted)


async def until(condition: Callable[[], Any], seconds: float = 8.0) -> Any:
    return await eventually_async(condition, seconds)


def truth(simulator: Served, ref: str) -> dict[str, Any]:
    """The order with this reference as the simulator knows it."""
    (found,) = [o for o in simulator.control("/truth")["orders"] if o["order_ref"] == ref]
    return dict(found)


def held(simulator: Served) -> dict[int, float]:
    """Quantity by contract id of every position there truly is."""
    positions = simulator.control("/truth")["positions"]
    return {item["con_id"]: item["quantity"] for item in positions}

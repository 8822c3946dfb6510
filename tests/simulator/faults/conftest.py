"""Simulators under faults, and clients that note what they hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import POLITE, errors_of, limit, new_client, option, stock, until
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

__all__ = ["Heard", "arm", "comes_back", "limit", "option", "refused", "stock", "until"]


def arm(simulator: ThreadedSimulator, kind: str, **keys: Any) -> dict[str, Any]:
    """Arm a fault through the control API."""
    return simulator.control("/fault", {"kind": kind, **keys})


async def refused(simulator: ThreadedSimulator, client_id: int = 40) -> bool:
    """Whether a new connection comes to nothing."""
    client = new_client()
    try:
        await client.connectAsync("127.0.0.1", simulator.port, clientId=client_id, timeout=0.5)
    except (ConnectionError, OSError, TimeoutError):
        return True
    client.disconnect()
    return False


async def comes_back(
    connect: Callable[..., Any], simulator: ThreadedSimulator, client_id: int
) -> Any:
    """A client connected as soon as the gateway accepts it."""
    found: list[Any] = []

    async def attempt() -> bool:
        try:
            found.append(await connect(simulator, client_id))
        except (ConnectionError, OSError, TimeoutError):
            return False
        return bool(found[-1].isConnected())

    await until(attempt, 15)
    return found[-1]


class Heard:
    """What a client hears from now on, in its order: names of callbacks, errors, ticks."""

    def __init__(self, client: Any) -> None:
        self.names: list[str] = []
        self.errors = errors_of(client)
        wrapper = client.wrapper
        for name in ("openOrder", "orderStatus", "execDetails", "commissionReport", "position"):
            self._listen(wrapper, name, name)
        self._listen(wrapper, "priceSizeTick", "tick")
        # The library binds these two before anybody can listen to them.
        client.accountValueEvent += lambda _value: self.names.append("account")
        client.pendingTickersEvent += lambda _tickers: self.names.append("tick")

    def _listen(self, wrapper: Any, method: str, name: str) -> None:
        original = getattr(wrapper, method)

        def heard(*arguments: Any, **named: Any) -> Any:
            self.names.append(name)
            return original(*arguments, **named)

        setattr(wrapper, method, heard)

    def codes(self) -> list[int]:
        return [code for _, code, _ in self.errors]

    def count(self, name: str) -> int:
        return self.names.count(name)


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
) -> Callable[..., ThreadedSimulator]:
    """``scene(name, *overrides, seed=..., fault_seed=..., speed=...)``: a running scenario that
    ends with the test."""

    def begin(name: str, *overrides: str, **more: Any) -> ThreadedSimulator:
        found = scenario.load(name, [*POLITE, *overrides])
        simulator = ThreadedSimulator(Options(found, **{"seed": 7, **more}))
        simulator.__enter__()
        request.addfinalizer(lambda: simulator.__exit__(None, None, None))
        return simulator

    return begin

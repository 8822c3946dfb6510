"""An unmodified ib_insync client against a simulator on a real socket."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import ib_insync
import pytest

from tests.support.eventually import eventually, eventually_async
from theta.simulator.inprocess import ThreadedSimulator, call_control
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

# The library's constructors carry no types.
new_client: Any = ib_insync.IB
new_bag: Any = ib_insync.Bag

POLITE = ("broker.polite=true", "broker.ack_ms=[0,1]", "broker.tick_ms=[0,5]")
FAST = ("broker.ack_ms=[1,8]", "broker.tick_ms=[1,5]")

PUT = ("SPY", "20260918", 740.0, "P")


def options(*overrides: str, seed: int = 7, state: Path | None = None) -> Options:
    return Options(scenario.load("calm-week", overrides), seed=seed, state=state)


@pytest.fixture
def start() -> Iterator[Callable[..., ThreadedSimulator]]:
    """Start simulators that end with the test: ``start(*overrides, seed=..., state=...)``."""
    running: list[ThreadedSimulator] = []

    def begin(*overrides: str, seed: int = 7, state: Path | None = None) -> ThreadedSimulator:
        simulator = ThreadedSimulator(options(*overrides, seed=seed, state=state))
        simulator.__enter__()
        running.append(simulator)
        return simulator

    yield begin
    for simulator in running:
        simulator.__exit__(None, None, None)


@pytest.fixture
def polite(start: Callable[..., ThreadedSimulator]) -> ThreadedSimulator:
    return start(*POLITE)


@pytest.fixture
def rude(start: Callable[..., ThreadedSimulator]) -> ThreadedSimulator:
    """The usual manners with short waits."""
    return start(*FAST)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """``await connect(simulator, client_id)``: a synchronised client that ends with the test."""
    async with AsyncExitStack() as stack:

        async def open_client(
            simulator: ThreadedSimulator | int, client_id: int = 1
        ) -> ib_insync.IB:
            port = simulator if isinstance(simulator, int) else simulator.port
            client: ib_insync.IB = new_client()
            client.RaiseRequestErrors = True
            await client.connectAsync("127.0.0.1", port, clientId=client_id)
            stack.callback(client.disconnect)
            return client

        yield open_client
    await asyncio.sleep(0)


async def option(client: ib_insync.IB, terms: tuple[str, str, float, str] = PUT) -> Any:
    contract = ib_insync.Option(*terms, "SMART")
    found = await client.qualifyContractsAsync(contract)
    assert len(found) == 1
    return contract


async def stock(client: ib_insync.IB, symbol: str = "SPY") -> Any:
    contract = ib_insync.Stock(symbol, "SMART", "USD")
    assert await client.qualifyContractsAsync(contract)
    return contract


def limit(action: str, quantity: float, price: float, ref: str = "", **more: Any) -> Any:
    return ib_insync.LimitOrder(action, quantity, price, orderRef=ref, tif="DAY", **more)


def quote(simulator: ThreadedSimulator, terms: tuple[str, str, float, str] = PUT) -> dict[str, Any]:
    symbol, expiry, strike, right = terms
    body = {"symbol": symbol, "expiry": expiry, "strike": strike, "right": right}
    return simulator.control("/quote", body)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    return await eventually_async(condition, seconds)


def true_order(simulator: ThreadedSimulator, ref: str) -> dict[str, Any]:
    orders = [o for o in simulator.control("/truth")["orders"] if o["order_ref"] == ref]
    assert len(orders) == 1
    found: dict[str, Any] = orders[0]
    return found


def errors_of(client: ib_insync.IB) -> list[tuple[int, int, str]]:
    """Request id, code and text of every error from now on, growing."""
    heard: list[tuple[int, int, str]] = []
    client.errorEvent += lambda request, code, text, _contract: heard.append((request, code, text))
    return heard


async def filled(trade: Any) -> None:
    await until(lambda: trade.orderStatus.status == "Filled")


async def until_truly_filled(simulator: ThreadedSimulator, ref: str) -> None:
    """Also where the client is never told."""
    await until(lambda: true_order(simulator, ref)["status"] == "Filled")


def is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


class Process:
    """A simulator in a process of its own, for kills."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        port_file = folder / "ports.json"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "theta.simulator", "serve", "--port", "0"]
        command += ["--control-port", "0", "--port-file", str(port_file), *arguments]
        self._errors = (folder / "errors.log").open("w+")
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self._errors)
        eventually(port_file.exists, 15)
        ports = json.loads(port_file.read_text())
        self.port: int = ports["port"]
        self._control: int = ports["control_port"]

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return call_control(self._control, path, body)

    def kill(self) -> None:
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(10)

    def terminate(self) -> int:
        self.child.terminate()
        return self.child.wait(10)

    def close(self) -> str:
        """End it if it still runs; returns what it wrote to stderr."""
        if self.child.poll() is None:
            self.kill()
        self._errors.seek(0)
        text = self._errors.read()
        self._errors.close()
        return text


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(*arguments: str) -> Process:
        started.append(Process(tmp_path, *arguments))
        return started[-1]

    yield begin
    for process in started:
        if not process._errors.closed:
            process.close()

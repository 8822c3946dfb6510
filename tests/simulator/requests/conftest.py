"""A client of a few lines that speaks any version, and an ib_async client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import ib_async
import pytest

from tests.support.eventually import eventually_async
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.wire.framing import FrameReader, decode_fields, encode_fields, frame

new_async_client: Any = ib_async.IB

SPY_FIELDS = (756733, "SPY", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")
PUT_FIELDS = (0, "SPY", "OPT", "20260918", 740.0, "P", "100", "SMART", "", "USD", "", "")


class Raw:
    """A connection that negotiates exactly ``version`` and keeps every message it gets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader()
        self.heard: list[list[str]] = []
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while data := await self._reader.read(1 << 16):
            self.heard += [decode_fields(body) for body in self._frames.feed(data)]

    def send(self, *fields: object) -> None:
        self._writer.write(encode_fields(fields))

    def messages(self, number: int) -> list[list[str]]:
        """What was heard of one kind, without its number."""
        return [message[1:] for message in self.heard if message[0] == str(number)]

    async def until(self, number: int) -> list[str]:
        """The first message of this kind, without its number."""
        await eventually_async(lambda: self.messages(number))
        return self.messages(number)[0]

    def errors(self) -> list[tuple[int, int]]:
        """Request id and code of every error but the farms' notices."""
        told = [(int(fields[1]), int(fields[2])) for fields in self.messages(4)]
        return [(request, code) for request, code in told if not 2100 <= code < 2170]

    async def close(self) -> None:
        self._writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def raw() -> AsyncIterator[Callable[..., Any]]:
    """``await raw(simulator, version, client_id)``: a started raw connection."""
    async with AsyncExitStack() as stack:

        async def open_raw(
            simulator: ThreadedSimulator, version: int = 178, client_id: int = 9
        ) -> Raw:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            writer.write(b"API\0" + frame(f"v100..{version}".encode()))
            client = Raw(reader, writer)
            stack.push_async_callback(client.close)
            await eventually_async(lambda: client.heard)
            assert client.heard[0][0] == str(version)
            client.send(71, 2, client_id, "")
            await client.until(9)
            return client

        yield open_raw


@pytest.fixture
async def connect_async() -> AsyncIterator[Callable[..., Any]]:
    """``await connect_async(simulator, client_id)``: a synchronised ib_async client."""
    async with AsyncExitStack() as stack:

        async def open_client(simulator: ThreadedSimulator, client_id: int = 2) -> Any:
            client = new_async_client()
            client.RaiseRequestErrors = True
            await client.connectAsync("127.0.0.1", simulator.port, clientId=client_id)
            stack.callback(client.disconnect)
            return client

        yield open_client
    await asyncio.sleep(0)

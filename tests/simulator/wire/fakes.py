"""A transport without a socket, and a gateway without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.simulator.conftest import POLITE, options
from theta.simulator.exchange.store import Store
from theta.simulator.gateway.gateway import Gateway
from theta.simulator.gateway.session import Session
from theta.simulator.server import build
from theta.simulator.wire.framing import FrameReader, decode_fields, encode_fields, frame


class Sink(asyncio.Transport):
    """Keeps what is written and knows whether it was cut; ``unread`` is what the client left."""

    def __init__(self, unread: int = 0) -> None:
        super().__init__()
        self.written = bytearray()
        self.cut = False
        self.unread = unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.cut

    def pause_reading(self) -> None:
        """Nothing reads here."""

    def abort(self) -> None:
        self.cut = True

    def close(self) -> None:
        self.cut = True

    def messages(self) -> list[list[str]]:
        """The messages written so far; the first one answers the handshake."""
        return [decode_fields(body) for body in FrameReader().feed(bytes(self.written))]


@asynccontextmanager
async def running_gateway(*overrides: str) -> AsyncIterator[Gateway]:
    """A gateway of the calm week at its seed, without pacing unless ``overrides`` say so."""
    store = Store(None)
    gateway = build(options("broker.pacing=false", *POLITE, *overrides), store)
    yield gateway
    gateway.closed = True
    store.close()


def opened(gateway: Gateway, unread: int = 0) -> tuple[Session, Sink]:
    """A new connection that has not said anything."""
    session, sink = Session(gateway), Sink(unread)
    session.connection_made(sink)
    return session, sink


def started(gateway: Gateway, client: int, version: int = 178) -> tuple[Session, Sink]:
    """A connection that has started the API in ``version``."""
    session, sink = opened(gateway)
    session.data_received(b"API\0" + frame(b"v100..%d" % version))
    session.data_received(encode_fields([71, 2, client, ""]))
    return session, sink


async def turn() -> None:
    """Let the loop write what was gathered."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)

"""What a connection still has to send: gathered for one write a turn of the loop, and bounded."""

import asyncio
from collections.abc import Callable

from theta.simulator.wire.framing import encode_fields

BACKLOG_BYTES_MAX = 16 << 20


class Outbox:
    """The outgoing half of one connection.

    ``before`` runs ahead of every write to the socket. ``overflow`` runs when the client has left
    more than ``BACKLOG_BYTES_MAX`` unread.
    """

    def __init__(self, before: Callable[[], None], overflow: Callable[[], None]) -> None:
        self._before = before
        self._overflow = overflow
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gathered: list[bytes] = []
        self._bytes = 0

    def open(self, transport: asyncio.Transport) -> None:
        """Send to ``transport`` from now on."""
        self._transport = transport

    def close(self) -> None:
        """Send nothing more, and forget what was gathered."""
        self._transport = None
        self._gathered.clear()
        self._bytes = 0

    def put(self, fields: list[object]) -> None:
        """Send a message in this turn of the loop."""
        self.put_bytes(encode_fields(fields))

    def put_bytes(self, data: bytes) -> None:
        """Send whole frames in this turn of the loop."""
        if self._transport is None:
            return
        self._gathered.append(data)
        self._bytes += len(data)
        if len(self._gathered) == 1:
            self._loop.call_soon(self.push)
        if self._bytes > BACKLOG_BYTES_MAX:
            self._overflow()

    def push(self) -> None:
        """Hand to the socket what was gathered."""
        transport = self._transport
        if not self._gathered or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
            self._overflow()
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._bytes = 0
        self._before()
        transport.write(data)

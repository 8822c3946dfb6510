"""A bare TWS connection: the handshake, frames out, frames in. No client library's habits."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import ib_insync.client

PREFIX = struct.Struct(">I")
READ_BYTES = 1 << 18


class TwsSocket:
    """Context manager around one blocking connection, started as `client_id`.

    `version` is the only protocol version offered. Every read raises `TimeoutError` when nothing
    comes for `timeout_seconds` and `ConnectionError` when the server ends the connection.
    """

    def __init__(
        self, port: int, client_id: int, *, version: int = 176, timeout_seconds: float = 10.0
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.received = bytearray()
        self._keep = False
        self._socket.sendall(b"API\0" + framed(f"v{version}..{version}".encode()))
        self.greeting = next(self.bodies())
        self.send(71, 2, client_id, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def record(self) -> None:
        """Keep every byte that is read from now on in `received`."""
        self._keep = True

    def send(self, *fields: object) -> None:
        self.send_frames(framed("".join(f"{field}\0" for field in fields).encode()))

    def send_frames(self, data: bytes) -> None:
        """Send whole frames as they are."""
        self._socket.sendall(data)

    def bodies(self) -> Iterator[bytes]:
        """Yield the bodies of the frames as they come, without end."""
        while True:
            yield from self.arrived()

    def arrived(self) -> list[bytes]:
        """Wait for bytes once; return the bodies of the frames completed by them."""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the simulator ended the connection")
        if self._keep:
            self.received += data
        buffer = self._buffer + data
        found, at = [], 0
        while len(buffer) - at >= PREFIX.size:
            (length,) = PREFIX.unpack_from(buffer, at)
            end = at + PREFIX.size + length
            if end > len(buffer):
                break
            found.append(buffer[at + PREFIX.size : end])
            at = end
        self._buffer = buffer[at:]
        return found

    def wait_for(self, wanted: Callable[[list[str]], bool], seconds: float = 10.0) -> list[str]:
        """Return the fields of the first message that is `wanted`; the ones before it are lost."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for body in self.arrived():
                fields = body.decode().split("\0")[:-1]
                if wanted(fields):
                    return fields
        raise TimeoutError(f"no such message within {seconds:g} s")


def framed(body: bytes) -> bytes:
    return PREFIX.pack(len(body)) + body


class Encoder(ib_insync.client.Client):
    """The client library's own encoding of requests, kept instead of sent."""

    def __init__(self, version: int = 176) -> None:
        super().__init__(wrapper=None)  # type: ignore[no-untyped-call]  # the library has no types
        self._serverVersion = version
        self._taken = b""

    def sendMsg(self, msg: str) -> None:  # noqa: N802  # the library's name
        self._taken += framed(msg.encode())

    def isConnected(self) -> bool:  # noqa: N802  # the library's name
        return True

    def taken(self, request: str, *arguments: Any) -> bytes:
        """Return the frames that the request method of this name sends."""
        self._taken = b""
        getattr(self, request)(*arguments)
        return self._taken

"""A small HTTP/1.1 server for the control API: one JSON request, one JSON answer, then the
connection closes."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from theta.simulator.control.commands import ControlError, answer

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LOG = logging.getLogger("theta.simulator.control")
_BODY_BYTES_MAX = 1 << 20
_READ_SECONDS = 5.0
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Too Large",
}


class ControlServer:
    """Serves the control API for one gateway, on the gateway's loop."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await self._respond(reader)
            content = json.dumps(body).encode()
            head = (
                f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
                "Connection: close\r\n\r\n"
            )
            writer.write(head.encode() + content)
            await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            _LOG.debug("a control client went away")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _respond(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
        try:
            method, path, body = await asyncio.wait_for(_read(reader), _READ_SECONDS)
            told = answer(self._gateway, method, path, body)
            self._gateway.exchange.store.flush()
            return 200, told
        except ControlError as error:
            return error.status, {"error": error.text}


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, Any]]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise ControlError(413, "The request header is too long.") from None
    first, *lines = head.split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise ControlError(400, "The request line is not METHOD PATH HTTP/1.1.")
    length = 0
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            if not value.strip().isdigit():
                raise ControlError(400, "Content-Length is not a number.")
            length = int(value)
    if length > _BODY_BYTES_MAX:
        raise ControlError(413, "The body is larger than 1 MiB.")
    raw = await reader.readexactly(length)
    return parts[0], parts[1].split("?")[0], _json(raw)


def _json(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise ControlError(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise ControlError(400, "The body must be a JSON object.")
    return body

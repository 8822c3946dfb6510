"""One client connection: handshake, pacing, ordered and delayed delivery."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from theta.simulator.faults.requests import intercepts
from theta.simulator.gateway.subscriptions import Subscriptions
from theta.simulator.wire import codes, messages, versioned
from theta.simulator.wire.fields import Fields, RequestError, whole_number
from theta.simulator.wire.framing import FrameError, FrameReader, decode_fields, encode_fields

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LOG = logging.getLogger("theta.simulator.session")
_VERSIONS = re.compile(rb"v(\d{1,5})\.\.(\d{1,5})(?: .*)?")
_BACKLOG_BYTES_MAX = 16 << 20

Build = Callable[[int], "list[object]"]
"""Makes a message for the negotiated version."""


class Session(asyncio.Protocol):
    """A socket from a TWS client. Malformed input ends this connection and nothing else."""

    def __init__(self, gateway: "Gateway") -> None:
        self.version = 0
        self.client_id: int | None = None
        self.subscriptions = Subscriptions()
        self.market_data_type = 1
        self.frozen = False
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._greeted = False
        self._arrivals: deque[float] = deque()
        self._queue: deque[tuple[float, Build]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._outgoing: list[bytes] = []

    # -- transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._gateway.opened(self):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._gateway.gone(self)

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            bodies = self._feed(data)
        except FrameError as error:
            _LOG.warning("closing a connection: %s", error)
            self.drop()
            return
        for body in bodies:
            if self._closed:
                return
            self._message(body)

    def _feed(self, data: bytes) -> list[bytes]:
        if self._greeted:
            return self._reader.feed(data)
        self._reader.hold(data)
        if not self._reader.take_greeting():
            return []
        self._greeted = True
        return self._reader.feed(b"")

    def drop(self) -> None:
        """Cut the connection at once, losing whatever is queued."""
        self._closed = True
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close once everything written has left."""
        self._push()
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def freeze(self) -> None:
        """Neither read nor write any more, with the socket left open."""
        self.frozen = True
        if self._transport is not None:
            self._transport.pause_reading()

    # -- incoming ----------------------------------------------------------------------------------

    def _message(self, body: bytes) -> None:
        if not self.version:
            self._negotiate(body)
            return
        values = decode_fields(body)
        try:
            number = whole_number(values[0])
        except (IndexError, ValueError):
            self.error(-1, 505, "Fatal Error: Unknown message id.")
            return
        if not self._within_rate():
            return
        self._gateway.count(self.client_id, number)
        self.request(number, values)

    def request(self, number: int, values: list[str]) -> None:
        """Answer one request, by a fault in force or by the gateway; ``values`` start with its
        number."""
        if self._closed:
            return
        try:
            if not intercepts(self._gateway, self, number, values):
                self._gateway.handle(self, number, Fields(values[1:]))
        except RequestError as error:
            self.error(request_id(number, values), error.code, error.text)

    def _negotiate(self, body: bytes) -> None:
        match = _VERSIONS.fullmatch(body)
        if match is None:
            self.drop()
            return
        lowest, highest = int(match[1]), int(match[2])
        version = min(codes.SERVER_VERSION, highest)
        if version < max(lowest, codes.MIN_CLIENT_VERSION):
            self.drop()
            return
        self.version = version
        self.write(messages.greeting(version, self._gateway.exchange.clock.now()))

    def _within_rate(self) -> bool:
        allowed = self._gateway.limits.messages_per_second
        if not self._gateway.behaviour.pacing or not allowed:
            return True
        now = self._loop.time()
        self._arrivals.append(now)
        while self._arrivals and now - self._arrivals[0] >= 1.0:
            self._arrivals.popleft()
        count = len(self._arrivals)
        if count <= allowed:
            return True
        self._gateway.pacing_violations += 1
        text = "Max rate of messages per second has been exceeded:max="
        self.error(-1, 100, f"{text}{allowed} rec={count} (1)")
        self.finish()
        return False

    # -- outgoing ----------------------------------------------------------------------------------

    def write(self, fields: "list[object]") -> None:
        """Send now, unless an armed fault delays, swaps, doubles or swallows it."""
        delivery = self._gateway.faults.delivery
        if delivery.active and self.client_id is not None:
            delivery.deliver(self, fields)
        else:
            self.put(fields)

    def put(self, fields: "list[object]") -> None:
        """Send now, whatever faults are armed."""
        self._gather(encode_fields(fields))

    def write_frames(self, frames: list[bytes]) -> None:
        """Send frames that are encoded already, as ``write`` would send their fields."""
        delivery = self._gateway.faults.delivery
        if delivery.active and self.client_id is not None:
            for framed in frames:
                delivery.deliver(self, list(decode_fields(framed[4:])))
        else:
            self._gather(b"".join(frames))

    def _gather(self, data: bytes) -> None:
        """Keep ``data`` for the one write at the end of this turn of the loop."""
        if self._closed or self.frozen or self._transport is None:
            return
        self._outgoing.append(data)
        if len(self._outgoing) == 1:
            self._loop.call_soon(self._push)

    def _push(self) -> None:
        """Hand what was gathered to the socket."""
        outgoing, self._outgoing = self._outgoing, []
        transport = self._transport
        if not outgoing or self.frozen or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _BACKLOG_BYTES_MAX:
            _LOG.warning("client %s does not read; dropping its connection", self.client_id)
            self.drop()
            return
        transport.write(b"".join(outgoing))

    def error(self, request: int, code: int, text: str) -> None:
        self.write(versioned.error(self.version, request, code, text))

    def post(self, delay: float, *builds: Build) -> None:
        """Send after ``delay`` seconds, but never before what was posted earlier."""
        due = self._loop.time() + delay
        if self._queue:
            due = max(due, self._queue[-1][0])
        self._queue.extend((due, build) for build in builds)
        if self._timer is None and self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self._flush)

    def _flush(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.0005
        while self._queue and self._queue[0][0] <= now:
            self.write(self._queue.popleft()[1](self.version))
        if self._queue and not self._closed:
            self._timer = self._loop.call_at(self._queue[0][0], self._flush)

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Run ``action`` after ``delay`` seconds unless the connection has gone by then."""
        self._loop.call_later(delay, self._if_open, action)

    def _if_open(self, action: Callable[[], None]) -> None:
        if not self._closed:
            action()


def request_id(number: int, values: list[str]) -> int:
    """The request id that an error on this message belongs to, -1 without one."""
    if number in (1, 7) or number in codes.REQUEST_ID_SECOND:
        place = 2
    elif number in (3, *codes.REQUEST_ID_FIRST):
        place = 1
    elif number == 4:
        place = 2
    else:
        return -1
    try:
        return whole_number(values[place])
    except (IndexError, ValueError):
        return -1

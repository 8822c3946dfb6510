"""One client connection: handshake, pacing, ordered and delayed delivery."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from theta.simulator.faults.requests import intercepts
from theta.simulator.gateway.outbox import Outbox
from theta.simulator.gateway.subscriptions import Subscriptions
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.fields import Fields, RequestError, whole_number
from theta.simulator.wire.framing import FrameError, FrameReader, decode_fields
from theta.simulator.wire.handshake import (
    GREETING,
    OLD_CLIENT_ANSWER,
    Greeting,
    UnsupportedVersionError,
    greeting_of,
    negotiate,
)
from theta.simulator.wire.request_ids import request_id

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LOG = logging.getLogger("theta.simulator.session")
POSTED_MAX = 100_000
START_SECONDS = 30.0
"""A connection that has not started the API by then is closed."""

_LINGER_SECONDS = 1.0

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
        self._first: bytes | None = b""
        self._started_by: asyncio.TimerHandle | None = None
        self._arrivals: deque[float] = deque()
        self._queue: deque[tuple[float, Build]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.outbox = Outbox(self._make_durable, self._drop_slow)

    # -- transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._gateway.opened(self):
            self.drop()
            return
        if not self.frozen:
            self.outbox.open(transport)
        self._started_by = self._loop.call_later(START_SECONDS, self._drop_unstarted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self.outbox.close()
        self._queue.clear()
        for timer in (self._timer, self._started_by):
            if timer is not None:
                timer.cancel()
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
        """The frames that ``data`` completes. Raises ``FrameError``."""
        if self._first is None:
            return self._reader.feed(data)
        self._first += data
        match greeting_of(self._first):
            case Greeting.UNFINISHED:
                return []
            case Greeting.FRAMED:
                rest, self._first = self._first[len(GREETING) :], None
                return self._reader.feed(rest)
            case Greeting.OLD:
                self._refuse(OLD_CLIENT_ANSWER)
                return []
        raise FrameError("the stream does not start with the TWS greeting")

    def _refuse(self, answer: bytes) -> None:
        """Tell the client why not, then close."""
        self.outbox.put_bytes(answer)
        self.finish()

    def _drop_unstarted(self) -> None:
        if self.client_id is None:
            _LOG.warning("closing a connection that did not start the API in time")
            self.drop()

    def drop(self) -> None:
        """Cut the connection at once, losing whatever is queued."""
        self._closed = True
        self.outbox.close()
        self._queue.clear()
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close once everything written has left and the client had the time to read it.

        What the client still sends is read and dropped meanwhile: closing a socket with unread
        data resets the connection, and the client would lose the very message that says why.
        """
        self.outbox.push()
        self._closed = True
        self.outbox.close()
        transport = self._transport
        if transport is None:
            return
        if transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            self._loop.call_later(_LINGER_SECONDS, transport.close)
        else:
            transport.close()

    def freeze(self) -> None:
        """Neither read nor write any more, with the socket left open."""
        self.frozen = True
        self.outbox.close()
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
            self.error(request_id(self.version, number, values), error.code, error.text)

    def _negotiate(self, body: bytes) -> None:
        try:
            version = negotiate(body)
        except UnsupportedVersionError as error:
            _LOG.warning("refusing a connection: %s", error)
            self._refuse(error.answer)
            return
        if version is None:
            self.drop()
            return
        self.version = version
        self.write(messages.greeting(version, self._gateway.exchange.clock.now()))

    def _within_rate(self) -> bool:
        allowed = self._gateway.limits.messages_per_second
        if not self._gateway.behaviour.pacing or not allowed:
            return True
        now = self._loop.time()
        self._arrivals.append(self._gateway.pulse.earliest(now))
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
        self._gateway.sent += 1
        delivery = self._gateway.faults.delivery
        if delivery.active and self.client_id is not None:
            delivery.deliver(self, fields)
        else:
            self.outbox.put(fields)

    def write_frames(self, frames: list[bytes]) -> None:
        """Send frames that are encoded already, as ``write`` would send their fields."""
        self._gateway.sent += len(frames)
        delivery = self._gateway.faults.delivery
        if delivery.active and self.client_id is not None:
            for framed in frames:
                delivery.deliver(self, list(decode_fields(framed[4:])))
        else:
            self.outbox.put_bytes(b"".join(frames))

    def _make_durable(self) -> None:
        """Nothing is told before it is durable."""
        self._gateway.exchange.store.flush()

    def _drop_slow(self) -> None:
        _LOG.warning("client %s does not read; dropping its connection", self.client_id)
        self.drop()

    def error(self, request: int, code: int, text: str) -> None:
        self.write(versioned.error(self.version, request, code, text))

    def post(self, delay: float, *builds: Build) -> None:
        """Send after ``delay`` seconds, but never before what was posted earlier.

        A client for whom too much waits is dropped.
        """
        if self._closed:
            return
        due = self._loop.time() + delay
        if self._queue:
            due = max(due, self._queue[-1][0])
        self._queue.extend((due, build) for build in builds)
        if len(self._queue) > POSTED_MAX:
            self._drop_slow()
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

"""The library's client and decoder with the gaps closed: paced, loud, and nothing queued.

Two defects of the library are guarded here. It queues above its own limit and drops that queue on a
reset, and it writes nothing, silently, without a transport. And its decoder logs a message that it
cannot read and goes on, so an incomplete answer would look complete.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from theta.broker_gateway.adapters.ibkr.library import IB, Client, Decoder
from theta.broker_gateway.adapters.ibkr.pacing import Lane, MessageBudget, PacingError
from theta.broker_gateway.adapters.ibkr.recording import (
    Recorder,
    RecordingWrapper,
    SessionCallbacks,
)
from theta.common.errors import InvariantError

_NAMES = {
    1: "market_data",
    2: "cancel_market_data",
    3: "place_order",
    4: "cancel_order",
    6: "account_updates",
    7: "executions",
    9: "contract_details",
    16: "all_open_orders",
    20: "historical_data",
    49: "current_time",
    59: "market_data_type",
    61: "positions",
    64: "cancel_positions",
    71: "start_api",
    78: "option_parameters",
    99: "completed_orders",
}
_LANES = {
    3: Lane.ORDER,
    4: Lane.CANCEL,
    49: Lane.PULSE,
    **dict.fromkeys((6, 7, 16, 59, 61, 64, 71, 99), Lane.CONTROL),
}
"""By message type; all others are market data and definitions."""


class StrictDecoder(Decoder):
    """Decodes as the library does, and tells when it could not."""

    def __init__(self, wrapper: Any, on_unreadable: Callable[[str], None]) -> None:
        self._on_unreadable = on_unreadable
        super().__init__(wrapper, 0)

    def wrap(self, methodName: str, types: list[type], skip: int = 2) -> Any:  # noqa: N803
        def handler(fields: list[str]) -> None:
            method = getattr(self.wrapper, methodName, None)
            if method is None:
                return
            values = [_value(kind, text) for kind, text in zip(types, fields[skip:], strict=False)]
            method(*values)

        return handler

    def interpret(self, fields: list[str]) -> None:
        kind = fields[0] if fields else ""
        handler = self.handlers.get(int(kind)) if kind.isdigit() else None
        try:
            if handler is None:
                message = f"message type {kind[:8]!r} is not known"
                raise LookupError(message)
            handler(fields)
        except Exception as error:  # noqa: BLE001 - told to the session, which asks again
            self._on_unreadable(f"message {kind[:8]}: {type(error).__name__}: {error}")


def _value(kind: type, text: str) -> Any:
    if kind is str:
        return text
    if kind is bool:
        return bool(int(text or 0))
    return kind(text or 0)


class PacedClient(Client):
    """Every message passes the budget; the library's own queue stays empty."""

    MaxRequests = 0  # the library's throttle: off, ours is in front

    def __init__(
        self, wrapper: Any, budget: MessageBudget, on_unreadable: Callable[[str], None]
    ) -> None:
        self._budget = budget
        self.request_ids: set[int] = set()
        self.messages_sent: Counter[str] = Counter()
        super().__init__(wrapper)
        self.decoder = StrictDecoder(wrapper, on_unreadable)

    def getReqId(self) -> int:  # noqa: N802
        request_id = super().getReqId()
        self.request_ids.add(request_id)
        return request_id

    def draw_order_id(self, floor: int) -> int:
        """Return the next id of the shared counter above `floor`; not a request's."""
        self.updateReqId(floor + 1)
        return super().getReqId()

    def next_id(self) -> int:
        """Return the id that would be drawn next."""
        return int(self._reqIdSeq)

    def why_not_writable(self) -> str | None:
        """Return what forbids a write that must leave at once, or `None`."""
        transport = self.conn.transport
        if not self.isConnected() or transport is None or transport.is_closing():
            return "not_connected"
        if self._msgQ:
            return "queue_not_empty"
        if transport.get_write_buffer_size() > 0:
            return "write_buffer_not_empty"
        return None

    def send(self, *fields: Any, makeEmpty: bool = True) -> None:  # noqa: N803
        transport = self.conn.transport
        if transport is None or transport.is_closing():
            # The library would drop the message without a word.
            raise ConnectionError("the socket to TWS is closed")
        lane = _LANES.get(fields[0], Lane.DATA)
        if not self._budget.take(lane):
            message = f"message {fields[0]} exceeds what lane {lane.name} may send this second"
            raise PacingError(message)
        self.messages_sent[_NAMES.get(fields[0], str(fields[0]))] += 1
        super().send(*fields, makeEmpty=makeEmpty)
        if self._msgQ:
            raise InvariantError("the client library queued a message although its throttle is off")


class SessionIb(IB):
    """The library's facade around our wrapper and client. One per connection.

    Not the library's `connect`: it hides start requests that never answered. Not its error handler:
    it sends requests of its own after 1102.
    """

    wrapper: RecordingWrapper
    client: PacedClient

    RaiseRequestErrors = True
    RequestTimeout = 30.0
    TimezoneTWS = "America/New_York"

    def __init__(
        self,
        recorder: Recorder,
        callbacks: SessionCallbacks,
        budget: MessageBudget,
        on_unreadable: Callable[[str], None],
    ) -> None:
        self._createEvents()
        self._logger = logging.getLogger("ib_insync.ib")
        self.wrapper = RecordingWrapper(self, recorder, callbacks)
        self.client = PacedClient(self.wrapper, budget, on_unreadable)

    def __del__(self) -> None:
        """Leave the socket alone: the link closed it on its own thread."""

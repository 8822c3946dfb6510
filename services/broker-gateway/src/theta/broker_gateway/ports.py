"""What the gateway's use cases need of a broker session. The adapter is `adapters/ibkr`; a fake is
in `tests/support`.

All methods run on the session loop's thread. The asynchronous ones end by their own timeout. None
blocks the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from theta.broker_gateway.domain.broker import (
    BrokerExecution,
    BrokerOrder,
    Evidence,
    EvidenceKind,
    OrderToPlace,
    SessionState,
)
from theta.common.contracts.market import ChainMessage
from theta.common.domain.instruments import Contract
from theta.common.domain.portfolio import Portfolio
from theta.common.domain.quotes import Quote
from theta.common.errors import TransientError

__all__ = [
    "BrokerExecution",
    "BrokerOrder",
    "BrokerPort",
    "Evidence",
    "EvidenceKind",
    "EvidenceSink",
    "OrderToPlace",
    "SendRefusedError",
    "SessionState",
]


class SendRefusedError(TransientError):
    """Nothing was written: the check named by `reason` failed; the order surely was not sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BrokerPort(Protocol):
    """One broker session."""

    def state(self) -> SessionState: ...

    def market_at(self) -> datetime | None:
        """Market time now, extrapolated from the broker's clock; `None` before it was ever seen."""
        ...

    def draw_order_id(self, floor: int) -> int:
        """Return the next id from the client library's own counter, first raised above `floor` and
        all ids seen.

        Raises SendRefusedError when not connected.
        """
        ...

    def write_place(self, order: OrderToPlace) -> None:
        """Write one placeOrder, synchronously, after the last test: same connection, fetched, link
        up, bucket has a token, library queue and transport buffer empty. One that `modifies` needs
        an id that was placed, any other one that was drawn and not used.

        Raises SendRefusedError when surely nothing was written; any other exception means unknown.
        """
        ...

    def write_cancel(self, order_id: int, connection_no: int) -> None:
        """Write one cancelOrder, with tokens reserved for cancels. Raises as `write_place`."""
        ...

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """All open orders of all clients; the request runs alone and its End arrived.

        Raises UnavailableError when it did not end in time or the connection changed.
        """
        ...

    async def completed_orders(self) -> Sequence[BrokerOrder]: ...

    async def executions(self) -> Sequence[BrokerExecution]: ...

    async def portfolio(self, account: str) -> Portfolio:
        """A fresh account download (re-subscribed), complete. Raises UnavailableError otherwise."""
        ...

    async def quotes(
        self, contracts: Sequence[Contract], deadline_seconds: float
    ) -> tuple[list[Quote], list[Contract]]:
        """Quotes of those that exist, and contracts without definition; one overall deadline."""
        ...

    async def chain(self, symbol: str) -> ChainMessage | None:
        """SMART chain whose trading class equals the symbol; `None` when the symbol or chain is
        unknown.
        """
        ...

    async def daily_closes(self, symbol: str, days: int) -> Sequence[tuple[datetime, Decimal]]: ...


EvidenceSink = Callable[[Evidence], None]
"""Called synchronously on the session loop for each callback, before the library's own handling."""

"""The broker session over TWS, as `BrokerPort`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from theta.broker_gateway.adapters.ibkr.inquiries import Inquiries
from theta.broker_gateway.adapters.ibkr.session_life import ClockReading, SessionLife
from theta.broker_gateway.ports import (
    BrokerExecution,
    BrokerOrder,
    OrderToPlace,
    SendRefusedError,
)
from theta.common.contracts.market import ChainMessage
from theta.common.domain.instruments import Contract
from theta.common.domain.portfolio import Portfolio
from theta.common.domain.quotes import Quote

__all__ = ["ClockReading", "IbkrSession"]


class IbkrSession(SessionLife):
    """One broker session. Made on any thread, used on the session loop only (see SessionLoop)."""

    def draw_order_id(self, floor: int) -> int:
        """See BrokerPort."""
        if self._writer is None:
            raise SendRefusedError("not_connected")
        order_id = self._writer.draw(max(floor, self._highest_order_id))
        self._highest_order_id = max(self._highest_order_id, order_id)
        return order_id

    def write_place(self, order: OrderToPlace) -> None:
        """See BrokerPort."""
        if self._writer is None:
            raise SendRefusedError("not_connected")
        write = self._writer.modify if order.modifies else self._writer.place
        write(order, broker_link=self._supervisor.broker_link)

    def write_cancel(self, order_id: int, connection_no: int) -> None:
        """See BrokerPort."""
        if self._writer is None:
            raise SendRefusedError("not_connected")
        self._writer.cancel(order_id, connection_no)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """See BrokerPort."""
        return await Inquiries(self._require_link()).open_orders(self._timings.request)

    async def completed_orders(self) -> Sequence[BrokerOrder]:
        """See BrokerPort."""
        return await Inquiries(self._require_link()).completed_orders(self._timings.request)

    async def executions(self) -> Sequence[BrokerExecution]:
        """See BrokerPort."""
        return await Inquiries(self._require_link()).executions(self._timings.request)

    async def portfolio(self, account: str) -> Portfolio:
        """See BrokerPort."""
        inquiries = Inquiries(self._require_link())
        return await inquiries.portfolio(account, self.market_at, self._timings.request)

    async def quotes(
        self, contracts: Sequence[Contract], deadline_seconds: float
    ) -> tuple[list[Quote], list[Contract]]:
        """See BrokerPort."""
        return await self._market_data.quotes(contracts, deadline_seconds)

    async def chain(self, symbol: str) -> ChainMessage | None:
        """See BrokerPort."""
        return await self._reference.chain(symbol)

    async def daily_closes(self, symbol: str, days: int) -> Sequence[tuple[datetime, Decimal]]:
        """See BrokerPort. The times are midnight UTC of each session's date."""
        return await self._reference.daily_closes(symbol, days)

"""Order ids, and the writes: of an order, of its new price, of its cancel."""

from __future__ import annotations

from collections.abc import Callable

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.library import IbContract, Order
from theta.broker_gateway.adapters.ibkr.link import Link
from theta.broker_gateway.adapters.ibkr.pacing import Lane
from theta.broker_gateway.ports import OrderToPlace, SendRefusedError
from theta.common.errors import OutcomeUnknownError


class OrderWriter:
    """Writes orders on one connection. Nothing here awaits: test and write are one callback."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._drawn: set[int] = set()

    def draw(self, floor: int) -> int:
        """Return the library's next id, above `floor` (the highest ever stored or seen)."""
        if not self._link.is_up:
            raise SendRefusedError("not_connected")
        order_id = self._link.ib.client.draw_order_id(floor)
        self._drawn.add(order_id)
        return order_id

    def place(self, order: OrderToPlace, *, broker_link: bool) -> None:
        """Write the order, or raise SendRefusedError with nothing written.

        Raises OutcomeUnknownError once the write began and something went wrong.
        """
        self._require_sendable(order, broker_link=broker_link)
        if order.order_id not in self._drawn:
            # Not ours to use, or used before: the library would take it for a modify.
            raise SendRefusedError("order_id_not_drawn")
        contract, message = _translated(order)
        self._drawn.discard(order.order_id)
        link = self._link
        link.recorder.remember(link.client_id, order.order_id, order.order_ref)
        self._write(order, lambda: link.ib.placeOrder(contract, message))

    def modify(self, order: OrderToPlace, *, broker_link: bool) -> None:
        """Write a new price for the live order of this id, or raise as `place`.

        Straight through the client: the library's own memory of orders is not believed, and it
        asserts about it after it wrote.
        """
        self._require_sendable(order, broker_link=broker_link)
        if order.order_id in self._drawn:
            # Never placed under this id: the broker would take it for a new order.
            raise SendRefusedError("order_id_not_placed")
        contract, message = _translated(order)
        client = self._link.ib.client
        self._write(order, lambda: client.placeOrder(order.order_id, contract, message))

    def _require_sendable(self, order: OrderToPlace, *, broker_link: bool) -> None:
        self._require_writable(order.connection_no, Lane.ORDER)
        if not self._link.fetched:
            raise SendRefusedError("not_fetched")
        if not broker_link:
            raise SendRefusedError("link_down")
        if order.account not in self._link.accounts:
            raise SendRefusedError("account_not_served")

    def _write(self, order: OrderToPlace, write: Callable[[], object]) -> None:
        connection = self._link.ib.client.conn
        written = connection.numMsgSent
        try:
            write()
        except Exception as error:
            text = f"writing order {order.order_ref} failed after it began: reconcile, never resend"
            raise OutcomeUnknownError(text) from error
        if connection.numMsgSent != written + 1:
            text = f"order {order.order_ref} may not have left: reconcile, never resend"
            raise OutcomeUnknownError(text)

    def cancel(self, order_id: int, connection_no: int) -> None:
        """Write a cancel, also of an order that the library never saw, or while the link is down.

        A repeated cancel does no harm, so neither a full buffer nor the fetch stands in its way.
        """
        self._require_writable(connection_no, Lane.CANCEL, any_buffer=True)
        try:
            self._link.ib.client.cancelOrder(order_id)
        except Exception as error:
            text = f"writing the cancel of order id {order_id} failed after it began"
            raise OutcomeUnknownError(text) from error

    def _require_writable(
        self, connection_no: int, lane: Lane, *, any_buffer: bool = False
    ) -> None:
        link = self._link
        if not link.is_up:
            raise SendRefusedError("not_connected")
        if connection_no != link.connection_no:
            raise SendRefusedError("connection_changed")
        reason = link.ib.client.why_not_writable()
        if reason is not None and not (any_buffer and reason == "write_buffer_not_empty"):
            raise SendRefusedError(reason)
        if link.budget.wait_seconds(lane) > 0:
            raise SendRefusedError("pacing")


def _translated(order: OrderToPlace) -> tuple[IbContract, Order]:
    try:
        return translate.contract_to_broker(order.contract), translate.order_to_broker(order)
    except (ValueError, ArithmeticError) as error:
        raise SendRefusedError("untranslatable") from error

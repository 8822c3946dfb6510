"""Every callback on an order, recorded before the client library sees it (order-protocol §5.4).

The library is not believed about orders: its `error()` marks a live order cancelled for any code it
does not list, its events are silent for orders not in its memory, and it turns a missing gain into
0. So an error with an order's id never reaches it, and evidence is made from the raw callback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.library import (
    CommissionReport,
    Execution,
    IbContract,
    Order,
    OrderState,
    Wrapper,
)
from theta.broker_gateway.ports import (
    BrokerExecution,
    BrokerOrder,
    Evidence,
    EvidenceKind,
    EvidenceSink,
)
from theta.common.ports import ProcessClock


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One callback as typed values, for those who wait for an answer of the broker."""

    evidence: Evidence
    request_id: int | None = None
    order: BrokerOrder | None = None
    execution: BrokerExecution | None = None


Listener = Callable[[OrderReport], None]


class Recorder:
    """Numbers the evidence of one connection and hands it to the sink, then to the listeners."""

    def __init__(
        self,
        *,
        connection_no: int,
        sink: EvidenceSink,
        clock: ProcessClock,
        market_at: Callable[[], datetime | None],
    ) -> None:
        self._connection_no = connection_no
        self._sink = sink
        self._clock = clock
        self._market_at = market_at
        self._sequence = 0
        self._refs: dict[tuple[int, int], str] = {}
        self.listeners: list[Listener] = []

    def remember(self, client_id: int, order_id: int, order_ref: str) -> None:
        """Note whose `order_id` is, for callbacks that do not say."""
        if order_id > 0 and order_ref:
            self._refs[client_id, order_id] = order_ref

    def order_ref(self, client_id: int, order_id: int) -> str | None:
        return self._refs.get((client_id, order_id))

    def record(
        self,
        kind: EvidenceKind,
        payload: dict[str, Any],
        *,
        order_id: int | None = None,
        order_ref: str | None = None,
        perm_id: int | None = None,
        account: str | None = None,
        request_id: int | None = None,
        order: BrokerOrder | None = None,
        execution: BrokerExecution | None = None,
    ) -> None:
        """Hand one callback to the sink. What the sink raises ends the connection: see guard."""
        self._sequence += 1
        evidence = Evidence(
            kind=kind,
            connection_no=self._connection_no,
            sequence=self._sequence,
            received_at=self._clock.wall_at(),
            received_market_at=self._market_at(),
            order_id=order_id,
            order_ref=order_ref or None,
            perm_id=perm_id or None,
            account=account or None,
            payload=payload,
        )
        self._sink(evidence)
        report = OrderReport(evidence, request_id, order, execution)
        for listener in tuple(self.listeners):
            listener(report)


class SessionCallbacks:
    """What the connection wants to hear from the wrapper. Each method may be overridden."""

    def on_message(self, request_id: int, code: int, text: str, *, on_order: bool) -> None:
        """An error or notice of TWS."""

    def on_order_id(self, client_id: int, order_id: int) -> None:
        """An order id was seen."""

    def on_socket_closed(self) -> None:
        """The peer closed a connection that was up."""

    def is_order_id(self, request_id: int) -> bool:
        """Tell whether an error's id names an order rather than a request of ours."""
        raise NotImplementedError


class RecordingWrapper(Wrapper):
    """The library's wrapper with the recorder in front. One per connection."""

    def __init__(self, ib: Any, recorder: Recorder, callbacks: SessionCallbacks) -> None:
        self.recorder = recorder
        self.callbacks = callbacks
        self.ticks: TickRouter | None = None
        self.account: AccountListener | None = None
        super().__init__(ib)

    # -- orders: record first --------------------------------------------------------------------

    def openOrder(  # noqa: N802 - the library's name
        self,
        orderId: int,
        contract: IbContract,
        order: Order,
        orderState: OrderState,  # noqa: N803
    ) -> None:
        if not order.whatIf:
            self.callbacks.on_order_id(order.clientId, orderId)
            self.recorder.remember(order.clientId, orderId, order.orderRef)
            told, payload = _readable(
                lambda: translate.open_order(orderId, contract, order, orderState),
                contract, order, orderState,
            )  # fmt: skip
            self.recorder.record(
                EvidenceKind.OPEN_ORDER,
                payload,
                order_id=orderId,
                order_ref=order.orderRef,
                perm_id=order.permId,
                account=order.account,
                order=told,
            )
        super().openOrder(orderId, contract, order, orderState)

    def completedOrder(  # noqa: N802
        self,
        contract: IbContract,
        order: Order,
        orderState: OrderState,  # noqa: N803
    ) -> None:
        told, payload = _readable(
            lambda: translate.completed_order(contract, order, orderState),
            contract, order, orderState,
        )  # fmt: skip
        self.recorder.record(
            EvidenceKind.COMPLETED_ORDER,
            payload,
            order_ref=order.orderRef,
            perm_id=order.permId,
            account=order.account,
            order=told,
        )
        # The library raises KeyError when nobody waits for completed orders.
        if "completedOrders" in self._results:
            super().completedOrder(contract, order, orderState)

    def orderStatus(  # noqa: N802
        self,
        orderId: int,  # noqa: N803
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,  # noqa: N803
        permId: int,  # noqa: N803
        parentId: int,  # noqa: N803
        lastFillPrice: float,  # noqa: N803
        clientId: int,  # noqa: N803
        whyHeld: str,  # noqa: N803
        mktCapPrice: float = 0.0,  # noqa: N803
    ) -> None:
        self.callbacks.on_order_id(clientId, orderId)
        self.recorder.record(
            EvidenceKind.ORDER_STATUS,
            {
                "status": status,
                "filled": translate.jsonable(translate.not_negative(filled)),
                "remaining": translate.jsonable(translate.not_negative(remaining)),
                "average_fill_price": translate.jsonable(translate.positive(avgFillPrice)),
                "perm_id": permId or None,
                "client_id": clientId,
                "why_held": whyHeld or None,
            },
            order_id=orderId,
            order_ref=self.recorder.order_ref(clientId, orderId),
            perm_id=permId,
        )
        super().orderStatus(
            orderId, status, filled, remaining, avgFillPrice, permId, parentId,
            lastFillPrice, clientId, whyHeld, mktCapPrice,
        )  # fmt: skip

    def execDetails(  # noqa: N802
        self,
        reqId: int,
        contract: IbContract,
        execution: Execution,
    ) -> None:
        told = None
        try:
            told = translate.execution(contract, execution)
            payload = translate.payload(told)
        except translate.UntranslatableError as error:
            payload = {
                "unreadable": str(error),
                "exec_id": execution.execId,
                "contract": translate.unreadable_contract(contract),
                "side": execution.side,
                "quantity": str(execution.shares),
                "price": str(execution.price),
            }
        self.recorder.record(
            EvidenceKind.EXECUTION,
            payload,
            order_id=told.order_id if told else execution.orderId,
            order_ref=execution.orderRef,
            perm_id=execution.permId,
            account=execution.acctNumber,
            request_id=reqId,
            execution=told,
        )
        super().execDetails(reqId, contract, execution)

    def commissionReport(self, commissionReport: CommissionReport) -> None:  # noqa: N802, N803
        # Before the library, which writes 0.0 over an unset gain.
        self.recorder.record(EvidenceKind.COMMISSION, translate.commission(commissionReport))
        super().commissionReport(commissionReport)

    def orderBound(self, reqId: int, apiClientId: int, apiOrderId: int) -> None:  # noqa: N802, N803
        self.callbacks.on_order_id(apiClientId, apiOrderId)
        self.recorder.record(
            EvidenceKind.ORDER_BOUND,
            {"perm_id": reqId, "client_id": apiClientId, "order_id": apiOrderId},
            order_id=apiOrderId,
            order_ref=self.recorder.order_ref(apiClientId, apiOrderId),
        )
        super().orderBound(reqId, apiClientId, apiOrderId)

    def error(
        self,
        reqId: int,  # noqa: N803
        errorCode: int,  # noqa: N803
        errorString: str,  # noqa: N803
        advancedOrderRejectJson: str = "",  # noqa: N803
    ) -> None:
        on_order = self.callbacks.is_order_id(reqId)
        if on_order:
            self.recorder.record(
                EvidenceKind.ERROR,
                {
                    "code": errorCode,
                    "message": errorString,
                    "advanced": advancedOrderRejectJson or None,
                },
                order_id=reqId,
                order_ref=self.recorder.order_ref(self.clientId, reqId),
            )
        else:
            # Only here: the library cancels a live order locally for any code it does not list.
            super().error(reqId, errorCode, errorString, advancedOrderRejectJson)
            if self.ticks is not None:
                self.ticks.on_error(reqId, errorCode, errorString)
        self.callbacks.on_message(reqId, errorCode, errorString, on_order=on_order)

    # -- the connection --------------------------------------------------------------------------

    def connectionClosed(self) -> None:  # noqa: N802
        super().connectionClosed()
        self.callbacks.on_socket_closed()

    # -- account ---------------------------------------------------------------------------------

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:  # noqa: N802
        if self.account is not None:
            self.account.on_value(account, tag, val, currency)
        super().updateAccountValue(tag, val, currency, account)

    def updatePortfolio(  # noqa: N802
        self,
        contract: IbContract,
        posSize: float,  # noqa: N803
        marketPrice: float,  # noqa: N803
        marketValue: float,  # noqa: N803
        averageCost: float,  # noqa: N803
        unrealizedPNL: float,  # noqa: N803
        realizedPNL: float,  # noqa: N803
        account: str,
    ) -> None:
        figures = (posSize, marketPrice, marketValue, averageCost, unrealizedPNL, realizedPNL)
        if self.account is not None:
            self.account.on_holding(account, contract, figures)
        super().updatePortfolio(contract, *figures, account)

    def position(
        self,
        account: str,
        contract: IbContract,
        posSize: float,
        avgCost: float,  # noqa: N803
    ) -> None:
        if self.account is not None:
            self.account.on_position(account, contract, posSize)
        super().position(account, contract, posSize, avgCost)

    def accountDownloadEnd(self, _account: str) -> None:  # noqa: N802
        if self.account is None or self.account.on_download_end(_account):
            super().accountDownloadEnd(_account)

    # -- ticks: ours, not the library's tickers --------------------------------------------------

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:  # noqa: N802, N803
        if self.ticks is not None:
            self.ticks.on_price(reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:  # noqa: N802, N803
        if self.ticks is not None:
            self.ticks.on_size(reqId, tickType, size)

    def tickOptionComputation(  # noqa: N802
        self,
        reqId: int,  # noqa: N803
        tickType: int,  # noqa: N803
        tickAttrib: int,  # noqa: N803
        impliedVol: float,  # noqa: N803
        delta: float,
        optPrice: float,  # noqa: N803
        pvDividend: float,  # noqa: N803
        gamma: float,
        vega: float,
        theta: float,
        undPrice: float,  # noqa: N803
    ) -> None:
        if self.ticks is not None:
            figures = (impliedVol, delta, optPrice, gamma, vega, theta, undPrice)
            self.ticks.on_computation(reqId, tickType, figures)

    def marketDataType(self, reqId: int, marketDataId: int) -> None:  # noqa: N802, N803
        if self.ticks is not None:
            self.ticks.on_data_type(reqId, marketDataId)


class TickRouter:
    """Who takes the ticks, by request id."""

    def on_price(self, request_id: int, tick: int, price: float, size: float) -> None:
        """A price, with its size for bid, ask and last."""

    def on_size(self, request_id: int, tick: int, size: float) -> None:
        """A size, volume or open interest."""

    def on_computation(self, request_id: int, tick: int, figures: tuple[float, ...]) -> None:
        """Implied volatility, delta, price, gamma, vega, theta, underlying price."""

    def on_data_type(self, request_id: int, kind: int) -> None:
        """Live, frozen or delayed."""

    def on_error(self, request_id: int, code: int, text: str) -> None:
        """An error with a request's id."""


class AccountListener:
    """Who takes account rows while a download runs."""

    def on_value(self, account: str, tag: str, value: str, currency: str) -> None:
        """One account figure."""

    def on_holding(self, account: str, contract: IbContract, figures: tuple[float, ...]) -> None:
        """Quantity, price, value, average cost, unrealised and realised gain."""

    def on_position(self, account: str, contract: IbContract, quantity: float) -> None:
        """One row of the positions answer."""

    def on_download_end(self, account: str) -> bool:
        """Tell whether this End is the awaited one."""
        return True


def _readable(
    read: Callable[[], BrokerOrder], contract: IbContract, order: Order, state: OrderState
) -> tuple[BrokerOrder | None, dict[str, Any]]:
    """Return the report and its payload, or a payload that says why it cannot be read."""
    try:
        told = read()
    except translate.UntranslatableError as error:
        return None, {
            "unreadable": str(error),
            "contract": translate.unreadable_contract(contract),
            "action": order.action,
            "quantity": str(order.totalQuantity),
            "status": state.status,
            "client_id": order.clientId,
        }
    return told, translate.payload(told)

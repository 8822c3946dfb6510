# ruff: noqa: N802, N803 - the callbacks keep the names that the library calls
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
from theta.broker_gateway.adapters.ibkr.data_callbacks import DataWrapper
from theta.broker_gateway.adapters.ibkr.library import (
    CommissionReport,
    Execution,
    IbContract,
    Order,
    OrderState,
    RequestError,
)
from theta.broker_gateway.ports import (
    BrokerExecution,
    BrokerOrder,
    Evidence,
    EvidenceKind,
    EvidenceSink,
)
from theta.common.ports import ProcessClock

_REFUSALS = frozenset({105, 110, 321, 329, 434})


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


class RecordingWrapper(DataWrapper):
    """The library's wrapper with the recorder in front. One per connection."""

    def __init__(self, ib: Any, recorder: Recorder, callbacks: SessionCallbacks) -> None:
        self.recorder = recorder
        self.callbacks = callbacks
        super().__init__(ib)

    # -- orders: record first --------------------------------------------------------------------

    def openOrder(
        self,
        orderId: int,
        contract: IbContract,
        order: Order,
        orderState: OrderState,
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

    def completedOrder(
        self,
        contract: IbContract,
        order: Order,
        orderState: OrderState,
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

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,
        permId: int,
        parentId: int,
        lastFillPrice: float,
        clientId: int,
        whyHeld: str,
        mktCapPrice: float = 0.0,
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

    def execDetails(
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

    def commissionReport(self, commissionReport: CommissionReport) -> None:
        # Before the library, which writes 0.0 over an unset gain.
        self.recorder.record(EvidenceKind.COMMISSION, translate.commission(commissionReport))
        super().commissionReport(commissionReport)

    def orderBound(self, reqId: int, apiClientId: int, apiOrderId: int) -> None:
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
        reqId: int,
        errorCode: int,
        errorString: str,
        advancedOrderRejectJson: str = "",
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
            self._fail_request(reqId, errorCode, errorString)
            if self.ticks is not None:
                self.ticks.on_error(reqId, errorCode, errorString)
        self.callbacks.on_message(reqId, errorCode, errorString, on_order=on_order)

    def _fail_request(self, request_id: int, code: int, text: str) -> None:
        """End a request that the library still waits for although TWS refused it.

        ib_async takes these codes for warnings about orders, also on requests of other kinds.
        """
        if code in _REFUSALS and request_id in self._futures:
            refusal = RequestError(request_id, code, text)
            self._endReq(request_id, refusal, success=False)

    # -- the connection --------------------------------------------------------------------------

    def connectionClosed(self) -> None:
        super().connectionClosed()
        self.callbacks.on_socket_closed()


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
